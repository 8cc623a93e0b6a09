"""The calls of one end, without a stream: numbers, limits, waits, and what may still come late."""

from __future__ import annotations

import pytest

from entrenous.protocol.call import CallEvent, CallState
from entrenous.protocol.errors import Code, LocalProtocolError, RemoteProtocolError
from entrenous.protocol.frame import Kind
from entrenous.protocol.limits import (
    CALL_ID_MAX,
    CALL_MS,
    CALLS_OPEN_MAX,
    DELIVERY_PARTS_MAX,
    LATE_CALLS_MAX,
    WINDOW_MS,
)
from entrenous.protocol.session_calls import Call, Calls
from entrenous.tests.protocol.session_link import INV, offer_of

_E, _S = CallEvent, CallState
NOW_MS = 5_000


def ours(calls: Calls, *events: CallEvent, delivers: bool = False) -> Call:
    """A call of ours that went through `events`; the caller's are ours."""
    call = calls.ask(INV, delivers=delivers, now_ms=NOW_MS)
    caller = (_E.PART, _E.COUNTERSIGN, _E.COUNTERSIGN_LAST, _E.WITHDRAW)
    for event in events:
        calls.step(call, event, by_us=event in caller, now_ms=NOW_MS)
    return call


def theirs(calls: Calls, number: int = 2) -> Call:
    calls.asked(number, INV)
    return calls.of(number, ours=False)


def late(calls: Calls, number: int, kind: Kind) -> int:
    """How many frames of this kind may still name a call that is over."""
    for count in range(DELIVERY_PARTS_MAX + 10):
        try:
            assert calls.named(number, kind) is None
        except RemoteProtocolError:
            return count
    raise AssertionError("a call that is over takes frames without end")


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dialler", "first"), [(True, 1), (False, 2)])
def test_each_side_counts_by_two(dialler: bool, first: int) -> None:
    calls = Calls(dialler=dialler)
    assert [calls.next_number, ours(calls).number, ours(calls).number] == [first, first, first + 2]
    for number in (0, -1, -2, first, first + 4):
        with pytest.raises(RemoteProtocolError, match="not the next call"):
            calls.asked(number, INV)
    other = 3 - first
    calls.asked(other, INV)
    calls.asked(other + 20, INV)
    for number in (other, other + 18, other + 20):
        with pytest.raises(RemoteProtocolError, match="not the next call"):
            calls.asked(number, INV)


def test_a_call_is_named_by_the_side_that_made_it() -> None:
    calls = Calls(dialler=True)
    mine, other = ours(calls), theirs(calls)
    assert calls.of(1, ours=True) is mine
    assert calls.of(2, ours=False) is other
    for number, whose in ((2, True), (3, True), (1, False), (4, False)):
        side = "ours" if whose else "the peer's"
        with pytest.raises(LocalProtocolError, match=f"is not an open call of {side}"):
            calls.of(number, ours=whose)


def test_so_many_calls_are_open_and_no_more() -> None:
    calls = Calls(dialler=True)
    asked = [ours(calls) for _ in range(CALLS_OPEN_MAX)]
    assert calls.free == 0
    with pytest.raises(LocalProtocolError, match=f"{CALLS_OPEN_MAX} calls are open"):
        ours(calls)
    calls.step(asked[0], _E.ANSWER, by_us=False, now_ms=NOW_MS)
    assert calls.free == 1
    ours(calls)


def test_a_call_of_the_peer_counts_until_our_last_word_left() -> None:
    calls = Calls(dialler=True)
    for number in range(2, 2 + 2 * CALLS_OPEN_MAX, 2):
        calls.asked(number, INV)
    after = 2 + 2 * CALLS_OPEN_MAX
    call = calls.of(2, ours=False)
    calls.step(call, _E.ANSWER, by_us=True, now_ms=NOW_MS)
    with pytest.raises(RemoteProtocolError, match="more calls than") as caught:
        calls.asked(after, INV)
    assert caught.value.code is Code.TOO_MUCH
    calls.left()
    calls.asked(after, INV)
    with pytest.raises(RemoteProtocolError, match="more calls than"):
        calls.asked(after + 2, INV)


def test_an_unpaired_peer_is_told_why_it_may_not_ask_more() -> None:
    calls = Calls(dialler=True)
    calls.theirs_max = 1
    calls.asked(2, INV)
    with pytest.raises(RemoteProtocolError, match="more calls than 1") as caught:
        calls.asked(4, INV)
    assert caught.value.code is Code.UNPAIRED


def test_a_read_that_its_caller_ends_makes_room_at_once() -> None:
    calls = Calls(dialler=True)
    calls.theirs_max = 1
    call = theirs(calls)
    for event, by_us in ((_E.OFFER_EMPTY, True), (_E.COUNTERSIGN_LAST, False)):
        calls.step(call, event, by_us=by_us, now_ms=NOW_MS)
    calls.asked(4, INV)
    with pytest.raises(RemoteProtocolError, match="more calls than 1"):
        calls.asked(6, INV)
    assert late(calls, 2, Kind.COUNTERSIGN) == 0


def test_a_session_has_had_all_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrenous.protocol.session_calls.CALL_ID_MAX", 3)
    calls = Calls(dialler=True)
    assert [ours(calls).number, ours(calls).number] == [1, 3]
    with pytest.raises(LocalProtocolError, match="all its calls"):
        ours(calls)
    assert CALL_ID_MAX == 2**53 - 1


# --- late frames ----------------------------------------------------------------------------------


def test_to_an_answered_call_all_of_its_parts_may_still_come() -> None:
    calls = Calls(dialler=True)
    call = theirs(calls)
    call.parts = 96
    calls.step(call, _E.REFUSE, by_us=True, now_ms=NOW_MS)
    # What is left of the parts, a countersign and a withdrawal.
    assert late(calls, 2, Kind.PAGE) == DELIVERY_PARTS_MAX - 96 + 2


@pytest.mark.parametrize("kind", [Kind.COUNTERSIGN, Kind.REFUSE, Kind.PAGE])
def test_to_a_read_that_we_stopped_two_words_may_still_come(kind: Kind) -> None:
    calls = Calls(dialler=True)
    call = theirs(calls)
    call.take_window(offer_of([]))
    calls.step(call, _E.OFFER_EMPTY, by_us=True, now_ms=NOW_MS)
    calls.step(call, _E.REFUSE, by_us=True, now_ms=NOW_MS)
    assert late(calls, 2, kind) == 2


def test_to_a_read_that_we_ended_a_refusal_may_still_come() -> None:
    calls = Calls(dialler=True)
    call = ours(calls, _E.OFFER_EMPTY, _E.COUNTERSIGN_LAST)
    assert call.state is _S.ENDED
    with pytest.raises(RemoteProtocolError, match="not open"):
        calls.named(1, Kind.ANSWER)
    assert late(calls, 1, Kind.REFUSE) == 1


@pytest.mark.parametrize("event", [_E.ANSWER, _E.REFUSE])
def test_to_a_call_that_the_peer_ended_nothing_comes(event: CallEvent) -> None:
    calls = Calls(dialler=True)
    ours(calls, event)
    for kind in Kind:
        assert late(calls, 1, kind) == 0


@pytest.mark.parametrize("kind", [Kind.ANSWER, Kind.OFFER, Kind.CALL])
def test_what_no_caller_says_never_comes_late(kind: Kind) -> None:
    calls = Calls(dialler=True)
    call = theirs(calls)
    calls.step(call, _E.REFUSE, by_us=True, now_ms=NOW_MS)
    assert late(calls, 2, kind) == 0


def test_of_so_many_calls_late_frames_are_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten: what is remembered of calls that are over has an end."""
    monkeypatch.setattr("entrenous.protocol.session_calls.LATE_CALLS_MAX", 3)
    calls = Calls(dialler=True)
    for number in (2, 4, 6, 8):
        call = theirs(calls, number)
        calls.step(call, _E.REFUSE, by_us=True, now_ms=NOW_MS)
        calls.left()
    assert late(calls, 2, Kind.REFUSE) == 0
    assert all(late(calls, number, Kind.REFUSE) > 0 for number in (4, 6, 8))
    assert LATE_CALLS_MAX == 1_024


# --- waits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "wait_ms"),
    [
        ([], CALL_MS),
        ([_E.OFFER], WINDOW_MS),
        ([_E.OFFER, _E.PAGE_LAST], None),
        ([_E.OFFER_EMPTY, _E.COUNTERSIGN], CALL_MS),
        ([_E.WITHDRAW], CALL_MS),
        ([_E.ANSWER], None),
    ],
)
def test_how_long_a_call_of_ours_waits(events: list[CallEvent], wait_ms: int | None) -> None:
    calls = Calls(dialler=True)
    call = ours(calls, *events)
    assert calls.waiting is (wait_ms is not None)
    assert calls.deadline() == (None if wait_ms is None else NOW_MS + wait_ms)
    if wait_ms is not None:
        assert calls.overdue(NOW_MS + wait_ms - 1) == []
        assert calls.overdue(NOW_MS + wait_ms) == [call]


def test_how_long_a_reader_may_take() -> None:
    calls = Calls(dialler=True)
    call = theirs(calls)
    assert calls.deadline() is None  # the word is ours
    calls.step(call, _E.OFFER, by_us=True, now_ms=NOW_MS)
    calls.step(call, _E.PAGE, by_us=True, now_ms=NOW_MS + 1_000)
    assert calls.deadline() == NOW_MS + WINDOW_MS  # a page more is no new wait
    calls.step(call, _E.PAGE_LAST, by_us=True, now_ms=NOW_MS + 2_000)
    assert calls.deadline() == NOW_MS + 2_000 + WINDOW_MS
    calls.step(call, _E.COUNTERSIGN, by_us=False, now_ms=NOW_MS + 3_000)
    assert not calls.waiting


def test_the_overdue_come_in_the_order_of_their_numbers() -> None:
    calls = Calls(dialler=True)
    first, second, third = (ours(calls) for _ in range(3))
    calls.wait(first, _S.ASKED, NOW_MS + 9)
    assert calls.overdue(NOW_MS + CALL_MS) == [second, third]
    assert calls.overdue(NOW_MS + CALL_MS + 9) == [first, second, third]
    assert calls.deadline() == NOW_MS + CALL_MS


# --- the place of an offer ------------------------------------------------------------------------


@pytest.mark.parametrize("by_us", [True, False])
def test_an_offer_is_held_against_what_is_due(by_us: bool) -> None:
    error = LocalProtocolError if by_us else RemoteProtocolError
    calls = Calls(dialler=True)
    call = ours(calls)
    call.inv = offer_of([]).receipt.inv
    call.check_place(offer_of([]), by_us=by_us)
    with pytest.raises(error, match="another invocation"):
        call.check_place(offer_of([], inv=b"another"), by_us=by_us)
    for window in (1, 2):
        with pytest.raises(error, match=f"window {window} is offered where 0 is due"):
            call.check_place(offer_of([], window=window), by_us=by_us)
    call.take_window(offer_of([], last=False))
    assert (call.window, call.last) == (1, False)
    call.check_place(offer_of([], window=1), by_us=by_us)
    call.take_window(offer_of([], window=1))
    assert (call.window, call.last) == (2, True)
    call.parts = 1
    with pytest.raises(error, match="a call that delivers"):
        call.check_place(offer_of([], window=2), by_us=by_us)


def test_a_delivery_is_offered_nothing() -> None:
    call = ours(Calls(dialler=True), delivers=True)
    call.inv = offer_of([]).receipt.inv
    with pytest.raises(RemoteProtocolError, match="a call that delivers"):
        call.check_place(offer_of([]), by_us=False)
