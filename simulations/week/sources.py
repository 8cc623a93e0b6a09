"""The four organisations of a week: each hands back what it holds, and borrows what it is lent.

They keep at it like computers do, every day and at night, and judge each answer: what was read must
lie within what was granted, hold all that was there, and nothing may be served that was taken back.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from functools import partial
from pathlib import Path

import trio

from ...crypto.errors import EntrenousError
from ...node.client import Client
from ...node.errors import Away, NotAllowed, NotFound, Refused
from ...node.results.deliveries import DeliveryState
from ...node.results.grants import RequestInfo
from ...node.results.reads import Fetched
from ...node.store.errors import StoreError
from ...protocol.errors import Code
from ...protocol.window import Window
from ..machine import DownError, Machine
from ..world import World
from .book import Book, Lending
from .files import BANK, DAYS, FIRST, JOINT, Fact, Slice, facts_of, on_days
from .people import DAY_S, HOUR_S, Actor, GaveUpError, NotYetError

DAYS_A_DELIVERY = 4
# Clocks of two machines differ, and a read takes its time.
SLACK_MS = 240_000
_OVER = (Code.REVOKED, Code.EXPIRED, Code.SUSPENDED, Code.UNKNOWN_GRANT)


class Source(Actor):
    """One organisation."""

    def __init__(
        self,
        world: World,
        machine: Machine,
        folder: Path,
        book: Book,
        slices: Slice,
        until_s: float,
    ) -> None:
        super().__init__(world, machine, folder)
        self._book = book
        self._slices = slices
        self._until_s = until_s
        self.reads = 0
        self.asked = 0

    @property
    def _over(self) -> bool:
        return trio.current_time() >= self._until_s

    # handing back

    async def deliver_daily(self, path: str) -> None:
        """Every day the days that have come since; some days late, then all at once."""
        dice = self.dice.fork("deliveries")
        handed = 0
        for day in range(7):
            await trio.sleep(max(0.0, day * DAY_S + dice.span(0, DAY_S) - trio.current_time()))
            if dice.chance(0.2) and day < 6:
                continue  # late
            last = (day + 1) * DAYS_A_DELIVERY - 1
            try:
                await self.deliver(path, handed, last)
            except GaveUpError:
                continue
            # Now and then the days before are handed back again, with the new ones.
            handed = last + 1 - (dice.between(1, 3) if dice.chance(0.2) else 0)

    async def deliver(self, path: str, first: int, last: int) -> None:
        batch = (self._slices.bank if path == BANK else self._slices.meter)(first, last)
        if not len(batch):
            return
        facts = facts_of(batch)
        self.told("deliver", path, str(first), str(last))
        name, data = self._download(path, first, last)
        file = self.file(name, data)
        kept_as = JOINT if path == BANK else path
        self._book.trying(kept_as, facts)
        restores = self._book.restores

        async def deliver(client: Client) -> bytes | None:
            before = {one.statement for one in await client.deliveries() if one.way == "out"}
            made = await client.deliver(file, "home", None, 60)
            (one,) = (one for one in made if one.path == path)
            if one.state is DeliveryState.REFUSED:
                self.world.complain(f"{self.name}: a delivery was refused: {one.reason}")
                return None
            assert one.statement not in before
            return one.statement

        statement = await self.insist(deliver)
        if statement is None:
            return

        async def stored(client: Client) -> None:
            found = {one.statement: one for one in await client.deliveries() if one.way == "out"}
            if statement not in found:
                self.world.complain(f"{self.name} forgot a delivery that it confirmed")
            elif found[statement].state is not DeliveryState.STORED:
                raise NotYetError

        await self.insist(stored, patience_s=2 * DAY_S)
        if restores == self._book.restores:
            self._book.kept(kept_as, facts)
            self._book.statements.add(statement)

    def _download(self, path: str, first: int, last: int) -> tuple[str, bytes]:
        if path == BANK:
            return "account.ofx", self._slices.bank_file(first, last)
        return "meter.xml", self._slices.meter_file(first, last)

    # borrowing

    async def borrow(self, peer: str, path: str) -> None:
        """Ask, read while it is lent, ask again when it is over."""
        dice = self.dice.fork(f"borrowing from {peer}")
        await trio.sleep(dice.wait(6 * HOUR_S))
        while not self._over:
            try:
                grant = await self.await_grant(peer, path)
            except GaveUpError:
                grant = None
            if grant is None:
                await trio.sleep(dice.wait(8 * HOUR_S))
                continue
            while not self._over:
                await trio.sleep(dice.wait(5 * HOUR_S))
                if not await self.read(peer, grant):
                    break

    async def await_grant(self, peer: str, path: str) -> bytes | None:
        """Ask, and wait for a decision; the grant, or None."""
        marker = await self.ask(peer, path)

        async def decided(client: Client) -> RequestInfo:
            (mine,) = (one for one in await client.asked() if one.refusal == marker)
            if mine.state == "waiting":
                raise NotYetError
            # Its owner writes it down when the node has come back, if it went off meanwhile.
            if mine.grant is not None and mine.grant not in self._book.lendings:
                raise NotYetError
            return mine

        return (await self.insist(decided, patience_s=DAY_S)).grant

    async def ask(self, peer: str, path: str) -> str:
        """Ask for the days of the slice; the sentence by which this request is known again."""
        self.asked += 1
        marker = f"{self.name} asks for the {self.asked}. time, {peer}"
        self.told("ask", peer, path)
        window = Window(path, FIRST, FIRST + DAYS - 1)

        async def ask(client: Client) -> None:
            if any(one.refusal == marker for one in await client.asked()):
                return
            await client.ask(
                peer,
                [window],
                purpose="dpv:ServiceProvision",
                terms={"retention_days": 30, "recipients": [], "clauses": ["nothing is sold on"]},
                exp_s=self.now_ms // 1000 + 20 * 86_400,
                refusal=marker,
            )

        await self.insist(ask)
        return marker

    async def read(self, peer: str, grant: bytes) -> bool:
        """Read some of what was lent; whether it is worth trying again."""
        lending = self._book.lendings[grant]
        window = lending.window
        if self.dice.chance(0.5):
            first = self.dice.between(window.first, window.last)
            window = Window(window.collection, first, self.dice.between(first, window.last))
        others = [
            one
            for one in self._book.lendings.values()
            if one.reader == lending.reader and one.grant != grant and window in one.window
        ]
        began_ms = self.now_ms
        over = all(one.surely_over(began_ms, SLACK_MS) for one in (lending, *others))
        promised = set(self._book.promised[window.collection])
        restores = self._book.restores
        self.told("read", peer, str(window))
        try:
            found = await self.once(
                lambda client: client.fetch(peer, window.collection, window.first, window.last)
            )
        except (DownError, Away, StoreError, NotFound):
            return True
        except (NotAllowed, Refused) as error:
            return self._refused(error, lending, others)
        self.reads += 1
        if over:
            self.world.complain(f"{self.name} was served under a grant that is over: {window}")
        self._judge(found, window, promised if restores == self._book.restores else set())
        return True

    def _refused(
        self, error: NotAllowed | Refused, lending: Lending, others: list[Lending]
    ) -> bool:
        """A refusal is right when a grant that could have served may be over."""
        if isinstance(error, Refused) and error.code == Code.BUSY.value:
            return True
        over = any(one.maybe_over(self.now_ms, SLACK_MS) for one in (lending, *others))
        if isinstance(error, Refused) and not over:
            self.world.complain(f"{self.name} was refused with {error.code}: {error}")
        # Without keys yet, it waits for them; after the end, it asks again.
        return not lending.maybe_over(self.now_ms, SLACK_MS) or lending.suspended

    def _judge(self, found: Fetched, window: Window, promised: set[Fact]) -> None:
        facts: frozenset[Fact] = frozenset()
        if found.batch is not None:
            facts = facts_of(found.batch)
        if found.damaged:
            self.world.complain(f"{self.name}: {len(found.damaged)} lent pages do not open")
        if found.batch is not None and len(on_days(found.batch, window.first, window.last)) != len(
            found.batch
        ):
            self.world.complain(f"{self.name} read days that it did not ask for")
        within = {one for one in promised if window.first <= one[0] // 86_400_000 <= window.last}
        if within - facts:
            self.world.complain(
                f"{self.name} reads {len(within - facts)} facts less than are promised in {window}"
            )
        # A reader gets pages as they are stored: with every telling of a fact (docs/attacks.md).
        told = {one[:2] for one in self._book.tried[window.collection]}
        if {one[:2] for one in facts} - told:
            self.world.complain(f"{self.name} reads facts that nobody told")
        for source in found.provenance:
            if not source.verified:
                self.world.complain(f"{self.name}: a statement does not verify: {source.reason}")

    # what an honest organisation does not do

    async def flood(self, peer: str, path: str, count: int) -> None:
        """Ask again and again for an hour: what is over the quota must be refused, and no more."""
        for number in range(count):

            async def ask(client: Client, number: int = number) -> None:
                await client.ask(
                    peer,
                    [Window(path, FIRST, FIRST)],
                    purpose="dpv:Marketing",
                    terms={"retention_days": 1, "recipients": [], "clauses": []},
                    exp_s=self.now_ms // 1000 + 5 * 86_400,
                    refusal=f"flood {number}",
                )

            try:
                await self.once(ask)
            except (DownError, EntrenousError):
                continue
            await trio.sleep(HOUR_S / count)
        self.world.faults["requests of a flood"] += count

    async def overreach(self, peer: str) -> None:
        """Ask for days and collections that were not granted: refused, whatever the weather."""
        mine = [one for one in self._book.lendings.values() if one.reader == self.name]
        if not mine:
            return
        lending = self.dice.pick(mine)
        window = lending.window
        for wrong in (
            Window(window.collection, window.first, window.last + 30),
            Window("health/expenses", window.first, window.last),
        ):
            self.world.faults["reads beyond a grant"] += 1
            try:
                await self.once(
                    partial(
                        Client.fetch,
                        peer=peer,
                        collection=wrong.collection,
                        first=wrong.first,
                        last=wrong.last,
                    )
                )
            except (DownError, Away, StoreError, NotAllowed, NotFound, Refused):
                continue
            self.world.complain(f"{self.name} was served {wrong}, which was not granted")
