"""Vectors of keys, of covers, and of the generations that taking back names."""

from __future__ import annotations

from collections.abc import Sequence

from entrenous.crypto.canonical import Value
from entrenous.crypto.key_tree import FIRST_GENERATION, collection_key, derive_cover, tree_root
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.cid import cid_text
from entrenous.protocol.keyset import PathKeys
from entrenous.protocol.revocation import (
    Expiry,
    generation_of,
    make_revocation,
    make_rotation,
)
from entrenous.protocol.signed import sign
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes
from entrenous.tests.vectors.open_world import (
    BANK,
    DAY_S,
    EPOCH,
    GRANTED,
    MONEY,
    PERSON,
    READINGS,
    SEED,
    STRANGER,
    SUPPLIER,
    T_MS,
    VAULTS,
    bank_bundle,
    older,
    processor_bundle,
    second_generation,
    supplier_bundle,
    taken_back,
)


def nodes_of(sets: PathKeys) -> list[Json]:
    return [[node.depth, node.prefix, node.key.secret_bytes().hex()] for node in sets.nodes]


def sets_of(sets: Sequence[PathKeys]) -> list[Json]:
    return [
        {"path": one.path, "e": one.epoch.hex(), "gen": one.gen.hex(), "nodes": nodes_of(one)}
        for one in sets
    ]


def keys() -> Subject:
    cases: list[Case] = []
    for name, path, gen, first, last in (
        ("thirty days", READINGS, FIRST_GENERATION, *GRANTED),
        ("the same under another generation", READINGS, second_generation(), *GRANTED),
        ("undated", MONEY, FIRST_GENERATION, 65_535, 65_535),
        ("as many nodes as there can be", READINGS, FIRST_GENERATION, 1, 65_533),
    ):
        c = collection_key(VAULTS[EPOCH], path, gen)
        found = derive_cover(tree_root(c), first, last)
        cases.append(
            Case(
                f"keys: {name}",
                "keys",
                {
                    "epoch_key": VAULTS[EPOCH].secret_bytes().hex(),
                    "path": path,
                    "gen": gen.hex(),
                    "first": first,
                    "last": last,
                },
                {
                    "collection_key": c.secret_bytes().hex(),
                    "root": tree_root(c).key.secret_bytes().hex(),
                    "nodes": [[n.depth, n.prefix, n.key.secret_bytes().hex()] for n in found],
                },
            )
        )
    return Subject("keys.json", "Keys of collections, days and covers.", cases)


def generations() -> Subject:
    revoked = {
        "revocation": taken_back().signed.raw.hex(),
        "chain": hexes([older().delegation.raw]),
    }
    rotation = make_rotation(PERSON.key, paths=[READINGS], t_ms=T_MS, entropy=SEED.fork("rotation"))
    sub = make_revocation(
        SUPPLIER.key, dlg=processor_bundle().grant.cid, paths=[READINGS], t_ms=T_MS
    )
    lent = {
        "revocation": sub.signed.raw.hex(),
        "chain": hexes(link.delegation.raw for link in processor_bundle().links),
    }
    ended = Expiry(supplier_bundle().grant.cid, (READINGS,))
    after = T_MS + 21 * DAY_S * 1000
    asked: dict[str, Json] = {
        "path": READINGS,
        "revocations": [],
        "rotations": [],
        "expired": [],
        "owners": [PERSON.did],
        "now_ms": after,
    }
    dlg = supplier_bundle().grant.delegation.raw.hex()

    def named(name: str, gen: bytes, cids: Sequence[bytes], **changed: Json) -> Case:
        output = {"gen": gen.hex(), "cids": [cid_text(cid) for cid in cids]}
        return Case(f"generation: {name}", "generation", {**asked, **changed}, output)

    everything = [taken_back(), sub, rotation, ended]
    cases = [
        named("nothing was taken back", FIRST_GENERATION, []),
        named("a grant", second_generation(), [taken_back().signed.cid], revocations=[revoked]),
        named(
            "another path",
            FIRST_GENERATION,
            [taken_back().signed.cid],
            path=MONEY,
            revocations=[revoked],
        ),
        named("an end", generation_of(READINGS, [ended]), [], expired=[dlg]),
        named(
            "all of it",
            generation_of(READINGS, everything),
            [sub.signed.cid, taken_back().signed.cid, rotation.signed.cid],
            revocations=[lent, revoked],
            rotations=[rotation.signed.raw.hex()],
            expired=[dlg],
        ),
    ]
    of = "generation: a grant"

    def made(key: PersonaKey, **changed: Value) -> str:
        body = {**taken_back().signed.body, **changed}
        return sign(Signed.REVOCATION, body, key).raw.hex()

    place = "revocations.0.revocation"
    faults = [
        Fault(
            "revocation: by a stranger",
            of,
            "revocation",
            {place: made(BANK.key, by=BANK.did)},
        ),
        Fault("revocation: signed by another", of, "signature", {place: made(BANK.key)}),
        Fault(
            "revocation: by the reader of the grant",
            of,
            "revocation",
            {place: made(STRANGER.key, by=STRANGER.did)},
        ),
        Fault(
            "revocation: of a path that was not granted",
            of,
            "revocation",
            {place: made(PERSON.key, paths=[MONEY])},
        ),
        Fault(
            "revocation: paths out of order",
            of,
            "form",
            {place: made(PERSON.key, paths=[MONEY, READINGS])},
        ),
        Fault(
            "revocation: of another grant",
            of,
            "revocation",
            {place: made(PERSON.key, dlg=bank_bundle().grant.cid)},
        ),
        Fault("revocation: no path", of, "form", {place: made(PERSON.key, paths=[])}),
        Fault(
            "revocation: the grant has not ended",
            "generation: an end",
            "revocation",
            {"now_ms": T_MS},
        ),
        Fault(
            "rotation: by a reader",
            "generation: all of it",
            "revocation",
            {
                "rotations.0": make_rotation(
                    SUPPLIER.key, paths=[READINGS], t_ms=T_MS, entropy=SEED.fork("rotation")
                ).signed.raw.hex()
            },
        ),
    ]
    about = "Revocations, rotations and ends, and the generation that they name."
    return Subject("generations.json", about, cases, faults)
