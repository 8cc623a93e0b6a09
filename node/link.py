"""A link: one open session with one peer, pumped between a stream and the node.

    stream ──bytes──> Session ──events──> waiting callers (answers, windows)
                                     └──> the door (calls, parts, countersignatures)

Two tasks run for each link: one reads, one writes and keeps time.  Actions on the session are
plain calls; `wake` sends what they queued.

What this device signs for one peer forms a chain (`prev`), and the peer holds each word against
the one before it, in the order in which they arrive.  So what is signed inside a unit of work
takes a number there, and `in_order` lets it out in the order of these numbers, whichever task
comes back from the store first.  If a unit that took a number fails, the chain has a hole, and the
link is closed: at the next one each side says in its hello how far it has come.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
import trio

from ..protocol.errors import LocalProtocolError, RemoteProtocolError
from ..protocol.persona import Certificate
from ..protocol.receipt import check_prev, parse_answer
from ..protocol.session import Session
from ..protocol.session_event import (
    AnswerReceived,
    CallReceived,
    CallTimedOut,
    Closed,
    CountersignReceived,
    HelloReceived,
    Opened,
    PagesAltered,
    PartReceived,
    RefuseReceived,
    WindowReceived,
)
from .clock import Clock
from .errors import Away
from .network.transport import Stream, TransportError
from .peers import Pair

log = structlog.get_logger()

Greet: TypeAlias = "Callable[[Link, HelloReceived], Awaitable[None]]"
Reply: TypeAlias = AnswerReceived | RefuseReceived | WindowReceived | PagesAltered | CallTimedOut
Demand: TypeAlias = (
    CallReceived | PartReceived | CountersignReceived | RefuseReceived | CallTimedOut
)

# A caller has one window at a time, and then an end: nothing waits behind them.
_REPLIES_MAX = 4
# What waits for the door of one call: parts, until they are taken.  The session counts the rest.
_READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Arrived:
    """A reply, and the number of the peer's signed words up to and with it."""

    number: int
    event: Reply


@dataclass(slots=True)
class Chain:
    """How far this link has come in what each side signed for the other.

    `given` and `taken` are CIDs; `signed` and `sent` number what this side signs.
    """

    given: bytes | None = None
    taken: bytes | None = None
    taken_number: int = 0
    taken_kept: int = 0
    signed: int = 0
    sent: int = 0
    waiting: dict[int, Callable[[], None]] = field(
        default_factory=lambda: dict[int, Callable[[], None]]()
    )

    def number(self, cid: bytes) -> int:
        """Take the next number for something just signed; called inside a unit of work."""
        self.given = cid
        self.signed += 1
        return self.signed

    def keeps(self, number: int) -> bool:
        """Whether word `number` of the peer is newer than all that were kept; called inside a
        unit of work that keeps it."""
        if number <= self.taken_kept:
            return False
        self.taken_kept = number
        return True


class Link:
    """One session.  `pair` is None until it is open, and for a stranger's for ever."""

    def __init__(
        self, stream: Stream, session: Session, clock: Clock, *, dialled: bool = False
    ) -> None:
        self._stream = stream
        self.session = session
        self._clock = clock
        self._wake = trio.Event()
        self._callers: dict[int, trio.MemorySendChannel[Arrived]] = {}
        self.chain = Chain()
        self.dialled = dialled
        self.pair: Pair | None = None
        self.certificate: Certificate | None = None
        self.opened = trio.Event()
        self.closed = trio.Event()
        self.ending: Closed | None = None

    @property
    def remote_key(self) -> bytes:
        """The device key that the transport proved: 32 bytes."""
        return self._stream.remote_key

    @property
    def server(self) -> Certificate:
        """The certificate under which the other side signs on this link.  Raises Away before it
        has shown one."""
        if self.certificate is None:
            raise Away("the other side has not said who it is")
        return self.certificate

    # asking

    async def ask(
        self, inv: bytes, proofs: Sequence[bytes] = (), parts: Sequence[bytes] = ()
    ) -> Asking:
        """Make a call; waits while too many are open.  Raises Away once the link is closed."""
        while not self.closed.is_set():
            if self.session.calls_free > 0:
                send, receive = trio.open_memory_channel[Arrived](_REPLIES_MAX)
                number = self.session.call(inv, proofs, parts)
                self._callers[number] = send
                self.wake()
                return Asking(self, number, receive)
            with trio.move_on_after(0.05):
                await self.closed.wait()
        raise Away("the other side went away before it could be asked")

    def forget(self, number: int) -> None:
        """Nobody waits for call `number` any more; the peer is told if it is still open."""
        channel = self._callers.pop(number, None)
        if channel is not None:
            channel.close()

    # giving

    def in_order(self, number: int, act: Callable[[], None]) -> None:
        """Do `act` once everything signed before `number` has been let out."""
        self.chain.waiting[number] = act
        while (ready := self.chain.waiting.pop(self.chain.sent + 1, None)) is not None:
            self.chain.sent += 1
            if self.closed.is_set():
                continue
            try:
                ready()
            except LocalProtocolError as error:
                # The call ended meanwhile: the peer withdrew it or the link is closing.
                log.debug("late_word", reason=str(error))
        self.wake()

    def wake(self) -> None:
        """Something was queued: let the writer look."""
        self._wake.set()

    def close(self, reason: str | None = None) -> None:
        """Leave.  What was queued is still sent."""
        if reason is not None:
            log.info("link_closed", reason=reason)
        self.session.close()
        self.wake()

    # pumping

    async def run(
        self,
        greet: Greet,
        serve: Callable[[Link, Demand], None],
    ) -> None:
        """Pump until the session ends.  `greet` decides on a hello, `serve` takes what is asked."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read(greet, serve)
                self.wake()
        finally:
            self._end()
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await self._stream.aclose()

    async def _read(
        self,
        greet: Greet,
        serve: Callable[[Link, Demand], None],
    ) -> None:
        while self.ending is None:
            try:
                data = await self._stream.receive_some(_READ_BYTES)
            except TransportError:
                data = b""
            self.session.receive_data(data, self._clock.now_ms())
            await self._drain(greet, serve)

    async def _drain(
        self,
        greet: Greet,
        serve: Callable[[Link, Demand], None],
    ) -> None:
        while (event := self.session.next_event()) is not None:
            match event:
                case HelloReceived():
                    await greet(self, event)
                case Opened():
                    self.opened.set()
                case Closed():
                    self.ending = event
                    self._end()
                case CallReceived() | PartReceived() | CountersignReceived():
                    serve(self, event)
                case RefuseReceived() | CallTimedOut() if event.call not in self._callers:
                    serve(self, event)
                case _:
                    self._reply(event)
        self.wake()

    def _reply(self, event: Reply) -> None:
        try:
            self._follow(event)
        except RemoteProtocolError as error:
            self.session.refuse(0, error.code, str(error))
            return
        channel = self._callers.get(event.call)
        if channel is None:
            return
        try:
            channel.send_nowait(Arrived(self.chain.taken_number, event))
        except (trio.WouldBlock, trio.BrokenResourceError):
            self.forget(event.call)

    def _follow(self, event: Reply) -> None:
        """Hold what the peer signed against its last word to us."""
        match event:
            case AnswerReceived(raw=raw):
                answer = parse_answer(raw)
                prev, cid = answer.prev, answer.cid
            case WindowReceived(offer=offer) | PagesAltered(offer=offer):
                prev, cid = offer.receipt.prev, offer.receipt.cid
            case _:
                return
        check_prev(prev, self.chain.taken)
        self.chain.taken = cid
        self.chain.taken_number += 1

    async def _write(self) -> None:
        """Send what is queued; keep the session's time."""
        while True:
            data = self.session.data_to_send(self._clock.now_ms())
            if data:
                try:
                    await self._stream.send_all(data)
                except TransportError:
                    self.session.receive_data(b"", self._clock.now_ms())
                    return
                continue
            if self.closed.is_set():
                return
            await self._sleep()

    async def _sleep(self) -> None:
        timer = self.session.next_timer()
        wait_s = math.inf if timer is None else max(0.0, (timer - self._clock.now_ms()) / 1000)
        with trio.move_on_after(wait_s) as scope:
            await self._wake.wait()
        self._wake = trio.Event()
        if scope.cancelled_caught:
            self.session.handle_timer(self._clock.now_ms())
            while (event := self.session.next_event()) is not None:
                if isinstance(event, Closed):
                    self.ending = event
                    self._end()
                elif isinstance(event, CallTimedOut):
                    self._reply(event)

    def _end(self) -> None:
        self.closed.set()
        self.opened.set()
        for channel in self._callers.values():
            channel.close()
        self._callers.clear()
        self.wake()


@dataclass(slots=True)
class Asking:
    """A call of ours that is under way.  Use as a context manager: leaving it forgets the call."""

    link: Link
    number: int
    _replies: trio.MemoryReceiveChannel[Arrived]

    async def reply(self) -> Arrived:
        """The next reply.  Raises Away when the link closes first."""
        try:
            return await self._replies.receive()
        except trio.EndOfChannel:
            raise Away("the other side went away before it answered") from None

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.forget(self.number)
        self._replies.close()
