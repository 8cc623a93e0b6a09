"""Frames of the control socket: u32be length ‖ DAG-CBOR, and who is at the other end.

    client → node     {op: text, args: map}                                 one at a time
    node → client     {item: value} | {progress: value}                     any number, then
                      {ok: value} | {error: {exit, sentence, code|null}}    exactly one

Both ends are programs of one user on one machine: each checks by the kernel's word that the other
runs under the same user id, and neither believes a length before it is held against its limit.
"""

from __future__ import annotations

import os
import socket
import struct

import trio

from ..protocol.errors import WireError
from ..protocol.wire import Value, decode, encode
from .errors import NodeError

# The largest request is an invocation with its proofs: a few hundred KiB.
REQUEST_BYTES_MAX = 1024 * 1024
# An item of records holds about half a MiB of columns (operations/data.py), a raw answer more.
REPLY_BYTES_MAX = 16 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_RECEIVE_BYTES = 256 * 1024


class ControlError(NodeError):
    """The two ends of the control socket do not understand each other."""


def frame(value: Value) -> bytes:
    """The bytes of one frame."""
    body = encode(value)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Takes frames of at most `bytes_max` bytes off a stream."""

    def __init__(self, stream: trio.abc.ReceiveStream, bytes_max: int) -> None:
        self._stream = stream
        self._bytes_max = bytes_max
        self._buffer = bytearray()

    async def receive(self) -> Value:
        """The next value.  Raises EndOfFrames at an end in order, ControlError for anything else
        that is not a frame, and what the stream raises."""
        head = await self._take(_LENGTH.size)
        (length,) = _LENGTH.unpack(head)
        if length > self._bytes_max:
            raise ControlError(
                f"a frame of {length} bytes passes the limit of {self._bytes_max} bytes"
            )
        body = await self._take(length, begun=True)
        try:
            return decode(body, bytes_max=self._bytes_max)
        except WireError as error:
            raise ControlError(f"a frame on the control socket is not readable: {error}") from error

    async def begun(self) -> None:
        """Wait for the first byte of the next frame.  Raises EndOfFrames."""
        if not self._buffer:
            await self._more(begun=False)

    async def _take(self, size: int, *, begun: bool = False) -> bytes:
        while len(self._buffer) < size:
            await self._more(begun=begun or bool(self._buffer))
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _more(self, *, begun: bool) -> None:
        data = await self._stream.receive_some(_RECEIVE_BYTES)
        if not data:
            if begun:
                raise ControlError("the other end of the control socket went away in a frame")
            raise EndOfFrames
        self._buffer += data


class EndOfFrames(Exception):
    """The stream ended between two frames."""


def check_same_user(stream: trio.SocketStream) -> None:
    """Raises ControlError unless the other end runs under our user id."""
    uid = peer_uid(stream)
    if uid is not None and uid != os.geteuid():
        raise ControlError("the other end of the control socket belongs to another user")


def peer_uid(stream: trio.SocketStream) -> int | None:
    """The user id of the other end, as the kernel knows it; None where it cannot be asked.

    There (macOS) the modes of the socket and of its folder stand alone.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    raw = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid: int = struct.unpack("3i", raw)[1]
    return uid
