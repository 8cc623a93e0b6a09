"""Lending over a link: a read is offered window by window, each countersigned before the next.

    call ──> plan, window 0 signed and logged ──offer──> countersigned ──> window 1 …

Each window is one unit of work that looks at the grant anew, so what is taken back in the middle of
a read is not served any further; and nothing is offered that was not signed and logged before.
What a refused reader had countersigned until then is kept with the refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ...crypto.errors import CryptoError
from ...crypto.keys import DeviceKey
from ...protocol.command import Cmd
from ...protocol.errors import Code, GrantRefused
from ...protocol.offer import Offer
from ...protocol.receipt import countersigned, sign_receipt
from ...protocol.session_event import (
    CountersignReceived,
)
from ...protocol.trust import (
    Heard,
    authorise_read,
    check_still,
)
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..grants.grant_given import GrantGiven
from ..grants.lending import Lending
from ..log.receipts import Receipts, Way
from ..log.subject import Subject
from ..peers.peers import Pair, Peers
from ..reads.serving import ReadPlan, Serving
from ..steps import ReadStep
from ..store.database import Tx
from ..store.errors import StoreDamaged, StoreError
from ..store.store import Store
from .answering import Answering, Done, attempt
from .link import Link
from .link_answers import LinkAnswers, Ready
from .turns import Turns
from .visit import (
    Reading,
    Visit,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Served:
    """Which window of which read is due."""

    heard: Heard
    plan: ReadPlan
    grant: GrantGiven
    number: int


class LinkLending:
    """Serves what is read over links."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        clock: Clock,
        peers: Peers,
        receipts: Receipts,
        lending: Lending,
        answering: Answering,
        answers: LinkAnswers,
        serving: Serving,
        turns: Turns,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._device = device
        self._clock = clock
        self._peers = peers
        self._receipts = receipts
        self._lending = lending
        self._answering = answering
        self._answers = answers
        self._serving = serving
        self._turns = turns
        self._checkpoint = checkpoint

    async def read(self, link: Link, visit: Visit, pair: Pair, call: int, heard: Heard) -> None:
        """Offer the first window of a read, or answer with a refusal.  Raises StoreError."""
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

    async def countersigned(
        self,
        link: Link,
        visit: Visit,
        pair: Pair,
        event: CountersignReceived,
        silent: str | None,
    ) -> None:
        """Keep the reader's signature; then offer the next window, if the grant still holds.

        `silent`: why this node serves nothing any more, in a sentence; then nothing is signed.
        """
        reading = visit.readings.pop(event.call, None)
        if reading is None or event.window != reading.number:
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

        if event.last or silent is not None:
            visit.end(event.call)
            async with self._turns.of(link.turn):
                await self._store.database.write(keep)
            self._checkpoint.reached(ReadStep.KEPT)
            if silent is not None and not event.last:
                link.withdraw(event.call, Code.SUSPENDED, silent)
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
            return None, self._answers.answer(tx, link, pair, call, heard, result)

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
        if reading is None and pair.reads_only:
            # Known here by its chain alone: it greets again as long as one holds.
            link.close("a processor was refused")
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
            call=served.heard.inv.raw,
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
