"""The worked examples of docs/spec.md: a checkpoint, a cosignature, the proof of one receipt."""

from __future__ import annotations

from functools import cache

from entrenous.crypto.canonical import encode
from entrenous.crypto.keys import LogSigningKey, PersonaKey
from entrenous.crypto.merkle import Tree, leaf_hash
from entrenous.protocol.checkpoint_note import CheckpointNote, cosign, sign_checkpoint
from entrenous.protocol.command import LogAskArgs, LogDecideArgs, LogWitnessArgs, WitnessOut
from entrenous.protocol.did import did_of
from entrenous.protocol.log_proof import LogProof, make_log_owner, parse_log_proof
from entrenous.protocol.persona import make_certificate
from entrenous.protocol.receipt import (
    Receipt,
    countersign,
    countersigned,
    fingerprint,
    leaf_data,
    leaf_key,
    receipt_key,
)
from entrenous.protocol.witness import SHOWN_IN, make_log_succession
from entrenous.tests.protocol.spec_words import read, receipt
from entrenous.tests.protocol.spec_world import (
    T_MS,
    T_S,
    Cbor,
    Example,
    cast,
    random,
    signed,
)

INDEX = 0


@cache
def log_key() -> LogSigningKey:
    return LogSigningKey(random("seed of the log's signing key", 32))


@cache
def witness() -> PersonaKey:
    return PersonaKey(random("seed of the witness's persona key", 32))


@cache
def two_sided() -> Receipt:
    return countersigned(receipt(), countersign(receipt(), cast().supplier))


@cache
def tree(size: int = SHOWN_IN) -> Tree:
    """The receipt of the example, and leaves of padding."""
    who = cast()
    f = fingerprint(receipt_key(who.k_grant, read().cid, 0), receipt().cid)
    prints = [f, *(random(f"padding {i}", 32) for i in range(1, size))]
    return Tree([leaf_hash(leaf_data(who.k_log, i, one)) for i, one in enumerate(prints)])


@cache
def cosigned() -> CheckpointNote:
    note = sign_checkpoint(log_key(), SHOWN_IN, tree().root)
    return note.cosigned(cosign(witness(), note.head, T_S + 60))


@cache
def proof() -> LogProof:
    who = cast()
    certificate = make_certificate(
        who.person, device=who.person_device, cmds=("/",), exp_s=T_S + 86_400, now_ms=T_MS
    )
    made = LogProof(
        index=INDEX,
        leaf_key=leaf_key(who.k_log, INDEX),
        k_r=receipt_key(who.k_grant, read().cid, 0),
        word=two_sided(),
        certificate=certificate,
        owner=certificate,
        log=make_log_owner(who.person_device, log_key()),
        path=tuple(tree().inclusion_proof(INDEX)),
        checkpoint=cosigned(),
    )
    assert parse_log_proof(made.raw) == made
    return made


def checkpoints() -> Example:
    head = cosigned().head
    (line,) = cosigned().cosignatures
    following = LogSigningKey(random("seed of the next log's signing key", 32))
    return [
        ("seed of the log's signing key", log_key().secret_bytes()),
        ("seed of the witness's persona key", witness().secret_bytes()),
        ("root of 64 leaves", head.root),
        ("the checkpoint, cosigned", cosigned().raw),
        *((f"line {i}", text) for i, text in enumerate(cosigned().raw.decode().splitlines(), 1)),
        (
            "what the witness has signed",
            f"cosignature/v1\ntime {line.time_s}\n{head.text}".encode(),
        ),
        *signed("a succession of logs", make_log_succession(log_key(), following).signed),
    ]


def witnessing() -> Example:
    """The log has grown to 128 leaves; its witness, who keeps the head of 64, is shown that."""
    persona = did_of(witness().public)
    grown = sign_checkpoint(log_key(), 2 * SHOWN_IN, tree(2 * SHOWN_IN).root)
    shown = LogWitnessArgs(
        persona, SHOWN_IN, tuple(tree(2 * SHOWN_IN).consistency_proof(SHOWN_IN)), grown.raw
    )
    line = cosign(witness(), grown.head, T_S + 86_460)
    start = LogWitnessArgs(persona, 2 * SHOWN_IN, (), grown.raw)
    known = did_of(cast().person.public)
    return [
        ("args of /log/ask", Cbor(encode(LogAskArgs(persona, witness=True).value()))),
        ("args of /log/decide", Cbor(encode(LogDecideArgs(known, True, None).value()))),
        ("root of 128 leaves", grown.head.root),
        ("args of /log/witness", Cbor(encode(shown.value()))),
        ("out, cosigned", Cbor(encode(WitnessOut(line.raw, None).value()))),
        ("args of /log/witness, at a start", Cbor(encode(start.value()))),
        (
            "out, of a witness that keeps another",
            Cbor(encode(WitnessOut(None, cosigned().raw).value())),
        ),
    ]


def proven() -> Example:
    made = proof()
    return [
        ("key of leaf 0", made.leaf_key),
        *signed("whose the log is", made.log.signed),
        ("a proof file", Cbor(made.raw)),
    ]
