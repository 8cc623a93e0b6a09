"""Peers that are silent, slow, greedy, forged or confused."""

from __future__ import annotations

import tracemalloc

import pytest

from entrenous.protocol import limits
from entrenous.protocol.cid import cid_of
from entrenous.protocol.errors import Code
from entrenous.protocol.frame import Kind
from entrenous.protocol.hello import Hello, StreamState
from entrenous.protocol.offer import Offer
from entrenous.protocol.session import Session
from entrenous.protocol.session_event import (
    CallReceived,
    CallTimedOut,
    Closed,
    Ending,
    RefuseReceived,
    WindowReceived,
)
from entrenous.protocol.wire import Value
from entrenous.tests.protocol.session_link import (
    ALICE,
    BANK,
    EVE,
    INV,
    NOW_MS,
    SIG,
    Link,
    Party,
    closed,
    drain,
    entry_of,
    frame,
    fresh_link,
    give,
    offer_of,
    open_link,
    party,
    sent,
    unpaired_link,
)

PAGES = [bytes([i]) * 2_088 for i in range(3)]


def hello_of(who: Party | None, peer: Party | None) -> dict[str, Value]:
    cert = None if who is None else who.cert
    return Hello(cert, None if peer is None else peer.did, None).value()


def fault(session: Session, data: bytes) -> Closed:
    """Give `data`, which must end the session by the peer's fault, with one word of farewell."""
    last = closed(give(session, data))
    assert last.ending is Ending.FAULT
    assert last.error is not None
    assert session.state is StreamState.CLOSED
    farewell = sent(session)
    assert b"refuse" in farewell
    assert len(farewell) < 512
    assert give(session, data) == []
    return last


# --- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("greeted", [False, True])
def test_a_gigabyte_announced_takes_no_memory(greeted: bool) -> None:
    session = open_link().listener if greeted else fresh_link().listener
    tracemalloc.start()
    last = fault(session, (10**9).to_bytes(4, "big") + b"x" * 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert last.code is Code.TOO_MUCH
    assert peak < 200_000


@pytest.mark.parametrize(
    ("link", "limit"),
    [
        (fresh_link(), limits.HELLO_BYTES_MAX),
        (unpaired_link(), limits.UNPAIRED_FRAME_BYTES_MAX),
        (open_link(), limits.FRAME_BYTES_MAX),
    ],
)
def test_how_much_a_peer_may_announce(link: Link, limit: int) -> None:
    assert give(link.listener, limit.to_bytes(4, "big")) == []
    assert link.listener.state is not StreamState.CLOSED
    other = Link(link.dialler, link.listener)
    last = fault(link.dialler, (limit + 1).to_bytes(4, "big"))
    assert last.code is Code.TOO_MUCH
    assert other.dialler.state is StreamState.CLOSED


# --- time -----------------------------------------------------------------------------------------


def test_a_silent_dialler_is_left() -> None:
    session = fresh_link().listener
    assert session.next_timer() == NOW_MS + limits.HELLO_MS
    session.handle_timer(NOW_MS + limits.HELLO_MS - 1)
    assert drain(session) == []
    session.handle_timer(NOW_MS + limits.HELLO_MS)
    last = closed(drain(session))
    assert last.ending is Ending.SILENT
    assert last.error is not None
    assert (
        (str(last.error), last.error.code)
        == (last.sentence, Code.BUSY)
        == ("no hello came in time", last.code)
    )
    assert session.next_timer() is None


def test_a_listener_that_never_answers_the_hello_is_left() -> None:
    link = fresh_link()
    link.dialler.hello(ALICE.cert, BANK.did, None)
    sent(link.dialler)
    link.dialler.handle_timer(NOW_MS + limits.HELLO_MS)
    assert closed(drain(link.dialler)).ending is Ending.SILENT


def test_our_own_hesitation_over_a_hello_is_not_the_peers_fault() -> None:
    link = fresh_link()
    link.dialler.hello(ALICE.cert, BANK.did, None)
    link.carry()
    link.listener.handle_timer(NOW_MS + 2 * limits.HELLO_MS)
    assert link.listener.state is StreamState.DECIDING


def test_a_frame_that_drips_is_given_up_at_a_fixed_time() -> None:
    session = open_link().listener
    data = frame(Kind.CALL, 1, {"inv": bytes(8_000), "proofs": []})
    by_ms = NOW_MS + limits.FRAME_MS + 1_000 * (len(data) - 4) // limits.FRAME_RATE_BYTES
    now_ms = NOW_MS
    for at in range(len(data)):
        assert give(session, data[at : at + 1], now_ms) == []
        session.handle_timer(now_ms)
        if session.state is StreamState.CLOSED:
            break
        now_ms += 1_000
    assert closed(drain(session)).ending is Ending.SILENT
    assert by_ms <= now_ms < by_ms + 1_000


def test_the_time_of_a_frame_starts_with_its_first_byte() -> None:
    session = open_link().listener
    whole = frame(Kind.CALL, 1, {"inv": INV, "proofs": []})
    second = frame(Kind.CALL, 3, {"inv": INV, "proofs": []})
    assert len(give(session, whole)) == 1
    later_ms = NOW_MS + limits.FRAME_MS + 10_000
    give(session, second[:5], later_ms)
    session.handle_timer(later_ms)
    assert session.state is StreamState.OPEN
    timer_ms = session.next_timer()
    assert timer_ms is not None
    assert timer_ms > later_ms


def test_a_silent_peer_is_asked_and_then_left() -> None:
    link = open_link()
    at_ms = link.dialler.next_timer()
    assert at_ms == NOW_MS + limits.PING_IDLE_MS
    link.dialler.handle_timer(at_ms)
    assert b"ping" in sent(link.dialler, at_ms)
    link.dialler.handle_timer(at_ms + limits.PING_REPLY_MS)
    assert closed(drain(link.dialler)).ending is Ending.SILENT


def test_a_peer_that_lives_answers_the_ping() -> None:
    link = open_link()
    link.now_ms = NOW_MS + limits.PING_IDLE_MS
    link.dialler.handle_timer(link.now_ms)
    link.carry()
    assert link.dialler.next_timer() == link.now_ms + limits.PING_IDLE_MS
    assert link.to_dialler() == link.to_listener() == []


def test_a_peer_is_asked_sooner_when_a_call_waits() -> None:
    link = open_link()
    link.dialler.call(INV)
    assert link.dialler.next_timer() == NOW_MS + limits.PING_WAITING_MS


def alive(session: Session, until_ms: int, *, reads: bool = True) -> None:
    """Let time pass on `session` while the peer sends signs of life and nothing else."""
    now_ms = NOW_MS
    while now_ms < until_ms and session.state is StreamState.OPEN:
        now_ms = min(now_ms + limits.PING_WAITING_MS // 2, until_ms)
        give(session, frame(Kind.PING, 0, {"n": 1, "reply": False}), now_ms)
        if reads:
            sent(session, now_ms)
        session.handle_timer(now_ms)


def test_a_call_that_is_not_answered_is_withdrawn() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    alive(link.dialler, NOW_MS + limits.CALL_MS)
    assert drain(link.dialler) == [CallTimedOut(call)]
    link.now_ms = NOW_MS + limits.CALL_MS
    seen = link.to_listener()
    assert isinstance(seen[-1], RefuseReceived)
    assert link.dialler.calls_free == limits.CALLS_OPEN_MAX


def test_a_withdrawal_that_is_not_acknowledged_ends_the_session() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.dialler.refuse(call, Code.BUSY, "never mind")
    sent(link.dialler)
    alive(link.dialler, NOW_MS + limits.CALL_MS)
    assert closed(drain(link.dialler)).ending is Ending.SILENT


def test_a_reader_that_never_countersigns() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    link.listener.offer(call, offer_of(PAGES), PAGES)
    link.carry()
    alive(link.listener, NOW_MS + limits.WINDOW_MS)
    assert drain(link.listener) == [CallTimedOut(call)]
    # the countersign crosses our refusal on its way: late, and no fault
    link.dialler.countersign(call, SIG)
    link.now_ms = NOW_MS + limits.WINDOW_MS
    link.carry()
    assert link.dialler.state is link.listener.state is StreamState.OPEN


def test_a_reader_that_takes_no_bytes_gives_its_window_up() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    link.listener.offer(call, offer_of(PAGES), PAGES)
    alive(link.listener, NOW_MS + limits.WINDOW_MS, reads=False)
    assert drain(link.listener) == [CallTimedOut(call)]
    assert b"\x83\x64page" not in sent(link.listener, NOW_MS + limits.WINDOW_MS)


def test_pages_that_drip_do_not_prolong_their_window() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    give(link.dialler, frame(Kind.OFFER, call, offer_of(PAGES).value()))
    now_ms = NOW_MS
    while now_ms < NOW_MS + limits.WINDOW_MS:
        now_ms += 20_000
        give(link.dialler, frame(Kind.PAGE, call, b"\x00"), now_ms)
    link.dialler.handle_timer(now_ms)
    assert CallTimedOut(call) in drain(link.dialler)


def test_a_clock_set_back_prolongs_nothing() -> None:
    session = fresh_link().listener
    give(session, b"\x00", NOW_MS)
    session.receive_data(b"\x00", NOW_MS - 10**9)
    assert session.next_timer() == NOW_MS + limits.HELLO_MS


# --- floods ---------------------------------------------------------------------------------------


def test_a_flood_of_calls_stops_at_the_limit() -> None:
    link = open_link()
    flood = b"".join(frame(Kind.CALL, 2 * i + 1, {"inv": INV, "proofs": []}) for i in range(1_000))
    events = give(link.listener, flood)
    assert sum(isinstance(event, CallReceived) for event in events) == limits.CALLS_OPEN_MAX
    assert closed(events).code is Code.TOO_MUCH


def test_a_peer_that_asks_and_never_reads_piles_up_nothing() -> None:
    link = open_link()
    for i in range(limits.CALLS_OPEN_MAX + 1):
        events = give(link.listener, frame(Kind.CALL, 2 * i + 1, {"inv": INV, "proofs": []}))
        if isinstance(events[-1], Closed):
            assert i == limits.CALLS_OPEN_MAX
            return
        link.listener.answer(2 * i + 1, bytes(100_000))
    pytest.fail("the answers pile up")


def test_an_unpaired_peer_has_one_call() -> None:
    link = unpaired_link()
    one = frame(Kind.CALL, 1, {"inv": INV, "proofs": []})
    two = frame(Kind.CALL, 3, {"inv": INV, "proofs": []})
    assert give(link.listener, one) == [CallReceived(1, INV, ())]
    assert fault(link.listener, two).code is Code.UNPAIRED


@pytest.mark.parametrize(
    "data",
    [
        frame(Kind.CALL, 1, {"inv": INV, "proofs": [b"p"]}),
        frame(Kind.CALL, 1, {"inv": INV, "proofs": []}) + frame(Kind.PAGE, 1, b"a part"),
    ],
)
def test_an_unpaired_peer_brings_neither_proofs_nor_parts(data: bytes) -> None:
    assert fault(unpaired_link().listener, data).code is Code.UNPAIRED


def test_an_unpaired_listener_asks_nothing() -> None:
    link = unpaired_link()
    question = frame(Kind.CALL, 2, {"inv": INV, "proofs": []})
    assert fault(link.dialler, question).code is Code.UNPAIRED


def test_a_flood_of_pings() -> None:
    link = open_link()
    ping = frame(Kind.PING, 0, {"n": 1, "reply": False})
    assert give(link.listener, ping * limits.PINGS_MAX) == []
    # one reply is owed, not ten
    assert sent(link.listener).count(b"ping") == 1
    assert fault(link.listener, ping).code is Code.TOO_MUCH


def test_a_reply_to_a_ping_never_sent() -> None:
    fault(open_link().listener, frame(Kind.PING, 0, {"n": 1, "reply": True}))


def test_late_frames_are_counted() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    link.listener.answer(call, b"no")
    refusal = frame(Kind.REFUSE, call, {"code": "busy", "sentence": "never mind"})
    part = frame(Kind.PAGE, call, b"x")
    assert give(link.listener, part * limits.DELIVERY_PARTS_MAX + refusal * 2) == []
    fault(link.listener, refusal)


# --- order ----------------------------------------------------------------------------------------


def test_a_second_hello() -> None:
    hello = frame(Kind.HELLO, 0, hello_of(ALICE, BANK))
    fault(open_link().listener, hello)


def test_a_question_before_the_hello_is_answered() -> None:
    link = fresh_link()
    link.dialler.hello(ALICE.cert, BANK.did, None)
    data = sent(link.dialler) + frame(Kind.CALL, 1, {"inv": INV, "proofs": []})
    fault(link.listener, data)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.HELLO, Kind.REFUSE)])
def test_any_other_frame_before_the_hello(kind: Kind) -> None:
    fault(fresh_link().listener, frame(kind, 1, b"body"))


@pytest.mark.parametrize(
    "kind", [Kind.ANSWER, Kind.OFFER, Kind.PAGE, Kind.COUNTERSIGN, Kind.REFUSE]
)
@pytest.mark.parametrize("call", [0, 1, 2, 3, 99])
def test_a_frame_for_an_unknown_call(kind: Kind, call: int) -> None:
    if kind is Kind.REFUSE and call == 0:
        return
    bodies: dict[Kind, Value] = {
        Kind.ANSWER: b"an answer",
        Kind.OFFER: offer_of(PAGES).value(),
        Kind.PAGE: b"pages",
        Kind.COUNTERSIGN: {"sig": SIG, "keys": 1},
        Kind.REFUSE: {"code": "busy", "sentence": "no"},
    }
    fault(open_link().listener, frame(kind, call, bodies[kind]))


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_call_numbered_as_if_the_other_side_made_it(number: int) -> None:
    fault(open_link().listener, frame(Kind.CALL, number, {"inv": INV, "proofs": []}))


@pytest.mark.parametrize("second", [1, 3])
def test_call_numbers_rise(second: int) -> None:
    session = open_link().listener
    give(session, frame(Kind.CALL, 3, {"inv": INV, "proofs": []}))
    fault(session, frame(Kind.CALL, second, {"inv": INV, "proofs": []}))


# --- pages ----------------------------------------------------------------------------------------


def asked() -> tuple[Session, int]:
    link = open_link()
    call = link.dialler.call(INV)
    sent(link.dialler)
    return link.dialler, call


def test_pages_that_were_not_offered() -> None:
    session, call = asked()
    fault(session, frame(Kind.PAGE, call, PAGES[0]))


def test_more_pages_than_were_offered() -> None:
    session, call = asked()
    give(session, frame(Kind.OFFER, call, offer_of(PAGES).value()))
    last = fault(session, frame(Kind.PAGE, call, b"".join(PAGES) + b"x"))
    assert last.code is Code.TOO_MUCH


def test_pages_after_the_window_is_whole() -> None:
    session, call = asked()
    window = frame(Kind.OFFER, call, offer_of(PAGES).value())
    events = give(session, window + frame(Kind.PAGE, call, b"".join(PAGES)))
    assert isinstance(events[-1], WindowReceived)
    fault(session, frame(Kind.PAGE, call, b"x"))


@pytest.mark.parametrize("kind", [Kind.OFFER, Kind.ANSWER])
def test_fewer_pages_than_were_offered(kind: Kind) -> None:
    session, call = asked()
    give(session, frame(Kind.OFFER, call, offer_of(PAGES, last=False).value()))
    give(session, frame(Kind.PAGE, call, b"".join(PAGES)[:-1]))
    body = b"an answer" if kind is Kind.ANSWER else offer_of(PAGES, window=1).value()
    fault(session, frame(kind, call, body))


def test_an_empty_page_frame() -> None:
    session, call = asked()
    give(session, frame(Kind.OFFER, call, offer_of(PAGES).value()))
    fault(session, frame(Kind.PAGE, call, b""))


def test_a_countersign_before_the_offer() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    fault(link.listener, frame(Kind.COUNTERSIGN, call, {"sig": SIG, "keys": None}))


def test_a_countersign_before_the_pages_left() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    link.listener.offer(call, offer_of(PAGES), PAGES)
    fault(link.listener, frame(Kind.COUNTERSIGN, call, {"sig": SIG, "keys": None}))


def test_pages_offered_to_a_delivery() -> None:
    link = open_link()
    call = link.dialler.call(INV, (), [b"a part"])
    sent(link.dialler)
    fault(link.dialler, frame(Kind.OFFER, call, offer_of(PAGES).value()))


def changed(offer: Offer, **fields: Value) -> dict[str, Value]:
    value = offer.value()
    receipt = value["receipt"]
    assert isinstance(receipt, dict)
    for key, item in fields.items():
        (receipt if key in receipt else value)[key] = item
    return value


ENTRY = entry_of(PAGES[0])


@pytest.mark.parametrize(
    "fields",
    [
        {"inv": cid_of(b"another")},
        {"window": 1},
        {"pages": 2},
        {"bytes": 1},
        {"sig": b"short"},
        {"entries": [ENTRY, ENTRY]},
        {"entries": [ENTRY[:60], ENTRY, ENTRY]},
        {"entries": [b"", ENTRY, ENTRY]},
        {"entries": ["text", ENTRY, ENTRY]},
        # the head of the path says one byte more, or less, than the path has
        {"entries": [ENTRY.replace(b"\x78\x1d", b"\x78\x1e"), ENTRY, ENTRY]},
        {"entries": [ENTRY.replace(b"\x78\x1d", b"\x78\x1c"), ENTRY, ENTRY]},
        {"heads": [1]},
        {"heads": [bytes(limits.SEGMENT_BYTES_MAX + 1)]},
        {"keysets": [b"k"] * (limits.OFFER_KEYSETS_MAX + 1)},
        {"statements": b"no list"},
        {"surplus": 1},
    ],
)
def test_an_offer_that_is_not_what_it_should_be(fields: dict[str, Value]) -> None:
    session, call = asked()
    offer = offer_of([PAGES[0]] * 3)
    fault(session, frame(Kind.OFFER, call, changed(offer, **fields)))


def test_an_offer_of_more_than_a_window() -> None:
    session, call = asked()
    offer = offer_of([bytes(600_000)] * 2)
    fault(session, frame(Kind.OFFER, call, offer.value()))


def test_an_entry_whose_page_has_no_bytes() -> None:
    session, call = asked()
    fault(session, frame(Kind.OFFER, call, offer_of([b"", b"x"]).value()))


# --- forged greetings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code"),
    [
        # Eve's certificate is for Eve's device, and Alice's was proved
        (hello_of(EVE, BANK), Code.AUDIENCE),
        (hello_of(party("late", life_s=1), BANK), Code.AUDIENCE),
        ({**hello_of(ALICE, BANK), "v": [2, 3]}, Code.VERSION),
        ({"v": [2], "new": 1}, Code.VERSION),
        ({**hello_of(ALICE, BANK), "v": []}, Code.MALFORMED),
        ({**hello_of(ALICE, BANK), "v": [True]}, Code.MALFORMED),
        ({**hello_of(ALICE, BANK), "v": [0, 1]}, Code.MALFORMED),
        ({**hello_of(ALICE, BANK), "v": 1}, Code.MALFORMED),
        ({**hello_of(ALICE, BANK), "v": [1] * 17}, Code.MALFORMED),
        ({**hello_of(ALICE, BANK), "more": 1}, Code.MALFORMED),
        ({**hello_of(ALICE, BANK), "peer": "did:key:zz"}, Code.MALFORMED),
        ({**hello_of(ALICE, BANK), "last": b"short"}, Code.MALFORMED),
        ({**hello_of(None, None), "last": cid_of(b"x")}, Code.MALFORMED),
        ({**hello_of(ALICE, BANK), "cert": ALICE.cert.signed.raw[:-1] + b"!"}, Code.MALFORMED),
        ([], Code.MALFORMED),
    ],
)
def test_a_hello_that_does_not_hold(value: Value, code: Code) -> None:
    assert fault(fresh_link().listener, frame(Kind.HELLO, 0, value)).code is code


def test_a_version_from_the_future_is_told_who_is_too_old() -> None:
    last = fault(fresh_link().listener, frame(Kind.HELLO, 0, {"v": [2, 7]}))
    assert "the other is too old" in last.sentence


def test_later_versions_beside_ours_are_no_harm() -> None:
    session = fresh_link().listener
    value = {**hello_of(ALICE, BANK), "v": [*range(1, 17)]}
    assert len(give(session, frame(Kind.HELLO, 0, value))) == 1
    assert session.state is StreamState.DECIDING


def test_a_certificate_that_has_expired() -> None:
    session = fresh_link().listener
    data = frame(Kind.HELLO, 0, hello_of(ALICE, BANK))
    session.receive_data(data, NOW_MS + 86_400_001)
    assert closed(drain(session)).code is Code.EXPIRED


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (hello_of(None, None), Code.UNPAIRED),
        (hello_of(EVE, ALICE), Code.AUDIENCE),
        (hello_of(BANK, EVE), Code.AUDIENCE),
        (hello_of(BANK, None), Code.AUDIENCE),
    ],
)
def test_a_listener_that_is_not_whom_we_dialled(value: Value, code: Code) -> None:
    link = fresh_link()
    link.dialler.hello(ALICE.cert, BANK.did, None)
    assert fault(link.dialler, frame(Kind.HELLO, 0, value)).code is code


def test_another_persona_of_the_right_device() -> None:
    stranger = party("other persona")
    link = Link(
        Session.dialler(stranger.device.public, NOW_MS),
        Session.listener(ALICE.device.public, NOW_MS),
    )
    link.dialler.hello(ALICE.cert, BANK.did, None)
    value = hello_of(stranger, ALICE)
    assert fault(link.dialler, frame(Kind.HELLO, 0, value)).code is Code.AUDIENCE


# --- form -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"code": "busy", "sentence": "\x1b[2Jgone"},
        {"code": "no-such-code", "sentence": "x"},
        {"code": "busy", "sentence": "x" * 257},
        {"code": "busy"},
        None,
    ],
)
@pytest.mark.parametrize("call", [0, 1])
def test_a_refusal_that_is_not_of_the_form(call: int, body: Value) -> None:
    link = open_link()
    link.dialler.call(INV)
    sent(link.dialler)
    fault(link.dialler, frame(Kind.REFUSE, call, body))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x83",
        b"\x80",
        b"\x83\x64page\x01\x44abc",
        b"\x83\x64page\x01\x43abcd",
        b"\x83\x64page\x18\x01\x43abc",
        b"\x83\x64page\x01\x58\x03abc",
        b"\x83\x64page\x01\x5f\x41a\xff",
        b"\x83\x64page\x20\x43abc",
        b"\x83\x64page\x01\x63abc",
        b"\x83\x64page\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x43abc",
        b"\x83\x64pagf\x01\x43abc",
        b"\x83\x66answer\x01\x63abc",
        b"\x9f\x64ping\x00\xa0\xff",
    ],
)
def test_a_frame_that_is_not_of_the_form(payload: bytes) -> None:
    link = open_link()
    link.dialler.call(INV)
    sent(link.dialler)
    fault(link.dialler, len(payload).to_bytes(4, "big") + payload)
