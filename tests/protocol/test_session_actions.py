"""What one end may do, and when: each action held to its state, each event to the letter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrenous.crypto.digest import sha256
from entrenous.protocol import limits
from entrenous.protocol.errors import Code, LocalProtocolError
from entrenous.protocol.frame import Kind
from entrenous.protocol.hello import Greeting, Hello, StreamState, stays
from entrenous.protocol.message import ping_frame
from entrenous.protocol.session import Session
from entrenous.protocol.session_event import (
    CallReceived,
    CallTimedOut,
    Closed,
    Ending,
    Event,
    PagesAltered,
    WindowReceived,
)
from entrenous.protocol.wire import Value
from entrenous.tests.protocol.session_link import (
    ALICE,
    BANK,
    INV,
    NOW_MS,
    SIG,
    Link,
    closed,
    drain,
    ends,
    frame,
    fresh_link,
    give,
    offer_of,
    open_link,
    sent,
    unpaired_link,
)

PAGES = [b"one page", b"another"]


def fault(session: Session, data: bytes) -> Closed:
    last = closed(give(session, data))
    assert last.ending is Ending.FAULT
    return last


# --- a session that is over -----------------------------------------------------------------------

Action = Callable[[Link, int], object]
ACTIONS: dict[str, Action] = {
    "call": lambda link, _: link.dialler.call(INV),
    "withdraw": lambda link, call: link.dialler.refuse(call, Code.BUSY, "no more"),
    "countersign": lambda link, call: link.dialler.countersign(call, SIG),
    "ping": lambda link, _: link.dialler.ping(),
    "answer": lambda link, call: link.listener.answer(call, b"an answer"),
    "refuse": lambda link, call: link.listener.refuse(call, Code.BUSY, "no"),
    "offer": lambda link, call: link.listener.offer(call, offer_of(PAGES), PAGES),
}


@pytest.mark.parametrize("act", ACTIONS.values(), ids=ACTIONS)
def test_nothing_is_said_after_the_end(act: Action) -> None:
    """Calls that were open are not: what is done to one is our own mistake, and sends nothing."""
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    for session in (link.dialler, link.listener):
        session.close()
        drain(session)
    with pytest.raises(LocalProtocolError, match="while the stream is closed"):
        act(link, call)
    assert sent(link.dialler) == sent(link.listener) == b""
    assert link.dialler.calls_free == 0


def test_whoever_is_silent_is_sent_nothing_but_the_reason() -> None:
    link = open_link()
    link.dialler.call(INV, (), [b"a part"])
    link.dialler.handle_timer(NOW_MS + limits.PING_WAITING_MS)
    link.dialler.handle_timer(NOW_MS + limits.PING_WAITING_MS + limits.PING_REPLY_MS)
    last = closed(drain(link.dialler))
    assert last.ending is Ending.SILENT
    assert last.error is not None
    assert (str(last.error), last.error.code) == (last.sentence, Code.BUSY)
    assert sent(link.dialler) == frame(
        Kind.REFUSE, 0, {"code": "busy", "sentence": "the peer gives no sign of life"}
    )


def test_we_leave() -> None:
    session = open_link().dialler
    session.close()
    (event,) = drain(session)
    assert isinstance(event, Closed)
    assert event.ending is Ending.CLOSED
    assert event.sentence == Ending.CLOSED.value


def test_a_hello_is_accepted_once() -> None:
    with pytest.raises(LocalProtocolError, match="no hello waits: the stream is open"):
        open_link().listener.accept(BANK.cert, None)


def test_the_peer_left() -> None:
    link = open_link()
    assert ends(link.dialler) == [Closed(Ending.LEFT, Ending.LEFT.value)]
    assert closed(ends(link.listener)).ending is Ending.LEFT
    assert link.dialler.state is StreamState.CLOSED


# --- calls ----------------------------------------------------------------------------------------


def test_a_call_that_was_refused_makes_room_for_another() -> None:
    link = unpaired_link()
    for _ in range(3):
        call = link.dialler.call(INV)
        (received,) = link.to_listener()
        assert isinstance(received, CallReceived)
        link.listener.refuse(call, Code.BUSY, "not now")
        link.carry()


def test_a_call_that_was_answered_makes_room_for_another() -> None:
    link = unpaired_link()
    for _ in range(3):
        call = link.dialler.call(INV)
        (received,) = link.to_listener()
        assert isinstance(received, CallReceived)
        link.listener.answer(call, b"an answer")
        link.carry()


def test_a_page_is_bytes() -> None:
    link = open_link()
    give(link.listener, frame(Kind.CALL, 1, {"inv": INV, "proofs": []}))
    assert "does not carry bytes" in fault(link.listener, frame(Kind.PAGE, 1, "text")).sentence


def test_what_we_withdraw_makes_no_room_for_the_peer() -> None:
    link = open_link()
    link.listener.call(INV)
    call = link.dialler.call(INV)
    sent(link.dialler)
    link.dialler.refuse(call, Code.BUSY, "no more")
    sent(link.dialler)
    give(link.dialler, sent(link.listener))
    none: list[Value] = []
    body: dict[str, Value] = {"inv": INV, "proofs": none}
    for number in range(4, 2 + 2 * limits.CALLS_OPEN_MAX, 2):
        give(link.dialler, frame(Kind.CALL, number, body))
    assert link.dialler.state is StreamState.OPEN
    last = fault(link.dialler, frame(Kind.CALL, 2 + 2 * limits.CALLS_OPEN_MAX, body))
    assert last.code is Code.TOO_MUCH


def test_a_call_is_refused_once() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    refusal = frame(Kind.REFUSE, call, {"code": "busy", "sentence": "not now"})
    give(link.dialler, refusal)
    assert link.dialler.state is StreamState.OPEN
    assert "not open" in fault(link.dialler, refusal).sentence


@pytest.mark.parametrize(
    ("kind", "body"),
    [(Kind.ANSWER, b"an answer"), (Kind.REFUSE, {"code": "busy", "sentence": "not now"})],
)
def test_a_delivery_that_ended_sends_no_more_of_its_parts(kind: Kind, body: bytes) -> None:
    link = open_link()
    call = link.dialler.call(INV, (), [b"a part", b"another"])
    assert link.dialler.data_to_send(NOW_MS)  # the question
    give(link.dialler, frame(kind, call, body))
    assert link.dialler.data_to_send(NOW_MS) == b""


def test_the_parts_of_a_delivery_go_to_their_limits() -> None:
    link = open_link()
    give(link.listener, frame(Kind.CALL, 1, {"inv": INV, "proofs": []}))
    give(link.listener, frame(Kind.PAGE, 1, bytes(limits.PART_BYTES_MAX)))
    assert link.listener.state is StreamState.OPEN
    for _ in range(limits.DELIVERY_PARTS_MAX - 1):
        give(link.listener, frame(Kind.PAGE, 1, b"x"))
    assert link.listener.state is StreamState.OPEN
    assert fault(link.listener, frame(Kind.PAGE, 1, b"x")).code is Code.TOO_MUCH


@pytest.mark.parametrize("size", [0, limits.PART_BYTES_MAX + 1])
def test_a_part_of_another_size_is_refused(size: int) -> None:
    link = open_link()
    give(link.listener, frame(Kind.CALL, 1, {"inv": INV, "proofs": []}))
    assert fault(link.listener, frame(Kind.PAGE, 1, bytes(size))).code is Code.TOO_MUCH


def test_our_own_mistake_is_not_blamed_on_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(raw: bytes) -> bytes:
        raise LocalProtocolError("a mistake of ours")

    link = open_link()
    monkeypatch.setattr("entrenous.protocol.session.cid_of", mistaken)
    link.listener.receive_data(frame(Kind.CALL, 1, {"inv": INV, "proofs": []}), NOW_MS)
    with pytest.raises(LocalProtocolError, match="a mistake of ours"):
        link.listener.next_event()
    assert link.listener.state is StreamState.OPEN
    assert sent(link.listener) == b""


# --- windows --------------------------------------------------------------------------------------


def reading() -> tuple[Link, int]:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    link.seen_by_listener.clear()
    return link, call


def test_an_empty_window_is_received_as_it_was_offered() -> None:
    link, call = reading()
    offer = offer_of([])
    link.listener.offer(call, offer, [])
    (event,) = link.to_dialler()
    assert isinstance(event, WindowReceived)
    assert (event.call, event.offer.receipt, event.pages) == (call, offer.receipt, ())


def test_altered_pages_are_received_by_their_places() -> None:
    link, call = reading()
    offer = offer_of(PAGES)
    link.listener.offer(call, offer, [PAGES[0], PAGES[1][::-1]])
    event, *_ = link.to_dialler()
    assert isinstance(event, PagesAltered)
    assert (event.call, event.offer.receipt) == (call, offer.receipt)
    assert (event.pages, event.places) == ((PAGES[0], PAGES[1][::-1]), (1,))
    assert sha256(event.pages[0]) == sha256(PAGES[0])


def test_a_reader_has_its_time_from_when_the_last_page_left() -> None:
    link, call = reading()
    link.listener.offer(call, offer_of(PAGES), PAGES)
    left_ms = NOW_MS + 5_000
    sent(link.listener, left_ms)
    by_ms = left_ms + limits.WINDOW_MS
    give(link.listener, ping_frame(1, reply=False), by_ms - 10)
    link.listener.handle_timer(by_ms - 1)
    assert drain(link.listener) == []
    link.listener.handle_timer(by_ms)
    assert drain(link.listener) == [CallTimedOut(call)]


def test_who_takes_a_delivery_has_its_time_from_when_the_last_part_left() -> None:
    link = open_link()
    call = link.dialler.call(INV, (), [b"a part"])
    left_ms = NOW_MS + 5_000
    sent(link.dialler, left_ms)
    by_ms = left_ms + limits.CALL_MS
    give(link.dialler, ping_frame(1, reply=False), by_ms - 10)
    assert link.dialler.next_timer() == by_ms  # which comes before the next sign of life
    link.dialler.handle_timer(by_ms - 1)
    assert drain(link.dialler) == []
    link.dialler.handle_timer(by_ms)
    assert drain(link.dialler) == [CallTimedOut(call)]


# --- bytes ----------------------------------------------------------------------------------------


def test_how_much_is_taken_before_the_events_are() -> None:
    """What one frame may have, and what one send may have, to the byte."""
    most = limits.HELLO_BYTES_MAX + limits.SEND_BYTES
    for size, more in ((most, True), (most + 1, False)):
        session = fresh_link().listener
        session.receive_data(bytes(size), NOW_MS)
        if more:
            session.receive_data(b"x", NOW_MS)
        else:
            with pytest.raises(LocalProtocolError, match="before the events"):
                session.receive_data(b"x", NOW_MS)


# --- greetings ------------------------------------------------------------------------------------


def test_of_one_certificate_there_is_no_pair() -> None:
    for ours, theirs in ((ALICE.cert, None), (None, ALICE.cert), (None, None)):
        greeting = Greeting(BANK.device.public, dialler=True)
        greeting.state = StreamState.OPEN
        greeting.ours, greeting.theirs = Hello(ours, None, None), Hello(theirs, None, None)
        assert not greeting.paired
    greeting.ours = greeting.theirs = Hello(ALICE.cert, None, None)
    assert greeting.paired
    greeting.state = StreamState.AWAITING
    assert not greeting.paired


def test_a_hello_names_no_call() -> None:
    hello: dict[str, Value] = {"v": [1], "cert": None, "peer": None, "last": None}
    assert "names a call" in fault(fresh_link().listener, frame(Kind.HELLO, 1, hello)).sentence


def test_of_two_streams_exactly_one_stays() -> None:
    one, two = b"a" * 32, b"b" * 32
    assert [stays(one, two), stays(two, one), stays(one, one)] == [True, False, False]


def test_events_come_in_the_order_in_which_they_happened() -> None:
    link = open_link()
    both = frame(Kind.CALL, 1, {"inv": INV, "proofs": []}) + frame(
        Kind.CALL, 3, {"inv": b"later", "proofs": []}
    )
    events: list[Event] = give(link.listener, both)
    assert events == [CallReceived(1, INV, ()), CallReceived(3, b"later", ())]
