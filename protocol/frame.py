"""Frames: how one stream is cut into messages.

A frame is `u32be length ‖ cb([kind, call, body])`.  The length is checked as soon as its four
bytes are there, before anything is kept for it.  `call` names the call that a frame belongs to;
0 is the session itself (hello, ping, and a refuse of the whole session).

The decoder is pulled: bytes go in with `feed`, whole frames come out of `next_frame` one by one,
so what a frame changes (the limit after the hello, the state of a call) holds for the very next
one however the network cut the bytes.

Frames whose body is bytes (page, answer) are most of a session.  Their head is read in place and
their data copied once; anything unusual in the head is left to the strict codec, which refuses it.

Source: formats.md, "Session".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from .errors import Code, LocalProtocolError, RemoteProtocolError, WireError
from .limits import CALL_ID_MAX, FRAME_BYTES_MAX
from .wire import Value, decode, encode

LENGTH_BYTES = 4


class Kind(StrEnum):
    """The kinds of frames, as they stand on the wire."""

    HELLO = "hello"
    CALL = "call"
    ANSWER = "answer"
    OFFER = "offer"
    PAGE = "page"
    COUNTERSIGN = "countersign"
    REFUSE = "refuse"
    PING = "ping"


_KINDS = {kind.value: kind for kind in Kind}
# How a frame of each kind begins: a list of three, and the name of the kind.
_STARTS = {kind: b"\x83" + encode(kind.value) for kind in Kind}
_BYTES_STARTS = tuple((kind, _STARTS[kind]) for kind in (Kind.PAGE, Kind.ANSWER))
# start, a call of at most 9 bytes, the head of a byte string of at most 5
_HEAD_BYTES_MAX = max(len(start) for _, start in _BYTES_STARTS) + 9 + 5
Buffer: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.  The body of a page frame is `bytes`."""

    kind: Kind
    call: int
    body: Value


def encode_frame(kind: Kind, call: int, body: Value) -> bytes:
    """The bytes of one frame, length included.  Raises LocalProtocolError if it is too large."""
    payload = b"".join((_STARTS[kind], _head(0, call), encode(body)))
    if len(payload) > FRAME_BYTES_MAX:
        raise LocalProtocolError(
            f"a {kind.value} frame of {len(payload)} bytes passes the limit of {FRAME_BYTES_MAX}"
        )
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def encode_page_frame(call: int, pieces: Sequence[Buffer]) -> bytes:
    """A page frame whose data is `pieces` one after the other, copied once."""
    size = sum(len(piece) for piece in pieces)
    head = _STARTS[Kind.PAGE] + _head(0, call) + _head(2, size)
    length = len(head) + size
    if length > FRAME_BYTES_MAX:
        raise LocalProtocolError(f"a page frame of {length} bytes passes the limit")
    return b"".join((length.to_bytes(LENGTH_BYTES, "big"), head, *pieces))


class FrameDecoder:
    """Bytes in, frames out.  Holds at most what was fed and not yet pulled."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._buffer = bytearray()

    def __len__(self) -> int:
        """Bytes fed and not yet pulled as frames."""
        return len(self._buffer)

    def feed(self, data: Buffer) -> None:
        self._buffer += data

    def clear(self) -> None:
        self._buffer = bytearray()

    def missing(self) -> int | None:
        """Bytes announced by the frame that has begun and is not whole; None if there is none.

        A frame whose length is not whole yet announces 0.
        """
        if not self._buffer:
            return None
        if len(self._buffer) < LENGTH_BYTES:
            return 0
        length = self._length()
        return length if len(self._buffer) < LENGTH_BYTES + length else None

    def next_frame(self) -> Frame | None:
        """The next whole frame, or None until more bytes come.

        Raises RemoteProtocolError for an announced length that passes `bytes_max`, WireError for
        a frame that is not of the form.
        """
        buffer = self._buffer
        if len(buffer) < LENGTH_BYTES:
            return None
        length = self._length()
        if length > self.bytes_max:
            raise RemoteProtocolError(
                f"a frame of {length} bytes is announced, the limit here is {self.bytes_max}",
                Code.TOO_MUCH,
            )
        end = LENGTH_BYTES + length
        if len(buffer) < end:
            return None
        frame = self._bytes_frame(end)
        if frame is None:
            with memoryview(buffer) as view:
                payload = bytes(view[LENGTH_BYTES:end])
            frame = _frame_of(decode(payload))
        del buffer[:end]
        return frame

    def _length(self) -> int:
        return int.from_bytes(self._buffer[:LENGTH_BYTES], "big")

    def _bytes_frame(self, end: int) -> Frame | None:
        """The frame that ends at `end`, if it is canonical and its body is bytes."""
        head = bytes(self._buffer[LENGTH_BYTES : LENGTH_BYTES + _HEAD_BYTES_MAX])
        for kind, start in _BYTES_STARTS:
            if head.startswith(start):
                return self._of_bytes(kind, head, len(start), end)
        return None

    def _of_bytes(self, kind: Kind, head: bytes, at: int, end: int) -> Frame | None:
        call, at = _read_head(head, at, 0)
        size, at = _read_head(head, at, 2)
        if size is None or call is None or call > CALL_ID_MAX or LENGTH_BYTES + at + size != end:
            return None
        with memoryview(self._buffer) as view:
            return Frame(kind, call, bytes(view[LENGTH_BYTES + at : end]))


def _frame_of(value: Value) -> Frame:
    if not isinstance(value, list) or len(value) != 3:
        raise WireError("a frame is not a list of kind, call and body")
    name, call, body = value
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise WireError("a frame is of no kind that this version has")
    if not isinstance(call, int) or isinstance(call, bool) or not 0 <= call <= CALL_ID_MAX:
        raise WireError(f"a {kind.value} frame does not name its call by a number")
    return Frame(kind, call, body)


def _head(major: int, number: int) -> bytes:
    """The canonical head of a CBOR item (RFC 8949, 3)."""
    top = major << 5
    if number < 24:
        return bytes((top | number,))
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes((top | extra,)) + number.to_bytes(size, "big")
    raise LocalProtocolError("a number does not fit 64 bits")


def _read_head(data: bytes, at: int, major: int) -> tuple[int | None, int]:
    """(number, place after it) of a canonical head at `at`; (None, at) if there is none."""
    if at >= len(data) or data[at] >> 5 != major:
        return None, at
    short = data[at] & 31
    if short < 24:
        return short, at + 1
    if short > 27:
        return None, at
    size = 1 << (short - 24)
    end = at + 1 + size
    if end > len(data):
        return None, at
    number = int.from_bytes(data[at + 1 : end], "big")
    # minimal: 24 or more in one byte, else more than the half as wide form holds
    minimal = number >= 24 if size == 1 else number >> (4 * size) != 0
    return (number, end) if minimal else (None, at)
