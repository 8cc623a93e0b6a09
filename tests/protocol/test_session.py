"""Two sessions over a fake link: the greeting, calls, deliveries, reads, refusals, endings."""

from __future__ import annotations

import pytest

from entrenous.crypto.digest import sha256
from entrenous.protocol import limits
from entrenous.protocol.cid import cid_of
from entrenous.protocol.errors import Code, LocalProtocolError
from entrenous.protocol.frame import FrameDecoder, Kind
from entrenous.protocol.hello import StreamState, stays
from entrenous.protocol.session import Session
from entrenous.protocol.session_event import (
    AnswerReceived,
    CallReceived,
    Closed,
    CountersignReceived,
    Ending,
    HelloReceived,
    Opened,
    PagesAltered,
    PartReceived,
    RefuseReceived,
    WindowReceived,
)
from entrenous.tests.protocol.session_link import (
    ALICE,
    BANK,
    INV,
    NOW_MS,
    SIG,
    closed,
    drain,
    ends,
    fresh_link,
    give,
    offer_of,
    open_link,
    sent,
    unpaired_link,
)

LAST = cid_of(b"the last receipt")
PAGES = [bytes([i]) * 2_088 for i in range(5)]


def test_both_sides_learn_who_the_other_is() -> None:
    link = fresh_link()
    link.dialler.hello(ALICE.cert, BANK.did, LAST)
    assert link.to_listener() == [HelloReceived(ALICE.cert, BANK.did, LAST)]
    assert link.listener.state is StreamState.DECIDING
    link.listener.accept(BANK.cert, None)
    assert drain(link.listener) == [Opened()]
    assert link.to_dialler() == [HelloReceived(BANK.cert, ALICE.did, None), Opened()]
    assert link.dialler.paired
    assert link.listener.paired


def test_a_listener_refuses_a_hello() -> None:
    link = fresh_link()
    link.dialler.hello(ALICE.cert, BANK.did, None)
    link.carry()
    link.listener.refuse(0, Code.UNPAIRED, "this persona is not paired here")
    assert closed(drain(link.listener)).ending is Ending.CLOSED
    assert link.to_dialler() == [
        Closed(Ending.REFUSED, "this persona is not paired here", Code.UNPAIRED)
    ]


def test_nothing_is_sent_before_the_greeting() -> None:
    link = fresh_link()
    with pytest.raises(LocalProtocolError):
        link.dialler.call(INV)
    with pytest.raises(LocalProtocolError):
        link.listener.accept(BANK.cert, None)
    with pytest.raises(LocalProtocolError):
        link.listener.hello(BANK.cert, ALICE.did, None)
    with pytest.raises(LocalProtocolError):
        link.listener.ping()
    assert sent(link.dialler) == sent(link.listener) == b""


def test_the_listener_shows_only_what_it_was_shown() -> None:
    link = fresh_link()
    link.dialler.hello(None, None, None)
    link.carry()
    with pytest.raises(LocalProtocolError, match="showed one"):
        link.listener.accept(BANK.cert, None)
    link.listener.accept(None, None)
    assert link.to_dialler() == [HelloReceived(None, None, None), Opened()]
    assert not link.dialler.paired


def test_the_listener_answers_as_the_persona_that_was_asked_for() -> None:
    link = fresh_link()
    link.dialler.hello(ALICE.cert, BANK.did, None)
    link.carry()
    with pytest.raises(LocalProtocolError, match="persona"):
        link.listener.accept(ALICE.cert, None)


def test_an_unpaired_session_opens_a_pairing_and_no_more() -> None:
    link = unpaired_link()
    with pytest.raises(LocalProtocolError):
        link.dialler.call(INV, [b"a proof"])
    with pytest.raises(LocalProtocolError):
        link.dialler.call(INV, [], [b"a part"])
    with pytest.raises(LocalProtocolError):
        link.listener.call(INV)
    call = link.dialler.call(INV)
    with pytest.raises(LocalProtocolError, match="open"):
        link.dialler.call(INV)
    assert link.to_listener() == [CallReceived(call, INV, ())]
    with pytest.raises(LocalProtocolError, match="unpaired"):
        link.listener.offer(call, offer_of(PAGES), PAGES)
    link.listener.answer(call, b"paired")
    assert link.to_dialler() == [AnswerReceived(call, b"paired")]
    assert link.dialler.calls_free == 1


def test_calls_of_both_sides_pass_each_other() -> None:
    link = open_link()
    first, second = link.dialler.call(b"1", [b"p", b"q"]), link.dialler.call(b"2")
    other = link.listener.call(b"3")
    assert (first, second, other) == (1, 3, 2)
    assert link.to_listener() == [CallReceived(1, b"1", (b"p", b"q")), CallReceived(3, b"2", ())]
    assert link.to_dialler() == [CallReceived(2, b"3", ())]
    link.listener.answer(3, b"b")
    link.listener.refuse(1, Code.UNPAIRED, "who are you")
    link.dialler.answer(2, b"c")
    assert link.to_dialler() == [
        AnswerReceived(3, b"b"),
        RefuseReceived(1, Code.UNPAIRED, "who are you"),
    ]
    assert link.to_listener() == [AnswerReceived(2, b"c")]
    with pytest.raises(LocalProtocolError):
        link.listener.answer(3, b"twice")


def test_a_delivery_brings_its_parts_in_order() -> None:
    link = open_link()
    parts = [bytes([i]) * 100_000 for i in range(4)]
    call = link.dialler.call(INV, (), parts)
    seen = link.to_listener()
    assert seen[0] == CallReceived(call, INV, ())
    assert seen[1:] == [PartReceived(call, i, part) for i, part in enumerate(parts)]
    link.listener.answer(call, b"stored")
    assert link.to_dialler() == [AnswerReceived(call, b"stored")]


def test_a_delivery_refused_at_once_drops_the_parts_under_way() -> None:
    link = open_link()
    call = link.dialler.call(INV, (), [b"x" * 1_000] * 5)
    first = link.dialler.data_to_send(NOW_MS) + link.dialler.data_to_send(NOW_MS)
    assert len(give(link.listener, first)) == 2
    under_way = link.dialler.data_to_send(NOW_MS)
    link.listener.answer(call, b"too much")
    assert give(link.listener, under_way) == []
    assert link.to_dialler() == [AnswerReceived(call, b"too much")]
    assert link.to_listener() == []
    assert link.listener.state is StreamState.OPEN
    # the parts not yet sent never are
    assert sent(link.dialler) == b""


def test_a_read_goes_window_by_window() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    link.listener.offer(call, first := offer_of(PAGES, last=False), PAGES)
    with pytest.raises(LocalProtocolError, match="offers pages when the call is"):
        link.listener.offer(call, offer_of(PAGES, window=1), PAGES)
    (window,) = link.to_dialler()
    assert isinstance(window, WindowReceived)
    assert list(window.pages) == PAGES
    assert window.offer.receipt == first.receipt
    assert tuple(window.offer.entries) == tuple(first.entries)
    link.dialler.countersign(call, SIG, 7)
    assert link.to_listener()[1:] == [CountersignReceived(call, 0, False, SIG, 7)]
    link.listener.offer(call, offer_of([], window=1), [])
    (window,) = link.to_dialler()
    assert isinstance(window, WindowReceived)
    assert window.pages == ()
    link.dialler.countersign(call, SIG)
    assert link.to_listener() == [CountersignReceived(call, 1, True, SIG, None)]
    with pytest.raises(LocalProtocolError):
        link.listener.answer(call, b"too late")
    assert link.dialler.calls_free == link.listener.calls_free == limits.CALLS_OPEN_MAX


def test_a_read_ends_early_by_an_answer_between_windows() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    link.listener.offer(call, offer_of(PAGES, last=False), PAGES)
    link.to_dialler()
    link.dialler.countersign(call, SIG)
    link.carry()
    link.listener.answer(call, b"revoked")
    assert link.to_dialler() == [AnswerReceived(call, b"revoked")]


def test_our_own_offer_is_held_against_its_receipt() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    for offer, pages in (
        (offer_of(PAGES), PAGES[:-1]),
        (offer_of(PAGES, window=1), PAGES),
        (offer_of(PAGES, inv=b"another"), PAGES),
        (offer_of([bytes(700_000)] * 2), [bytes(700_000)] * 2),
    ):
        with pytest.raises(LocalProtocolError):
            link.listener.offer(call, offer, pages)
    assert sent(link.listener) == b""
    link.listener.offer(call, offer_of(PAGES), PAGES)


def test_an_altered_page_ends_its_call_and_no_other() -> None:
    link = open_link()
    call, other = link.dialler.call(INV), link.dialler.call(b"another")
    link.carry()
    altered = [*PAGES[:2], PAGES[2][:-1] + b"!", *PAGES[3:]]
    link.listener.offer(call, offer_of(PAGES), altered)
    (event,) = link.to_dialler()
    assert isinstance(event, PagesAltered)
    assert event.places == (2,)
    assert list(event.pages) == altered
    (refused,) = [e for e in link.to_listener() if isinstance(e, RefuseReceived)]
    assert refused == RefuseReceived(
        call, Code.MALFORMED, "1 of 5 pages are not those that were offered"
    )
    link.listener.answer(other, b"fine")
    assert link.to_dialler() == [AnswerReceived(other, b"fine")]
    assert link.dialler.calls_free == limits.CALLS_OPEN_MAX


def test_a_caller_withdraws_and_drops_what_still_comes() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    big = [bytes([i]) * 100_000 for i in range(10)]
    link.listener.offer(call, offer_of(big), big)
    under_way = [link.listener.data_to_send(NOW_MS) for _ in range(3)]
    for data in under_way[:2]:
        give(link.dialler, data)
    link.dialler.refuse(call, Code.BUSY, "the disk is full")
    assert give(link.dialler, under_way[2]) == []
    assert link.to_listener()[1:] == [RefuseReceived(call, Code.BUSY, "the disk is full")]
    assert link.to_dialler() == []
    assert link.dialler.calls_free == limits.CALLS_OPEN_MAX
    assert link.dialler.state is link.listener.state is StreamState.OPEN


def test_a_small_call_does_not_wait_for_a_large_window() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    window = [bytes(1_000_000)]
    link.listener.offer(call, offer_of(window), window)
    sizes = [len(link.listener.data_to_send(NOW_MS)) for _ in range(2)]
    assert max(sizes) < limits.PAGE_SLICE_BYTES + 64
    other = link.listener.call(b"a small one")
    frames = FrameDecoder(limits.FRAME_BYTES_MAX)
    frames.feed(link.listener.data_to_send(NOW_MS))
    following = frames.next_frame()
    assert following is not None
    assert (following.kind, following.call) == (Kind.CALL, other)


def test_two_large_windows_take_turns() -> None:
    link = open_link()
    calls = [link.dialler.call(INV), link.dialler.call(INV)]
    link.carry()
    window = [bytes(1_000_000)]
    for call in calls:
        link.listener.offer(call, offer_of(window), window)
    frames = FrameDecoder(limits.FRAME_BYTES_MAX)
    frames.feed(sent(link.listener))
    order: list[int] = []
    while (frame := frames.next_frame()) is not None:
        if frame.kind is Kind.PAGE:
            order.append(frame.call)
    assert order == [1, 3] * 4


def test_the_streams_end() -> None:
    link = open_link()
    link.dialler.call(INV)
    out = sent(link.dialler)
    assert len(give(link.listener, out)) == 1
    assert ends(link.listener) == [Closed(Ending.LEFT, Ending.LEFT.value)]
    with pytest.raises(LocalProtocolError):
        link.listener.answer(1, b"nobody hears")
    assert link.listener.next_timer() is None
    assert give(link.listener, out) == []


def test_frames_before_the_end_are_still_read() -> None:
    link = open_link()
    link.dialler.call(INV)
    link.listener.receive_data(sent(link.dialler), NOW_MS)
    link.listener.receive_data(b"", NOW_MS)
    assert [type(event) for event in drain(link.listener)] == [CallReceived, Closed]


def test_an_end_inside_a_frame_is_a_fault() -> None:
    link = open_link()
    link.dialler.call(INV)
    give(link.listener, sent(link.dialler)[:-1])
    assert closed(ends(link.listener)).ending is Ending.FAULT


def test_closing_sends_what_was_queued() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.dialler.close()
    link.dialler.close()
    assert drain(link.dialler) == [Closed(Ending.CLOSED, Ending.CLOSED.value)]
    assert give(link.listener, sent(link.dialler)) == [CallReceived(call, INV, ())]
    with pytest.raises(LocalProtocolError):
        link.dialler.call(INV)


def test_our_questions_are_held_to_the_limits() -> None:
    link = open_link()
    for inv, proofs, parts in (
        (b"", [], []),
        (bytes(limits.SIGNED_BYTES_MAX + 1), [], []),
        (INV, [b"p"] * (limits.CHAIN_MAX + 1), []),
        (INV, [], [b""]),
        (INV, [], [bytes(limits.PART_BYTES_MAX + 1)]),
        (INV, [], [b"x"] * (limits.DELIVERY_PARTS_MAX + 1)),
    ):
        with pytest.raises(LocalProtocolError):
            link.dialler.call(inv, proofs, parts)
    assert sent(link.dialler) == b""
    for _ in range(limits.CALLS_OPEN_MAX):
        link.dialler.call(INV)
    with pytest.raises(LocalProtocolError, match="wait"):
        link.dialler.call(INV)
    link.carry()
    assert link.listener.state is StreamState.OPEN
    with pytest.raises(LocalProtocolError):
        link.listener.answer(1, b"")
    with pytest.raises(LocalProtocolError):
        link.listener.refuse(1, Code.BUSY, "two\nlines")
    with pytest.raises(LocalProtocolError):
        link.listener.refuse(2, Code.BUSY, "no such call")


def test_events_must_be_taken_before_more_bytes_are_given() -> None:
    link = open_link()
    link.dialler.call(INV, (), [bytes(1_000_000)] * 3)
    data = sent(link.dialler)
    link.listener.receive_data(data, NOW_MS)
    with pytest.raises(LocalProtocolError):
        link.listener.receive_data(data, NOW_MS)


def test_the_lower_device_keeps_its_stream() -> None:
    low, high = sorted([ALICE.device.public, BANK.device.public])
    assert stays(low, high)
    assert not stays(high, low)


def test_a_page_alone_fills_a_window() -> None:
    link = open_link()
    call = link.dialler.call(INV)
    link.carry()
    page = sha256(b"page") * (limits.WINDOW_BYTES_MAX // 32)
    link.listener.offer(call, offer_of([page]), [page])
    (window,) = link.to_dialler()
    assert isinstance(window, WindowReceived)
    assert window.pages == (page,)


def test_a_repr_does_not_print_pages() -> None:
    event = PartReceived(1, 0, b"secret" * 1_000)
    assert "secret" not in repr(event)
    assert len(repr(Session.dialler(bytes(32), 0))) < 200
