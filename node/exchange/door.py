"""The door: everything that a peer asks passes here, in one order.

    decode → chain → pairing → revocation → replay → args        protocol/trust.py
           → act → receipt or answer → log                       one unit of work
           → send                                                only once that unit is durable

What is decided, done, signed and logged for one call is one unit of work, so a crash leaves all of
it or nothing, and nothing is said that was not kept.  A refusal is signed and logged like any
other answer.  To a stranger the door says an unsigned code, and opens for `/pair/open` only.

What one peer can hold of this node is bounded (`visit.py`): reads in the middle of their windows,
bytes of deliveries that are still arriving, words that are logged without leave.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog
import trio

from ...crypto.digest import sha256
from ...crypto.errors import CryptoError
from ...crypto.keys import DeviceKey
from ...protocol.command import DEVICE, Cmd, OwnArgs, PairOpenArgs, parse_args
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused, LocalProtocolError, ProtocolError
from ...protocol.receipt import make_answer
from ...protocol.refusal import code_of
from ...protocol.session_event import (
    CallReceived,
    CountersignReceived,
    PartReceived,
)
from ...protocol.trust import (
    Heard,
    authorise_meeting,
    authorise_stranger,
    hear,
)
from ...protocol.wire import Value, encode
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..errors import NodeError
from ..helping.helped import Helped
from ..leave import Leaves
from ..log.head import LogHead
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..steps import said_of
from ..store.database import Tx
from ..store.errors import StoreError
from ..store.store import Store
from .acting import Acting
from .answering import Answering, attempt
from .arriving import Arriving
from .link import Demand, Link
from .link_answers import LinkAnswers, Ready
from .link_lending import LinkLending
from .meeting import Meeting
from .shelving import Shelving
from .turns import Turns
from .visit import (
    LEAVE_MAX,
    LEAVE_OF_INVOICE,
    LEAVE_OF_READ,
    LEAVE_PER_S,
    LEAVES_MAX,
    STRANGER_TRIES,
    Cellar,
    Parts,
    Visit,
)

log = structlog.get_logger()
E = TypeVar("E", CallReceived, CountersignReceived)


# What a call costs of a peer's leave, where that is not one.
_LEAVE_OF: Mapping[str, float] = {Cmd.READ: LEAVE_OF_READ, Cmd.INVOICE: LEAVE_OF_INVOICE}


class Door:
    """Serves what peers ask of this node."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        clock: Clock,
        peers: Peers,
        meeting: Meeting,
        answering: Answering,
        answers: LinkAnswers,
        reads: LinkLending,
        acting: Acting,
        arriving: Arriving,
        outgoing: Outgoing,
        addresses: Callable[[], Sequence[str]],
        turns: Turns,
        head: LogHead,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._device = device
        self._clock = clock
        self._peers = peers
        self._meeting = meeting
        self._answering = answering
        self._answers = answers
        self._reads = reads
        self._acting = acting
        self._arriving = arriving
        self._outgoing = outgoing
        self._addresses = addresses
        self._turns = turns
        self._head = head
        self._checkpoint = checkpoint
        self._visits: dict[Link, Visit] = {}
        # What another device of this person, or one that would be, is answered; set by the node.
        self.handing_over: Callable[[Tx, Pair, OwnArgs, bytes], Value] | None = None
        self.joining: Callable[[Tx, PairOpenArgs, Did, bytes, int, bool], Value] | None = None
        # Whether another device of this person may know what a peer speaks of and this one does
        # not; and to ask it.
        self.may_know: Callable[[Tx, Pair, bytes], bool] = _nobody_else
        self.ask_others: Callable[[], None] = _ask_nobody
        # A chain that a stranger shows, and whether one that was let in by a chain still is.
        self.showing: Callable[[Tx, Heard, bytes], Value] | None = None
        self.lets_in: Callable[[Tx, Pair], bool] | None = None
        # What is served for others, and who is let in for it; set by the node.
        self.helping: LinkLending | None = None
        self.greeted: Callable[[Tx, str, str, int], Helped | None] | None = None
        # Takes what the parts of a call bring to this node as a helper.
        self.shelving: Shelving | None = None
        self._cellar = Cellar()
        self._leave = Leaves(LEAVE_MAX, LEAVE_PER_S, LEAVES_MAX)

    def demand(self, link: Link, event: Demand, nursery: trio.Nursery) -> None:
        """Take one event of a link.  What needs the store runs in a task of its own."""
        visit = self._visits.get(link)
        if visit is None:
            visit = self._visits[link] = Visit(self._cellar)
        match event:
            case CallReceived():
                if not link.holds(self._clock.now_ms()):
                    link.close("the certificates shown on a link have run out")
                    return
                visit.parts[event.call] = Parts()
                nursery.start_soon(self._guarded, link, event, self._call)
            case PartReceived():
                if not visit.take(event.call, event.data):
                    sentence = "too many parts of deliveries are under way: try again later"
                    link.withdraw(event.call, Code.BUSY, sentence)
            case CountersignReceived():
                nursery.start_soon(self._guarded, link, event, self._countersigned)
            case _:
                visit.end(event.call)

    def forget(self, link: Link) -> None:
        """A link is closed: nothing of it is waited for any more."""
        visit = self._visits.pop(link, None)
        if visit is not None:
            visit.leave()

    async def _guarded(
        self, link: Link, event: E, act: Callable[[Link, E], Awaitable[None]]
    ) -> None:
        """A failure of our own is told as `busy`, goes to the log, and ends this link.

        It ends because a word may have been signed, and numbered, in the unit that failed: what
        followed it on this link would follow a word that the peer never saw.  A full disk is the
        likely reason, and the next link begins from what both sides have kept.
        """
        try:
            await act(link, event)
        except (StoreError, NodeError) as error:
            log.error("door_store", kind=type(error).__name__)
            if not link.ended:
                link.withdraw(
                    event.call, Code.BUSY, "this node cannot do that now: try again later"
                )
            link.close("this node could not do what was asked")
        finally:
            visit = self._visits.get(link)
            if visit is not None and isinstance(event, CallReceived):
                visit.drop(event.call)

    async def _call(self, link: Link, event: CallReceived) -> None:
        try:
            async with self._turns.of(link.turn):
                heard = hear(event.inv, event.proofs)
        except GrantRefused as refusal:
            self._say_unsigned(link, event.call, refusal)
            return
        pair, visit = link.pair, self._visits.get(link)
        if visit is None:
            return
        if link.leased:
            # A helper of the peer's serves, and has nothing to say.
            link.withdraw(event.call, Code.COMMAND, "a lease is for serving reads, and no more")
            return
        # Unsigned and not logged: what a node that may be an old copy signs contradicts the newer.
        if (sentence := self._head.refusal(heard.inv.cmd)) is not None:
            link.withdraw(event.call, Code.SUSPENDED, sentence)
            if self._head.lapsed and pair is not None:
                # Another device of this person may serve: the peer tries it next.
                link.close("this device has not spoken with the others for too long")
        elif link.helped is not None:
            await self._help(link, visit, event.call, heard)
        elif pair is None:
            visit.tries += 1
            if visit.tries > STRANGER_TRIES:
                link.close("a stranger tried too many links")
                return
            strangers = {Cmd.DEVICE_JOIN.value: self._join, Cmd.PAIR_READ.value: self._shown}
            await strangers.get(heard.inv.cmd, self._meet)(link, event.call, heard)
        elif pair.reads_only and heard.inv.cmd != Cmd.READ:
            # Nothing that it says is kept, so nothing of it is logged.
            sentence = "a processor reads under its chain, and says nothing else"
            link.withdraw(event.call, Code.COMMAND, sentence)
            link.close("a processor said something else than a read")
        elif heard.inv.cmd in DEVICE:
            await self._hand_over(link, pair, event.call, heard)
        elif link.farewell and not _comes_first(pair, heard):
            sentence = "this persona was followed by another: hear that first, then ask again"
            link.withdraw(event.call, Code.BUSY, sentence)
        elif not self._has_leave(pair, heard):
            link.withdraw(event.call, Code.BUSY, "this peer asks too much: wait a while")
        elif heard.inv.cmd == Cmd.READ:
            await self._reads.read(link, visit, event.call, heard)
        elif heard.inv.cmd == Cmd.HELPER_KEEP and self.shelving is not None:
            await self._shelve(link, visit, pair, event.call, heard)
        elif heard.inv.cmd == Cmd.DELIVER:
            await self._deliver(link, visit, pair, event.call, heard)
        else:
            await self._own(link, pair, event.call, heard)

    def _has_leave(self, pair: Pair, heard: Heard) -> bool:
        cost = _LEAVE_OF.get(heard.inv.cmd, 1.0)
        return self._leave.take((pair.own, pair.their), self._clock.now_ms() / 1000, cost)

    async def _countersigned(self, link: Link, event: CountersignReceived) -> None:
        visit = self._visits.get(link)
        if visit is not None and link.known:
            # Also of a read that began when this node still served.
            silent = self._head.refusal(Cmd.READ)
            reads = self._reads if link.helped is None else self.helping
            assert reads is not None
            await reads.countersigned(link, visit, event, silent)

    # who reads here what another has left

    def helps(self, tx: Tx, owner: str, reader: str) -> Helped | None:
        """Whether this node serves `reader` for `owner` now, under whose lease."""
        if self.greeted is None:
            return None
        try:
            return self.greeted(tx, owner, reader, self._clock.now_ms())
        except ProtocolError:
            return None  # the lease has ended, or is not for this device

    async def _help(self, link: Link, visit: Visit, call: int, heard: Heard) -> None:
        helped = link.helped
        assert helped is not None
        assert self.helping is not None
        if heard.inv.cmd != Cmd.READ:
            sentence = "a helper serves reads: say this to the owner"
            link.withdraw(call, Code.COMMAND, sentence)
        elif not self._leave.take(
            (helped.owner, helped.reader), self._clock.now_ms() / 1000, LEAVE_OF_READ
        ):
            link.withdraw(call, Code.BUSY, "this reader asks too much: wait a while")
        else:
            await self.helping.read(link, visit, call, heard)

    # strangers

    async def _meet(self, link: Link, call: int, heard: Heard) -> None:
        now_ms = self._clock.now_ms()
        secret = heard.inv.args.get("secret")

        def unit(tx: Tx) -> bytes:
            invites = self._meeting.open_invites(tx, secret if isinstance(secret, bytes) else b"")
            verified = authorise_meeting(
                heard, self._answering.device, invites, link.remote_key, now_ms
            )
            answer = self._meeting.met(tx, verified, self._addresses(), now_ms)
            return self._aside(heard, answer.value(), now_ms)

        try:
            async with self._turns.of(link.turn):
                raw = await self._store.database.write(unit)
        except GrantRefused as refusal:
            self._say_unsigned(link, call, refusal)
            return
        except NodeError as error:
            log.error("no_pairing", reason=str(error))
            link.withdraw(call, Code.BUSY, "this node cannot pair now: tell its owner")
            return
        self._checkpoint.reached("pair.kept")
        self._outgoing.notify()
        # Nothing follows from this word: if it is not heard, the scanner asks again.
        with suppress(LocalProtocolError):
            link.session.answer(call, raw)
        link.wake()

    # own devices

    def knows(self, tx: Tx, pair: Pair) -> bool:
        """Whether a pair is let in: who is known by a chain alone, as long as the chain holds."""
        return not pair.reads_only or (self.lets_in is not None and self.lets_in(tx, pair))

    def silent(self, tx: Tx, pair: Pair) -> str | None:
        """Why a peer that greets is sent away, in a sentence: this device may be behind the others
        of its person, and the peer can ask one of those."""
        if not self._head.lapsed or self._peers.is_sibling(tx, pair):
            return None
        return self._head.refusal("")

    async def _join(self, link: Link, call: int, heard: Heard) -> None:
        """A stranger asks to be another device of this person."""

        def unit(tx: Tx) -> bytes:
            now_ms = self._clock.now_ms()
            authorise_stranger(heard, self._answering.device, now_ms)
            args = parse_args(Cmd.DEVICE_JOIN, heard.inv.args)
            assert isinstance(args, PairOpenArgs)
            if self.joining is None:
                raise GrantRefused("no device can join here", Code.COMMAND)
            serves = self._head.serves
            out = self.joining(tx, args, heard.inv.iss, link.remote_key, now_ms, serves)
            return self._aside(heard, out, now_ms)

        await self._say_aside(link, call, heard, self._store.database.write, unit)

    async def _shown(self, link: Link, call: int, heard: Heard) -> None:
        """A stranger shows the chain under which it would read."""

        def unit(tx: Tx) -> bytes:
            if self.showing is None:
                raise GrantRefused("no chain is looked at here", Code.COMMAND)
            out = self.showing(tx, heard, link.remote_key)
            return self._aside(heard, out, self._clock.now_ms())

        await self._say_aside(link, call, heard, self._store.database.write, unit)

    async def _hand_over(self, link: Link, pair: Pair, call: int, heard: Heard) -> None:
        """Another device of this person asks what there is here."""

        def unit(tx: Tx) -> bytes:
            now_ms = self._clock.now_ms()
            verified = self._answering.check(tx, pair, heard, now_ms)
            if self.handing_over is None:
                raise GrantRefused("nothing is handed over here", Code.COMMAND)
            out = self.handing_over(tx, pair, verified.args, heard.inv.cid)
            return self._aside(heard, out, now_ms)

        await self._say_aside(link, call, heard, self._store.database.read, unit)

    def _aside(self, heard: Heard, out: Value, now_ms: int) -> bytes:
        """A signed answer that is not logged and stands in no chain: nothing was lent or agreed."""
        return make_answer(
            self._device, inv=heard.inv.cid, code=Code.OK, out=out, t_ms=now_ms, prev=None
        ).signed.raw

    async def _say_aside(
        self,
        link: Link,
        call: int,
        heard: Heard,
        store: Callable[[Callable[[Tx], bytes]], Awaitable[bytes]],
        unit: Callable[[Tx], bytes],
    ) -> None:
        try:
            async with self._turns.of(link.turn):
                raw = await store(unit)
        except (ProtocolError, CryptoError) as error:
            link.withdraw(call, code_of(error), str(error)[:200])
            return
        self._checkpoint.reached(said_of(heard.inv.cmd).served)
        with suppress(LocalProtocolError):
            link.session.answer(call, raw)
        link.wake()

    @staticmethod
    def _say_unsigned(link: Link, call: int, refusal: GrantRefused) -> None:
        link.withdraw(call, refusal.code, str(refusal))

    # commands in one's own name

    async def _own(self, link: Link, pair: Pair, call: int, heard: Heard) -> None:
        elsewhere = False

        def act(tx: Tx) -> Value:
            nonlocal elsewhere
            now_ms = self._clock.now_ms()
            verified = self._answering.authorised(tx, pair, heard, now_ms)
            speaker = self._answering.speaker(tx, verified)
            try:
                return self._acting.act(tx, speaker, verified.args, now_ms, verified.acted)
            except GrantRefused as refusal:
                said = sha256(encode([heard.inv.cmd, heard.inv.args]))
                elsewhere = refusal.code is Code.UNKNOWN_GRANT and self.may_know(tx, pair, said)
                if not elsewhere:
                    raise
                sentence = "another device of this person may know of it: try again shortly"
                raise GrantRefused(sentence, Code.BUSY) from refusal

        await self._finish(link, pair, call, heard, act)
        if elsewhere:
            self.ask_others()
        self._outgoing.notify()

    async def _deliver(self, link: Link, visit: Visit, pair: Pair, call: int, heard: Heard) -> None:
        now_ms = self._clock.now_ms()
        outcome = await self._arriving.over_link(link, visit, pair, call, heard, now_ms)
        if outcome is None:
            return

        def answer(_: Tx) -> Value:
            if isinstance(outcome, GrantRefused):
                raise outcome
            return outcome.value

        await self._finish(link, pair, call, heard, answer)

    async def _shelve(self, link: Link, visit: Visit, pair: Pair, call: int, heard: Heard) -> None:
        assert self.shelving is not None
        act = await self.shelving.over_link(link, visit, pair, call, heard)
        if act is not None:
            await self._finish(link, pair, call, heard, act)

    # answers

    async def _finish(
        self, link: Link, pair: Pair, call: int, heard: Heard, act: Callable[[Tx], Value]
    ) -> None:
        """Do `act` and answer with what it gives, or with its refusal: one unit of work."""

        def unit(tx: Tx) -> Ready:
            return self._answers.answer(tx, link, pair, call, heard, attempt(tx, act))

        async with self._turns.of(link.turn):
            ready = await self._store.database.write(unit)
        self._checkpoint.reached(said_of(heard.inv.cmd).served)
        link.in_order(ready.number, ready.let_out)


def _nobody_else(_tx: Tx, _pair: Pair, _said: bytes) -> bool:
    return False


def _ask_nobody() -> None:
    """This person has one device."""


def _comes_first(pair: Pair, heard: Heard) -> bool:
    """Whether the peer, who knows this node as an earlier persona, may say now who it is itself.

    If both have lost a device, one of them has to be heard first, and both have to think so: the
    one whose persona, as the other knows it, is the lower.
    """
    return heard.inv.cmd == Cmd.SUCCEED and pair.their_now < pair.own_now
