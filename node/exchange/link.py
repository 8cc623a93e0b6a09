"""A link: one open session with one peer, pumped between a stream and the node.

    stream ──bytes──> Session ──events──> waiting callers (answers, windows)
                                     └──> the door (calls, parts, countersignatures)

Two tasks run for each link: one reads, one writes and keeps time.  Actions on the session are
plain calls; `wake` sends what they queued.

What this device signs for one peer forms a chain (`prev`), and the peer holds each word against
the one before it, in the order in which they arrive.  So what is signed inside a unit of work
takes a number there, and `in_order` lets it out in the order of these numbers, whichever task
comes back from the store first.  If a unit that took a number fails, the chain has a hole, and the
link is closed: at the next one each side says in its hello how far it has come.  The same is done
when a word cannot be let out any more because the peer withdrew its call meanwhile.

A link ends whole: whichever side ends it, and for whatever reason, the reader, the writer and all
that waited for a reply end with it, and what was queued has `FLUSH_S` to leave.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
import trio

from ...crypto.errors import CryptoError
from ...protocol.errors import Code, LocalProtocolError, ProtocolError
from ...protocol.hello import StreamState
from ...protocol.helped import is_lease
from ...protocol.persona import Certificate
from ...protocol.receipt import check_prev, parse_answer
from ...protocol.refusal import code_of
from ...protocol.session import Session
from ...protocol.session_event import (
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
from ..clock import Clock
from ..errors import Away
from ..helping.helped import Helped
from ..network.transport import Stream, TransportError
from ..peers.peers import Pair

log = structlog.get_logger()

Greet: TypeAlias = "Callable[[Link, HelloReceived], Awaitable[None]]"
Reply: TypeAlias = AnswerReceived | RefuseReceived | WindowReceived | PagesAltered | CallTimedOut
Demand: TypeAlias = (
    CallReceived | PartReceived | CountersignReceived | RefuseReceived | CallTimedOut
)

# A caller has one window at a time, and then an end: nothing waits behind them.
_REPLIES_MAX = 4
_READ_BYTES = 256 * 1024
# What is queued when a link ends: a refusal, an answer, the rest of a window.
FLUSH_S = 10.0


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
        # Events are taken by one task at a time: a hello is decided on before what follows it.
        self._draining = trio.Lock()
        self._callers: dict[int, trio.MemorySendChannel[Arrived]] = {}
        # Calls that nobody waits for any more: withdrawn when the peer's next word on them came.
        self._left: set[int] = set()
        # Calls of ours whose answers follow from nothing that was said before.
        self._aside: set[int] = set()
        self.chain = Chain()
        self.dialled = dialled
        self.pair: Pair | None = None
        self.certificate: Certificate | None = None
        self.own_certificate: Certificate | None = None
        # Whom this link serves for somebody whom this node helps; then there is no pair.
        self.helped: Helped | None = None
        # The peer greets a persona of ours that another has followed: it is told that, no more.
        self.farewell = False
        self.began_s = trio.current_time()
        self.opened = trio.Event()
        self.closed = trio.Event()
        self.ending: Closed | None = None

    @property
    def remote_key(self) -> bytes:
        """The device key that the transport proved: 32 bytes."""
        return self._stream.remote_key

    @property
    def turn(self) -> tuple[str, str] | None:
        """In whose name this link takes turns (`turns.py`): all strangers share one."""
        if self.helped is not None:
            return self.helped.owner, self.helped.reader
        return None if self.pair is None else (self.pair.own, self.pair.their)

    @property
    def server(self) -> Certificate:
        """The certificate under which the other side signs on this link.  Raises Away before it
        has shown one."""
        if self.certificate is None:
            raise Away("the other side has not said who it is")
        return self.certificate

    @property
    def known(self) -> bool:
        """Whether the other side has shown who it is, and was let in."""
        return self.pair is not None or self.helped is not None

    @property
    def leased(self) -> bool:
        """Whether a helper of the peer's is at the other end: it serves reads, and hears nothing
        that is for the peer."""
        return self.certificate is not None and is_lease(self.certificate)

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def holds(self, now_ms: int) -> bool:
        """Whether the certificates that both sides have shown on this link still hold."""
        shown = (self.certificate, self.own_certificate)
        return all(one is None or now_ms < one.exp_s * 1000 for one in shown)

    async def leave(self) -> None:
        """Give back a stream on which nothing was said."""
        self.session.close()
        self._end()
        await self._stream.aclose()

    # asking

    async def ask(
        self,
        inv: bytes,
        proofs: Sequence[bytes] = (),
        parts: Sequence[bytes] = (),
        *,
        aside: bool = False,
    ) -> Asking:
        """Make a call; waits while too many are open.  Raises Away once the link is closed.

        The answer to a call `aside` stands in no chain of words.
        """
        while not self.closed.is_set():
            # The session knows what time it is when it is told.  On a link that was quiet for
            # longer than a call may take, a call would be overdue as it is made.
            self.session.handle_timer(self._clock.now_ms())
            if self.ended:
                self.wake()
                break
            if self.session.calls_free > 0:
                send, receive = trio.open_memory_channel[Arrived](_REPLIES_MAX)
                number = self.session.call(inv, proofs, parts)
                self._callers[number] = send
                if aside:
                    self._aside.add(number)
                self.wake()
                return Asking(self, number, receive)
            with trio.move_on_after(0.05):
                await self.closed.wait()
        raise Away("the other side went away before it could be asked")

    def forget(self, number: int) -> None:
        """Nobody waits for call `number` any more.

        The peer's next word on it is still taken, since its later words follow from it; then the
        call is withdrawn.
        """
        channel = self._callers.pop(number, None)
        if channel is not None:
            channel.close()
            self._left.add(number)

    def withdraw(self, number: int, code: Code, sentence: str) -> None:
        """Say why call `number` of ours, or of the peer's, goes no further.  One that has ended
        already is left alone."""
        try:
            self.session.refuse(number, code, sentence)
        except LocalProtocolError as error:
            log.debug("late_word", reason=str(error))
        self.wake()

    def countersign(self, number: int, sig: bytes, keys: int | None) -> bool:
        """Sign for the window of call `number`.  False if the call, or the link, has ended."""
        try:
            self.session.countersign(number, sig, keys)
        except LocalProtocolError as error:
            log.debug("late_word", reason=str(error))
            return False
        self.wake()
        return True

    # giving

    def in_order(self, number: int | None, act: Callable[[], None]) -> None:
        """Do `act` once everything signed before `number` has been let out; what has none, now."""
        if number is None:
            act()
            return
        self.chain.waiting[number] = act
        while (ready := self.chain.waiting.pop(self.chain.sent + 1, None)) is not None:
            self.chain.sent += 1
            if self.ended:
                continue
            try:
                ready()
            except LocalProtocolError as error:
                # The peer withdrew the call while its answer was signed.  Every later word would
                # follow one that the peer never saw.
                log.info("late_word", reason=str(error))
                self.close("a word that was signed could not be said any more")
        self.wake()

    def wake(self) -> None:
        """Something was queued: let the writer look."""
        self._wake.set()

    @property
    def ended(self) -> bool:
        """Whether nothing more can be said on this link, even if it is still being wound up."""
        return self.closed.is_set() or self.session.state is StreamState.CLOSED

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
                nursery.start_soon(self._read, greet, serve)
                nursery.start_soon(self._stop, nursery.cancel_scope)
                await self._write(greet, serve)
                nursery.cancel_scope.cancel()
        finally:
            self._end()
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await self._stream.aclose()

    async def _stop(self, scope: trio.CancelScope) -> None:
        """A peer that reads nothing does not keep a closed link."""
        await self.closed.wait()
        await trio.sleep(FLUSH_S)
        scope.cancel()

    async def _read(
        self,
        greet: Greet,
        serve: Callable[[Link, Demand], None],
    ) -> None:
        while not self.ended:
            try:
                data = await self._stream.receive_some(_READ_BYTES)
            except TransportError:
                data = b""
            async with self._draining:
                if self.ended:
                    return
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
                case RefuseReceived() | CallTimedOut() if not self._ours(event.call):
                    serve(self, event)
                case _:
                    self._reply(event)
        self.wake()

    def _ours(self, number: int) -> bool:
        """Calls of the dialler are odd, those of the listener even."""
        return number % 2 == int(self.dialled)

    def _reply(self, event: Reply) -> None:
        try:
            self._follow(event)
        except (ProtocolError, CryptoError) as error:
            self.session.refuse(0, code_of(error), str(error)[:200])
            return
        if isinstance(event, CallTimedOut):
            # What the peer still signs on this call comes too late to be followed.
            self.close("a call was not answered in its time")
        channel = self._callers.get(event.call)
        if channel is None:
            self._withdraw_left(event)
            return
        try:
            channel.send_nowait(Arrived(self.chain.taken_number, event))
        except (trio.WouldBlock, trio.BrokenResourceError):
            self.forget(event.call)
            self._withdraw_left(event)

    def _withdraw_left(self, event: Reply) -> None:
        self._left.discard(event.call)
        if isinstance(event, WindowReceived):
            self.withdraw(event.call, Code.BUSY, "nobody waits for these pages any more")

    def _follow(self, event: Reply) -> None:
        """Hold what the peer signed against its last word to us."""
        match event:
            case AnswerReceived(call=call) if call in self._aside:
                self._aside.discard(call)
                return
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

    async def _write(self, greet: Greet, serve: Callable[[Link, Demand], None]) -> None:
        """Send what is queued; keep the session's time; return when all is said."""
        while True:
            data = self.session.data_to_send(self._clock.now_ms())
            if data:
                try:
                    await self._stream.send_all(data)
                except TransportError:
                    return
                continue
            self._take_end()
            if self.ended:
                return
            if await self._sleep():
                async with self._draining:
                    self.session.handle_timer(self._clock.now_ms())
                    await self._drain(greet, serve)

    def _take_end(self) -> None:
        """A session that our own side closed has one event left, and no reader to take it."""
        if self.session.state is not StreamState.CLOSED:
            return
        while (event := self.session.next_event()) is not None:
            if isinstance(event, Closed):
                self.ending = event
        self._end()

    async def _sleep(self) -> bool:
        """Until there is something to send, or (True) the session's time has come."""
        timer = self.session.next_timer()
        wait_s = math.inf if timer is None else max(0.0, (timer - self._clock.now_ms()) / 1000)
        with trio.move_on_after(wait_s) as scope:
            await self._wake.wait()
        self._wake = trio.Event()
        return scope.cancelled_caught

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
