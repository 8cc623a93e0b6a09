"""What holds for every input: chunking does not matter; no bytes crash, hang or allocate."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.protocol import limits
from entrenous.protocol.errors import Code, LocalProtocolError
from entrenous.protocol.frame import Frame, FrameDecoder, Kind, encode_frame, encode_page_frame
from entrenous.protocol.hello import StreamState
from entrenous.protocol.session import Session
from entrenous.protocol.session_event import Closed, Event, HelloReceived, WindowReceived
from entrenous.protocol.wire import Value
from entrenous.tests.protocol.session_link import (
    ALICE,
    BANK,
    INV,
    NOW_MS,
    SIG,
    drain,
    fresh_link,
    give,
    offer_of,
    open_link,
    sent,
    unpaired_link,
)

PAGES = [bytes([i]) * 3_000 for i in range(4)]


def dialler_bytes() -> tuple[bytes, bytes]:
    """(hello, then all else that a dialler says in a lively session)."""
    link = fresh_link()
    link.dialler.hello(ALICE.cert, BANK.did, None)
    hello = sent(link.dialler)
    give(link.listener, hello)
    link.listener.accept(BANK.cert, None)
    link.carry()
    link.dialler.call(INV, [b"a proof"])
    link.dialler.call(INV, (), PAGES)
    link.dialler.ping()
    rest = sent(link.dialler)
    give(link.listener, rest)
    link.listener.offer(1, offer_of(PAGES), PAGES)
    link.listener.answer(3, b"stored")
    link.carry()
    link.dialler.countersign(1, SIG, 3)
    rest += sent(link.dialler)
    return hello, rest


HELLO, REST = dialler_bytes()


def listener_told(pieces: list[bytes]) -> list[Event]:
    """All events of a listener that is given `pieces`, and plays its own part."""
    session = Session.listener(ALICE.device.public, NOW_MS)
    seen: list[Event] = []
    for piece in pieces:
        session.receive_data(piece, NOW_MS)
        while (event := session.next_event()) is not None:
            seen.append(event)
            if isinstance(event, HelloReceived):
                session.accept(BANK.cert, None)
            elif len(seen) == 8:
                session.offer(1, offer_of(PAGES), PAGES)
                session.answer(3, b"stored")
                sent(session)
    return seen


WHOLE = listener_told([HELLO, REST])


@given(st.lists(st.integers(0, len(HELLO) + len(REST)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_chunking_does_not_matter(cuts: list[int]) -> None:
    data = HELLO + REST
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places) if a < b]
    assert listener_told(pieces) == WHOLE
    assert not isinstance(WHOLE[-1], Closed)
    assert len(WHOLE) == 9


def test_one_byte_at_a_time() -> None:
    assert listener_told([bytes((byte,)) for byte in HELLO + REST]) == WHOLE


@given(
    st.lists(st.integers(1, 4_000), min_size=1, max_size=12),
    st.lists(st.integers(1, 9_000), min_size=1, max_size=30),
)
@settings(max_examples=40, deadline=None)
def test_a_window_may_be_cut_anywhere(sizes: list[int], cuts: list[int]) -> None:
    """The frames of a window need not follow our own cut, nor that of the pages."""
    pages = [bytes([i + 1]) * size for i, size in enumerate(sizes)]
    link = open_link()
    call = link.dialler.call(INV)
    give(link.dialler, encode_frame(Kind.OFFER, call, offer_of(pages).value()))
    window, at = b"".join(pages), 0
    events: list[Event] = []
    for cut in [*cuts, len(window)]:
        if window[at : at + cut]:
            events += give(link.dialler, encode_page_frame(call, [window[at : at + cut]]))
        at += cut
    (event,) = events
    assert isinstance(event, WindowReceived)
    assert list(event.pages) == pages


def sessions() -> list[Session]:
    """One session in each situation in which bytes may come."""
    unpaired, busy, dialled = unpaired_link(), open_link(), fresh_link()
    for _ in range(3):
        busy.dialler.call(INV)
    busy.listener.call(INV)
    busy.carry()
    busy.listener.offer(1, offer_of(PAGES, last=False), PAGES)
    busy.carry()
    busy.listener.offer(3, offer_of(PAGES), PAGES)
    give(busy.dialler, busy.listener.data_to_send(NOW_MS))
    dialled.dialler.hello(ALICE.cert, BANK.did, None)
    sent(dialled.dialler)
    return [fresh_link().listener, dialled.dialler, unpaired.listener, busy.dialler, busy.listener]


_TEXT = st.sampled_from(
    [*[kind.value for kind in Kind], "code", "sentence", "busy", "inv", "", "v"]
)
_LEAF = st.one_of(st.none(), st.booleans(), st.integers(-4, 70), st.binary(max_size=80), _TEXT)
_VALUE: st.SearchStrategy[Value] = st.recursive(
    _LEAF,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=12,
)
_BODIES = st.one_of(
    _VALUE,
    st.fixed_dictionaries({"inv": _VALUE, "proofs": _VALUE}),
    st.fixed_dictionaries({"n": st.integers(0, 3), "reply": st.booleans()}),
    st.fixed_dictionaries({"code": st.just("busy"), "sentence": _TEXT}),
    st.fixed_dictionaries({"sig": st.just(SIG), "keys": st.none()}),
    st.sampled_from([offer_of(PAGES).value(), offer_of([], window=1).value()]),
    st.sampled_from([b"".join(PAGES), PAGES[0], b""]),
)
_FRAMES = st.builds(encode_frame, st.sampled_from(Kind), st.integers(0, 8), _BODIES)


def survives(session: Session, data: bytes) -> None:
    """Whatever `data` is: events, perhaps an end, and a session that still keeps its word."""
    events = give(session, data, size=997)
    assert sum(isinstance(event, Closed) for event in events) <= 1
    if events and isinstance(events[-1], Closed):
        assert session.state is StreamState.CLOSED
        with pytest.raises(LocalProtocolError):
            session.call(INV)
    session.next_timer()
    sent(session)
    session.handle_timer(NOW_MS + 10**9)
    sent(session)
    drain(session)
    assert session.next_event() is None


@given(st.integers(0, 4), st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_random_bytes_do_no_harm(which: int, data: bytes) -> None:
    survives(sessions()[which], data)


@given(st.integers(0, 4), st.lists(_FRAMES, max_size=6))
@settings(max_examples=250, deadline=None)
def test_random_frames_do_no_harm(which: int, frames: list[bytes]) -> None:
    survives(sessions()[which], b"".join(frames))


@given(st.integers(0, len(REST) - 1), st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_a_changed_byte_does_no_harm(at: int, flip: int) -> None:
    data = bytearray(REST)
    data[at] ^= flip
    link = open_link()
    survives(link.listener, bytes(data))


@given(st.binary(min_size=4, max_size=64))
@settings(max_examples=50, deadline=None)
def test_no_announcement_allocates(data: bytes) -> None:
    tracemalloc.start()
    session = open_link().listener
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    give(session, b"\x00\x11" + data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - before < 300_000


@given(st.lists(_FRAMES, max_size=5), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_frames_come_out_as_they_went_in(frames: list[bytes], size: int) -> None:
    whole, cut = FrameDecoder(limits.FRAME_BYTES_MAX), FrameDecoder(limits.FRAME_BYTES_MAX)
    data = b"".join(frames)
    whole.feed(data)
    wanted = [whole.next_frame() for _ in frames]
    found: list[Frame] = []
    for at in range(0, len(data), size):
        cut.feed(data[at : at + size])
        while (frame := cut.next_frame()) is not None:
            found.append(frame)
    assert found == wanted
    assert [encode_frame(f.kind, f.call, f.body) for f in found] == frames
    assert whole.missing() is None


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_two_sessions_that_act_at_random_never_blame_each_other(data: st.DataObject) -> None:
    """Whatever two honest ends do, however slowly the network carries it, neither is at fault."""
    link = open_link()
    ends = (link.dialler, link.listener)
    wires: tuple[list[bytes], list[bytes]] = ([], [])
    calls: tuple[list[int], list[int]] = ([], [])
    for _ in range(data.draw(st.integers(5, 60))):
        who = data.draw(st.integers(0, 1))
        end, peer = ends[who], 1 - who
        try:
            match data.draw(st.integers(0, 8)):
                case 0:
                    calls[who].append(end.call(INV))
                case 1:
                    calls[who].append(end.call(b"a delivery", (), [b"x" * 50] * 3))
                case 2:
                    end.answer(data.draw(st.sampled_from(calls[peer] or [0])), b"answer")
                case 3:
                    number = data.draw(st.sampled_from([*calls[0], *calls[1], 99]))
                    end.refuse(number, Code.BUSY, "no")
                case 4:
                    window = data.draw(st.integers(0, 1))
                    offer = offer_of(PAGES, window=window, last=bool(window))
                    end.offer(data.draw(st.sampled_from(calls[peer] or [0])), offer, PAGES)
                case 5:
                    end.countersign(data.draw(st.sampled_from(calls[who] or [0])), SIG)
                case 6:
                    wires[who].append(end.data_to_send(NOW_MS))
                case _:
                    for piece in wires[peer]:
                        events = give(end, piece) if piece else []
                        assert not any(isinstance(event, Closed) for event in events), events
                    wires[peer].clear()
        except LocalProtocolError:
            continue
    assert link.dialler.state is link.listener.state is StreamState.OPEN
