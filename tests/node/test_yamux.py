"""The Yamux machine: two of them over a fake link, and every rule a peer can break."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.node.network.transport import BUFFER_BYTES, StreamClosed
from entrenous.node.network.yamux import (
    CONTROL_FRAMES_MAX,
    FIRST_WINDOW,
    FRAME_BYTES_MAX,
    HEADER,
    Flag,
    Happening,
    MuxError,
    Type,
    Yamux,
)


def frame(kind: int, flags: int, number: int, length: int, body: bytes = b"") -> bytes:
    return struct.pack("!BBHII", 0, kind, flags, number, length) + body


def pair() -> tuple[Yamux, Yamux]:
    return Yamux(dialler=True), Yamux(dialler=False)


def deliver(source: Yamux, target: Yamux, piece: int = 10**9) -> list[tuple[Happening, int]]:
    happened: list[tuple[Happening, int]] = []
    while data := source.data_to_send(65_519):
        for start in range(0, len(data), piece):
            happened += target.receive_data(data[start : start + piece])
    return happened


def push(a: Yamux, b: Yamux, number: int, data: bytes) -> bytes:
    """Send all of `data` on a stream, reading at the other end as it comes."""
    view, got = memoryview(data), bytearray()
    while view or len(got) < len(data):
        view = view[a.send(number, view) :]
        deliver(a, b)
        while piece := b.read(number, 10_000):
            got += piece
        deliver(b, a)
    return bytes(got)


def test_a_stream_from_opening_to_forgetting() -> None:
    a, b = pair()
    number = a.open()
    assert deliver(a, b) == [(Happening.OPENED, number), (Happening.WRITABLE, number)]
    assert (b.streams_of_peer, a.streams_of_peer) == (1, 0)
    deliver(b, a)
    assert push(a, b, number, b"there") == b"there"
    a.finish(number)
    deliver(a, b)
    assert b.read(number, 10) == b""
    assert push(b, a, number, b"back") == b"back"
    b.finish(number)
    deliver(b, a)
    assert a.read(number, 10) == b""
    assert not a.discard(number)
    assert not b.discard(number)
    assert a.streams_open == b.streams_open == 0


@settings(max_examples=40, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=3000),
    piece=st.integers(1, 50),
    take=st.integers(1, 700),
)
def test_how_bytes_are_cut_does_not_matter(data: bytes, piece: int, take: int) -> None:
    a, b = pair()
    numbers = [a.open(), a.open()]
    for number in numbers:
        assert a.send(number, memoryview(data)) == len(data)
        a.finish(number)
    deliver(a, b, piece)
    for number in numbers:
        got = bytearray()
        while read := b.read(number, take):
            got += read
        assert read == b""
        assert bytes(got) == data


def test_megabytes_pass_windows_in_both_directions() -> None:
    a, b = pair()
    number = a.open()
    deliver(a, b)
    deliver(b, a)
    data = bytes(range(256)) * 20_000
    assert push(a, b, number, data) == data
    assert push(b, a, number, data) == data


def test_a_sender_stops_at_the_window() -> None:
    a, b = pair()
    number = a.open()
    deliver(a, b)
    deliver(b, a)
    sent = 0
    while size := a.send(number, memoryview(bytes(50_000))):
        sent += size
        deliver(a, b)
    assert sent == BUFFER_BYTES


def test_an_end_is_in_order_only_with_a_fin() -> None:
    a, b = pair()
    ended, cut = a.open(), a.open()
    for number in (ended, cut):
        a.send(number, memoryview(b"abc"))
    a.finish(ended)
    deliver(a, b)
    assert set(b.connection_lost()) == {ended, cut}
    assert b.read(ended, 10) == b"abc"
    assert b.read(ended, 10) == b""
    with pytest.raises(MuxError):
        b.read(cut, 10)


def test_a_reset_breaks_both_ends_and_late_frames_are_passed_over() -> None:
    a, b = pair()
    number = a.open()
    deliver(a, b)
    deliver(b, a)
    a.send(number, memoryview(b"under way"))
    b.reset(number)
    assert deliver(a, b) == []
    deliver(b, a)
    with pytest.raises(MuxError):
        a.send(number, memoryview(b"x"))
    with pytest.raises(MuxError):
        a.read(number, 1)


def test_after_our_fin_nothing_is_sent() -> None:
    a, _ = pair()
    number = a.open()
    a.finish(number)
    with pytest.raises(StreamClosed):
        a.send(number, memoryview(b"x"))


def test_a_closed_stream_grants_no_more() -> None:
    a, b = pair()
    number = a.open()
    deliver(a, b)
    deliver(b, a)
    b.finish(number)
    assert b.discard(number)
    deliver(b, a)
    sent = 0
    while size := a.send(number, memoryview(bytes(60_000))):
        sent += size
        deliver(a, b)
        deliver(b, a)
    assert sent == BUFFER_BYTES


def test_ping_is_answered_and_going_away_opens_nothing() -> None:
    _, b = pair()
    b.receive_data(frame(Type.PING, Flag.SYN, 0, 7))
    assert b.data_to_send(100) == frame(Type.PING, Flag.ACK, 0, 7)
    b.receive_data(frame(Type.GO_AWAY, 0, 0, 0))
    with pytest.raises(MuxError):
        b.open()


SYN = frame(Type.WINDOW_UPDATE, Flag.SYN, 1, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x01" + frame(Type.DATA, 0, 1, 0)[1:],
        frame(4, 0, 1, 0),
        frame(Type.DATA, 16, 1, 0),
        frame(Type.WINDOW_UPDATE, Flag.SYN, 2, 0),
        frame(Type.WINDOW_UPDATE, Flag.SYN, 0, 0),
        SYN + SYN,
        frame(Type.WINDOW_UPDATE, Flag.SYN, 3, 0) + SYN,
        SYN + frame(Type.DATA, 0, 1, BUFFER_BYTES + 1),
        SYN + frame(Type.DATA, 0, 1, 700_000, bytes(700_000)) + frame(Type.DATA, 0, 1, 400_000),
        SYN + frame(Type.DATA, Flag.FIN, 1, 0) + frame(Type.DATA, 0, 1, 1),
        frame(Type.DATA, 0, 99, FRAME_BYTES_MAX + 1),
        SYN + frame(Type.WINDOW_UPDATE, 0, 1, 0xFFFF_FFFF),
        frame(Type.PING, Flag.SYN, 0, 1) * (CONTROL_FRAMES_MAX + 2),
        SYN + frame(Type.DATA, 0, 1, 0xFFFF_FFFF),
    ],
    ids=[
        "version", "type", "flags", "number of ours", "number zero", "number twice",
        "number going back", "beyond the grant", "beyond the grant in two", "after the end",
        "giant frame for nobody", "window overflow", "pings never collected", "4 GB announced",
    ],
)  # fmt: skip
def test_what_a_peer_may_not_do(data: bytes) -> None:
    with pytest.raises(MuxError):
        Yamux(dialler=False).receive_data(data)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes_are_taken_or_refused(pieces: list[bytes]) -> None:
    mux = Yamux(dialler=False)
    mux.receive_data(SYN)
    try:
        for piece in pieces:
            mux.receive_data(piece)
    except MuxError:
        return
    assert mux.streams_open <= 1 + sum(map(len, pieces)) // HEADER.size


def test_the_first_window_is_what_the_specification_says() -> None:
    assert FIRST_WINDOW == 256 * 1024
