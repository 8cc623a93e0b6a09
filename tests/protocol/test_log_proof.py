"""Proof files: what holds, what is refused, and that one file opens one leaf."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.digest import hmac_sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadProof, BadSignature, CryptoError
from entrenous.crypto.keys import (
    DeviceKey,
    GrantKey,
    LogKey,
    LogSigningKey,
    PersonaKey,
)
from entrenous.crypto.labels import Signed, label
from entrenous.crypto.merkle import Tree, leaf_hash
from entrenous.protocol.checkpoint_note import cosign, sign_checkpoint
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code, ProtocolError, WireError
from entrenous.protocol.log_proof import (
    LogProof,
    check_log_proof,
    make_log_owner,
    parse_log_owner,
    parse_log_proof,
)
from entrenous.protocol.persona import Certificate, make_certificate
from entrenous.protocol.receipt import (
    Receipt,
    ReceiptBody,
    countersign,
    countersigned,
    fingerprint,
    leaf_data,
    leaf_key,
    make_answer,
    receipt_key,
    sign_receipt,
    with_countersignature,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.wire import Value, decode, encode
from entrenous.tests.vectors import open_proofs
from entrenous.tests.vectors.open_world import PERSON, STRANGER, certify

T_MS = 1_767_225_600_000
ENTROPY = SeededEntropy(b"proofs")
OWNER = PersonaKey.generate(ENTROPY)
READER = PersonaKey.generate(ENTROPY)
WITNESS = PersonaKey.generate(ENTROPY)
DEVICE = DeviceKey.generate(ENTROPY)
OTHER_DEVICE = DeviceKey.generate(ENTROPY)
LOG = LogSigningKey.generate(ENTROPY)
LEAVES = LogKey.generate(ENTROPY)
GRANT = GrantKey.generate(ENTROPY)
SIZE = 64
INDEX = 5


@cache
def receipt(window: int, pages: int = 3) -> Receipt:
    body = ReceiptBody(
        inv=cid_of(b"inv"),
        dlg=cid_of(b"dlg"),
        server=did_of(DEVICE.public),
        reader=did_of(READER.public),
        window=window,
        last=False,
        entries_root=bytes(32),
        first=46_000,
        last_day=46_001,
        pages=pages,
        size=2_048,
        t_ms=T_MS,
        prev=None,
    )
    signed = sign_receipt(body, DEVICE)
    return countersigned(signed, countersign(signed, READER))


@dataclass(frozen=True)
class World:
    """A log of 64 receipts, and the proof of one of them."""

    words: tuple[Receipt, ...]
    leaves: tuple[bytes, ...]
    proof: LogProof


@cache
def world() -> World:
    words = tuple(receipt(window) for window in range(SIZE))
    leaves = tuple(
        leaf_hash(leaf_data(LEAVES, i, fingerprint(receipt_key(GRANT, one.body.inv, i), one.cid)))
        for i, one in enumerate(words)
    )
    tree = Tree(leaves)
    certificate = make_certificate(
        OWNER, device=DEVICE, cmds=("/",), exp_s=T_MS // 1000 + 86_400, now_ms=T_MS
    )
    note = sign_checkpoint(LOG, SIZE, tree.root)
    proof = LogProof(
        index=INDEX,
        leaf_key=leaf_key(LEAVES, INDEX),
        k_r=receipt_key(GRANT, words[INDEX].body.inv, INDEX),
        word=words[INDEX],
        certificate=certificate,
        owner=certificate,
        log=make_log_owner(DEVICE, LOG),
        path=tuple(tree.inclusion_proof(INDEX)),
        checkpoint=note.cosigned(cosign(WITNESS, note.head, T_MS // 1000)),
    )
    return World(words, leaves, proof)


def test_a_proof_is_checked_from_its_bytes_alone() -> None:
    proof = world().proof
    assert parse_log_proof(proof.raw) == proof
    assert [one.witness for one in proof.checkpoint.cosignatures] == [WITNESS.public]


def test_one_proof_file_reveals_one_leaf_only() -> None:
    """Whoever has the file, and guesses every other receipt with its `k_grant`, recognises none."""
    proof, words = world().proof, world().words
    others = [leaf for i, leaf in enumerate(world().leaves) if i != INDEX]
    assert any(leaf in proof.path for leaf in others), "the path shows a leaf, blinded"
    keys = [proof.leaf_key, proof.k_r.secret_bytes()]
    prints = [
        hmac_sha256(k_r, word.cid)
        for i, word in enumerate(words)
        for k_r in (proof.k_r.secret_bytes(), receipt_key(GRANT, word.body.inv, i).secret_bytes())
    ]
    guesses = {leaf_hash(hmac_sha256(key, f)) for key in keys for f in prints}
    guesses |= {leaf_hash(f) for f in prints} | {leaf_hash(word.cid) for word in words}
    assert not guesses & set(others)
    assert world().leaves[INDEX] in guesses, "the same search finds the leaf that is opened"
    for word in words[:INDEX] + words[INDEX + 1 :]:
        assert word.cid not in proof.raw
        assert word.signed.signatures[0] not in proof.raw


def another(**changed: object) -> LogProof:
    return replace(world().proof, **changed)


@cache
def refused() -> dict[str, tuple[LogProof, type[Exception]]]:
    proof, leaves = world().proof, world().leaves
    elsewhere = make_certificate(
        OWNER, device=OTHER_DEVICE, cmds=("/",), exp_s=T_MS // 1000 + 86_400, now_ms=T_MS
    )
    stranger = make_certificate(
        WITNESS, device=DEVICE, cmds=("/",), exp_s=T_MS // 1000 + 86_400, now_ms=T_MS
    )
    late = make_certificate(
        OWNER, device=DEVICE, cmds=("/",), exp_s=T_MS // 1000 - 5, now_ms=T_MS - 60_000
    )
    other_log = LogSigningKey.generate(ENTROPY)
    tree = Tree(leaves)
    return {
        "a receipt for other bytes": (another(word=receipt(INDEX, pages=4)), BadProof),
        "another receipt of this log": (another(word=world().words[6]), BadProof),
        "another place": (another(index=INDEX + 1), BadProof),
        "a leaf key of another place": (another(leaf_key=leaf_key(LEAVES, 6)), BadProof),
        "a key of another receipt": (
            another(k_r=receipt_key(GRANT, cid_of(b"inv"), INDEX + 1)),
            BadProof,
        ),
        "a hash too few": (another(path=proof.path[:-1]), BadProof),
        "a hash too many": (another(path=(*proof.path, bytes(32))), BadProof),
        "a checkpoint of another size": (
            another(checkpoint=sign_checkpoint(LOG, 128, tree.root)),
            BadProof,
        ),
        "a checkpoint of another log": (
            another(checkpoint=sign_checkpoint(other_log, SIZE, tree.root)),
            WireError,
        ),
        "a log of another device": (another(log=make_log_owner(OTHER_DEVICE, LOG)), WireError),
        "a certificate of another device": (another(certificate=elsewhere), ProtocolError),
        "a certificate that had expired": (another(certificate=late), ProtocolError),
        "another persona's certificate": (another(certificate=stranger), WireError),
        "an owner who neither served nor read": (
            another(owner=elsewhere, log=make_log_owner(OTHER_DEVICE, LOG)),
            WireError,
        ),
    }


@pytest.mark.parametrize("what", refused())
def test_a_proof_that_does_not_hold_is_refused(what: str) -> None:
    proof, error = refused()[what]
    with pytest.raises(error):
        parse_log_proof(proof.raw)


def test_a_forged_countersignature_is_refused() -> None:
    one_sided = sign_receipt(world().words[INDEX].body, DEVICE)
    raw = countersigned_by(one_sided, WITNESS)
    with pytest.raises(BadSignature):
        check_log_proof(another(word=raw))


# --- from the log of the reader, and of answers ---------------------------------------------------


def device_of(persona: PersonaKey, device: DeviceKey) -> Certificate:
    return make_certificate(
        persona, device=device, cmds=("/",), exp_s=T_MS // 1000 + 86_400, now_ms=T_MS
    )


def test_a_receipt_stands_in_the_log_of_its_reader_too() -> None:
    """The log of OTHER_DEVICE, which acted as the reader; the word is that of DEVICE."""
    log = make_log_owner(OTHER_DEVICE, LOG)
    reads = device_of(READER, OTHER_DEVICE)
    proof = another(owner=reads, log=log)
    assert not proof.served
    assert world().proof.served
    assert parse_log_proof(proof.raw) == proof
    third = make_log_owner(DeviceKey.generate(ENTROPY), LOG)
    with pytest.raises(WireError, match="not the one whose log it is about"):
        parse_log_proof(another(owner=reads, log=third).raw)
    with pytest.raises(WireError, match="neither served nor read"):
        parse_log_proof(another(owner=device_of(WITNESS, OTHER_DEVICE), log=log).raw)


def test_an_answer_stands_in_the_logs_of_who_gave_and_of_who_heard_it() -> None:
    answer = make_answer(DEVICE, inv=cid_of(b"inv"), code=Code.OK, out=None, t_ms=T_MS, prev=None)
    k_r = receipt_key(GRANT, answer.inv, 0)
    leaf = leaf_hash(leaf_data(LEAVES, 0, fingerprint(k_r, answer.cid)))
    note = sign_checkpoint(LOG, 1, leaf)
    gave = another(
        index=0, leaf_key=leaf_key(LEAVES, 0), k_r=k_r, word=answer, path=(), checkpoint=note
    )
    # Who heard it is not in an answer: whoever keeps it in a log has heard it.
    heard = replace(
        gave, owner=device_of(READER, OTHER_DEVICE), log=make_log_owner(OTHER_DEVICE, LOG)
    )
    for proof in (gave, heard):
        assert parse_log_proof(proof.raw) == proof
        forged = make_answer(
            OTHER_DEVICE, inv=cid_of(b"inv"), code=Code.OK, out=None, t_ms=T_MS, prev=None
        )
        with pytest.raises(BadSignature):
            parse_log_proof(replace(proof, word=forged).raw)
        other = make_answer(
            DEVICE, inv=cid_of(b"inv"), code=Code.EXPIRED, out=None, t_ms=T_MS, prev=None
        )
        with pytest.raises(BadProof):
            parse_log_proof(replace(proof, word=other).raw)


# --- forms ----------------------------------------------------------------------------------------


def body_of(proof: LogProof) -> dict[str, Value]:
    match decode(proof.raw):
        case [_, dict(body)]:
            return body
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize(
    "changed",
    [
        {"path": [bytes(32)] * 65},
        {"path": [bytes(31)]},
        {"path": [bytes(33)]},
        {"path": ["x"]},
        {"path": [None]},
        {"leaf_key": bytes(31)},
        {"k_r": bytes(33)},
        {"index": -1},
        {"index": None},
        {"v": 2},
        {"more": 1},
        {"word": b""},
        {"log": world().proof.owner.signed.raw},
        {"checkpoint": world().proof.checkpoint.raw[:-1]},
    ],
)
def test_a_proof_of_another_form_is_none(changed: dict[str, Value]) -> None:
    name = label(Signed.LOG_PROOF)
    assert parse_log_proof(encode([name, body_of(world().proof)])) == world().proof
    with pytest.raises(WireError):
        parse_log_proof(encode([name, {**body_of(world().proof), **changed}]))


@pytest.mark.parametrize("name", ["log-proof", label(Signed.LOG), 1])
def test_a_file_of_another_name_is_no_proof(name: Value) -> None:
    with pytest.raises(WireError, match="not a proof"):
        parse_log_proof(encode([name, body_of(world().proof)]))


def test_whose_a_log_is_both_its_device_and_its_key_have_signed() -> None:
    body: dict[str, Value] = {"v": 1, "device": did_of(DEVICE.public), "key": LOG.public}
    other = LogSigningKey.generate(ENTROPY)
    assert parse_log_owner(sign(Signed.LOG, body, DEVICE, LOG).raw) == world().proof.log
    for keys in ((DEVICE, other), (OTHER_DEVICE, LOG), (LOG, DEVICE)):
        with pytest.raises(BadSignature):
            parse_log_owner(sign(Signed.LOG, body, *keys).raw)
    for keys in ((DEVICE,), (DEVICE, LOG, LOG)):
        with pytest.raises(WireError):
            parse_log_owner(sign(Signed.LOG, body, *keys).raw)
    with pytest.raises(WireError):
        parse_log_owner(sign(Signed.LOG, {**body, "key": LOG.public[1:]}, DEVICE, LOG).raw)


def countersigned_by(one_sided: Receipt, key: PersonaKey) -> Receipt:
    return with_countersignature(one_sided, key.sign(one_sided.signed.message))


@settings(max_examples=150, deadline=None)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_a_proof_can_be_changed(place: int, bit: int) -> None:
    """… but in the name of a witness: a signature by a name of another form counts for nothing."""
    proof = world().proof
    raw = bytearray(proof.raw)
    raw[place % len(raw)] ^= 1 << bit
    try:
        found = parse_log_proof(bytes(raw))
    except (ProtocolError, CryptoError):
        return
    assert not found.checkpoint.cosignatures
    assert found.checkpoint.bare == proof.checkpoint.bare
    assert replace(found, checkpoint=proof.checkpoint) == proof


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_anything_else_is_no_proof(raw: bytes) -> None:
    with pytest.raises((ProtocolError, CryptoError)):
        parse_log_proof(raw)


def test_a_persona_that_only_certified_the_device_has_not_served() -> None:
    """Whoever has a proof file can put certificates of their own into it, for the same device."""
    granted = open_proofs.with_grant()
    assert parse_log_proof(granted.raw).shows_for_whom
    stranger = certify(STRANGER.key, PERSON.device)
    for proof in (granted, open_proofs.with_call()):
        with pytest.raises(WireError, match="another persona"):
            parse_log_proof(replace(proof, certificate=stranger, owner=stranger).raw)
    # Without the grant nothing contradicts them, and nothing bears them out.
    bare = replace(granted, certificate=stranger, owner=stranger, delegation=None)
    assert not parse_log_proof(bare.raw).shows_for_whom
