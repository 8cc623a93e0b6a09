"""One connection to one device, cut into streams by Yamux.

Two tasks, one that reads and one that writes, around the Yamux machine.  Streams never touch the
socket: they put frames into the machine and wait.  So a task that is cancelled while it sends
cannot leave half a frame on a connection that others share, and a peer that does not read holds
nobody up but those who send to it.

Each stream then agrees on `/entrenous/1` by multistream-select.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from .libp2p_handshake import Secured, agree
from .libp2p_parts import (
    BaseLibp2pError,
    ConnectionClosedError,
    MessageTooLarge,
    ReadWriteCloser,
    TProtocol,
)
from .transport import RECEIVE_BYTES, PeerBusy, StreamBroken, StreamClosed, TransportError
from .yamux import BACKLOG_BYTES_MAX, Happening, MuxError, Yamux

log = logging.getLogger(__name__)

PROTOCOL = TProtocol("/entrenous/1")
# A protocol name, or a list of them, in multistream-select.
WORD_BYTES_MAX = 1024
# For the whole of the words exchanged before a stream is ours.
WORDS_BYTES_MAX = 8 * 1024
# How long a peer may go on sending on a stream that we closed, before it is told by a reset.
LINGER_S = 5.0
# How long leaving waits for what is queued to go out, then for the peer to hang up.
FAREWELL_S = 1.0
# Frames that carry nothing, a second: pings, refused streams, updates of nothing.
EMPTY_PER_S = 32
# One Noise message: 65,535 bytes less the tag.
NOISE_BYTES_MAX = 65_519


class Channel:
    """A proved connection and its streams.  `run` must be running for anything to move."""

    def __init__(self, secured: Secured) -> None:
        self.remote_key = secured.remote_key
        self.closed = trio.Event()
        self._session = secured.session
        self._wire = secured.wire
        self._mux = Yamux(dialler=secured.dialler)
        self._empty_at = trio.current_time()
        self._streams: dict[int, Libp2pStream] = {}
        self._to_send = trio.Event()
        self._blocked: set[Libp2pStream] = set()
        self._nursery: trio.Nursery | None = None
        self._busy_at = trio.current_time()
        self._dropped = False
        self._leaving = False
        self.started = trio.Event()

    @property
    def usable(self) -> bool:
        return (
            self._nursery is not None
            and not self._dropped
            and not self._mux.gone
            and not self._mux.going_away
        )

    def idle_for(self, seconds: float) -> bool:
        """Whether no stream was open for so long."""
        return self._mux.streams_open == 0 and trio.current_time() - self._busy_at >= seconds

    @property
    def idle_s(self) -> float:
        """How long no stream has been opened or ended."""
        return trio.current_time() - self._busy_at

    @property
    def streams_of_peer(self) -> int:
        """How many streams the other side holds open here."""
        return self._mux.streams_of_peer

    async def run(self, admit: Callable[[], bool], arrived: Callable[[Libp2pStream], bool]) -> None:
        """Move bytes until the connection ends.

        `admit` says whether the peer may open one more; `arrived` takes a stream that speaks our
        protocol.  False from either refuses it by a reset.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._write_frames)
                self.started.set()
                await self._read_frames(admit, arrived)
                nursery.cancel_scope.cancel()
        finally:
            self._nursery = None
            self._lose()
            self._wire.close_now()
            self.closed.set()

    async def open_stream(self) -> Libp2pStream:
        """A new stream that speaks our protocol.  Raises PeerBusy, StreamBroken."""
        try:
            stream = self._adopt(self._mux.open())
        except MuxError as error:
            raise StreamBroken(str(error)) from None
        self.kick()
        try:
            await agree(_Words(stream), PROTOCOL, dialler=True)
        except (BaseLibp2pError, ValueError) as error:
            lost = self._mux.gone
            await stream.reset()
            if lost:
                raise StreamBroken("the connection was lost") from error
            raise PeerBusy("the peer takes no stream of this protocol from us now") from error
        except BaseException:
            stream.reset_nowait()
            raise
        return stream

    async def farewell(self) -> None:
        """Leave: what is queued goes out, the peer is told, the socket is closed."""
        self._mux.go_away()
        self._leaving = True
        self._to_send.set()
        with trio.move_on_after(FAREWELL_S):
            await self.closed.wait()
        self._wire.close_now()

    def drop(self) -> None:
        """End the connection at once; `run` returns."""
        self._dropped = True
        self._wire.close_now()

    # --- for streams ------------------------------------------------------------------------------

    @property
    def mux(self) -> Yamux:
        return self._mux

    def kick(self) -> None:
        """Something may be queued: wake the writer."""
        if self._mux.backlog_bytes:
            self._to_send.set()

    def when_room(self, stream: Libp2pStream) -> None:
        """Wake this stream when the backlog has shrunk."""
        self._blocked.add(stream)

    def dispose(self, number: int) -> None:
        """The owner is done with a stream; the peer has `LINGER_S` to be done too."""
        stream = self._streams.pop(number, None)
        self._busy_at = trio.current_time()
        if stream is not None and self._mux.discard(number) and self._nursery is not None:
            self._nursery.start_soon(self._linger, number)

    # --- the two tasks ----------------------------------------------------------------------------

    def _adopt(self, number: int) -> Libp2pStream:
        stream = self._streams[number] = Libp2pStream(self, number)
        return stream

    async def _linger(self, number: int) -> None:
        await trio.sleep(LINGER_S)
        self._mux.reset(number)
        self.kick()

    async def _read_frames(
        self, admit: Callable[[], bool], arrived: Callable[[Libp2pStream], bool]
    ) -> None:
        assert self._nursery is not None
        try:
            while True:
                data = await self._session.read()
                self._allow_empty()
                for happening, number in self._mux.receive_data(data):
                    if happening is Happening.OPENED:
                        stream = self._adopt(number)
                        if admit():
                            self._nursery.start_soon(self._welcome, stream, arrived)
                        else:
                            stream.reset_nowait()
                    elif number in self._streams:
                        self._streams[number].wake()
                self.kick()
                # A read may be served from a buffer: others have a turn after each message.
                await trio.lowlevel.checkpoint()
        except MuxError as error:
            log.warning("a connection was ended: %s", error)
        except Exception as error:
            # The peer hung up, or sent what Noise does not authenticate: the end either way.
            log.debug("a connection ended (%s)", type(error).__name__)

    def _allow_empty(self) -> None:
        """What the peer may send of frames that carry nothing grows back with time."""
        now_s = trio.current_time()
        if now_s - self._empty_at >= 1:
            self._mux.allow_empty(int((now_s - self._empty_at) * EMPTY_PER_S))
            self._empty_at = now_s

    async def _write_frames(self) -> None:
        try:
            while True:
                while data := self._mux.data_to_send(NOISE_BYTES_MAX):
                    await self._session.write(data)
                    self._went_out()
                if self._leaving:
                    await self._wire.hang_up()
                    return
                self._to_send = trio.Event()
                await self._to_send.wait()
        except BaseLibp2pError as error:
            log.debug("a connection ended (%s)", type(error).__name__)
            self._wire.close_now()

    def _went_out(self) -> None:
        if self._blocked and self._mux.backlog_bytes <= BACKLOG_BYTES_MAX // 2:
            blocked, self._blocked = self._blocked, set()
            for stream in blocked:
                stream.wake()

    async def _welcome(self, stream: Libp2pStream, arrived: Callable[[Libp2pStream], bool]) -> None:
        """Agree on the protocol with the opener of a stream, within its time."""
        try:
            await agree(_Words(stream), PROTOCOL, dialler=False)
        except (BaseLibp2pError, ValueError) as error:
            log.debug("a stream was refused (%s)", type(error).__name__)
            await stream.reset()
            return
        except BaseException:
            stream.reset_nowait()
            raise
        if not arrived(stream):
            await stream.reset()

    def _lose(self) -> None:
        for number in self._mux.connection_lost():
            if number in self._streams:
                self._streams[number].wake()


class Libp2pStream:
    """One stream (`transport.Stream`)."""

    def __init__(self, channel: Channel, number: int) -> None:
        self._channel = channel
        self._number = number
        self._sending = trio.Lock()
        self._stir = trio.Event()
        self._closed = False

    @property
    def remote_key(self) -> bytes:
        return self._channel.remote_key

    def wake(self) -> None:
        """Data came, or room, or the end."""
        self._stir.set()
        self._stir = trio.Event()

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        async with self._sending:
            self._check_open()
            try:
                view = memoryview(data)
                while view:
                    sent = self._channel.mux.send(self._number, view)
                    view = view[sent:]
                    if sent:
                        self._channel.kick()
                    else:
                        self._channel.when_room(self)
                        await self._stir.wait()
            except MuxError as error:
                raise StreamBroken(str(error)) from None
            except trio.Cancelled:
                self.reset_nowait()
                raise

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        async with self._sending:
            self._channel.mux.finish(self._number)
            self._channel.kick()

    async def receive_some(self, max_bytes: int = RECEIVE_BYTES) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            self._check_open()
            try:
                data = self._channel.mux.read(self._number, max_bytes)
            except MuxError as error:
                raise StreamBroken(str(error)) from None
            if data is not None:
                self._channel.kick()
                return data
            await self._stir.wait()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._channel.mux.finish(self._number)
            self._channel.dispose(self._number)
            self._channel.kick()
            self.wake()
        await trio.lowlevel.checkpoint()

    def reset_nowait(self) -> None:
        self._closed = True
        self._channel.mux.reset(self._number)
        self._channel.dispose(self._number)
        self._channel.kick()
        self.wake()

    async def reset(self) -> None:
        self.reset_nowait()
        await trio.lowlevel.checkpoint()

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosed("this stream is closed")


class _Words(ReadWriteCloser):
    """A stream as multistream-select reads it: exact, and bounded in each word and in all."""

    def __init__(self, stream: Libp2pStream) -> None:
        self._stream = stream
        self._left = WORDS_BYTES_MAX

    async def read(self, n: int | None = None) -> bytes:
        wanted = 1 if n is None else n
        self._left -= wanted
        if wanted > WORD_BYTES_MAX or self._left < 0:
            raise MessageTooLarge("the name of a protocol is too long")
        got = b""
        while len(got) < wanted:
            try:
                more = await self._stream.receive_some(wanted - len(got))
            except TransportError as error:
                raise ConnectionClosedError(str(error)) from error
            if not more:
                raise ConnectionClosedError("the stream ended")
            got += more
        return got

    async def write(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except TransportError as error:
            raise ConnectionClosedError(str(error)) from error

    async def close(self) -> None:
        await self._stream.aclose()

    def get_remote_address(self) -> tuple[str, int] | None:
        return None
