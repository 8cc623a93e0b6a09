"""The network of real nodes: py-libp2p's Noise over TCP, Yamux streams, protocol `/entrenous/1`.

A connection is opened when somebody dials and serves both sides until it has carried no stream for
`IDLE_S`; a second dial to the same device, from either side, opens a stream on it.  So a peer
behind a NAT, once it has dialled, can be reached.  What is known of a connection is its proved key;
the table of connections is keyed by it.

py-libp2p's own host is not used: it identifies itself to whoever connects, keeps a peer store, and
retries by itself.  Its parts are loaded when a network is entered, not when this module is imported
(`libp2p_parts.py` says what that saves).
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import errno
import importlib
import ipaddress
import logging
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

import trio

from ...crypto.keys import DeviceKey
from .admission import Admission, Place
from .transport import (
    STREAMS_PER_PEER_MAX,
    BadAddress,
    Handler,
    ListenFailed,
    PeerAway,
    PeerSilent,
    StreamBroken,
    TransportError,
    WrongPeer,
    handle,
)

if TYPE_CHECKING:
    from .libp2p_channel import Channel, Libp2pStream

log = logging.getLogger(__name__)

# Peers connected at once: far above a household's relationships, far below the 1,024 files that a
# process may commonly open.
CONNECTIONS_MAX = 256
# One device reconnects before its lost connection is noticed; the oldest gives way.
CONNECTIONS_PER_PEER_MAX = 4
# A handshake is three messages; a slow phone on a slow link needs one or two seconds.
HANDSHAKE_S = 10.0
# A connection without a stream is kept for a next dial (250 ms saved), then closed.
IDLE_S = 60.0
# RFC 8305: the delay before the next address is tried beside the first.
NEXT_ADDRESS_S = 0.25
# An existing connection may be dead without our knowing; then a dial opens a new one after this.
REUSE_S = 3.0
# A peer that vanished without a word is noticed after 60 s and 3 times 15 s.
KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_TRIES = 60, 15, 3
BACKLOG = 64
# After a connection that was turned away, the next is looked at so much later: a flood of them
# costs a bounded part of a processor.  Others wait in the kernel's queue meanwhile.
TURNED_AWAY_S = 0.004

_GONE_ALREADY = {errno.ECONNABORTED, errno.EPROTO, errno.EPERM}
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """`/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT`, with or without `/p2p/PEER` behind it."""

    kind: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> TcpAddress:
        """Raises BadAddress."""
        parts = text.split("/")
        if len(text) > 300 or len(parts) not in (5, 7) or parts[0] or parts[3] != "tcp":
            raise BadAddress(f"{text[:300]!r} is not an address like /ip4/192.0.2.1/tcp/4001")
        _, kind, host, _, port = parts[:5]
        if len(parts) == 7 and (parts[5] != "p2p" or not parts[6]):
            raise BadAddress(f"{text!r} goes on after its port with what this network cannot use")
        try:
            if kind == "ip4":
                ipaddress.IPv4Address(host)
            elif kind == "ip6":
                ipaddress.IPv6Address(host)
            elif kind not in ("dns", "dns4", "dns6") or not host:
                raise ValueError(kind)
            if not (port.isascii() and port.isdigit() and int(port) < 65536):
                raise ValueError(port)
        except ValueError:
            raise BadAddress(f"{text!r} names no host and port") from None
        return cls(kind, host, int(port))

    def __str__(self) -> str:
        return f"/{self.kind}/{self.host}/tcp/{self.port}"


def _keep_alive(stream: trio.SocketStream) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux has the three; elsewhere the system's own times hold.
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_EVERY_S),
        ("TCP_KEEPCNT", KEEPALIVE_TRIES),
    ):
        if hasattr(socket, option):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class Libp2pNetwork:
    """A device on real networks (`transport.Network`).

    `listen`: multiaddrs.  Port 0 asks the system for a free port, which is then kept: entered
    again, the network listens where it did.
    """

    def __init__(self, device: DeviceKey, listen: Sequence[str] = ("/ip4/0.0.0.0/tcp/0",)) -> None:
        self.device = device.public
        self._key = device
        self._listen = [TcpAddress.parse(text) for text in listen]
        self._listeners: list[trio.SocketListener] = []
        self._channels: dict[bytes, list[Channel]] = {}
        self._stack = AsyncExitStack()
        self._tasks: trio.Nursery | None = None
        self._arrivals: trio.Nursery | None = None
        self._handler: Handler | None = None
        self._admission: Admission | None = None
        # Entries go when nobody dials: a lock that no task holds is not kept.
        self._dialling: WeakValueDictionary[bytes, trio.Lock] = WeakValueDictionary()

    @property
    def addresses(self) -> tuple[str, ...]:
        """A wildcard address stands for every address that this machine has."""
        if not self._listeners:
            return ()
        found: list[str] = []
        for address in self._listen:
            hosts = [address.host]
            if address.kind != "dns" and ipaddress.ip_address(address.host).is_unspecified:
                hosts = _own_hosts(address.kind)
            found += [str(TcpAddress(address.kind, host, address.port)) for host in hosts]
        return tuple(dict.fromkeys(found))

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return sum(len(channels) for channels in self._channels.values())

    async def __aenter__(self) -> Self:
        # The expensive import, here on purpose.
        importlib.import_module(".libp2p_channel", __package__)
        self._admission = Admission(trio.current_time())
        try:
            for place, address in enumerate(self._listen):
                self._listen[place] = await self._open_listener(address)
            self._tasks = await self._stack.enter_async_context(trio.open_nursery())
        except BaseException:
            self._close_listeners()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        assert self._tasks is not None
        self._close_listeners()
        try:
            if kind is None:
                async with trio.open_nursery() as farewells:
                    for channels in self._channels.values():
                        for channel in channels:
                            farewells.start_soon(channel.farewell)
        finally:
            self._tasks.cancel_scope.cancel()
            stack, self._stack = self._stack, AsyncExitStack()
            self._tasks = None
            swallowed = await stack.__aexit__(kind, error, trace)
        return swallowed

    async def _open_listener(self, address: TcpAddress) -> TcpAddress:
        try:
            found = await trio.open_tcp_listeners(address.port, host=address.host, backlog=BACKLOG)
        except OSError as error:
            raise ListenFailed(f"cannot listen at {address}: {error.strerror or error}") from None
        self._listeners += found
        port: int = found[0].socket.getsockname()[1]
        return TcpAddress(address.kind, address.host, port)

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.socket.close()
        self._listeners.clear()

    # --- others dial ------------------------------------------------------------------------------

    async def serve(self, handler: Handler) -> None:
        """As `transport.Network.serve`."""
        try:
            async with trio.open_nursery() as nursery:
                self._arrivals, self._handler = nursery, handler
                for listener in self._listeners:
                    nursery.start_soon(self._accept, listener)
                await trio.sleep_forever()
        finally:
            self._arrivals = self._handler = None

    async def _accept(self, listener: trio.SocketListener) -> None:
        assert self._tasks is not None
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno in _GONE_ALREADY:
                    continue
                if error.errno not in _NO_ROOM:
                    raise
                log.warning("no room for another connection: %s", error.strerror)
                await trio.sleep(0.1)
                continue
            if not self._admit_connection(stream):
                stream.socket.close()
                await trio.sleep(TURNED_AWAY_S)

    def _admit_connection(self, stream: trio.SocketStream) -> bool:
        """Begin the handshake of a connection from outside, if it may have one."""
        assert self._tasks is not None
        assert self._admission is not None
        if self.connections >= CONNECTIONS_MAX and not self._drop_idle():
            return False
        try:
            host: str = stream.socket.getpeername()[0]
        except OSError:
            return False
        scope = trio.CancelScope()
        place = self._admission.arrives(host, scope.cancel, trio.current_time())
        if place is not None:
            self._tasks.start_soon(self._greet, stream, place, scope)
        return place is not None

    def _drop_idle(self) -> bool:
        """All places are taken: the connection that has been idle longest gives way, if one is."""
        idle = [
            channel
            for channels in self._channels.values()
            for channel in channels
            if channel.usable and channel.idle_for(0)
        ]
        if idle:
            max(idle, key=lambda channel: channel.idle_s).drop()
        return bool(idle)

    async def _greet(
        self, stream: trio.SocketStream, place: Place, scope: trio.CancelScope
    ) -> None:
        """Let a connection from outside prove its key, in its time."""
        from .libp2p_channel import Channel
        from .libp2p_handshake import HandshakeFailed, secure

        assert self._admission is not None
        channel: Channel | None = None
        try:
            with scope, trio.move_on_after(HANDSHAKE_S):
                _keep_alive(stream)
                secured = await secure(stream, self._key, None)
                now_s = trio.current_time()
                if self._admission.proved(place, secured.remote_key, now_s):
                    channel = Channel(secured)
        except (HandshakeFailed, OSError) as error:
            log.debug("a connection was refused: %s", error)
        finally:
            self._admission.leaves(place)
            if channel is None:
                stream.socket.close()
        if channel is not None:
            try:
                await self._keep(channel)
            finally:
                self._admission.ended(place)

    async def _keep(self, channel: Channel) -> None:
        """Run a proved connection until it ends or has been idle for long."""
        beside = self._channels.setdefault(channel.remote_key, [])
        beside.append(channel)
        if len(beside) > CONNECTIONS_PER_PEER_MAX:
            beside[0].drop()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._close_when_idle, channel)
                await channel.run(lambda: self._admits(channel.remote_key), self._arrived)
                nursery.cancel_scope.cancel()
        finally:
            beside.remove(channel)
            if not beside:
                self._channels.pop(channel.remote_key, None)

    async def _close_when_idle(self, channel: Channel) -> None:
        while True:
            await trio.sleep(IDLE_S)
            if channel.idle_for(IDLE_S):
                await channel.farewell()
                return

    def _admits(self, device: bytes) -> bool:
        if self._arrivals is None:
            return False
        held = sum(channel.streams_of_peer for channel in self._channels.get(device, ()))
        return held <= STREAMS_PER_PEER_MAX

    def _arrived(self, stream: Libp2pStream) -> bool:
        if self._arrivals is None or self._handler is None:
            return False
        self._arrivals.start_soon(handle, stream, self._handler, stream.reset_nowait)
        return True

    # --- we dial ----------------------------------------------------------------------------------

    async def dial(self, device: bytes, addresses: Sequence[str], timeout_s: float) -> Libp2pStream:
        """As `transport.Network.dial`; an open connection to the device is used first."""
        places = [TcpAddress.parse(text) for text in addresses]
        with trio.move_on_after(timeout_s):
            channel = await self._connection_to(device, places)
            try:
                with trio.move_on_after(min(REUSE_S, timeout_s / 2)):
                    return await channel.open_stream()
                log.debug("an open connection does not answer")
            except StreamBroken as error:
                log.debug("an open connection was lost: %s", error)
            channel.drop()
            channel = await self._connection_to(device, places)
            try:
                return await channel.open_stream()
            except StreamBroken:
                raise PeerAway("the peer hung up before a stream was open") from None
        raise PeerSilent(f"the peer did not answer within {timeout_s:g} s")

    async def _connection_to(self, device: bytes, places: Sequence[TcpAddress]) -> Channel:
        """The youngest connection to the device, or a new one; one task at a time makes it."""
        async with self._dialling.setdefault(device, trio.Lock()):
            for channel in reversed(self._channels.get(device, [])):
                if channel.usable:
                    return channel
            return await self._connect(device, places)

    async def _connect(self, device: bytes, places: Sequence[TcpAddress]) -> Channel:
        """Try the addresses, the next beside the last after a while; the first proof wins."""
        won: list[Channel] = []
        failures: list[TransportError] = []
        async with trio.open_nursery() as nursery:

            async def attempt(place: TcpAddress, over: trio.Event) -> None:
                try:
                    channel = await self._connect_at(device, place)
                except TransportError as error:
                    failures.append(error)
                else:
                    if won:
                        channel.drop()
                    else:
                        won.append(channel)
                    nursery.cancel_scope.cancel()
                over.set()

            for place in places:
                over = trio.Event()
                nursery.start_soon(attempt, place, over)
                with trio.move_on_after(NEXT_ADDRESS_S):
                    await over.wait()
        if not won:
            wrong = [error for error in failures if isinstance(error, WrongPeer)]
            raise (wrong or failures or [PeerAway("no address of the peer is known")])[0]
        assert self._tasks is not None
        self._tasks.start_soon(self._keep, won[0])
        await won[0].started.wait()
        return won[0]

    async def _connect_at(self, device: bytes, place: TcpAddress) -> Channel:
        from .libp2p_channel import Channel
        from .libp2p_handshake import HandshakeFailed, secure

        try:
            stream = await trio.open_tcp_stream(place.host, place.port)
        except OSError as error:
            raise PeerAway(f"nobody answers at {place}: {error}") from None
        try:
            _keep_alive(stream)
            return Channel(await secure(stream, self._key, device))
        except HandshakeFailed as error:
            raise PeerAway(f"no device of this network answers at {place}: {error}") from None
        except OSError as error:
            stream.socket.close()
            raise PeerAway(f"the connection to {place} was lost: {error}") from None


def _own_hosts(kind: str) -> list[str]:
    """The machine's own addresses of one family, loopback last."""
    import psutil  # type: ignore[import-untyped]  # it ships no stubs

    family = socket.AF_INET if kind == "ip4" else socket.AF_INET6
    hosts = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == family and "%" not in entry.address
    ]
    return sorted(hosts, key=lambda host: ipaddress.ip_address(host).is_loopback)
