"""An attacker on this machine: sockets, Noise, Yamux, and a tally of what it got.

It stands on the parts of our own network, because they speak the protocols; the rules they keep
towards a peer are left out.  Each connection may come from another address of the loopback
network, as it would from other machines.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import DeviceKey
from entrenous.node.clock import SystemClock
from entrenous.node.network.libp2p import TcpAddress
from entrenous.node.network.libp2p_channel import Channel, Libp2pStream
from entrenous.node.network.libp2p_handshake import Secured, secure
from entrenous.node.network.libp2p_parts import BaseLibp2pError
from entrenous.node.network.transport import PeerAway, TransportError
from entrenous.protocol.errors import ProtocolError
from entrenous.protocol.pairing import parse_link
from entrenous.tests.hostile.peer import HungUp, Peer

# What any attack meets in the end: the node hangs up, one way or another.
LET_DOWN = (
    TransportError,
    ProtocolError,
    HungUp,
    BaseLibp2pError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
)


@dataclass(frozen=True)
class Target:
    """What an attacker was told: where the node is, and links that pair with it."""

    device: str
    address: str
    invites: tuple[str, ...]
    collection: str
    first: int
    last: int
    source: str

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Target:
        said = json.loads(text)
        said["invites"] = tuple(said["invites"])
        return cls(**said)


class Dialler:
    """Dials as one device: a new connection each time, or streams on the first one."""

    def __init__(
        self, device: DeviceKey, nursery: trio.Nursery, source: str | None, *, one: bool = False
    ) -> None:
        self._device = device
        self._nursery = nursery
        self._source = source
        self._one = one
        self._channel: Channel | None = None

    async def channel(self, device: bytes, addresses: Sequence[str]) -> Channel:
        """A proved connection with nothing on it.  Raises TransportError, OSError."""
        if self._one and self._channel is not None and self._channel.usable:
            return self._channel
        place = TcpAddress.parse(addresses[0])
        stream = await trio.open_tcp_stream(place.host, place.port, local_address=self._source)
        channel = self._channel = Channel(await secure(stream, self._device, device))

        async def run() -> None:
            with suppress(TransportError, OSError):
                await channel.run(lambda: False, lambda _: False)

        self._nursery.start_soon(run)
        await channel.started.wait()
        return channel

    async def dial(self, device: bytes, addresses: Sequence[str], timeout_s: float) -> Libp2pStream:
        with trio.move_on_after(timeout_s):
            try:
                return await (await self.channel(device, addresses)).open_stream()
            except OSError as error:
                raise PeerAway(str(error)) from error
        raise PeerAway("nobody answers in time")


@dataclass
class Attacker:
    """One attack under way.  `tally` counts what came of it, in words."""

    target: Target
    nursery: trio.Nursery
    tally: Counter[str] = field(default_factory=lambda: Counter[str]())
    entropy: SystemEntropy = field(default_factory=SystemEntropy)
    _links: list[str] = field(default_factory=lambda: list[str]())

    def __post_init__(self) -> None:
        importlib.import_module("entrenous.node.network.libp2p_channel")
        self.node = bytes.fromhex(self.target.device)
        self._links = list(self.target.invites)

    # below the protocol

    async def tcp(self, source: str | None = None) -> trio.SocketStream:
        place = TcpAddress.parse(self.target.address)
        return await trio.open_tcp_stream(
            place.host, place.port, local_address=source or self.target.source
        )

    @asynccontextmanager
    async def noise(self, device: DeviceKey | None = None) -> AsyncGenerator[Secured]:
        """A connection whose keys are proved and on which Yamux was agreed; nobody runs it."""
        key = device or DeviceKey.generate(self.entropy)
        secured = await secure(await self.tcp(), key, self.node)
        try:
            yield secured
        finally:
            secured.wire.close_now()

    # with the protocol

    def peer(self, *, one: bool = False) -> Peer:
        """A peer with fresh keys, not paired."""
        device = DeviceKey.generate(self.entropy)
        dialler = Dialler(device, self.nursery, self.target.source, one=one)
        now_ms = SystemClock().now_ms
        peer = Peer(dialler, device, self.entropy, now_ms, (self.target.address,))
        peer.node = self.node
        return peer

    async def paired(self, *, one: bool = False) -> Peer:
        """A peer that has scanned one of the links."""
        peer = self.peer(one=one)
        await peer.meet(parse_link(self._links.pop(0)))
        return peer

    # what comes of it

    def note(self, what: object) -> None:
        """Count an answer or an end, by what it said."""
        if isinstance(what, HungUp):
            said = f"hung up: {what.code.value if what.code else 'no word'}: {what}"
        elif isinstance(what, BaseException):
            said = f"{type(what).__name__}: {str(what)[:120]}"
        else:
            said = str(what)
        self.tally[said] += 1
