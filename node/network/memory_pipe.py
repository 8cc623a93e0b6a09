"""One direction of a simulated stream: pieces under way, each with its moment of arrival.

The reader sleeps until the first piece is due, so nothing needs to carry it.  See `memory.py`.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import trio

from ...crypto.entropy import SeededEntropy
from .transport import BUFFER_BYTES, StreamBroken

# Big sends are cut so that delay, resets and backpressure act inside them.
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Weather:
    """What a link does to one piece sent over it.  Times in seconds, a chance in 0…1."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    reset_chance: float = 0.0


CALM = Weather()


class Lot:
    """Draws for one direction of one stream."""

    def __init__(self, entropy: SeededEntropy) -> None:
        self._entropy = entropy

    def draw(self) -> float:
        """Uniform in [0, 1), 53 bits."""
        return (int.from_bytes(self._entropy.random_bytes(7), "big") >> 3) / 2**53


class Air(Protocol):
    """What a pipe asks of its world."""

    def weather_between(self, sender: bytes, receiver: bytes) -> Weather: ...
    def is_cut(self, a: bytes, b: bytes) -> bool: ...
    def overhears(self, sender: bytes, receiver: bytes, piece: bytes) -> None: ...
    async def wait_change(self) -> None: ...


class Pipe:
    """One direction: pieces under way, each with its moment of arrival.  `b""` marks the end."""

    def __init__(self, world: Air, sender: bytes, receiver: bytes, lot: Lot) -> None:
        self._world = world
        self._sender = sender
        self._receiver = receiver
        self._lot = lot
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._last_due = 0.0
        self._changed = trio.Event()
        self.broken: str | None = None
        self.unread = False
        self.eof_sent = False
        self.eof_read = False

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def break_off(self, why: str) -> None:
        if self.broken is None:
            self.broken = why
            self._pieces.clear()
            self._wake()

    def abandon(self) -> None:
        """The reader reads no more: senders are told, what is under way is dropped."""
        self.unread = True
        self._pieces.clear()
        self._wake()

    def _due(self) -> float:
        weather = self._world.weather_between(self._sender, self._receiver)
        late = weather.jitter_s * self._lot.draw() if weather.jitter_s else 0.0
        self._last_due = max(self._last_due, trio.current_time() + weather.delay_s + late)
        return self._last_due

    async def put(self, piece: bytes) -> bool:
        """Queue one piece when there is room.  False: the weather broke the stream instead."""
        while self._held + len(piece) > BUFFER_BYTES and self.broken is None and not self.unread:
            await self._changed.wait()
        if self.broken is not None:
            raise StreamBroken(f"the stream broke: {self.broken}")
        if self.unread:
            raise StreamBroken("the other side closed the stream")
        weather = self._world.weather_between(self._sender, self._receiver)
        if weather.reset_chance and self._lot.draw() < weather.reset_chance:
            return False
        self._world.overhears(self._sender, self._receiver, piece)
        self._pieces.append((self._due(), piece))
        self._held += len(piece)
        self._wake()
        return True

    def put_eof(self) -> None:
        self.eof_sent = True
        if self.broken is None and not self.unread:
            self._pieces.append((self._due(), b""))
            self._wake()

    async def get(self, max_bytes: int) -> bytes:
        """Wait for the first piece to arrive and take up to `max_bytes` of it."""
        await trio.lowlevel.checkpoint()
        while True:
            if self.eof_read:
                return b""
            if self.broken is not None:
                raise StreamBroken(f"the stream broke: {self.broken}")
            if not self._pieces:
                await self._changed.wait()
                continue
            if self._world.is_cut(self._sender, self._receiver):
                await self._wait_either()
                continue
            due, piece = self._pieces[0]
            if due > trio.current_time():
                with trio.move_on_at(due):
                    await self._changed.wait()
                continue
            return self._take(due, piece, max_bytes)

    def _take(self, due: float, piece: bytes, max_bytes: int) -> bytes:
        taken, rest = piece[:max_bytes], piece[max_bytes:]
        self._pieces.popleft()
        if rest:
            self._pieces.appendleft((due, rest))
        if not piece:
            self.eof_read = True
        self._held -= len(taken)
        self._wake()
        return taken

    async def _wait_either(self) -> None:
        """Until the world changes, or this pipe does (a reset gets through a cut)."""
        async with trio.open_nursery() as nursery:

            async def on_pipe() -> None:
                await self._changed.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(on_pipe)
            await self._world.wait_change()
            nursery.cancel_scope.cancel()
