"""Notes, checkpoints and cosignatures at each edge of their form: the last that is one, and the
first that is none."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest

from entrenous.crypto.digest import sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import LogSigningKey, PersonaKey
from entrenous.crypto.merkle import EMPTY_ROOT
from entrenous.protocol.checkpoint_note import (
    Note,
    NoteSignature,
    TreeHead,
    cosign,
    is_empty,
    log_of_origin,
    parse_checkpoint,
    parse_cosignature,
    parse_note,
    sign_checkpoint,
    sign_note,
)
from entrenous.protocol.errors import WireError

ENTROPY = SeededEntropy(b"edges of notes")
LOG = LogSigningKey.generate(ENTROPY)
ANN, BEN = PersonaKey.generate(ENTROPY), PersonaKey.generate(ENTROPY)
ROOT = sha256(b"root")
NOTE = sign_checkpoint(LOG, 128, ROOT)
ORIGIN = f"entrenous/log/{LOG.public.hex()}"
B64 = base64.b64encode(ROOT).decode()
# Written out: they are what other programs may send us.
BYTES_MAX, SIGNATURES_MAX = 8 * 1024, 32
INTEGER_MAX = 2**63 - 1


def line(name: str, data: bytes = bytes(5)) -> bytes:
    return f"— {name} {base64.b64encode(data).decode()}\n".encode()


def signed(text: str) -> bytes:
    return sign_note(text, ORIGIN, LOG).raw


# --- notes ----------------------------------------------------------------------------------------


def test_a_note_is_as_long_as_it_may_be_and_no_byte_longer() -> None:
    room = BYTES_MAX - len(NOTE.raw) - len(line("", b"12345"))
    assert parse_checkpoint(NOTE.raw + line("n" * room, b"12345")).head == NOTE.head
    with pytest.raises(WireError, match="longer than"):
        parse_checkpoint(NOTE.raw + line("n" * (room + 1), b"12345"))


def test_a_note_carries_as_many_signatures_as_it_may() -> None:
    others = [line(f"n{n}") for n in range(SIGNATURES_MAX)]
    assert parse_checkpoint(NOTE.raw + b"".join(others[:-1])).head == NOTE.head
    with pytest.raises(WireError, match="more than 32"):
        parse_checkpoint(NOTE.raw + b"".join(others))


@pytest.mark.parametrize(
    "last",
    [
        line("n"),
        line("name/with-all.kinds_of?characters,é"),
        line("n", bytes(200)),
    ],
)
def test_a_line_of_signature(last: bytes) -> None:
    assert parse_note(NOTE.raw + last).raw == NOTE.raw + last


@pytest.mark.parametrize(
    "last",
    [
        line("n", bytes(4)),  # the four bytes of a key's name, and no signature
        line("n", b""),
        line(""),
        line("a+b"),
        line("a\u00a0b"),  # a space of another kind
        line("a\u2028b"),
        line("a\tb"),
        line("n").replace("— ".encode(), b"- "),
        line("n").replace("— ".encode(), "—".encode()),
        line("n").replace(b" ", b"  "),
        line("n")[:-1] + b" \n",
        line("n")[:-1] + b"=\n",
        line("n").replace(b"=", b""),
        line("n").replace(b"A=", b"B="),  # bits that stand for nothing
        line("n").replace(b"AA", b"A\xc3\xa9"),
        "— n\n".encode(),
        "—\n".encode(),
        b"\n",
    ],
)
def test_a_line_that_is_none(last: bytes) -> None:
    for parse in (parse_note, parse_checkpoint):
        with pytest.raises(WireError):
            parse(NOTE.raw + last)


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_note_has_a_text(text: str) -> None:
    with pytest.raises(WireError):
        parse_note((text + "\n").encode() + line("n"))


def test_control_characters_are_refused_and_a_space_is_none() -> None:
    for code in range(0x20):
        if chr(code) != "\n":
            with pytest.raises(WireError, match="control"):
                parse_note(f"a{chr(code)}b\n\n".encode() + line("n"))
    assert parse_note(b"a b\n\n" + line("n")).text == "a b\n"
    # what stands after the last empty line are the signatures
    assert parse_note(b"a\n\nb\n\n" + line("n")).text == "a\n\nb\n"


def test_every_signature_of_a_key_that_is_asked_for_must_verify() -> None:
    own = NOTE.note.signatures[0]
    false = NoteSignature(own.name, own.key_id, bytes(64))
    for signatures in ((own, false), (false, own), (false,)):
        with pytest.raises(BadSignature):
            Note(NOTE.head.text, signatures).verify(ORIGIN, LOG.public)
    Note(NOTE.head.text, (own, own)).verify(ORIGIN, LOG.public)
    # of another key, or by another name, is of nobody whom we ask for
    for other in (
        NoteSignature("somebody", own.key_id, bytes(64)),
        NoteSignature(own.name, b"none", bytes(64)),
    ):
        Note(NOTE.head.text, (own, other)).verify(ORIGIN, LOG.public)
        with pytest.raises(BadSignature, match="does not carry"):
            Note(NOTE.head.text, (other,)).verify(ORIGIN, LOG.public)


# --- checkpoints ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["1", "9", "10", str(INTEGER_MAX)])
def test_the_size_of_a_checkpoint_is_a_decimal(size: str) -> None:
    assert parse_checkpoint(signed(f"{ORIGIN}\n{size}\n{B64}\n")).head.size == int(size)


@pytest.mark.parametrize(
    "size", ["", "-1", "01", "00", "1 ", "1_0", "0x1", "²", str(INTEGER_MAX + 1), "9" * 5_000]
)
def test_a_size_that_is_none(size: str) -> None:
    with pytest.raises(WireError):
        parse_checkpoint(signed(f"{ORIGIN}\n{size}\n{B64}\n"))


def test_an_empty_log_has_the_root_of_nothing() -> None:
    assert is_empty(TreeHead(LOG.public, 0, EMPTY_ROOT))
    assert not is_empty(TreeHead(LOG.public, 0, ROOT))
    assert not is_empty(TreeHead(LOG.public, 1, EMPTY_ROOT))
    # a log of some leaves whose root is that of none is a claim like any other
    assert parse_checkpoint(sign_checkpoint(LOG, 1, EMPTY_ROOT).raw).head.size == 1
    with pytest.raises(WireError, match="root of nothing"):
        parse_checkpoint(sign_checkpoint(LOG, 0, ROOT).raw)


def test_a_log_is_named_by_its_key_in_one_way() -> None:
    digits = LOG.public.hex()
    assert log_of_origin(f"entrenous/log/{digits}") == LOG.public
    for name in (
        f"entrenous/log/{digits[:-1]}",
        f"entrenous/log/{digits[:-2]}",
        f"entrenous/log/{digits}0",
        f"entrenous/log/{digits}00",
        f"entrenous/log/{digits[:-1]}g",
        f"entrenous/log/{digits[:-1]}\u0661",
        f"entrenous/witness/{digits}",
        f"entrenous/log/entrenous/log/{digits}",
        digits,
        "",
    ):
        with pytest.raises(WireError, match="a key in hexadecimal"):
            log_of_origin(name)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_root_has_the_length_of_one(length: int) -> None:
    root = base64.b64encode(bytes(length)).decode()
    with pytest.raises(WireError):
        parse_checkpoint(signed(f"{ORIGIN}\n128\n{root}\n"))


# --- cosignatures ---------------------------------------------------------------------------------


def _changed(change: Callable[[NoteSignature], NoteSignature]) -> bytes:
    return change(cosign(ANN, NOTE.head, 5).note_signature).line().encode()


def test_a_cosignature_is_of_one_kind_and_length() -> None:
    true = cosign(ANN, NOTE.head, 5)
    assert parse_cosignature(true.raw) == true
    key_id = sha256(f"{true.name}\n\x01".encode() + ANN.public)[:4]
    for raw in (
        _changed(lambda one: replace(one, key_id=key_id)),  # that of a plain signature
        _changed(lambda one: replace(one, data=one.data[:-1])),
        _changed(lambda one: replace(one, data=one.data + b"\0")),
        _changed(lambda one: replace(one, data=one.data[8:])),
        _changed(lambda one: replace(one, name=f"entrenous/witness/{BEN.public.hex()}")),
        _changed(lambda one: replace(one, name=ORIGIN)),
        true.raw[:-1],
        true.raw + b"\n",
        true.raw + true.raw,
        b"\n",
        b"",
        b"\xff" + true.raw,
    ):
        with pytest.raises(WireError):
            parse_cosignature(raw)


def test_the_time_of_a_cosignature_is_one_that_we_can_keep() -> None:
    last = cosign(ANN, NOTE.head, INTEGER_MAX)
    assert parse_checkpoint(NOTE.cosigned(last).raw).cosignatures == (last,)
    beyond = cosign(ANN, NOTE.head, INTEGER_MAX + 1)
    with pytest.raises(WireError, match="beyond all clocks"):
        parse_cosignature(beyond.raw)
    first = cosign(ANN, NOTE.head, 0)
    assert parse_cosignature(first.raw) == first


def test_a_line_alone_is_no_longer_than_a_note() -> None:
    with pytest.raises(WireError, match="one line"):
        parse_cosignature(line("n" * (BYTES_MAX - len(line("", b"12345")) + 1), b"12345"))
    with pytest.raises(WireError, match="a key in hexadecimal"):
        parse_cosignature(line("n" * (BYTES_MAX - len(line("", b"12345"))), b"12345"))


def test_a_checkpoint_without_what_others_signed_has_its_logs_line_alone() -> None:
    whole = parse_checkpoint(
        NOTE.raw + line("somebody") + cosign(ANN, NOTE.head, 5).raw + cosign(BEN, NOTE.head, 6).raw
    )
    assert [one.witness for one in whole.cosignatures] == [ANN.public, BEN.public]
    assert whole.bare == NOTE
    assert whole.bare.raw == NOTE.raw
    # a newer one of hers: what others signed stays, and stands before it
    newer = whole.cosigned(cosign(ANN, NOTE.head, 7))
    assert [one.name for one in newer.note.signatures] == [
        ORIGIN,
        "somebody",
        f"entrenous/witness/{BEN.public.hex()}",
        f"entrenous/witness/{ANN.public.hex()}",
    ]
    assert [one.time_s for one in newer.cosignatures] == [6, 7]
