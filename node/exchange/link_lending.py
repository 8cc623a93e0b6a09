"""Lending over a link: a read is offered window by window, each countersigned before the next.

    call ──> plan, window 0 signed and logged ──offer──> countersigned ──> window 1 …

Each window is one unit of work that looks at the grant anew, so what is taken back in the middle of
a read is not served any further; and nothing is offered that was not signed and logged before.
What a refused reader had countersigned until then is kept with the refusal.

What is lent, and under which authority, is a source's to say (`read_source.py`): one's own vault,
or what is kept for somebody whom this node helps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ...crypto.errors import CryptoError
from ...protocol.errors import Code, GrantRefused
from ...protocol.offer import Offer
from ...protocol.receipt import countersigned
from ...protocol.session_event import (
    CountersignReceived,
)
from ...protocol.trust import (
    Heard,
)
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..reads.serving import ReadPlan
from ..steps import ReadStep
from ..store.database import Tx
from ..store.errors import StoreDamaged, StoreError
from ..store.store import Store
from .answering import Done, attempt
from .link import Link
from .link_answers import Ready
from .read_source import ReadSource
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
    number: int


class LinkLending:
    """Serves what is read over links, out of one source."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        source: ReadSource,
        turns: Turns,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._clock = clock
        self._source = source
        self._turns = turns
        self._checkpoint = checkpoint

    async def read(self, link: Link, visit: Visit, call: int, heard: Heard) -> None:
        """Offer the first window of a read, or answer with a refusal.  Raises StoreError."""
        if not await visit.begin_reading(call):
            return
        alone = self._turns.alone(link.turn)

        def act(tx: Tx) -> tuple[Reading, Ready]:
            now_ms = self._clock.now_ms()
            plan = self._source.plan(tx, link, heard, now_ms, alone=alone)
            return self._offer(tx, link, visit, call, Served(heard, plan, 0), now_ms)

        self._checkpoint.reached(ReadStep.ASKED)
        await self._serve_window(link, visit, call, heard, act)

    async def countersigned(
        self,
        link: Link,
        visit: Visit,
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

        def keep(tx: Tx) -> None:
            self._source.countersigned(
                tx, link, reading.heard, receipt, event.keys, self._clock.now_ms()
            )

        if event.last or silent is not None:
            visit.end(event.call)
            async with self._turns.of(link.turn):
                await self._store.database.write(keep)
            self._checkpoint.reached(ReadStep.KEPT)
            self._source.kept()
            if silent is not None and not event.last:
                link.withdraw(event.call, Code.SUSPENDED, silent)
            return

        def act(tx: Tx) -> tuple[Reading, Ready]:
            now_ms = self._clock.now_ms()
            keep(tx)
            self._source.check_still(tx, link, reading.heard, reading.plan.read, now_ms)
            served = Served(reading.heard, reading.plan, reading.number + 1)
            return self._offer(tx, link, visit, event.call, served, now_ms)

        await self._serve_window(link, visit, event.call, reading.heard, act, always=keep)

    async def _serve_window(
        self,
        link: Link,
        visit: Visit,
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
            return None, self._source.refused(tx, link, call, heard, result)

        try:
            async with self._turns.of(link.turn):
                reading, ready = await self._store.database.write(unit)
            self._checkpoint.reached(ReadStep.LOGGED)
        except StoreError:
            visit.end(call)
            raise
        self._source.kept()
        if reading is None:
            visit.end(call)
        link.in_order(ready.number, ready.let_out)
        if reading is None and link.pair is not None and link.pair.reads_only:
            # Known here by its chain alone: it greets again as long as one holds.
            link.close("a processor was refused")
        if reading is not None:
            self._checkpoint.reached(ReadStep.OFFERED)

    def _offer(
        self,
        tx: Tx,
        link: Link,
        visit: Visit,
        call: int,
        served: Served,
        now_ms: int,
    ) -> tuple[Reading, Ready]:
        """Sign and log the window that is due.  Everything that can fail comes before the
        signature."""
        plan, number = served.plan, served.number
        serving = self._source.serving(link)
        try:
            try:
                pages = serving.pages(tx, plan.slices[number])
            except StoreDamaged:
                # Encrypted again since the plan was made?  Then they are there, under other names.
                plan = serving.again(tx, plan, number)
                pages = serving.pages(tx, plan.slices[number])
            evidence = serving.evidence(tx, plan.read.window, plan.slices[number])
        except StoreDamaged as error:
            log.error("page_damaged", kind=type(error).__name__)
            raise GrantRefused("a page of these days is damaged here", Code.BUSY) from error
        body = plan.body(number, now_ms, link.chain.given)
        receipt, keysets = self._source.signed(tx, link, served.heard, plan.read, body)
        self._checkpoint.reached(ReadStep.SIGNED)
        offer = Offer(
            receipt=receipt.body,
            sig=receipt.signed.signatures[0],
            heads=evidence.heads,
            entries=[page.raw for page in plan.slices[number].pages],
            proofs=evidence.proofs,
            statements=evidence.statements,
            keysets=keysets,
        )
        order = link.chain.number(receipt.cid)
        reading = Reading(served.heard, plan, receipt, number)

        def let_out() -> None:
            link.session.offer(call, offer, pages)
            visit.readings[call] = reading

        return reading, Ready(order, let_out)
