"""Attacks below the protocol: TCP, the handshake, Yamux.  Who attacks has proved nothing, or a key.

Each runs until it is cancelled.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import trio

from entrenous.crypto.keys import DeviceKey
from entrenous.node.network.libp2p_handshake import Secured
from entrenous.node.network.yamux import HEADER, Flag, Type
from entrenous.tests.hostile.attacker import LET_DOWN, Attacker

# What a stranger can hold or try at a time from one machine.
AT_ONCE = 64
STREAMS = 10_000


async def _many(at: Attacker, many: int, one: Callable[[], Awaitable[None]]) -> None:
    """`one` again and again, `many` at a time; each end is counted."""

    async def again() -> None:
        while True:
            try:
                await one()
                at.note("done")
            except LET_DOWN as error:
                at.note(error)
                await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        for _ in range(many):
            nursery.start_soon(again)


async def _until_hung_up(stream: trio.SocketStream) -> None:
    while await stream.receive_some(65_536):
        pass


async def silent_tcp(at: Attacker) -> None:
    """Connect and say nothing; when the node hangs up, connect again."""

    async def one() -> None:
        async with await at.tcp() as stream:
            await _until_hung_up(stream)

    await _many(at, 4 * AT_ONCE, one)


async def slow_tcp(at: Attacker) -> None:
    """One byte of the handshake a second."""

    async def one() -> None:
        async with await at.tcp() as stream:
            for byte in b"\x13/multistream/1.0.0\n\x07/noise\n" * 8:
                await stream.send_all(bytes([byte]))
                await trio.sleep(1)

    await _many(at, AT_ONCE, one)


async def huge_tcp(at: Attacker) -> None:
    """Lengths up to 2^63 in front of the handshake, and noise behind."""

    async def one() -> None:
        async with await at.tcp() as stream:
            await stream.send_all(b"\xff" * 8 + b"\x7f" + at.entropy.random_bytes(65_536))
            await _until_hung_up(stream)

    await _many(at, 8, one)


async def connect_loop(at: Attacker) -> None:
    """Connect and hang up, as fast as it goes."""

    async def one() -> None:
        async with await at.tcp():
            pass

    await _many(at, 8, one)


async def handshake_loop(at: Attacker) -> None:
    """Prove a fresh key, hang up, again."""

    async def one() -> None:
        async with at.noise():
            pass

    await _many(at, 8, one)


async def handshake_hold(at: Attacker) -> None:
    """Prove fresh keys and hold every connection, idle."""

    async def one() -> None:
        async with at.noise() as secured:
            while True:
                await secured.session.read()

    await _many(at, 300, one)


def _frame(kind: Type, flags: Flag, number: int, length: int) -> bytes:
    return HEADER.pack(0, kind, flags, number, length)


async def _frames(at: Attacker, pieces: Callable[[], bytes]) -> None:
    """Frames as fast as the node takes them, on one proved connection after the other.

    What the node answers is read, or it would stop for that reason alone.
    """

    async def drain(secured: Secured) -> None:
        with suppress(*LET_DOWN):
            while True:
                await secured.session.read()

    async def one() -> None:
        async with at.noise(DeviceKey(b"\x42" * 32)) as secured:
            at.nursery.start_soon(drain, secured)
            while True:
                await secured.session.write(pieces())

    await _many(at, 1, one)


async def ten_thousand_streams(at: Attacker) -> None:
    """SYN after SYN: ten thousand streams on each connection, none of which says anything."""
    numbers = count(1, 2)

    def pieces() -> bytes:
        some = [_frame(Type.WINDOW_UPDATE, Flag.SYN, next(numbers), 0) for _ in range(200)]
        at.tally["streams opened"] += len(some)
        return b"".join(some)

    await _frames(at, pieces)


async def half_closed(at: Attacker) -> None:
    """Open streams and end them at once, one direction of each."""
    numbers = count(1, 2)

    def pieces() -> bytes:
        return b"".join(
            _frame(Type.WINDOW_UPDATE, Flag.SYN, n, 0) + _frame(Type.DATA, Flag.FIN, n, 0)
            for n in (next(numbers) for _ in range(200))
        )

    await _frames(at, pieces)


async def pings(at: Attacker) -> None:
    """Pings, updates of nothing and empty data."""
    some = _frame(Type.PING, Flag.SYN, 0, 1) + _frame(Type.WINDOW_UPDATE, Flag(0), 1, 0)
    piece = (some + _frame(Type.DATA, Flag(0), 1, 0)) * 1_000
    await _frames(at, lambda: piece)


async def huge_frames(at: Attacker) -> None:
    """Yamux frames of four gigabytes."""
    piece = _frame(Type.DATA, Flag.SYN, 1, 0xFFFF_FFFF) + bytes(60_000)
    await _frames(at, lambda: piece)


async def slow_frames(at: Attacker) -> None:
    """One byte of a Yamux header a second, on several connections."""

    async def one() -> None:
        async with at.noise() as secured:
            for byte in _frame(Type.DATA, Flag.SYN, 1, 100) * 10:
                await secured.session.write(bytes([byte]))
                await trio.sleep(1)

    await _many(at, 16, one)


WIRE = {
    "connect": connect_loop,
    "silent": silent_tcp,
    "slow": slow_tcp,
    "huge": huge_tcp,
    "handshakes": handshake_loop,
    "held": handshake_hold,
    "streams": ten_thousand_streams,
    "half-closed": half_closed,
    "pings": pings,
    "huge-frames": huge_frames,
    "slow-frames": slow_frames,
}
