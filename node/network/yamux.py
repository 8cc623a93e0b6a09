"""Yamux (version 0): many streams over one ordered connection.  No I/O, no clock.

Theory.  A frame is a header of 12 bytes, `version type flags stream length`, and for DATA `length`
bytes.  Each side may send on a stream as much as the other has granted: 256 KiB to begin with, then
what WINDOW_UPDATE frames add.  SYN opens a stream, ACK accepts it, FIN ends one direction, RST
both.  PING is answered.  GO_AWAY says that no stream will be accepted any more.

What is held against the peer: a version, type or stream number that cannot be; DATA beyond the
grant; frames above `FRAME_BYTES_MAX`; more answers owed than it takes from us; more than
`EMPTY_FRAMES_MAX` frames that carry nothing, unless `allow_empty` gave leave for others since.
Each is a `MuxError` and ends the connection.  What the peer may make us hold is `BUFFER_BYTES` a
stream and `STREAMS_PER_PEER_MAX` streams: one more is reset as soon as it is opened.

How a stream ended is never guessed: in order only if its FIN came and every byte before it; if the
connection goes first, the stream is broken.

py-libp2p has a Yamux too.  We do not use it, because read at 0.8.1 it takes a connection lost
inside a frame for the end of a stream, drops what was received but not yet read when the connection
ends, breaks a stream whose reader pauses for five seconds, lets a peer overrun its window, and
writes from the calling task, so that a cancelled send tears the frames of all other streams.
`tests/node/test_libp2p_interop.py` holds the two against each other.

Source: the specification of hashicorp/yamux (spec.md), with libp2p's use of it.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum, IntFlag, auto

from .transport import BUFFER_BYTES, STREAMS_PER_PEER_MAX, StreamClosed, TransportError

HEADER = struct.Struct("!BBHII")
FIRST_WINDOW = 256 * 1024
# The largest frame of ours: with its header it fills one Noise message (65,535 less a tag of 16).
DATA_BYTES_MAX = 65_519 - HEADER.size
# The largest frame of theirs.  Implementations in use send at most 64 KiB.
FRAME_BYTES_MAX = 1024 * 1024
# Control frames waiting to be sent.  A peer that makes us owe more does not read what we answer.
CONTROL_FRAMES_MAX = 4096
# Frames that cost us work and bring nothing: pings, updates and data of nothing or for no stream,
# streams that are refused.  An honest peer sends a few a minute; a stream refused counts for more.
EMPTY_FRAMES_MAX = 512
REFUSED_COST = 4
# An update that grants less than this is one of them: nobody reads in such small pieces for long.
UPDATE_MIN = 1024
# Data waiting behind the connection; more waits in the senders.
BACKLOG_BYTES_MAX = 512 * 1024


class MuxError(TransportError):
    """The peer broke the rules of Yamux, or the connection is past use."""


class Type(IntEnum):
    DATA = 0
    WINDOW_UPDATE = 1
    PING = 2
    GO_AWAY = 3


class Flag(IntFlag):
    SYN = 1
    ACK = 2
    FIN = 4
    RST = 8


class Happening(Enum):
    """What `receive_data` reports about a stream."""

    OPENED = auto()
    READABLE = auto()
    WRITABLE = auto()


@dataclass(slots=True)
class _Half:
    """What this side knows of one stream."""

    send_window: int = FIRST_WINDOW
    grant: int = FIRST_WINDOW
    consumed: int = 0
    buffer: deque[bytes] = field(default_factory=lambda: deque[bytes]())
    theirs_opened: bool = False
    fin_in: bool = False
    fin_out: bool = False
    broken: bool = False
    discarding: bool = False


class Yamux:
    """One end of a connection."""

    def __init__(self, *, dialler: bool) -> None:
        self._next = 1 if dialler else 2
        self._theirs = 0 if dialler else 1
        self._last_theirs = 0
        self._streams: dict[int, _Half] = {}
        self._out: deque[bytes] = deque()
        self._control_waiting = 0
        self._empty_left = EMPTY_FRAMES_MAX
        self._theirs_open = 0
        self._head = bytearray()
        self._body_left = 0
        self._body_of: int | None = None
        self._body_flags = Flag(0)
        self.backlog_bytes = 0
        self.gone = False
        self.going_away = False

    # --- streams, from our side -------------------------------------------------------------------

    def open(self) -> int:
        """Open a stream; its number.  Raises MuxError when the connection takes none."""
        if self.gone or self.going_away:
            raise MuxError("the connection is closing")
        number, self._next = self._next, self._next + 2
        half = _Half()
        self._streams[number] = half
        self._control(Type.WINDOW_UPDATE, Flag.SYN, number, self._widen(half))
        return number

    def send(self, number: int, data: memoryview) -> int:
        """Queue as much of `data` as window and backlog allow; how many bytes that was.

        Raises MuxError when the stream is broken, StreamClosed after our own FIN.
        """
        half = self._living(number)
        if half.fin_out:
            raise StreamClosed("this side of the stream is closed")
        size = min(len(data), half.send_window, DATA_BYTES_MAX)
        if size == 0 or self.backlog_bytes >= BACKLOG_BYTES_MAX:
            return 0
        half.send_window -= size
        self._queue(HEADER.pack(0, Type.DATA, 0, number, size) + data[:size])
        return size

    def finish(self, number: int) -> None:
        """End our direction in order."""
        half = self._streams.get(number)
        if half is not None and not half.fin_out and not half.broken:
            half.fin_out = True
            self._control(Type.WINDOW_UPDATE, Flag.FIN, number, 0)
            self._settle(number, half)

    def read(self, number: int, max_bytes: int) -> bytes | None:
        """Up to `max_bytes` that came; `b""` at the end in order; None when nothing is there yet.

        Raises MuxError when the stream is broken.
        """
        half = self._living(number)
        if not half.buffer:
            return b"" if half.fin_in else None
        piece = half.buffer.popleft()
        if len(piece) > max_bytes:
            half.buffer.appendleft(piece[max_bytes:])
            piece = piece[:max_bytes]
        half.consumed += len(piece)
        if half.consumed >= BUFFER_BYTES // 2 and not half.fin_in and not self.gone:
            half.grant += half.consumed
            self._control(Type.WINDOW_UPDATE, Flag(0), number, half.consumed)
            half.consumed = 0
        return piece

    def discard(self, number: int) -> bool:
        """Stop reading: drop what came and comes, grant no more.  True: the peer is not done."""
        half = self._streams.get(number)
        if half is None:
            return False
        if half.broken or self.gone:
            self._forget(number)
            return False
        half.discarding = True
        half.buffer.clear()
        self._settle(number, half)
        return number in self._streams

    def reset(self, number: int) -> None:
        """Break both directions."""
        half = self._forget(number)
        if half is not None and not half.broken and not self.gone:
            self._control(Type.WINDOW_UPDATE, Flag.RST, number, 0)

    def is_open(self, number: int) -> bool:
        return number in self._streams

    @property
    def streams_open(self) -> int:
        return len(self._streams)

    @property
    def streams_of_peer(self) -> int:
        """How many streams the other side opened and neither side is done with."""
        return self._theirs_open

    # --- the connection ---------------------------------------------------------------------------

    def allow_empty(self, frames: int) -> None:
        """Time went by: so many more frames that carry nothing are borne."""
        self._empty_left = min(EMPTY_FRAMES_MAX, self._empty_left + frames)

    def data_to_send(self, max_bytes: int) -> bytes:
        """Whole frames up to `max_bytes` (at least one), `b""` when there are none."""
        taken: list[bytes] = []
        size = 0
        while self._out and (not taken or size + len(self._out[0]) <= max_bytes):
            frame = self._out.popleft()
            taken.append(frame)
            size += len(frame)
            if len(frame) == HEADER.size:
                self._control_waiting -= 1
        self.backlog_bytes -= size
        return b"".join(taken)

    def go_away(self) -> None:
        """Tell the peer that we leave."""
        if not self.gone:
            self._control(Type.GO_AWAY, Flag(0), 0, 0)
            self.going_away = True

    def connection_lost(self) -> list[int]:
        """The connection is gone.  Streams whose FIN came stay readable; the others are broken."""
        self.gone = True
        self._out.clear()
        self.backlog_bytes = 0
        for half in self._streams.values():
            if not half.fin_in:
                half.broken = True
                half.buffer.clear()
        return list(self._streams)

    def receive_data(self, data: bytes) -> list[tuple[Happening, int]]:
        """Take bytes in any pieces.  Raises MuxError: the connection must end."""
        happened: list[tuple[Happening, int]] = []
        position = 0
        while position < len(data):
            if self._body_left:
                piece = data[position : position + self._body_left]
                position += len(piece)
                self._take_body(piece, happened)
                continue
            missing = HEADER.size - len(self._head)
            self._head += data[position : position + missing]
            position += missing
            if len(self._head) == HEADER.size:
                self._take_header(happened)
                self._head.clear()
        return happened

    # --- inside -----------------------------------------------------------------------------------

    def _living(self, number: int) -> _Half:
        half = self._streams.get(number)
        if half is None or half.broken:
            raise MuxError("the stream broke: it was reset, or its connection was lost")
        return half

    def _queue(self, frame: bytes) -> None:
        self._out.append(frame)
        self.backlog_bytes += len(frame)

    def _control(self, kind: Type, flags: Flag, number: int, value: int) -> None:
        if self.gone:
            return
        self._control_waiting += 1
        self._queue(HEADER.pack(0, kind, flags, number, value))

    def _widen(self, half: _Half) -> int:
        half.grant = BUFFER_BYTES
        return BUFFER_BYTES - FIRST_WINDOW

    def _settle(self, number: int, half: _Half) -> None:
        """Forget a stream with which both sides are done."""
        if half.fin_out and half.fin_in and half.discarding:
            self._forget(number)

    def _forget(self, number: int) -> _Half | None:
        half = self._streams.pop(number, None)
        if half is not None and half.theirs_opened:
            self._theirs_open -= 1
        return half

    def _empty(self, cost: int = 1) -> None:
        """A frame that carries nothing.  Raises MuxError for too many."""
        self._empty_left -= cost
        if self._empty_left < 0:
            raise MuxError("the peer sends too many frames that carry nothing")

    def _take_header(self, happened: list[tuple[Happening, int]]) -> None:
        version, kind, bits, number, length = HEADER.unpack(self._head)
        if version != 0 or kind > Type.GO_AWAY or bits > 15:
            raise MuxError("the peer sent a frame that is not Yamux")
        if self._control_waiting > CONTROL_FRAMES_MAX:
            raise MuxError("the peer asks more than it takes in answer")
        flags = Flag(bits)
        match Type(kind):
            case Type.PING:
                self._empty()
                if Flag.SYN in flags:
                    self._control(Type.PING, Flag.ACK, 0, length)
            case Type.GO_AWAY:
                self._empty()
                self.going_away = True
            case Type.DATA | Type.WINDOW_UPDATE:
                if Flag.SYN in flags:
                    self._accept(number, happened)
                if kind == Type.DATA:
                    self._start_body(number, flags, length, happened)
                else:
                    self._take_update(number, flags, length, happened)

    def _accept(self, number: int, happened: list[tuple[Happening, int]]) -> None:
        if number == 0 or number % 2 != self._theirs or number <= self._last_theirs:
            raise MuxError("the peer opened a stream under a number that is not free")
        self._last_theirs = number
        if self.going_away or self._theirs_open >= STREAMS_PER_PEER_MAX:
            self._empty(REFUSED_COST)
            self._control(Type.WINDOW_UPDATE, Flag.RST, number, 0)
            return
        # One that is opened and left at once costs as much as one that is refused.
        self._empty()
        self._theirs_open += 1
        half = _Half(theirs_opened=True)
        self._streams[number] = half
        self._control(Type.WINDOW_UPDATE, Flag.ACK, number, self._widen(half))
        happened.append((Happening.OPENED, number))

    def _start_body(
        self, number: int, flags: Flag, length: int, happened: list[tuple[Happening, int]]
    ) -> None:
        if length > FRAME_BYTES_MAX:
            raise MuxError(f"the peer announced a frame of {length} bytes")
        if not length and not flags:
            self._empty()
        half = self._streams.get(number)
        if half is not None and not half.broken:
            if length > half.grant or (length and half.fin_in):
                raise MuxError("the peer sent more than it was granted")
            half.grant -= length
        self._body_of, self._body_flags, self._body_left = number, flags, length
        if not length:
            self._flagged(number, flags, happened)

    def _take_body(self, piece: bytes, happened: list[tuple[Happening, int]]) -> None:
        self._body_left -= len(piece)
        number = self._body_of
        assert number is not None
        half = self._streams.get(number)
        # A stream that we reset or closed may still have frames under way: read past them.
        if half is not None and not half.broken and not half.discarding:
            half.buffer.append(piece)
            happened.append((Happening.READABLE, number))
        if not self._body_left:
            self._flagged(number, self._body_flags, happened)

    def _take_update(
        self, number: int, flags: Flag, value: int, happened: list[tuple[Happening, int]]
    ) -> None:
        half = self._streams.get(number)
        if value < UPDATE_MIN and not flags:
            self._empty()
        if half is not None and value:
            half.send_window += value
            if half.send_window > 0xFFFF_FFFF:
                raise MuxError("the peer granted a window that cannot be")
            happened.append((Happening.WRITABLE, number))
        self._flagged(number, flags, happened)

    def _flagged(self, number: int, flags: Flag, happened: list[tuple[Happening, int]]) -> None:
        half = self._streams.get(number)
        if half is None or half.broken:
            return
        if Flag.RST in flags:
            half.broken = True
            half.buffer.clear()
            if half.discarding:
                self._forget(number)
            happened += [(Happening.READABLE, number), (Happening.WRITABLE, number)]
        elif Flag.FIN in flags:
            half.fin_in = True
            happened.append((Happening.READABLE, number))
            self._settle(number, half)
