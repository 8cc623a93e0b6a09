"""Vectors of a log: leaves of receipts and answers, that one is in it, that it only grew."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from entrenous.crypto.canonical import encode
from entrenous.crypto.keys import GrantKey, PairKey
from entrenous.crypto.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_hash,
)
from entrenous.protocol.errors import Code
from entrenous.protocol.receipt import (
    Answer,
    fingerprint,
    leaf_data,
    leaf_key,
    make_answer,
    receipt_key,
    sign_receipt,
)
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes
from entrenous.tests.vectors.open_reads import asked, helped, two_sided
from entrenous.tests.vectors.open_world import (
    GRANT_KEYS,
    K_LOG,
    K_PAIR,
    PERSON,
    STRANGER,
    T_MS,
    random,
)

SIZE, BEFORE = 128, 64
PLACES = {"receipt": 70, "answer": 71, "helped": 72}


@cache
def answered() -> Answer:
    return make_answer(
        PERSON.device, inv=asked().cid, code=Code.BUSY, out=None, t_ms=T_MS, prev=None
    )


@cache
def log_leaves() -> tuple[bytes, ...]:
    leaves = [random(f"leaf {index} of the log", 32) for index in range(SIZE)]
    k_r = receipt_key(GRANT_KEYS["supplier"], asked().cid, 0)
    place = PLACES["receipt"]
    leaves[place] = leaf_hash(leaf_data(K_LOG, place, fingerprint(k_r, two_sided().cid)))
    place = PLACES["helped"]
    leaves[place] = leaf_hash(leaf_data(K_LOG, place, fingerprint(k_r, helped().cid)))
    k_r = receipt_key(K_PAIR, asked().cid, 0)
    place = PLACES["answer"]
    leaves[place] = leaf_hash(leaf_data(K_LOG, place, fingerprint(k_r, answered().cid)))
    return tuple(leaves)


def log() -> Subject:
    leaves = log_leaves()
    cases = [
        _leaf_case(
            "a receipt",
            two_sided().signed.raw,
            two_sided().cid,
            GRANT_KEYS["supplier"],
            PLACES["receipt"],
        ),
        _leaf_case("an answer", answered().signed.raw, answered().cid, K_PAIR, PLACES["answer"]),
    ]
    for first, second in ((BEFORE, SIZE), (1, SIZE), (7, 71), (70, 71), (71, 71), (96, 100)):
        cases.append(
            Case(
                f"growth: {first} to {second}",
                "growth",
                {
                    "first": first,
                    "first_root": tree_hash(leaves[:first]).hex(),
                    "second": second,
                    "second_root": tree_hash(leaves[:second]).hex(),
                    "proof": hexes(consistency_proof(leaves[:second], first))
                    if first < second
                    else [],
                },
                {"grown": second - first},
            )
        )
    about = "Leaves of a log, that one is in it, and that it only ever grew."
    return Subject("log.json", about, cases, [*_leaf_faults(), *_growth_faults()])


def _leaf_case(name: str, raw: bytes, cid: bytes, secret: GrantKey | PairKey, index: int) -> Case:
    leaves = log_leaves()
    k_r = receipt_key(secret, asked().cid, 0)
    f = fingerprint(k_r, cid)
    data = leaf_data(K_LOG, index, f)
    return Case(
        f"leaf: {name}",
        "leaf",
        {
            "word": raw.hex(),
            "device": PERSON.device_did,
            "secret": secret.secret_bytes().hex(),
            "log_key": K_LOG.secret_bytes().hex(),
            "index": index,
            "size": SIZE,
            "path": hexes(inclusion_proof(leaves, index)),
            "root": tree_hash(leaves).hex(),
        },
        {
            "k_r": k_r.secret_bytes().hex(),
            "f": f.hex(),
            "leaf_key": leaf_key(K_LOG, index).hex(),
            "data": data.hex(),
            "leaf": leaf_hash(data).hex(),
        },
    )


def _leaf_faults() -> list[Fault]:
    of = "leaf: a receipt"
    leaves = log_leaves()
    path = inclusion_proof(leaves, PLACES["receipt"])
    body = two_sided().body

    def fault(name: str, why: str = "proof", **put: Json) -> Fault:
        return Fault(f"leaf: {name}", of, why, put)

    other = sign_receipt(replace(body, t_ms=T_MS + 1), PERSON.device)
    return [
        fault("a hash too few", path=hexes(path[:-1])),
        fault("a hash too many", path=hexes([*path, bytes(32)])),
        fault("hashes in reverse", path=hexes(reversed(path))),
        fault("a hash altered", **{"path.0": bytes(32).hex()}),
        fault("at another place", index=PLACES["answer"]),
        fault("outside of the log", index=SIZE),
        fault("in a log of another size", size=PLACES["receipt"] + 1),
        fault("another root", root=tree_hash(leaves[:BEFORE]).hex()),
        fault("another k_grant", secret=bytes(32).hex()),
        fault("another log", log_key=bytes(32).hex()),
        fault("another receipt", word=other.signed.raw.hex()),
        Fault(
            "leaf: an answer of another device",
            "leaf: an answer",
            "signature",
            {"device": STRANGER.device_did},
        ),
        fault(
            "a receipt that nobody signed",
            "signature",
            word=encode(["entrenous/1/receipt", body.value(), bytes(64)]).hex(),
        ),
    ]


def _growth_faults() -> list[Fault]:
    leaves = log_leaves()
    of, odd = "growth: 64 to 128", "growth: 7 to 71"
    proof, long = consistency_proof(leaves, BEFORE), consistency_proof(leaves[:71], 7)
    forked = tree_hash([*leaves[:10], bytes(32), *leaves[11:BEFORE]]).hex()

    def fault(name: str, case: str, **put: Json) -> Fault:
        return Fault(f"growth: {name}", case, "proof", put)

    return [
        fault("a fork", of, first_root=forked),
        fault("another later root", of, second_root=bytes(32).hex()),
        fault("a hash too few", odd, proof=hexes(long[:-1])),
        fault("a hash too many", odd, proof=hexes([*long, bytes(32)])),
        fault("hashes in reverse", odd, proof=hexes(reversed(long))),
        fault("no hash", of, proof=[]),
        fault("a log that shrank", of, first=SIZE, second=BEFORE),
        fault("another size before", odd, first=8),
        fault("one size, two roots", "growth: 71 to 71", first_root=forked),
        fault("one size, with a proof", "growth: 71 to 71", proof=hexes(proof)),
    ]
