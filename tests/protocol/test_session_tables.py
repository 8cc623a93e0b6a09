"""Every step of the two tables, one by one, and the same steps taken by real sessions."""

from __future__ import annotations

from itertools import product

import pytest

from entrenous.protocol.call import BY_CALLER, CALL, CallEvent, CallState
from entrenous.protocol.call import step as call_step
from entrenous.protocol.errors import Code, LocalProtocolError, RemoteProtocolError
from entrenous.protocol.frame import Kind
from entrenous.protocol.hello import STREAM, StreamEvent, StreamState
from entrenous.protocol.hello import step as stream_step
from entrenous.protocol.session_event import Ending
from entrenous.tests.protocol.session_link import (
    INV,
    SIG,
    Link,
    closed,
    drain,
    frame,
    give,
    offer_of,
    open_link,
    sent,
)

# Written out by hand, apart from the tables: what must follow, "-" where nothing may.
STREAM_STEPS = """
            GREET     GREETED   SEND  RECEIVE  LEAVE   LEFT
FRESH       AWAITING  -         -     -        CLOSED  CLOSED
AWAITING    -         OPEN      -     -        CLOSED  CLOSED
LISTENING   -         DECIDING  -     -        CLOSED  CLOSED
DECIDING    OPEN      -         -     -        CLOSED  CLOSED
OPEN        -         -         OPEN  OPEN     CLOSED  CLOSED
CLOSED      -         -         -     -        CLOSED  CLOSED
"""
CALL_STEPS = """
              PART  COUNTERSIGN   COUNTERSIGN_LAST WITHDRAW  OFFER     OFFER_EMPTY PAGE      PAGE_LAST ANSWER REFUSE
ASKED         ASKED -             -                WITHDRAWN OFFERED   GIVEN       -         -         ENDED  ENDED
OFFERED       -     -             -                WITHDRAWN -         -           OFFERED   GIVEN     -      ENDED
GIVEN         -     COUNTERSIGNED ENDED            WITHDRAWN -         -           -         -         -      ENDED
COUNTERSIGNED -     -             -                WITHDRAWN OFFERED   GIVEN       -         -         ENDED  ENDED
WITHDRAWN     -     -             -                -         WITHDRAWN WITHDRAWN   WITHDRAWN -         ENDED  ENDED
ENDED         -     -             -                -         -         -           -         -         -      -
"""  # noqa: E501 - a table is read in columns


def rows(text: str) -> dict[tuple[str, str], str]:
    head, *lines = [line.split() for line in text.strip().splitlines()]
    return {
        (line[0], event): after
        for line in lines
        for event, after in zip(head, line[1:], strict=True)
        if after != "-"
    }


STREAM_WANTED, CALL_WANTED = rows(STREAM_STEPS), rows(CALL_STEPS)


@pytest.mark.parametrize(("state", "event"), list(product(StreamState, StreamEvent)))
def test_stream_steps(state: StreamState, event: StreamEvent) -> None:
    after = STREAM_WANTED.get((state.name, event.name))
    if after is not None:
        assert stream_step(state, event) is StreamState[after]
        return
    ours = event in (StreamEvent.GREET, StreamEvent.SEND, StreamEvent.LEAVE)
    with pytest.raises(LocalProtocolError if ours else RemoteProtocolError):
        stream_step(state, event)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(("state", "event"), list(product(CallState, CallEvent)))
def test_call_steps(state: CallState, event: CallEvent, ours: bool) -> None:
    after = CALL_WANTED.get((state.name, event.name))
    if after is not None:
        assert call_step(state, event, ours=ours) is CallState[after]
        return
    # Which end it was: an error at a call blames the right one of two.
    callers = ("PART", "COUNTERSIGN", "COUNTERSIGN_LAST", "WITHDRAW")
    who = "^the caller " if event.name in callers else "^the responder "
    with pytest.raises(LocalProtocolError if ours else RemoteProtocolError, match=who):
        call_step(state, event, ours=ours)


def test_the_tables_hold_nothing_else() -> None:
    assert len(STREAM) == len(STREAM_WANTED)
    assert len(CALL) == len(CALL_WANTED)


# --- the same through sessions --------------------------------------------------------------------

PAGES = [bytes([i]) * 1_000 for i in range(3)]
LIVE = [state for state in CallState if state is not CallState.ENDED]


def link_in(state: CallState) -> tuple[Link, int]:
    """An open link whose one call, the dialler's, is in `state` for both ends."""
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    if state is CallState.ASKED:
        return link, call
    link.listener.offer(call, offer_of(PAGES, last=False), PAGES)
    if state is CallState.OFFERED:
        offer = link.listener.data_to_send(link.now_ms)
        give(link.dialler, offer)
        return link, call
    if state is CallState.WITHDRAWN:
        give(link.dialler, link.listener.data_to_send(link.now_ms))
        link.dialler.refuse(call, Code.BUSY, "the disk is full")
        return link, call
    link.carry()
    if state is CallState.COUNTERSIGNED:
        link.dialler.countersign(call, SIG)
        link.carry()
    return link, call


def from_responder(event: CallEvent, call: int, window: int) -> bytes:
    """The frame with which a responder causes `event`."""
    match event:
        case CallEvent.ANSWER:
            return frame(Kind.ANSWER, call, b"an answer")
        case CallEvent.REFUSE:
            return frame(Kind.REFUSE, call, {"code": "busy", "sentence": "not now"})
        case CallEvent.OFFER:
            return frame(Kind.OFFER, call, offer_of(PAGES, window=window).value())
        case CallEvent.OFFER_EMPTY:
            return frame(Kind.OFFER, call, offer_of([], window=window).value())
        case CallEvent.PAGE:
            return frame(Kind.PAGE, call, PAGES[0])
        case _:
            return frame(Kind.PAGE, call, b"".join(PAGES))


def from_caller(event: CallEvent, call: int) -> bytes:
    match event:
        case CallEvent.PART:
            return frame(Kind.PAGE, call, b"a part")
        case CallEvent.WITHDRAW:
            return frame(Kind.REFUSE, call, {"code": "busy", "sentence": "never mind"})
        case _:
            return frame(Kind.COUNTERSIGN, call, {"sig": SIG, "keys": None})


BY_RESPONDER = [event for event in CallEvent if event not in BY_CALLER]


@pytest.mark.parametrize(("state", "event"), list(product(LIVE, BY_RESPONDER)))
def test_a_caller_takes_what_the_table_allows(state: CallState, event: CallEvent) -> None:
    link, call = link_in(state)
    window = 1 if state is CallState.COUNTERSIGNED else 0
    events = give(link.dialler, from_responder(event, call, window))
    legal = (state.name, event.name) in CALL_WANTED
    # the same frame is both, and 3 kB complete the window that was withdrawn from
    legal |= state is CallState.WITHDRAWN and event is CallEvent.PAGE_LAST
    if legal:
        assert link.dialler.state is StreamState.OPEN
    else:
        assert closed(events).ending is Ending.FAULT
        assert closed(events).error is not None


@pytest.mark.parametrize(
    ("state", "event"),
    list(
        product(
            [state for state in LIVE if state is not CallState.WITHDRAWN],
            [CallEvent.PART, CallEvent.COUNTERSIGN, CallEvent.WITHDRAW],
        )
    ),
)
def test_a_responder_takes_what_the_table_allows(state: CallState, event: CallEvent) -> None:
    link, call = link_in(state)
    events = give(link.listener, from_caller(event, call))
    if (state.name, event.name) in CALL_WANTED:
        assert link.listener.state is StreamState.OPEN
    else:
        assert closed(events).ending is Ending.FAULT


@pytest.mark.parametrize("state", [state for state in LIVE if state is not CallState.WITHDRAWN])
@pytest.mark.parametrize("event", BY_RESPONDER[:2] + BY_RESPONDER[4:])
def test_our_own_program_is_held_to_the_table(state: CallState, event: CallEvent) -> None:
    link, call = link_in(state)
    window = 1 if state is CallState.COUNTERSIGNED else 0

    def act() -> None:
        match event:
            case CallEvent.ANSWER:
                link.listener.answer(call, b"an answer")
            case CallEvent.REFUSE:
                link.listener.refuse(call, Code.BUSY, "not now")
            case CallEvent.OFFER:
                link.listener.offer(call, offer_of(PAGES, window=window), PAGES)
            case _:
                link.listener.offer(call, offer_of([], window=window), [])

    if (state.name, event.name) in CALL_WANTED:
        act()
        return
    waiting = state is CallState.OFFERED
    before = b"" if waiting else sent(link.listener)
    with pytest.raises(LocalProtocolError):
        act()
    if not waiting:
        assert sent(link.listener) == before == b""
    assert drain(link.listener) == []
    assert link.listener.state is StreamState.OPEN


@pytest.mark.parametrize("state", [CallState.ASKED, CallState.OFFERED, CallState.COUNTERSIGNED])
def test_a_caller_countersigns_only_what_was_given(state: CallState) -> None:
    link, call = link_in(state)
    with pytest.raises(LocalProtocolError):
        link.dialler.countersign(call, SIG)


@pytest.mark.parametrize("kind", [Kind.ANSWER, Kind.OFFER, Kind.COUNTERSIGN])
def test_a_frame_from_the_wrong_end_of_a_call(kind: Kind) -> None:
    link, call = link_in(CallState.ASKED)
    bodies = {
        Kind.ANSWER: b"an answer",
        Kind.OFFER: offer_of(PAGES).value(),
        Kind.COUNTERSIGN: {"sig": SIG, "keys": None},
    }
    end = link.dialler if kind is Kind.COUNTERSIGN else link.listener
    assert closed(give(end, frame(kind, call, bodies[kind]))).ending is Ending.FAULT
