"""The small frames of a session, and the queue that they leave by, each to its limits."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from entrenous.protocol.errors import Code, LocalProtocolError, WireError
from entrenous.protocol.frame import Frame, Kind
from entrenous.protocol.limits import (
    CHAIN_MAX,
    DELIVERY_PARTS_MAX,
    LINE_CHARS_MAX,
    PAGE_SLICE_BYTES,
    PART_BYTES_MAX,
    SEND_BYTES,
    SIGNED_BYTES_MAX,
)
from entrenous.protocol.message import (
    answer_frame,
    check_question,
    countersign_frame,
    one_line,
    parse_answer,
    parse_call,
    parse_countersign,
    parse_ping,
    parse_refuse,
    refuse_frame,
)
from entrenous.protocol.send_queue import Mark, SendQueue
from entrenous.protocol.wire import Value

SIG = bytes(64)

# --- what we ask ----------------------------------------------------------------------------------


def test_a_question_at_its_limits() -> None:
    check_question(b"x", [], [])
    check_question(bytes(SIGNED_BYTES_MAX), [b""] * CHAIN_MAX, [b"x"] * DELIVERY_PARTS_MAX)
    check_question(b"x", [], [bytes(PART_BYTES_MAX)])


@pytest.mark.parametrize(
    ("inv", "proofs", "parts"),
    [
        (b"", [], []),
        (bytes(SIGNED_BYTES_MAX + 1), [], []),
        (b"x", [b""] * (CHAIN_MAX + 1), []),
        (b"x", [], [b"x"] * (DELIVERY_PARTS_MAX + 1)),
        (b"x", [], [b"x", b""]),
        (b"x", [], [b"x", bytes(PART_BYTES_MAX + 1)]),
    ],
    ids=["empty", "long", "chain", "parts", "empty part", "long part"],
)
def test_a_question_past_them(inv: bytes, proofs: list[bytes], parts: list[bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        check_question(inv, proofs, parts)


def test_an_answer_at_its_limits() -> None:
    for raw in (b"x", bytes(SIGNED_BYTES_MAX)):
        answer_frame(1, raw)
        assert parse_answer(Frame(Kind.ANSWER, 1, raw)) == raw
    for raw in (b"", bytes(SIGNED_BYTES_MAX + 1)):
        with pytest.raises(LocalProtocolError):
            answer_frame(1, raw)
        with pytest.raises(WireError):
            parse_answer(Frame(Kind.ANSWER, 1, raw))
    with pytest.raises(WireError):
        parse_answer(Frame(Kind.ANSWER, 1, "text"))


def test_a_countersignature_has_its_length() -> None:
    countersign_frame(1, SIG, None)
    for sig in (SIG[1:], SIG + b"x", b""):
        with pytest.raises(LocalProtocolError):
            countersign_frame(1, sig, None)
        with pytest.raises(WireError):
            parse_countersign(Frame(Kind.COUNTERSIGN, 1, {"sig": sig, "keys": None}))


def test_a_refusal_is_one_line() -> None:
    longest = "x" * LINE_CHARS_MAX
    refuse_frame(1, Code.BUSY, longest)
    refuse_frame(1, Code.BUSY, "")
    for sentence in (longest + "x", "two\nlines"):
        with pytest.raises(LocalProtocolError):
            refuse_frame(1, Code.BUSY, sentence)
    assert one_line("two\nlines") == "two lines"
    assert one_line("a" + longest) == "a" + longest[1:]


# --- what comes -----------------------------------------------------------------------------------


def call_of(inv: Value = b"inv", proofs: Value = None) -> Frame:
    return Frame(Kind.CALL, 1, {"inv": inv, "proofs": [] if proofs is None else proofs})


def test_a_call_at_its_limits() -> None:
    longest = bytes(SIGNED_BYTES_MAX)
    assert parse_call(call_of(longest)) == (longest, ())
    chain: list[Value] = [bytes([at]) for at in range(CHAIN_MAX)]
    assert parse_call(call_of(proofs=chain)) == (b"inv", tuple(chain))


@pytest.mark.parametrize(
    "frame",
    [
        call_of("inv"),
        call_of(bytes(SIGNED_BYTES_MAX + 1)),
        call_of(proofs=[b"x"] * (CHAIN_MAX + 1)),
        call_of(proofs=[b"x", "text"]),
        call_of(proofs=[None]),
        call_of(proofs=b"x"),
        Frame(Kind.CALL, 1, {"inv": b"inv"}),
    ],
)
def test_a_call_that_is_not_of_the_form(frame: Frame) -> None:
    with pytest.raises(WireError):
        parse_call(frame)


@pytest.mark.parametrize(
    ("parse", "kind", "value"),
    [
        (parse_ping, Kind.PING, {"n": -1, "reply": True}),
        (parse_ping, Kind.PING, {"n": 1, "reply": 0}),
        (parse_refuse, Kind.REFUSE, {"code": "busy", "sentence": "a\nb"}),
        (parse_refuse, Kind.REFUSE, {"code": "none of ours", "sentence": "a"}),
        (parse_refuse, Kind.REFUSE, {"code": "busy", "sentence": "x" * (LINE_CHARS_MAX + 1)}),
        (parse_countersign, Kind.COUNTERSIGN, {"sig": SIG, "keys": -1}),
        (parse_countersign, Kind.COUNTERSIGN, {"sig": SIG, "keys": "1"}),
    ],
)
def test_words_that_are_not_of_the_form(
    parse: object, kind: Kind, value: Mapping[str, Value]
) -> None:
    assert callable(parse)
    with pytest.raises(WireError):
        parse(Frame(kind, 0, value))


def test_words_that_are() -> None:
    value: Mapping[str, Value] = {"sig": SIG, "keys": 7}
    assert parse_countersign(Frame(Kind.COUNTERSIGN, 1, value)) == (SIG, 7)
    value = {"code": "busy", "sentence": "not now"}
    assert parse_refuse(Frame(Kind.REFUSE, 0, value)) == (Code.BUSY, "not now")


# --- the queue ------------------------------------------------------------------------------------


def test_small_frames_leave_together_up_to_a_size() -> None:
    queue = SendQueue()
    third = SEND_BYTES // 3
    for place in range(4):
        queue.small(bytes([place]) * third, Mark(place))
    data, marks = queue.pop()
    assert data == b"".join(bytes([place]) * third for place in range(3))
    assert marks == [Mark(0), Mark(1), Mark(2)]
    assert queue.pop() == (bytes([3]) * third, [Mark(3)])
    assert queue.pop() == (b"", ())


@pytest.mark.parametrize(("second", "together"), [(1, True), (2, False)])
def test_a_size_to_the_byte(second: int, together: bool) -> None:
    queue = SendQueue()
    queue.small(bytes(SEND_BYTES - 1))
    queue.small(bytes(second))
    assert len(queue.pop()[0]) == SEND_BYTES - 1 + (second if together else 0)


def test_one_small_frame_that_is_larger_leaves_alone() -> None:
    queue = SendQueue()
    queue.small(bytes(SEND_BYTES + 5))
    queue.small(b"x")
    assert [len(queue.pop()[0]) for _ in range(3)] == [SEND_BYTES + 5, 1, 0]


def test_bulk_takes_turns_and_says_what_left() -> None:
    queue = SendQueue()
    queue.parts(1, [b"a", b"b", b"c"])
    queue.parts(3, [b"d"])
    queue.parts(5, [])
    queue.pages(7, [bytes(PAGE_SLICE_BYTES), b"x"])
    queue.pages(9, [b"never"])
    queue.drop(9)
    queue.drop(11)
    left: list[Mark] = []
    while True:
        data, marks = queue.pop()
        if not data:
            break
        left += marks
    assert left == [
        Mark(1), Mark(3, last=True), Mark(7), Mark(1), Mark(7, last=True), Mark(1, last=True),
    ]  # fmt: skip


def test_what_is_small_goes_first_and_clear_leaves_nothing() -> None:
    queue = SendQueue()
    queue.parts(1, [b"a", b"b"])
    queue.small(b"small")
    assert queue.pop() == (b"small", [])
    queue.small(b"more")
    queue.clear()
    assert queue.pop() == (b"", ())
