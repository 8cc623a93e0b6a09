"""The person of a week, and the house: what comes in, what is lent and taken back, what goes wrong.

One node for everybody: Ana and Ben, and Rose, a grandmother without a device, for whom Ana decides
under a mandate.  What a node confirms stands in the book; what it refuses has changed nothing.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import trio

from ...crypto.errors import EntrenousError
from ...node.client import Client
from ...node.errors import Away, NotAllowed, NotFound, UsageError
from ...node.results.grants import RequestInfo
from ...node.store.errors import StoreError
from ...protocol.command import Cmd
from ...protocol.day import start_ms
from ...protocol.reading import UNSAID, Settings
from ...protocol.record import Batch
from ...protocol.schema import METER_READING
from ...protocol.trust import GrantStatus
from ...protocol.window import Window
from ..machine import DownError, Machine
from ..world import World
from .book import Book, Lending
from .files import BANK, CURVE, DAYS, FIRST, JOINT, Slice, facts_of
from .people import DAY_S, HOUR_S, Actor, GaveUpError

WATER: Final = "energy/water/index"
ROSE: Final = "Rose"
PATHS: Final = (JOINT, CURVE, WATER)
UNCHANGED_TRIES: Final = 4


class Home(Actor):
    """Who sits at the person's node."""

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
        self.book = book
        self._slices = slices
        self._until_s = until_s
        self._declared = 0
        # While a mandate of hers holds, Ana decides in Rose's name.
        self.mandate: bytes | None = None

    async def live(self) -> None:
        """The days: at any hour something of what people do."""
        acts = (
            (self._import_bank, 4), (self._import_meter, 3), (self._import_again, 2),
            (self._add, 5), (self._look, 5), (self._bad_input, 3),
        )  # fmt: skip
        lots = [act for act, weight in acts for _ in range(weight)]
        while trio.current_time() < self._until_s:
            await self.pause(3.5 * HOUR_S)
            try:
                await self.dice.pick(lots)()
            except GaveUpError:
                continue

    # what comes in

    def _days(self) -> tuple[int, int]:
        """Some days of the slice that have come, often ones that were told before."""
        now = min(DAYS - 1, int(trio.current_time() / DAY_S * DAYS / 7) + 1)
        first = self.dice.between(0, now)
        return first, self.dice.between(first, min(now, first + 9))

    async def _import_bank(self) -> None:
        first, last = self._days()
        data = self._slices.bank_file(first, last)
        await self.take_in(JOINT, "download.ofx", data, self._slices.bank(first, last), UNSAID)

    async def _import_again(self) -> None:
        """The same lines in the bank's other format."""
        first, last = self._days()
        batch = self._slices.bank(first, last)
        data = self._slices.csv_file(first, last)
        await self.take_in(JOINT, "trimestre.csv", data, batch, Settings(day_first=True))

    async def _import_meter(self) -> None:
        first, last = self._days()
        data = self._slices.meter_file(first, last)
        await self.take_in(CURVE, "meter.xml", data, self._slices.meter(first, last), UNSAID)

    async def take_in(
        self, path: str, name: str, data: bytes, batch: Batch, settings: Settings = UNSAID
    ) -> None:
        """Import a file that holds `batch`."""
        if not len(batch):
            return
        self.told("import", name, str(len(batch)))
        facts, restores = facts_of(batch), self.book.restores
        file = self.file(name, data)
        self.book.trying(path, facts)
        whose = "Ana, Ben" if path == JOINT else None
        await self.insist(lambda client: client.import_(file, settings=settings, people=whose))
        if restores == self.book.restores:
            self.book.kept(path, facts)

    async def _add(self) -> None:
        """The water meter, read and written down."""
        count = self.dice.between(1, 4)
        rows = [
            {"time": start_ms(FIRST) + (self._declared + k) * 3_600_000, "offset_min": 60,
             "duration_s": 0, "value": [7_000_000_000 + self._declared + k, 3], "unit": "m3",
             "quality": None}
            for k in range(count)
        ]  # fmt: skip
        self._declared += count
        batch = Batch.from_rows(METER_READING, rows)
        facts, restores = facts_of(batch), self.book.restores
        self.told("add", str(count))
        self.book.trying(WATER, facts)
        await self.insist(lambda client: client.add(WATER, batch))
        if restores == self.book.restores:
            self.book.kept(WATER, facts)

    async def _look(self) -> None:
        """Read one's own data: all that was promised, nothing twice."""
        path = self.dice.pick(PATHS)
        promised, restores = set(self.book.promised[path]), self.book.restores
        self.told("look", path)
        try:
            found = await self.insist(lambda client: client.read(path, FIRST, FIRST + DAYS))
        except NotFound:
            facts, damaged = frozenset[tuple[int, str, int]](), tuple[str, ...]()
        else:
            facts, damaged = facts_of(found.batch), found.damaged
        if damaged:
            self.world.complain(f"{self.name}: {len(damaged)} pages are damaged")
        if restores == self.book.restores and promised - facts:
            self.world.complain(f"{self.name} misses {len(promised - facts)} facts of {path}")
        if facts - self.book.tried[path]:
            self.world.complain(f"{self.name} shows facts twice, or such as nobody told, in {path}")

    # what is not taken

    async def _bad_input(self) -> None:
        """Files and words of a wrong form: one sentence, and nothing is changed."""
        first, last = self._days()
        whole = self._slices.bank_file(first, last)
        cut = whole[: self.dice.between(1, len(whole) // 2)]
        # Its head says what it is; what follows is not that.
        files = (
            self.file("cut.ofx", cut.rpartition(b"<STMTTRN>")[0] + b"<STMTTRN><TRNAMT>1"),
            self.file("meter.xml", self._slices.meter_file(0, 1)[:-40]),
            self.file("nothing.ofx", b""),
        )
        bad: tuple[Callable[[Client], Awaitable[object]], ...] = (
            *(lambda client, file=file: client.import_(file) for file in files),
            lambda client: client.pair("entrenous:pair#" + "a" * 80, "nobody"),
            lambda client: client.take(files[0]),
            lambda client: client.revoke("bafyreianothing"),
            lambda client: client.grant("bafyreianothing"),
        )
        await self.refused(self.dice.pick(bad))

    async def refused(self, act: Callable[[Client], Awaitable[object]]) -> None:
        """`act` is refused, and the disk is as it was.

        Whatever else happens in this moment changes the disk too; so it is tried some times.
        """
        self.world.faults["bad input"] += 1
        self.told("bad input")
        for _ in range(UNCHANGED_TRIES):
            before = await self.world.digest_of(self.machine)
            try:
                await self.once(act)
            except (DownError, StoreError, Away):
                return
            except EntrenousError as error:
                if "\n" in str(error):
                    self.world.complain(f"{self.name}: a refusal of more than one line: {error}")
            else:
                self.world.complain(f"{self.name} took what has a wrong form")
                return
            if await self.world.digest_of(self.machine) == before:
                return
            await self.pause(60.0)
        self.world.complain(f"{self.name}: what was refused has changed the disk")

    # lending

    async def decide(self) -> None:
        """A few times a day: answer what is asked, take back what is lent."""
        dice = self.dice.fork("decisions")
        while trio.current_time() < self._until_s:
            await trio.sleep(dice.wait(3 * HOUR_S))
            try:
                await self.answer_all()
                await self._after_restore()
                if dice.chance(0.15):
                    await self._take_back()
            except GaveUpError:
                continue

    async def answer_all(self, *, refusing: bool = True) -> None:
        """Look at the inbox, and decide what waits there."""
        for request in await self.insist(lambda client: client.inbox()):
            await self._register(request)
            if request.state == "waiting":
                await self._answer(request, refusing)

    async def _answer(self, request: RequestInfo, refusing: bool) -> None:
        """Refuse, or grant a part; in Rose's name under a mandate, while there is one."""
        (asked,) = request.items
        acting = ROSE if request.people == (ROSE,) and self.mandate is not None else None
        if request.refusal.startswith("flood") or (refusing and self.dice.chance(0.15)):
            self.told("refuse", request.peer)
            await self._decided(lambda client: client.refuse(request.id, "no", acting))
            return
        first = self.dice.between(asked.first, asked.first + DAYS // 2)
        path = JOINT if asked.collection == BANK else asked.collection
        window = Window(path, first, self.dice.between(first, asked.last))
        exp_s = self.now_ms // 1000 + self.dice.between(6 * 3600, 5 * 86_400)
        self.told("grant", request.peer, str(window))
        await self._decided(
            lambda client: client.grant(request.id, [window], exp_s, acting_for=acting, others=True)
        )
        if acting is not None:
            self.book.acted[acting, request.peer] += 1
        for found in await self.insist(lambda client: client.inbox()):
            if found.id == request.id:
                await self._register(found)

    async def _decided(self, decide: Callable[[Client], Awaitable[object]]) -> None:
        try:
            await self.insist(decide)
        except (UsageError, NotAllowed, NotFound) as error:
            # It was kept just before the machine went off; or the mandate ended, or was lost.
            self.told("not decided", type(error).__name__)

    async def _register(self, request: RequestInfo) -> None:
        """Write down a grant that was given, also one of which only the node knows."""
        if request.grant is None or request.grant in self.book.lendings:
            return
        for info in await self.insist(lambda client: client.grants()):
            if info.id == request.grant and info.side == "given":
                self.book.lendings[info.id] = Lending(
                    info.id, request.peer, info.windows[0], info.exp_s * 1000, self.now_ms
                )

    async def _take_back(self) -> None:
        live = [
            one
            for one in self.book.lendings.values()
            if one.done_ms is None and not one.forgotten and one.exp_ms > self.now_ms
        ]
        if live:
            await self.revoke(self.dice.pick(live))

    async def revoke(self, lending: Lending) -> None:
        self.told("revoke", lending.reader)
        lending.tried_ms = self.now_ms
        restores = self.book.restores

        async def revoke(client: Client) -> tuple[int, int]:
            (mine,) = (one for one in await client.grants() if one.id == lending.grant)
            if mine.status not in (GrantStatus.REVOKED.value, GrantStatus.EXPIRED.value):
                await client.revoke(lending.grant)
            now = await client.status()
            return now.log_number, now.log_size

        log, words = await self.insist(revoke)
        if restores == self.book.restores:
            lending.log, lending.words, lending.done_ms = log, words, self.now_ms

    async def _after_restore(self) -> None:
        """Each grant that a restore has suspended is kept or taken back."""
        for lending in list(self.book.lendings.values()):
            if not lending.suspended or lending.forgotten:
                continue
            if lending.exp_ms < self.now_ms:
                lending.suspended = False
            elif lending.tried_ms is None and self.dice.chance(0.6):
                self.told("keep", lending.reader)
                try:
                    await self.insist(partial(Client.keep, grant=lending.grant))
                except UsageError:
                    self.told("kept before")
                lending.suspended = False
            else:
                await self.revoke(lending)
                lending.suspended = False

    # Rose's mandate

    async def mandate_for_rose(self) -> None:
        """Ana is Rose's proxy at the bank, until some day of the week."""
        given = await self.insist(
            lambda client: client.mandate_give(
                "bank",
                "bank of rose",
                office="proxy",
                commands=[Cmd.DECIDE.value],
                exp_s=self.now_ms // 1000 + 30 * 86_400,
            )
        )
        self.mandate = given.id

    async def end_mandate(self, at_s: float) -> None:
        await trio.sleep(at_s)
        mandate, self.mandate = self.mandate, None
        if mandate is None:
            return
        self.told("end the mandate")
        try:
            await self.insist(lambda client: client.mandate_end(mandate))
        except (UsageError, NotFound, GaveUpError):
            self.told("ended before")
