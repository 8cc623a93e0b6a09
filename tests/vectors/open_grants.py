"""Vectors of requests, of grants and their bundles, and of keysets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nacl.bindings import crypto_aead_chacha20poly1305_ietf_encrypt

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.key_tree import DEPTH, FIRST_GENERATION, TreeNode
from entrenous.crypto.keys import NodeKey, PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.crypto.seal import (
    _decapsulated,  # pyright: ignore[reportPrivateUsage]  # what `seal` refuses to make
    _schedule,  # pyright: ignore[reportPrivateUsage]
    seal,
)
from entrenous.protocol.cid import cid_text
from entrenous.protocol.command import Cmd, RequestArgs
from entrenous.protocol.grant import Bundle, make_bundle
from entrenous.protocol.keyset import GrantKeys, Keyset, PathKeys, path_keys
from entrenous.protocol.signed import sign
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes
from entrenous.tests.vectors.open_keys import sets_of
from entrenous.tests.vectors.open_tokens import made_up
from entrenous.tests.vectors.open_world import (
    BANK,
    EPOCH,
    FIRST,
    FIRST_N,
    GRANT_KEYS,
    MONEY,
    PERSON,
    PROCESSOR,
    READINGS,
    SEED,
    SUPPLIER,
    TODAY,
    VAULTS,
    YEAR,
    Party,
    bank_bundle,
    bank_keyset,
    granted,
    processor_bundle,
    request,
    supplier_bundle,
    supplier_keysets,
    terms,
)

# --- requests, bundles ----------------------------------------------------------------------------


def _bundle_case(name: str, bundle: Bundle, reader: Party, asked: str | None) -> Case:
    root = bundle.links[0].delegation
    return Case(
        f"bundle: {name}",
        "bundle",
        {
            "bundle": bundle.signed.raw.hex(),
            "request": asked,
            "reader_key": reader.reader.public.hex(),
        },
        {
            "cid": cid_text(bundle.signed.cid),
            "request": None if asked is None else cid_text(request().cid),
            "grant": cid_text(bundle.grant.cid),
            "owner": root.iss,
            "reader": reader.did,
            "exp": bundle.grant.exp_s,
            "purpose": bundle.grant.policy.purpose,
            "terms": cid_text(bundle.terms.cid),
            "windows": [[w.collection, w.first, w.last] for w in bundle.grant.windows],
        },
    )


def grants() -> Subject:
    args = RequestArgs(PERSON.did, request()).value()
    asked = encode(request().value()).hex()
    cases = [
        Case(
            "request",
            "request",
            {"args": encode(args).hex(), "to": PERSON.did},
            {
                "cid": cid_text(request().cid),
                "terms": cid_text(terms().cid),
                "items": [[READINGS, *YEAR]],
            },
        ),
        _bundle_case("as asked, and narrower", supplier_bundle(), SUPPLIER, asked),
        _bundle_case("not asked for, two windows", bank_bundle(), BANK, None),
        _bundle_case("lent on", processor_bundle(), PROCESSOR, None),
    ]
    body = request().value()
    other = Terms("dpv:Marketing", 30, (), None, ()).encode()

    def ask(name: str, why: str, **changed: Value) -> Fault:
        said = {**args, "request": {**_map(body), **changed}}
        return Fault(f"request: {name}", "request", why, {"args": encode(said).hex()})

    faults = [
        ask("its purpose is not that of its terms", "terms", terms=other),
        ask("no item", "form", items=[]),
        ask("days that run backwards", "form", items=[[READINGS, TODAY, TODAY - 1]]),
        ask("days that run into the undated", "form", items=[[READINGS, TODAY, 65_535]]),
        ask("a path in capitals", "form", items=[["Energy", TODAY, TODAY]]),
        Fault("request: to another", "request", "audience", {"to": BANK.did}),
        *_bundle_faults(asked),
    ]
    return Subject("grants.json", "Terms, requests, grants and their bundles.", cases, faults)


def _map(value: Value) -> dict[str, Value]:
    assert isinstance(value, dict)
    return value


def _bundle_faults(asked: str) -> list[Fault]:
    of, lent = "bundle: as asked, and narrower", "bundle: lent on"
    good = supplier_bundle()
    pol = list(good.grant.delegation.pol)

    def odd(name: str, why: str, pol: Sequence[Value], cmd: str = Cmd.READ) -> Fault:
        dlg = made_up(PERSON.key, SUPPLIER.did, pol, cmd=cmd)
        body = {**good.signed.body, "dlg": dlg.raw}
        raw = sign(Signed.BUNDLE, body, PERSON.key).raw
        return Fault(f"bundle: {name}", of, why, {"bundle": raw.hex()})

    def other(name: str, why: str, key: PersonaKey = PERSON.key, /, **changed: Value) -> Fault:
        raw = sign(Signed.BUNDLE, {**good.signed.body, **changed}, key).raw
        return Fault(f"bundle: {name}", of, why, {"bundle": raw.hex()})

    wide = granted(SUPPLIER, [Window(READINGS, YEAR[0] - 1, TODAY)], "too wide a grant")
    bounds: list[Value] = [
        ["==", ".collection", READINGS],
        [">=", ".from", FIRST],
        ["<=", ".to", TODAY],
    ]
    above = processor_bundle().chain[0].delegation.raw
    chain: list[Value] = [above]
    return [
        odd("policy in another order", "grant", [pol[1], pol[0], pol[2]]),
        odd("no terms", "grant", [pol[0], pol[2]]),
        odd("no window", "form", [pol[0], pol[1], ["or", []]]),
        odd(
            "a window in another order",
            "grant",
            [pol[0], pol[1], ["or", [["and", bounds[::-1]]]]],
        ),
        odd(
            "paths by a pattern",
            "grant",
            [
                pol[0],
                pol[1],
                [
                    "or",
                    [
                        [
                            "and",
                            [
                                ["like", ".collection", "energy/*"],
                                [">=", ".from", FIRST],
                                ["<=", ".to", TODAY],
                            ],
                        ]
                    ],
                ],
            ],
        ),
        odd("a statement more", "grant", [*pol, ["==", ".under[0]", cid_text(terms().cid)]]),
        odd("another command", "grant", pol, "/record"),
        other("signed by its reader", "signature", SUPPLIER.key),
        other(
            "other terms", "terms", terms=Terms("dpv:ServiceProvision", 31, (), None, ()).encode()
        ),
        other("for another reader key", "grant", reader_key=BANK.reader.public),
        Fault(
            "bundle: wider than asked",
            of,
            "grant",
            {
                "bundle": make_bundle(
                    PERSON.key, wide, terms=terms(), reader_key=SUPPLIER.reader.public
                ).signed.raw.hex()
            },
        ),
        Fault(
            "bundle: the chain above is missing",
            lent,
            "chain",
            {
                "bundle": sign(
                    Signed.BUNDLE, {**processor_bundle().signed.body, "chain": []}, SUPPLIER.key
                ).raw.hex()
            },
        ),
        Fault(
            "bundle: the chain above twice",
            lent,
            "chain",
            {
                "bundle": sign(
                    Signed.BUNDLE,
                    {**processor_bundle().signed.body, "chain": [*chain, *chain]},
                    SUPPLIER.key,
                ).raw.hex()
            },
        ),
    ]


# --- keysets --------------------------------------------------------------------------------------


def keyset_input(bundle: Bundle, reader: Party, keysets: Sequence[Keyset]) -> dict[str, Json]:
    return {
        "bundle": bundle.signed.raw.hex(),
        "reader_secret": reader.reader.secret_bytes().hex(),
        "keysets": hexes(one.signed.raw for one in keysets),
        "seen": [],
    }


def _sets(bundle: Bundle, places: Sequence[tuple[str, bytes]]) -> list[Json]:
    found = [
        path_keys(
            VAULTS[EPOCH],
            epoch=EPOCH,
            path=path,
            gen=gen,
            windows=bundle.grant.windows,
            exp_s=bundle.grant.exp_s,
        )
        for path, gen in places
    ]
    return sets_of([one for one in found if one is not None])


def keysets() -> Subject:
    bank = _sets(
        bank_bundle(), [(MONEY, FIRST_GENERATION), ("communication/contacts", FIRST_GENERATION)]
    )
    key = GRANT_KEYS["bank"].secret_bytes().hex()
    cases = [
        Case(
            "keyset: of a grant",
            "keyset",
            keyset_input(bank_bundle(), BANK, [bank_keyset()]),
            {"n": FIRST_N, "k_grant": key, "sets": bank},
        ),
        Case(
            "keyset: the next one",
            "keyset",
            {**keyset_input(bank_bundle(), BANK, [bank_keyset()]), "seen": [FIRST_N - 1]},
            {"n": FIRST_N, "k_grant": key, "sets": bank},
        ),
    ]
    early, late = (_money_nodes(*days) for days in ((-5, -3), (-8, -4)))
    both = GrantKeys(GRANT_KEYS["bank"], [early, late]).sets
    # A node of either keyset stands above one of the other, so the sum is neither's nodes.
    assert len(both[0].nodes) < len(early.nodes) + len(late.nodes)
    cases.append(
        Case(
            "keyset: two add up",
            "keyset",
            {
                **keyset_input(bank_bundle(), BANK, []),
                "keysets": hexes([_of_nodes(early, n=FIRST_N), _of_nodes(late, n=FIRST_N + 1)]),
            },
            {"n": FIRST_N + 1, "k_grant": key, "sets": sets_of(both)},
        )
    )
    faults = [*_keyset_faults(), *_contradictions()]
    return Subject("keysets.json", "Keysets, sealed to a reader key.", cases, faults)


def _money_nodes(first: int, last: int) -> PathKeys:
    """The nodes of some days, counted from today."""
    found = path_keys(
        VAULTS[EPOCH],
        epoch=EPOCH,
        path=MONEY,
        gen=FIRST_GENERATION,
        windows=[Window(MONEY, TODAY + first, TODAY + last)],
        exp_s=bank_bundle().grant.exp_s,
    )
    assert found is not None
    return found


def _of_nodes(found: PathKeys, *, n: int) -> bytes:
    k_grant = GRANT_KEYS["bank"].secret_bytes()
    return _sealed({"k_grant": k_grant, "sets": [found.value()]}, n=n)


def _contradictions() -> list[Fault]:
    """A second keyset that cannot stand beside the first."""
    of, found = "keyset: two add up", _money_nodes(-8, -4)
    above = min(_money_nodes(-5, -3).nodes, key=lambda node: node.depth)
    assert above.depth < DEPTH
    day = TreeNode(DEPTH, above.first, NodeKey(bytes(range(32))))
    other = {
        "another key for a node that is held": replace(
            found, nodes=(replace(above, key=NodeKey(bytes(32))),)
        ),
        "another key for a day below a node that is held": replace(found, nodes=(day,)),
    }
    other_grant = {"k_grant": bytes(32), "sets": [found.value()]}
    second = {name: _of_nodes(one, n=FIRST_N + 1) for name, one in other.items()}
    second["another k_grant"] = _sealed(other_grant, n=FIRST_N + 1)
    return [
        Fault(f"keyset: {name}", of, "keyset", {"keysets.1": raw.hex()})
        for name, raw in second.items()
    ]


def _to_everybody(inside: Value) -> bytes:
    """Sealed by an `enc` of order one: the shared secret is zero under any reader key."""
    sealing, enc = bank_bundle().sealing(), bytes(32)
    secret = _decapsulated(bytes(32), enc + sealing.reader_key)
    key, nonce = _schedule(secret, sealing.info(FIRST_N))
    sealed = enc + crypto_aead_chacha20poly1305_ietf_encrypt(encode(inside), b"", nonce, key)
    body: dict[str, Value] = {"v": 1, "dlg": sealing.grant, "n": FIRST_N, "sealed": sealed}
    return sign(Signed.KEYSET, body, PERSON.key).raw


def _sealed(
    inside: Value, *, n: int = FIRST_N, info: bytes | None = None, **changed: Value
) -> bytes:
    """A keyset of the bank's grant with this inside."""
    sealing = bank_bundle().sealing()
    sealed = seal(
        sealing.reader_key,
        sealing.info(n) if info is None else info,
        encode(inside),
        entropy=SEED.fork("a keyset of another form"),
    )
    body: dict[str, Value] = {"v": 1, "dlg": sealing.grant, "n": n, "sealed": sealed, **changed}
    return sign(Signed.KEYSET, body, PERSON.key).raw


def _keyset_faults() -> list[Fault]:
    of = "keyset: of a grant"
    bundle = bank_bundle()
    found = path_keys(
        VAULTS[EPOCH],
        epoch=EPOCH,
        path=MONEY,
        gen=FIRST_GENERATION,
        windows=[Window(MONEY, TODAY - 5, TODAY - 3)],
        exp_s=bundle.grant.exp_s,
    )
    assert found is not None
    k_grant = GRANT_KEYS["bank"].secret_bytes()
    nodes: list[Value] = [[n.depth, n.prefix, n.key.secret_bytes()] for n in found.nodes]

    def one(nodes: Sequence[Value]) -> Value:
        return {"path": MONEY, "e": EPOCH, "gen": FIRST_GENERATION, "nodes": nodes}

    def fault(name: str, why: str, raw: bytes) -> Fault:
        return Fault(f"keyset: {name}", of, why, {"keysets.0": raw.hex()})

    def inside(sets: list[Value]) -> Value:
        return {"k_grant": k_grant, "sets": sets}

    raw = bank_keyset().signed.raw
    granted_nodes = [node for node in nodes if isinstance(node, list)][:1]
    supplier = supplier_keysets()[0].signed
    return [
        Fault("keyset: sent again", of, "replay", {"seen": [FIRST_N]}),
        fault(
            "signed by its reader",
            "signature",
            sign(Signed.KEYSET, bank_keyset().signed.body, BANK.key).raw,
        ),
        fault("signature altered", "signature", raw[:-1] + bytes([raw[-1] ^ 1])),
        fault("of another grant", "keyset", supplier.raw),
        fault(
            "another number than it was sealed with",
            "sealed",
            _sealed(inside([one(granted_nodes)]), info=bundle.sealing().info(FIRST_N + 1)),
        ),
        fault(
            "sealed for something else", "sealed", _sealed(inside([one(granted_nodes)]), info=b"")
        ),
        fault(
            "sealed by a key of small order",
            "sealed",
            _to_everybody(inside([one(granted_nodes)])),
        ),
        fault(
            "cut short",
            "sealed",
            sign(
                Signed.KEYSET,
                {**bank_keyset().signed.body, "sealed": bank_keyset().sealed[:-1]},
                PERSON.key,
            ).raw,
        ),
        fault("nodes out of order", "keyset", _sealed(inside([one(list(reversed(nodes)))]))),
        fault("a node twice", "keyset", _sealed(inside([one([*granted_nodes, *granted_nodes])]))),
        fault(
            "a generation twice",
            "keyset",
            _sealed(inside([one(granted_nodes), one(granted_nodes)])),
        ),
        fault("k_grant of 31 bytes", "form", _sealed({"k_grant": bytes(31), "sets": []})),
        Fault(
            "keyset: another reader's secret",
            of,
            "grant",
            {"reader_secret": SUPPLIER.reader.secret_bytes().hex()},
        ),
    ]
