"""The network of a simulated world: byte streams between nodes of one process, seeded, no sockets.

Theory.  A stream is two pipes.  A pipe is a queue of pieces, each with the moment at which it
arrives; a reader sleeps until the first has.  So there are no courier tasks: nothing runs between
two nodes that could outlive them, and under trio's mock clock the time of a whole world is the
times written on its pieces.  Every draw (jitter, resets) comes from a generator forked by the names
of the two ends and the number of their stream: what happens on one link does not change what is
drawn on another.

Weather.  `MemoryWorld.weather` says for each piece sent what the link does to it: `delay_s` and up
to `jitter_s` more (order inside a stream is kept, streams overtake one another), or with
`reset_chance` the stream breaks, as a TCP connection does that lost too much.  `cut` parts two
sets of devices: what is under way waits, as TCP does, until `heal` or until somebody's deadline.

It does not do: bandwidth; silent corruption (the transport under a real node authenticates).
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

import trio

from ...crypto.entropy import SeededEntropy
from ...crypto.keys import DeviceKey
from .memory_pipe import CALM, PIECE_BYTES, Lot, Pipe, Weather
from .transport import (
    RECEIVE_BYTES,
    STREAMS_PER_PEER_MAX,
    BadAddress,
    Handler,
    PeerAway,
    PeerBusy,
    PeerSilent,
    StreamBroken,
    StreamClosed,
    TransportError,
    WrongPeer,
    handle,
)

log = logging.getLogger(__name__)

__all__ = ["MemoryNetwork", "MemoryStream", "MemoryWorld", "Weather"]


class MemoryWorld:
    """The air between the nodes: who listens where, which links are cut, what the weather is."""

    def __init__(
        self,
        seed: bytes = b"memory",
        weather: Callable[[bytes, bytes], Weather] = lambda sender, receiver: CALM,
        overhears: Callable[[bytes, bytes, bytes], None] = lambda sender, receiver, piece: None,
    ) -> None:
        self.weather = weather
        self._overhears = overhears
        self._entropy = SeededEntropy(seed)
        self._listening: dict[str, MemoryNetwork] = {}
        self._cuts: list[tuple[frozenset[bytes], frozenset[bytes]]] = []
        self._pairs: dict[tuple[bytes, bytes], int] = {}
        self._next_port = 1
        self._streams: dict[_Ends, None] = {}
        self._changed = trio.Event()

    def cut(self, some: Iterable[bytes], others: Iterable[bytes]) -> None:
        """Let nothing pass between the two sets of devices until `heal`."""
        self._cuts.append((frozenset(some), frozenset(others)))

    def heal(self) -> None:
        """Undo every cut; what waited arrives now."""
        self._cuts.clear()
        self.announce()

    def reset_streams(self, device: bytes, other: bytes | None = None) -> int:
        """Break the open streams of a device (with `other` only, if given).  Returns how many."""
        hit = [
            ends
            for ends in self._streams
            if device in ends.keys and (other is None or other in ends.keys)
        ]
        for ends in hit:
            ends.break_off("the connection was reset")
        return len(hit)

    @property
    def streams_open(self) -> int:
        """How many streams are not yet ended on both sides."""
        return len(self._streams)

    def weather_between(self, sender: bytes, receiver: bytes) -> Weather:
        return self.weather(sender, receiver)

    def overhears(self, sender: bytes, receiver: bytes, piece: bytes) -> None:
        """A piece is handed to the network: whoever keeps a trace of the world hears it."""
        self._overhears(sender, receiver, piece)

    def is_cut(self, a: bytes, b: bytes) -> bool:
        return any(
            (a in some and b in others) or (b in some and a in others)
            for some, others in self._cuts
        )

    def announce(self) -> None:
        """Wake whoever waits for the world to change."""
        self._changed.set()
        self._changed = trio.Event()

    async def wait_change(self) -> None:
        await self._changed.wait()

    def lot(self, *names: str) -> Lot:
        return Lot(self._entropy.fork("/".join(names)))

    def join(self, network: MemoryNetwork) -> str:
        address = f"/memory/{self._next_port}"
        self._next_port += 1
        self._listening[address] = network
        self.announce()
        return address

    def rejoin(self, network: MemoryNetwork, address: str) -> str:
        """A node that comes back listens where it did."""
        if address in self._listening:
            raise BadAddress(f"{address} is taken")
        self._listening[address] = network
        self.announce()
        return address

    def leave(self, network: MemoryNetwork, address: str) -> None:
        self._listening.pop(address, None)
        for ends in [e for e in self._streams if network in e.networks]:
            ends.break_off("the other node stopped")
        self.announce()

    def at(self, address: str) -> MemoryNetwork | None:
        return self._listening.get(address)

    def streams_between(self, a: MemoryNetwork, b: MemoryNetwork) -> int:
        return sum(1 for ends in self._streams if ends.networks == (a, b))

    def open(self, dialler: MemoryNetwork, listener: MemoryNetwork) -> _Ends:
        pair = (dialler.device, listener.device)
        number = self._pairs.get(pair, 0)
        self._pairs[pair] = number + 1
        ends = _Ends(self, dialler, listener, number)
        self._streams[ends] = None
        return ends

    def forget(self, ends: _Ends) -> None:
        self._streams.pop(ends, None)


class _Ends:
    """The two pipes of a stream, and what is known to both sides."""

    def __init__(
        self, world: MemoryWorld, dialler: MemoryNetwork, listener: MemoryNetwork, number: int
    ) -> None:
        self.world = world
        self.networks = (dialler, listener)
        self.keys = (dialler.device, listener.device)
        a, b = self.keys
        there = world.lot(a.hex(), b.hex(), str(number), "there")
        back = world.lot(a.hex(), b.hex(), str(number), "back")
        self.there = Pipe(world, a, b, there)
        self.back = Pipe(world, b, a, back)

    def break_off(self, why: str) -> None:
        self.there.break_off(why)
        self.back.break_off(why)
        self.world.forget(self)

    def settle(self) -> None:
        """Forget the stream once both sides are done with it."""
        if all(
            pipe.eof_sent and (pipe.eof_read or pipe.unread) for pipe in (self.there, self.back)
        ):
            self.world.forget(self)


class MemoryStream:
    """One end of a stream (`transport.Stream`)."""

    def __init__(self, ends: _Ends, sends: Pipe, receives: Pipe, remote_key: bytes) -> None:
        self._ends = ends
        self._sends = sends
        self._receives = receives
        self._remote_key = remote_key
        self._sending = trio.Lock()
        self._closed = False

    @property
    def remote_key(self) -> bytes:
        return self._remote_key

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        async with self._sending:
            if self._closed or self._sends.eof_sent:
                raise StreamClosed("this side of the stream is closed")
            try:
                for start in range(0, len(data), PIECE_BYTES):
                    if not await self._sends.put(data[start : start + PIECE_BYTES]):
                        self._ends.break_off("the connection was reset")
                        raise StreamBroken("the connection was reset")
            except trio.Cancelled:
                self._ends.break_off("a send was cancelled half way")
                raise

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        async with self._sending:
            self._end_sending()

    def _end_sending(self) -> None:
        if not self._sends.eof_sent:
            self._sends.put_eof()
        self._ends.settle()

    async def receive_some(self, max_bytes: int = RECEIVE_BYTES) -> bytes:
        if self._closed:
            raise StreamClosed("this stream is closed")
        data = await self._receives.get(max_bytes)
        if not data:
            self._ends.settle()
        return data

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._receives.abandon()
            self._end_sending()
        await trio.lowlevel.checkpoint()

    async def reset(self) -> None:
        self._closed = True
        self._ends.break_off("the other side reset it")
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """A device in a `MemoryWorld` (`transport.Network`).  Re-entered, it keeps its address.

    `address`: one that another device had and has left, as a machine that replaces another has.
    """

    def __init__(self, device: DeviceKey, world: MemoryWorld, address: str | None = None) -> None:
        self.device = device.public
        self._world = world
        self._address = address
        self._inside = False
        self._arrivals: trio.Nursery | None = None
        self._handler: Handler | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self._address,) if self._inside and self._address else ()

    @property
    def place(self) -> str | None:
        """Where it listens when it is there; None before it ever was."""
        return self._address

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        if self._address is None:
            self._address = self._world.join(self)
        else:
            self._world.rejoin(self, self._address)
        self._inside = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._address is not None
        self._inside = False
        self._world.leave(self, self._address)

    async def serve(self, handler: Handler) -> None:
        """As `transport.Network.serve`."""
        try:
            async with trio.open_nursery() as nursery:
                self._arrivals, self._handler = nursery, handler
                self._world.announce()
                await trio.sleep_forever()
        finally:
            self._arrivals = self._handler = None

    def _accept(self, ends: _Ends) -> None:
        assert self._arrivals is not None
        assert self._handler is not None
        stream = MemoryStream(ends, ends.back, ends.there, ends.keys[0])

        def break_off() -> None:
            ends.break_off("the other side stopped")

        self._arrivals.start_soon(handle, stream, self._handler, break_off)

    async def dial(self, device: bytes, addresses: Sequence[str], timeout_s: float) -> MemoryStream:
        """As `transport.Network.dial`; addresses are tried in order."""
        for address in addresses:
            if not address.startswith("/memory/"):
                raise BadAddress(f"{address!r} is not an address of this network")
        failure: TransportError = PeerAway("no address of the peer is known")
        with trio.move_on_after(timeout_s) as scope:
            for address in addresses:
                try:
                    return await self._dial_at(device, address)
                except (PeerAway, WrongPeer) as error:
                    failure = error
        if scope.cancelled_caught:
            raise PeerSilent(f"the peer did not answer within {timeout_s:g} s")
        raise failure

    async def _dial_at(self, device: bytes, address: str) -> MemoryStream:
        await trio.lowlevel.checkpoint()
        world = self._world
        while True:
            there = world.at(address)
            if there is None:
                raise PeerAway(f"nobody listens at {address}")
            if not world.is_cut(self.device, there.device):
                await self._round_trip(there.device)
                if world.at(address) is there and not world.is_cut(self.device, there.device):
                    if there.device != device:
                        raise WrongPeer(f"another device answers at {address}")
                    if there._arrivals is not None:
                        return self._meet(there)
                if world.at(address) is not there:
                    continue
            await world.wait_change()

    async def _round_trip(self, other: bytes) -> None:
        there = self._world.weather(self.device, other).delay_s
        back = self._world.weather(other, self.device).delay_s
        await trio.sleep(there + back)

    def _meet(self, there: MemoryNetwork) -> MemoryStream:
        if self._world.streams_between(self, there) >= STREAMS_PER_PEER_MAX:
            raise PeerBusy("the peer takes no more streams from this device")
        ends = self._world.open(self, there)
        there._accept(ends)
        return MemoryStream(ends, ends.there, ends.back, there.device)
