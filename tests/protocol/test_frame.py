"""Frames, pings and greetings one at a time: what mutants showed that whole sessions do not try."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value, encode
from entrenous.protocol.errors import LocalProtocolError, RemoteProtocolError, WireError
from entrenous.protocol.frame import (
    LENGTH_BYTES,
    Frame,
    FrameDecoder,
    Kind,
    encode_frame,
    encode_page_frame,
)
from entrenous.protocol.hello import Greeting, Hello, StreamState
from entrenous.protocol.limits import (
    CALL_ID_MAX,
    FRAME_BYTES_MAX,
    FRAME_MS,
    FRAME_RATE_BYTES,
    HELLO_MS,
    PING_IDLE_MS,
    PING_REPLY_MS,
    PING_WAITING_MS,
    PINGS_MAX,
    PINGS_WINDOW_MS,
)
from entrenous.protocol.message import parse_ping, ping_frame
from entrenous.protocol.patience import Patience

# Around every width of a CBOR head.
NUMBERS = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, CALL_ID_MAX]


def pulled(raw: bytes) -> Frame | None:
    decoder = FrameDecoder(FRAME_BYTES_MAX)
    decoder.feed(raw)
    frame = decoder.next_frame()
    assert len(decoder) == 0
    return frame


@pytest.mark.parametrize("number", [number for number in NUMBERS if number <= CALL_ID_MAX])
@pytest.mark.parametrize("kind", [Kind.PAGE, Kind.ANSWER, Kind.PING])
def test_a_frame_is_the_canonical_bytes_of_its_list(kind: Kind, number: int) -> None:
    for size in (0, 23, 24, 255, 256, 65_536):
        body = bytes(size)
        raw = encode_frame(kind, number, body)
        assert raw[LENGTH_BYTES:] == encode([kind.value, number, body])
        assert int.from_bytes(raw[:LENGTH_BYTES], "big") == len(raw) - LENGTH_BYTES
        assert pulled(raw) == Frame(kind, number, body)
        if kind is Kind.PAGE:
            assert encode_page_frame(number, (body[:7], body[7:])) == raw


@pytest.mark.parametrize("number", [-1, CALL_ID_MAX + 1, 2**63, True, None, "1"])
@pytest.mark.parametrize("kind", [Kind.PAGE, Kind.PING])
def test_a_frame_names_its_call_by_a_number(kind: Kind, number: Value) -> None:
    payload = encode([kind.value, number, b""])
    with pytest.raises(WireError):
        pulled(len(payload).to_bytes(LENGTH_BYTES, "big") + payload)


@given(st.binary(max_size=40), st.sampled_from([Kind.PAGE, Kind.ANSWER]))
def test_the_quick_way_reads_what_the_strict_codec_reads(tail: bytes, kind: Kind) -> None:
    """Frames whose body is bytes are read without the codec; never otherwise than by it."""
    payload = b"\x83" + encode(kind.value) + tail
    raw = len(payload).to_bytes(LENGTH_BYTES, "big") + payload
    try:
        quick = pulled(raw)
    except WireError:
        return
    assert quick is not None
    assert encode([quick.kind.value, quick.call, quick.body]) == payload


def test_a_page_of_any_head_takes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a session would be slower and nothing else would show it."""

    def slow(payload: bytes) -> Value:
        raise AssertionError("the strict codec was asked")

    monkeypatch.setattr("entrenous.protocol.frame.decode", slow)
    for number in (number for number in NUMBERS if number <= CALL_ID_MAX):
        for size in (0, 1, 23, 24, 255, 256, 65_535, 65_536):
            for kind in (Kind.PAGE, Kind.ANSWER):
                body = bytes(size)
                assert pulled(encode_frame(kind, number, body)) == Frame(kind, number, body)


@pytest.mark.parametrize("wide", [23, 24, 255, 256, 65_535, 65_536, 2**32 - 1])
def test_a_head_that_is_wider_than_its_number_is_refused(wide: int) -> None:
    """As the call, and as the size of the body: neither way reads it."""
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if wide >= 1 << (8 * size) or encode(wide)[0] & 31 == extra:
            continue
        head = bytes((extra,)) + wide.to_bytes(size, "big")
        payload = b"\x83" + encode(Kind.PAGE.value) + head + encode(b"")
        with pytest.raises(WireError):
            pulled(len(payload).to_bytes(LENGTH_BYTES, "big") + payload)
        if wide <= 65_536:
            long = bytes((head[0] | 2 << 5,)) + head[1:] + bytes(wide)
            payload = b"\x83" + encode(Kind.PAGE.value) + encode(1) + long
            with pytest.raises(WireError):
                pulled(len(payload).to_bytes(LENGTH_BYTES, "big") + payload)


@pytest.mark.parametrize("head", ["", "18", "19", "1901", "1a010101", "1b01", "0158", "015901"])
def test_a_frame_that_ends_inside_a_head_is_refused(head: str) -> None:
    payload = b"\x83" + encode(Kind.PAGE.value) + bytes.fromhex(head)
    with pytest.raises(WireError):
        pulled(len(payload).to_bytes(LENGTH_BYTES, "big") + payload)


def test_a_number_that_no_frame_holds() -> None:
    with pytest.raises(LocalProtocolError, match="does not fit 64 bits"):
        encode_frame(Kind.PING, 2**64, b"")


def test_a_frame_of_the_greatest_length_and_one_more() -> None:
    head = len(encode([Kind.PAGE.value, 1, bytes(70_000)])) - 70_000
    fits = FRAME_BYTES_MAX - head
    raw = encode_page_frame(1, (bytes(fits),))
    assert pulled(raw) == Frame(Kind.PAGE, 1, bytes(fits))
    assert encode_frame(Kind.PAGE, 1, bytes(fits)) == raw
    with pytest.raises(LocalProtocolError):
        encode_page_frame(1, (bytes(fits + 1),))
    with pytest.raises(LocalProtocolError):
        encode_frame(Kind.PAGE, 1, bytes(fits + 1))


def test_what_is_missing_of_a_frame() -> None:
    decoder = FrameDecoder(FRAME_BYTES_MAX)
    assert decoder.missing() is None
    raw = ping_frame(1, reply=False)
    for at in range(len(raw)):
        decoder.feed(raw[at : at + 1])
        announced = len(raw) - LENGTH_BYTES
        begun = 0 if at < LENGTH_BYTES - 1 else announced
        assert decoder.missing() == (None if at == len(raw) - 1 else begun)
    assert decoder.next_frame() is not None
    assert decoder.next_frame() is None


# --- pings ----------------------------------------------------------------------------------------


def test_a_ping_names_no_call() -> None:
    assert parse_ping(Frame(Kind.PING, 0, {"n": 3, "reply": True})) == (3, True)
    with pytest.raises(WireError, match="a ping names a call"):
        parse_ping(Frame(Kind.PING, 1, {"n": 3, "reply": True}))


def test_in_each_window_so_many_pings_and_no_more() -> None:
    patience = Patience(0)
    for start_ms in (0, PINGS_WINDOW_MS, 5 * PINGS_WINDOW_MS):
        for n in range(PINGS_MAX):
            patience.ping(n, reply=False, now_ms=start_ms + n)
        with pytest.raises(RemoteProtocolError, match="more than"):
            patience.ping(99, reply=False, now_ms=start_ms + PINGS_WINDOW_MS - 1)


def test_a_reply_is_to_a_ping_that_was_sent() -> None:
    patience = Patience(0)
    assert [patience.pinged(0), patience.pinged(0)] == [1, 2]
    for n in (1, 2):
        patience.ping(n, reply=True, now_ms=0)
    for n in (0, 3):
        with pytest.raises(RemoteProtocolError, match="not sent"):
            patience.ping(n, reply=True, now_ms=0)
    assert patience.take_pong() is None
    patience.ping(7, reply=False, now_ms=0)
    assert [patience.take_pong(), patience.take_pong()] == [7, None]


def test_when_a_sign_of_life_is_due_and_when_the_peer_is_given_up() -> None:
    patience = Patience(1_000)

    def due(*, waiting: bool) -> int | None:
        return patience.deadline(StreamState.OPEN, None, waiting)

    assert due(waiting=True) == 1_000 + PING_WAITING_MS
    assert due(waiting=False) == 1_000 + PING_IDLE_MS
    assert not patience.ping_due(StreamState.OPEN, True, 999 + PING_WAITING_MS)
    assert patience.ping_due(StreamState.OPEN, True, 1_000 + PING_WAITING_MS)
    patience.pinged(5_000)
    patience.pinged(6_000)  # another changes nothing: the first is what the peer owes
    assert due(waiting=True) == due(waiting=False) == 5_000 + PING_REPLY_MS
    assert not patience.ping_due(StreamState.OPEN, True, 9_000_000)
    assert patience.silent(StreamState.OPEN, None, 4_999 + PING_REPLY_MS) is None
    assert patience.silent(StreamState.OPEN, None, 5_000 + PING_REPLY_MS) is not None
    patience.heard(7_000)
    assert due(waiting=True) == 7_000 + PING_WAITING_MS


def test_how_long_a_frame_that_began_may_take() -> None:
    """So long, and one second more for each 8 KiB announced, to the millisecond."""
    patience = Patience(1_000)
    state, size = StreamState.FRESH, 3 * FRAME_RATE_BYTES + FRAME_RATE_BYTES // 2
    # Nothing has begun, so nothing that is announced has a time.
    assert patience.deadline(state, size, False) == 1_000 + HELLO_MS
    patience.heard(4_000)
    patience.frame_read(4_000, whole=False, held=5)
    patience.frame_read(9_000, whole=False, held=6)  # a byte more is no new beginning
    by_ms = 4_000 + FRAME_MS + 3_500
    open_state = StreamState.OPEN
    assert patience.deadline(open_state, size, False) == by_ms
    assert patience.deadline(open_state, None, False) == 4_000 + PING_IDLE_MS
    assert patience.silent(open_state, size, by_ms - 1) is None
    assert patience.silent(open_state, size, by_ms) is not None
    patience.frame_read(by_ms, whole=False, held=0)
    assert patience.deadline(open_state, size, False) == 4_000 + PING_IDLE_MS
    patience.frame_read(20_000, whole=False, held=1)
    patience.frame_read(21_000, whole=True, held=1)
    assert patience.deadline(open_state, size, False) == 4_000 + PING_IDLE_MS


# --- greetings ------------------------------------------------------------------------------------


def test_an_end_that_is_not_open_is_not_paired() -> None:
    for dialler in (True, False):
        greeting = Greeting(b"d" * 32, dialler=dialler)
        assert greeting.paired is False
        greeting.ours = greeting.theirs = Hello(None, None, None)
        assert greeting.paired is False
        greeting.state = StreamState.OPEN
        assert greeting.paired is False  # open, and nobody showed a certificate
        greeting.theirs = None
        assert greeting.paired is False


def test_a_listener_does_not_say_the_first_hello() -> None:
    greeting = Greeting(b"d" * 32, dialler=False)
    with pytest.raises(LocalProtocolError, match="a listener accepts"):
        greeting.say(Hello(None, None, None))
    assert greeting.ours is None
    with pytest.raises(LocalProtocolError, match="no hello waits"):
        greeting.accept(None, None)
