"""Checkpoints and cosignatures: C2SP's own bytes, and what is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.digest import sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature, CryptoError
from entrenous.crypto.keys import LogSigningKey, PersonaKey
from entrenous.crypto.merkle import EMPTY_ROOT
from entrenous.protocol.checkpoint_note import (
    CheckpointNote,
    Cosignature,
    Note,
    cosign,
    parse_checkpoint,
    parse_cosignature,
    parse_note,
    sign_checkpoint,
    sign_note,
)
from entrenous.protocol.errors import ProtocolError, WireError
from entrenous.protocol.limits import CHECKPOINT_BYTES_MAX

ENTROPY = SeededEntropy(b"notes")
LOG = LogSigningKey.generate(ENTROPY)
OTHER = LogSigningKey.generate(ENTROPY)
ANN = PersonaKey.generate(ENTROPY)
BEN = PersonaKey.generate(ENTROPY)
ROOT = sha256(b"root")
NOTE = sign_checkpoint(LOG, 128, ROOT)

# From the documentation of Go's golang.org/x/mod/sumdb/note, which the format comes from.
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_KEY = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
GO_SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)


def test_a_note_that_another_program_signed_verifies() -> None:
    note = parse_note(f"{GO_TEXT}\n{GO_SIGNATURE}".encode())
    note.verify("PeterNeumann", GO_KEY)
    with pytest.raises(BadSignature):
        note.verify("PeterNeumann", LOG.public)
    with pytest.raises(BadSignature):
        parse_note(f"{GO_TEXT}!\n\n{GO_SIGNATURE}".encode()).verify("PeterNeumann", GO_KEY)


def test_a_checkpoint_has_three_lines_and_comes_back() -> None:
    lines = NOTE.raw.decode().split("\n")
    assert lines[0] == f"entrenous/log/{LOG.public.hex()}"
    assert lines[1] == "128"
    assert base64.b64decode(lines[2]) == ROOT
    assert lines[3] == ""
    assert parse_checkpoint(NOTE.raw) == NOTE


def test_the_signed_bytes_are_those_of_c2sp() -> None:
    """Put together here a second time, from the text of the specifications."""
    text = f"entrenous/log/{LOG.public.hex()}\n128\n{base64.b64encode(ROOT).decode()}\n"
    name = f"entrenous/log/{LOG.public.hex()}".encode()
    key_id = sha256(name + b"\n\x01" + LOG.public)[:4]
    line = b"\xe2\x80\x94 " + name + b" " + base64.b64encode(key_id + LOG.sign(text.encode()))
    assert NOTE.raw == text.encode() + b"\n" + line + b"\n"
    witness = f"entrenous/witness/{ANN.public.hex()}".encode()
    stamp = (1_679_315_147).to_bytes(8, "big")
    signature = ANN.sign(b"cosignature/v1\ntime 1679315147\n" + text.encode())
    key_id = sha256(witness + b"\n\x04" + ANN.public)[:4]
    line = b"\xe2\x80\x94 " + witness + b" " + base64.b64encode(key_id + stamp + signature) + b"\n"
    assert cosign(ANN, NOTE.head, 1_679_315_147).raw == line
    assert NOTE.cosigned(parse_cosignature(line)).raw == NOTE.raw + line


def test_a_newer_cosignature_takes_the_place_of_an_older_one() -> None:
    note = NOTE.cosigned(cosign(ANN, NOTE.head, 5)).cosigned(cosign(BEN, NOTE.head, 6))
    note = note.cosigned(cosign(ANN, NOTE.head, 7))
    assert {(one.witness, one.time_s) for one in note.cosignatures} == {
        (ANN.public, 7),
        (BEN.public, 6),
    }
    assert parse_checkpoint(note.raw) == note
    assert note.bare == NOTE


def test_a_cosignature_that_the_witness_did_not_make_is_refused() -> None:
    true = cosign(ANN, NOTE.head, 5)
    elsewhere = sign_checkpoint(LOG, 192, ROOT)
    for forged in (
        Cosignature(BEN.public, 5, true.signature),
        Cosignature(ANN.public, 6, true.signature),
        cosign(ANN, elsewhere.head, 5),
    ):
        with pytest.raises(BadSignature):
            NOTE.cosigned(forged)
        raw = NOTE.raw + forged.raw
        with pytest.raises(BadSignature):
            parse_checkpoint(raw)


def test_signatures_by_names_of_others_are_carried() -> None:
    foreign = "— witness.example.com/w1 " + base64.b64encode(b"abcd" + bytes(72)).decode() + "\n"
    raw = NOTE.raw + foreign.encode()
    note = parse_checkpoint(raw)
    assert note.raw == raw
    assert note.cosignatures == ()


def signed(text: str) -> bytes:
    return sign_note(text, f"entrenous/log/{LOG.public.hex()}", LOG).raw


ORIGIN = f"entrenous/log/{LOG.public.hex()}"
B64 = base64.b64encode(ROOT).decode()
FORMS = {
    "two lines": signed(f"{ORIGIN}\n128\n"),
    "an extension line": signed(f"{ORIGIN}\n128\n{B64}\nmore\n"),
    "a leading zero": signed(f"{ORIGIN}\n0128\n{B64}\n"),
    "a sign": signed(f"{ORIGIN}\n+128\n{B64}\n"),
    "digits of another script": signed(f"{ORIGIN}\n\u0661\u0662\u0668\n{B64}\n"),
    "more than any log": signed(f"{ORIGIN}\n{2**64}\n{B64}\n"),
    "a root that is short": signed(f"{ORIGIN}\n128\nAAAA\n"),
    "another base64": signed(f"{ORIGIN}\n128\n{B64[:-2]}B=\n"),
    "nothing with a root": signed(f"{ORIGIN}\n0\n{B64}\n"),
    "an origin that is no key": signed(f"entrenous/log/abc\n128\n{B64}\n"),
    "an origin in capitals": signed(f"entrenous/log/{LOG.public.hex().upper()}\n128\n{B64}\n"),
    "a control character": NOTE.raw.replace(b"128", b"12\x0b8"),
    "no signature": NOTE.head.text.encode() + b"\n",
    "no newline at the end": NOTE.raw[:-1],
    "an empty line more": NOTE.raw + b"\n",
    "not UTF-8": NOTE.raw + b"\xff\n",
    "two of one witness": NOTE.raw + cosign(ANN, NOTE.head, 1).raw + cosign(ANN, NOTE.head, 2).raw,
    "the log's signature second": (
        NOTE.head.text.encode() + b"\n" + cosign(ANN, NOTE.head, 1).raw + NOTE.raw.split(b"\n\n")[1]
    ),
    "too many signatures": NOTE.raw + b"".join(f"— a{i} AAAAAAAA\n".encode() for i in range(40)),
    "too long": NOTE.raw + b"\xe2\x80\x94 a " + b"A" * CHECKPOINT_BYTES_MAX + b"\n",
}


@pytest.mark.parametrize("what", FORMS)
def test_another_form_is_refused(what: str) -> None:
    with pytest.raises(WireError):
        parse_checkpoint(FORMS[what])


def test_a_checkpoint_by_another_key_is_refused() -> None:
    forged = sign_note(NOTE.head.text, ORIGIN, OTHER)
    with pytest.raises(BadSignature):
        parse_checkpoint(forged.raw)
    named = Note(NOTE.head.text, (NOTE.note.signatures[0], *forged.signatures))
    assert parse_checkpoint(named.raw).head == NOTE.head, "a line of an unknown key is carried"


def test_the_checkpoint_of_nothing() -> None:
    empty = sign_checkpoint(LOG, 0, EMPTY_ROOT)
    assert parse_checkpoint(empty.raw) == empty


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 2**62))
def test_what_is_signed_comes_back(size: int, root: bytes, time_s: int) -> None:
    note = sign_checkpoint(LOG, size, root if size else EMPTY_ROOT)
    whole: CheckpointNote = note.cosigned(cosign(ANN, note.head, time_s))
    assert parse_checkpoint(whole.raw) == whole
    assert parse_cosignature(whole.cosignatures[0].raw) == whole.cosignatures[0]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_anything_else_is_refused(raw: bytes) -> None:
    for parse in (parse_checkpoint, parse_cosignature, parse_note):
        try:
            parse(raw)
        except (ProtocolError, CryptoError):
            continue
