"""Vectors of checkpoints, and of files that prove one word of a log to a stranger."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from functools import cache

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.keys import LogSigningKey, PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.crypto.merkle import EMPTY_ROOT, inclusion_proof, tree_hash
from entrenous.protocol.checkpoint_note import CheckpointNote, cosign, sign_checkpoint
from entrenous.protocol.cid import cid_text
from entrenous.protocol.delegation import Delegation
from entrenous.protocol.did import did_of
from entrenous.protocol.invocation import Invocation
from entrenous.protocol.log_proof import LogProof, make_log_owner
from entrenous.protocol.receipt import (
    Answer,
    Receipt,
    countersign,
    countersigned,
    leaf_key,
    receipt_key,
    sign_receipt,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.wire import decode
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject
from entrenous.tests.vectors.open_grants import bank_bundle, supplier_bundle
from entrenous.tests.vectors.open_log import PLACES, SIZE, answered, log_leaves
from entrenous.tests.vectors.open_reads import asked, helped, lease, one_sided, two_sided
from entrenous.tests.vectors.open_tokens import call, links_of
from entrenous.tests.vectors.open_world import (
    DAY_S,
    GRANT_KEYS,
    K_LOG,
    K_PAIR,
    PERSON,
    STRANGER,
    SUPPLIER,
    T_S,
    TABLET,
    TABLET_CERTIFICATE,
    certify,
    random,
)

LOG_SIGNING = LogSigningKey(random("log signing key", 32))
OTHER_LOG = LogSigningKey(random("another log's signing key", 32))
WITNESSES = tuple(PersonaKey(random(f"witness {n}", 32)) for n in range(2))


@cache
def checkpoint() -> CheckpointNote:
    note = sign_checkpoint(LOG_SIGNING, SIZE, tree_hash(log_leaves()))
    for n, witness in enumerate(WITNESSES):
        note = note.cosigned(cosign(witness, note.head, T_S + n))
    return note


def cosigned(note: CheckpointNote) -> list[Json]:
    return [[did_of(one.witness), one.time_s] for one in note.cosignatures]


def _checkpoint_case(name: str, note: CheckpointNote, more: str = "") -> Case:
    return Case(
        f"checkpoint: {name}",
        "checkpoint",
        {"note": note.raw.decode() + more},
        {
            "log": note.head.log.hex(),
            "size": note.head.size,
            "root": note.head.root.hex(),
            "cosigned": cosigned(note),
        },
    )


def proof_of(word: Receipt | Answer, place: str) -> LogProof:
    secret = GRANT_KEYS["supplier"] if isinstance(word, Receipt) else K_PAIR
    return LogProof(
        index=PLACES[place],
        leaf_key=leaf_key(K_LOG, PLACES[place]),
        k_r=receipt_key(secret, asked().cid, 0),
        word=word,
        certificate=PERSON.certificate,
        owner=PERSON.certificate,
        log=make_log_owner(PERSON.device, LOG_SIGNING),
        path=tuple(inclusion_proof(log_leaves(), PLACES[place])),
        checkpoint=checkpoint(),
    )


def _proof_case(name: str, proof: LogProof) -> Case:
    return Case(
        f"log-proof: {name}",
        "log-proof",
        {"file": proof.raw.hex()},
        {
            "word": cid_text(proof.word.cid),
            "owner": proof.owner.persona,
            "served": proof.served,
            "called": proof.call is not None,
            "granted": proof.delegation is not None,
            "log": proof.log.key.hex(),
            "index": proof.index,
            "size": proof.checkpoint.head.size,
            "cosigned": cosigned(proof.checkpoint),
        },
    )


@cache
def by_reader() -> LogProof:
    """The same receipt from the log of the one who read."""
    return replace(
        proof_of(two_sided(), "receipt"),
        owner=SUPPLIER.certificate,
        log=make_log_owner(SUPPLIER.device, LOG_SIGNING),
    )


@cache
def by_helper() -> LogProof:
    """A receipt of what a helper served, from the helper's own log."""
    return replace(
        proof_of(helped(), "helped"),
        certificate=lease(),
        owner=lease(),
        log=make_log_owner(TABLET, LOG_SIGNING),
    )


@cache
def by_who_was_helped() -> LogProof:
    """The same receipt from the log of the person, to whom the helper gave it back."""
    return replace(proof_of(helped(), "helped"), certificate=lease())


@cache
def with_call() -> LogProof:
    """A window that the reader never signed for, with its own signed call."""
    return replace(proof_of(one_sided(), "receipt"), call=asked())


@cache
def with_grant() -> LogProof:
    """The grant that the read was under shows for whom the device served."""
    return replace(proof_of(two_sided(), "receipt"), delegation=_granted())


def _granted() -> Delegation:
    return supplier_bundle().root.delegation


def _of_a_grant() -> list[Fault]:
    of = "log-proof: a receipt, with its grant"
    stranger = certify(STRANGER.key, PERSON.device)

    def has(name: str, why: str, proof: LogProof, case: str = of) -> Fault:
        return Fault(f"log-proof: {name}", case, why, {"file": proof.raw.hex()})

    return [
        has(
            "of a persona that only certified the device",
            "log-proof",
            replace(with_grant(), certificate=stranger, owner=stranger),
        ),
        has(
            "of a persona that only certified the device that was called",
            "log-proof",
            replace(with_call(), certificate=stranger, owner=stranger),
            "log-proof: a receipt of one side, with its reader's call",
        ),
        has(
            "another grant",
            "log-proof",
            replace(with_grant(), delegation=bank_bundle().root.delegation),
        ),
        has(
            "a grant beside an answer",
            "log-proof",
            replace(proof_of(answered(), "answer"), delegation=_granted()),
            "log-proof: an answer",
        ),
    ]


def _of_a_call() -> list[Fault]:
    of = "log-proof: a receipt of one side, with its reader's call"
    other = call(SUPPLIER, asked().args, links_of(supplier_bundle()), exp=T_S + 1)
    strange = call(STRANGER, asked().args, links_of(supplier_bundle()))

    def has(name: str, why: str, word: Receipt, inv: Invocation) -> Fault:
        proof = replace(proof_of(word, "receipt"), call=inv)
        return Fault(f"log-proof: {name}", of, why, {"file": proof.raw.hex()})

    return [
        has("the call of another read", "receipt", one_sided(), other),
        has("the call of another reader", "receipt", one_sided(), strange),
        has("a call beside a receipt of both", "receipt", two_sided(), asked()),
    ]


def proofs() -> Subject:
    empty = sign_checkpoint(LOG_SIGNING, 0, EMPTY_ROOT)
    elsewhere = "— example.org/log " + base64.b64encode(bytes(68)).decode() + "\n"
    cases = [
        _checkpoint_case("cosigned by two", checkpoint()),
        _checkpoint_case("by the log alone", checkpoint().bare),
        _checkpoint_case("of an empty log", empty),
        _checkpoint_case("with a line of somebody else", checkpoint(), elsewhere),
        _proof_case("a receipt, by who served", proof_of(two_sided(), "receipt")),
        _proof_case("a receipt of one side", proof_of(one_sided(), "receipt")),
        _proof_case("a receipt of one side, with its reader's call", with_call()),
        _proof_case("a receipt, with its grant", with_grant()),
        _proof_case("a receipt, by who read", by_reader()),
        _proof_case("a receipt, by a helper that served", by_helper()),
        _proof_case("a receipt, by whom a helper served for", by_who_was_helped()),
        _proof_case("an answer", proof_of(answered(), "answer")),
    ]
    about = "Checkpoints, cosignatures, and files that prove one word to a stranger."
    faults = [*_checkpoint_faults(), *_proof_faults(), *_of_a_call(), *_of_a_grant()]
    return Subject("proofs.json", about, cases, faults)


def _checkpoint_faults() -> list[Fault]:
    of = "checkpoint: cosigned by two"
    note = checkpoint()
    raw = note.raw.decode()
    text, lines = raw.split("\n\n")
    log, first, second, _ = lines.split("\n")

    def fault(name: str, why: str, changed: str) -> Fault:
        return Fault(f"checkpoint: {name}", of, why, {"note": changed})

    other = sign_checkpoint(OTHER_LOG, SIZE, tree_hash(log_leaves()))
    other_text = other.raw.decode().split("\n\n")[0]
    altered = base64.b64encode(_flipped(base64.b64decode(first.split(" ")[2]))).decode()
    return [
        fault("another size", "signature", raw.replace(f"\n{SIZE}\n", f"\n{SIZE + 64}\n")),
        fault(
            "another root",
            "signature",
            raw.replace(text.split("\n")[2], base64.b64encode(bytes(32)).decode()),
        ),
        fault("a size with a zero before", "note", raw.replace(f"\n{SIZE}\n", f"\n0{SIZE}\n")),
        fault("a fourth line", "note", raw.replace("\n\n", "\nmore\n\n")),
        fault("no line of the log", "note", f"{text}\n\n{first}\n{second}\n"),
        fault("the log's line after another", "note", f"{text}\n\n{first}\n{log}\n{second}\n"),
        fault("a witness twice", "note", f"{text}\n\n{log}\n{first}\n{first}\n"),
        fault("a forged witness", "signature", raw.replace(first.split(" ")[2], altered)),
        fault(
            "cosignatures of another head",
            "signature",
            f"{other_text}\n\n" + other.raw.decode().split("\n\n")[1] + f"{first}\n",
        ),
        fault(
            "the line of another log", "note", f"{text}\n\n" + other.raw.decode().split("\n\n")[1]
        ),
        fault(
            "another key id",
            "note",
            raw.replace(
                log.split(" ")[2],
                base64.b64encode(bytes(4) + base64.b64decode(log.split(" ")[2])[4:]).decode(),
            ),
        ),
        fault("no end of its line", "note", raw[:-1]),
        fault("an empty log with a root", "note", sign_raw(0, bytes(32))),
    ]


def sign_raw(size: int, root: bytes) -> str:
    """A checkpoint that no honest log writes, well signed."""
    origin = f"entrenous/log/{LOG_SIGNING.public.hex()}"
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    key_id = hashlib.sha256(f"{origin}\n\x01".encode() + LOG_SIGNING.public).digest()[:4]
    line = base64.b64encode(key_id + LOG_SIGNING.sign(text.encode())).decode()
    return f"{text}\n— {origin} {line}\n"


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _proof_faults() -> list[Fault]:
    of = "log-proof: a receipt, by who served"
    good = proof_of(two_sided(), "receipt")
    value = decode(good.raw)
    assert isinstance(value, list)
    body = value[1]
    assert isinstance(body, dict)
    kind = value[0]

    def put(name: str, why: str, **changed: Value) -> Fault:
        raw = encode([kind, {**body, **changed}])
        return Fault(f"log-proof: {name}", of, why, {"file": raw.hex()})

    def has(name: str, why: str, proof: LogProof, case: str = of) -> Fault:
        return Fault(f"log-proof: {name}", case, why, {"file": proof.raw.hex()})

    path = list(good.path)
    other_note = sign_checkpoint(OTHER_LOG, SIZE, tree_hash(log_leaves()))
    before = sign_checkpoint(LOG_SIGNING, SIZE // 2, tree_hash(log_leaves()[: SIZE // 2]))
    alone = sign(Signed.LOG, dict(good.log.signed.body), PERSON.device, PERSON.device)
    return [
        put("another receipt", "signature", word=_flipped(good.word.signed.raw)),
        put("another place", "proof", index=PLACES["answer"]),
        put("another key of the leaf", "proof", leaf_key=bytes(32)),
        put("another k_r", "proof", k_r=bytes(32)),
        put("a hash too few", "proof", path=path[:-1]),
        put("a hash too many", "proof", path=[*path, bytes(32)]),
        put("another version", "version", v=2),
        put("a key more", "form", more=None),
        put("whose log it is, signed by the device alone", "signature", log=alone.raw),
        Fault(
            "log-proof: another type", of, "form", {"file": encode(["entrenous/1/log", body]).hex()}
        ),
        has("of a log that ended before", "proof", replace(good, checkpoint=before)),
        has("a checkpoint of another log", "log-proof", replace(good, checkpoint=other_note)),
        has(
            "the log of another device",
            "log-proof",
            replace(good, log=make_log_owner(TABLET, LOG_SIGNING)),
        ),
        has("another device served", "certificate", replace(good, certificate=TABLET_CERTIFICATE)),
        has(
            "a certificate for another command",
            "certificate",
            replace(good, certificate=certify(PERSON.key, PERSON.device, cmds=("/grant",))),
        ),
        has(
            "of another persona than the one that served",
            "log-proof",
            replace(good, owner=certify(STRANGER.key, PERSON.device)),
        ),
        has(
            "of one who neither served nor read",
            "log-proof",
            replace(
                by_reader(),
                owner=STRANGER.certificate,
                log=make_log_owner(STRANGER.device, LOG_SIGNING),
            ),
        ),
        has(
            "of one for whom the helper did not serve",
            "log-proof",
            replace(
                by_who_was_helped(),
                owner=STRANGER.certificate,
                log=make_log_owner(STRANGER.device, LOG_SIGNING),
            ),
        ),
        has(
            "of another device of the one who served",
            "log-proof",
            replace(good, owner=TABLET_CERTIFICATE, log=make_log_owner(TABLET, LOG_SIGNING)),
        ),
        has("a certificate that had ended", "certificate", replace(good, word=_late())),
    ]


@cache
def _late() -> Receipt:
    """The receipt of a read after the end of the device's certificate."""
    body = replace(two_sided().body, t_ms=(T_S + 31 * DAY_S) * 1000)
    found = sign_receipt(body, PERSON.device)
    return countersigned(found, countersign(found, SUPPLIER.key))
