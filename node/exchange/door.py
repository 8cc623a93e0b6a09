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

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import structlog
import trio

from ...crypto.errors import CryptoError
from ...crypto.keys import DeviceKey
from ...protocol.command import DEVICE, Cmd, OwnArgs, PairOpenArgs, parse_args
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused, LocalProtocolError, ProtocolError
from ...protocol.offer import Offer
from ...protocol.receipt import countersigned, make_answer, sign_receipt
from ...protocol.refusal import code_of
from ...protocol.session_event import (
    CallReceived,
    CountersignReceived,
    PartReceived,
)
from ...protocol.trust import (
    Heard,
    authorise_meeting,
    authorise_read,
    authorise_stranger,
    check_still,
    hear,
)
from ...protocol.wire import Value
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..errors import NodeError
from ..grants.grant_given import GrantGiven
from ..grants.lending import Lending
from ..leave import Leaves
from ..log.head import LogHead
from ..log.receipts import Receipts, Way
from ..log.subject import Subject
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..reads.serving import ReadPlan, Serving
from ..steps import ReadStep, said_of
from ..store.database import Tx
from ..store.errors import StoreDamaged, StoreError
from ..store.store import Store
from .acting import Acting
from .answering import Answering, Done, attempt
from .arriving import Arriving
from .link import Demand, Link
from .meeting import Meeting
from .turns import Turns
from .visit import (
    LEAVE_MAX,
    LEAVE_OF_READ,
    LEAVE_PER_S,
    LEAVES_MAX,
    STRANGER_TRIES,
    Cellar,
    Parts,
    Reading,
    Visit,
)

log = structlog.get_logger()
E = TypeVar("E", CallReceived, CountersignReceived)


@dataclass(frozen=True, slots=True)
class Ready:
    """Something signed and logged, to be let out in its place."""

    number: int
    let_out: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Served:
    """Which window of which read is due."""

    heard: Heard
    plan: ReadPlan
    grant: GrantGiven
    number: int


class Door:
    """Serves what peers ask of this node."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        clock: Clock,
        peers: Peers,
        receipts: Receipts,
        meeting: Meeting,
        lending: Lending,
        answering: Answering,
        acting: Acting,
        arriving: Arriving,
        serving: Serving,
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
        self._receipts = receipts
        self._meeting = meeting
        self._lending = lending
        self._answering = answering
        self._acting = acting
        self._arriving = arriving
        self._serving = serving
        self._outgoing = outgoing
        self._addresses = addresses
        self._turns = turns
        self._head = head
        self._checkpoint = checkpoint
        self._visits: dict[Link, Visit] = {}
        # What another device of this person, or one that would be, is answered; set by the node.
        self.handing_over: Callable[[Tx, Pair, OwnArgs, bytes], Value] | None = None
        self.joining: Callable[[Tx, PairOpenArgs, Did, bytes, int, bool], Value] | None = None
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
        # Unsigned and not logged: what a node that may be an old copy signs contradicts the newer.
        if (sentence := self._head.refusal(heard.inv.cmd)) is not None:
            link.withdraw(event.call, Code.SUSPENDED, sentence)
            if self._head.lapsed and pair is not None:
                # Another device of this person may serve: the peer tries it next.
                link.close("this device has not spoken with the others for too long")
        elif pair is None:
            visit.tries += 1
            if visit.tries > STRANGER_TRIES:
                link.close("a stranger tried too many links")
                return
            joins = heard.inv.cmd == Cmd.DEVICE_JOIN
            await (self._join if joins else self._meet)(link, event.call, heard)
        elif heard.inv.cmd in DEVICE:
            await self._hand_over(link, pair, event.call, heard)
        elif link.farewell:
            sentence = "this persona was followed by another: hear that first, then ask again"
            link.withdraw(event.call, Code.BUSY, sentence)
        elif not self._has_leave(pair, heard):
            link.withdraw(event.call, Code.BUSY, "this peer asks too much: wait a while")
        elif heard.inv.cmd == Cmd.READ:
            await self._read(link, visit, pair, event.call, heard)
        elif heard.inv.cmd == Cmd.DELIVER:
            await self._deliver(link, visit, pair, event.call, heard)
        else:
            await self._own(link, pair, event.call, heard)

    def _has_leave(self, pair: Pair, heard: Heard) -> bool:
        cost = LEAVE_OF_READ if heard.inv.cmd == Cmd.READ else 1.0
        return self._leave.take((pair.own, pair.their), self._clock.now_ms() / 1000, cost)

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

    # reads

    async def _read(self, link: Link, visit: Visit, pair: Pair, call: int, heard: Heard) -> None:
        if not await visit.begin_reading(call):
            return
        alone = self._turns.alone(link.turn)

        def act(tx: Tx) -> tuple[Reading, Ready]:
            now_ms = self._clock.now_ms()
            statuses = self._lending.statuses(tx, heard.grants, now_ms)
            read = authorise_read(heard, self._answering.standing(tx, pair, statuses), now_ms)
            self._store.ledger.first_time(tx, heard.inv.cid, read.spent_until_s)
            plan = self._serving.plan(tx, read, alone=alone)
            grant = self._lending.get(tx, read.grant.cid)
            return self._offer(tx, link, visit, pair, call, Served(heard, plan, grant, 0), now_ms)

        self._checkpoint.reached(ReadStep.ASKED)
        await self._serve_window(link, visit, pair, call, heard, act)

    async def _countersigned(self, link: Link, event: CountersignReceived) -> None:
        """Keep the reader's signature; then offer the next window, if the grant still holds."""
        visit, pair = self._visits.get(link), link.pair
        reading = None if visit is None else visit.readings.pop(event.call, None)
        if visit is None or pair is None or reading is None or event.window != reading.number:
            return
        self._checkpoint.reached(ReadStep.RETURNED)
        try:
            receipt = countersigned(reading.receipt, event.sig)
        except CryptoError:
            # Nobody signs a window by mistake: this peer has nothing more to say here.
            link.session.refuse(0, Code.MALFORMED, "a countersignature is not the reader's")
            link.wake()
            return
        root = reading.plan.read.grant.cid
        own_reader = len(reading.heard.grants) == 1

        def keep(tx: Tx) -> None:
            self._receipts.countersigned(tx, receipt)
            # One who reads under a sub-delegation has its keys from elsewhere.
            if event.keys is not None and own_reader:
                self._lending.acknowledged(tx, root, event.keys)

        if event.last:
            visit.end(event.call)
            async with self._turns.of(link.turn):
                await self._store.database.write(keep)
            self._checkpoint.reached(ReadStep.KEPT)
            return

        def act(tx: Tx) -> tuple[Reading, Ready]:
            now_ms = self._clock.now_ms()
            keep(tx)
            statuses = self._lending.statuses(tx, reading.heard.grants, now_ms)
            check_still(reading.plan.read, statuses, now_ms)
            served = Served(
                reading.heard, reading.plan, self._lending.get(tx, root), reading.number + 1
            )
            return self._offer(tx, link, visit, pair, event.call, served, now_ms)

        await self._serve_window(link, visit, pair, event.call, reading.heard, act, always=keep)

    async def _serve_window(
        self,
        link: Link,
        visit: Visit,
        pair: Pair,
        call: int,
        heard: Heard,
        act: Callable[[Tx], tuple[Reading, Ready]],
        always: Callable[[Tx], None] | None = None,
    ) -> None:
        """Offer what `act` gives, or answer with its refusal; `always` is kept even then."""

        def unit(tx: Tx) -> tuple[Reading | None, Ready]:
            result = attempt(tx, act)
            if isinstance(result, Done):
                return result.value
            if always is not None:
                always(tx)
            return None, self._answer(tx, link, pair, call, heard, result)

        try:
            async with self._turns.of(link.turn):
                reading, ready = await self._store.database.write(unit)
            self._checkpoint.reached(ReadStep.LOGGED)
        except StoreError:
            visit.end(call)
            raise
        if reading is None:
            visit.end(call)
        link.in_order(ready.number, ready.let_out)
        if reading is not None:
            self._checkpoint.reached(ReadStep.OFFERED)

    def _offer(
        self,
        tx: Tx,
        link: Link,
        visit: Visit,
        pair: Pair,
        call: int,
        served: Served,
        now_ms: int,
    ) -> tuple[Reading, Ready]:
        """Sign and log the window that is due.  Everything that can fail comes before the
        signature."""
        plan, number, grant = served.plan, served.number, served.grant
        try:
            try:
                pages = self._serving.pages(tx, plan.slices[number])
            except StoreDamaged:
                # Encrypted again since the plan was made?  Then they are there, under other names.
                plan = self._serving.again(tx, plan, number)
                pages = self._serving.pages(tx, plan.slices[number])
            evidence = self._serving.evidence(tx, plan.read.window, plan.slices[number])
        except StoreDamaged as error:
            log.error("page_damaged", kind=type(error).__name__)
            raise GrantRefused("a page of these days is damaged here", Code.BUSY) from error
        persona = self._peers.persona(tx, pair.own)
        receipt = sign_receipt(plan.body(number, now_ms, link.chain.given), self._device)
        self._receipts.add(
            tx,
            Way.GIVEN,
            pair.own,
            pair.their,
            receipt,
            grant.k_grant,
            persona.certificate,
            Subject(Cmd.READ, None, plan.read.window.collection),
        )
        self._checkpoint.reached(ReadStep.SIGNED)
        # Also in the middle of a read: the keys may have been turned since it began.
        own_reader = len(served.heard.grants) == 1
        offer = Offer(
            receipt=receipt.body,
            sig=receipt.signed.signatures[0],
            heads=evidence.heads,
            entries=[page.raw for page in plan.slices[number].pages],
            proofs=evidence.proofs,
            statements=evidence.statements,
            keysets=self._lending.unacknowledged(grant) if own_reader else (),
        )
        order = link.chain.number(receipt.cid)
        reading = Reading(served.heard, plan, receipt, number)

        def let_out() -> None:
            link.session.offer(call, offer, pages)
            visit.readings[call] = reading

        return reading, Ready(order, let_out)

    # commands in one's own name

    async def _own(self, link: Link, pair: Pair, call: int, heard: Heard) -> None:
        def act(tx: Tx) -> Value:
            now_ms = self._clock.now_ms()
            verified = self._answering.authorised(tx, pair, heard, now_ms)
            speaker = self._answering.speaker(tx, verified)
            return self._acting.act(tx, speaker, verified.args, now_ms, verified.acted)

        await self._finish(link, pair, call, heard, act)
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

    # answers

    async def _finish(
        self, link: Link, pair: Pair, call: int, heard: Heard, act: Callable[[Tx], Value]
    ) -> None:
        """Do `act` and answer with what it gives, or with its refusal: one unit of work."""

        def unit(tx: Tx) -> Ready:
            return self._answer(tx, link, pair, call, heard, attempt(tx, act))

        async with self._turns.of(link.turn):
            ready = await self._store.database.write(unit)
        self._checkpoint.reached(said_of(heard.inv.cmd).served)
        link.in_order(ready.number, ready.let_out)

    def _answer(
        self,
        tx: Tx,
        link: Link,
        pair: Pair,
        call: int,
        heard: Heard,
        result: Done[Value] | GrantRefused,
    ) -> Ready:
        """Sign and log an answer."""
        now_ms = self._clock.now_ms()
        answer = self._answering.word(tx, pair, heard, result, prev=link.chain.given, now_ms=now_ms)
        order = link.chain.number(answer.cid)
        return Ready(order, lambda: link.session.answer(call, answer.signed.raw))
