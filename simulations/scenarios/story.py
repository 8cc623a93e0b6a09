"""The whole story, between many pairs at once: met, handed back, asked, lent, read, taken back.

A `Story` is one person and one source.  Its people are patient and remember what they were told:
whatever failed because a machine went off or the other side was away they do again, and what a
node once confirmed must be so ever after.  They look at every answer:

    meet → deliver → ask → narrow, grant → read exactly that → be refused anything else
         → take back → be refused → a later delivery that no key of the reader opens

Every story has days of its own, so that what a window must hold is known without asking a node,
although stories share people, collections and their generations.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import trio

from ...apps.readers.espi import reader as espi
from ...apps.readers.ofx import reader as ofx
from ...crypto.errors import EntrenousError
from ...node.errors import Away, NotAllowed, NotFound, Refused, UsageError
from ...node.grants.inbox import Asked, RequestState
from ...node.node import Node
from ...node.peers.peers import Pair
from ...node.reads.lent_windows import Lent
from ...protocol.day import day_of_date
from ...protocol.errors import Code
from ...protocol.invocation import Invocation
from ...protocol.pairing import Invite
from ...protocol.record import Batch, concat
from ...protocol.request import Request
from ...protocol.terms import Clause, Force, Terms
from ...protocol.trust import GrantStatus
from ...protocol.window import Window
from ..dice import Dice
from ..files import bank_file, energy_file
from ..machine import BEGINNING_MS, DownError, Machine
from ..world import World
from .overreach import acceptance, another_command, wider_sub_grant

T = TypeVar("T")

ENERGY = "energy/electricity/load-curve"
BANK = "finance/accounts/transactions"
FIRST_DATE = datetime.date(2010, 1, 1)
DAYS = 30
# Of the records of every day, one in so many is handed back only after the grant was taken back.
LATER_ONE_IN = 4
STORY_DAYS = 64
GRANT_LIFE_S = 30 * 86_400
# People look again after a second, later less often.
PATIENCE_S = (1.0, 2.0, 4.0, 8.0, 15.0)
PACE_S = 20.0


class NotYetError(Exception):
    """What is waited for has not come."""


class StoryError(Exception):
    """Something in a story is not as it must be."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """A grant whose taking back was confirmed when the owner's log had `log_size` words."""

    owner: str
    grant: bytes
    log_size: int


class Story:
    """One person, one source."""

    def __init__(self, world: World, number: int, person: Machine, source: Machine) -> None:
        self._world = world
        self._dice: Dice = world.dice.fork(f"story {number}")
        self.number = number
        self.person = person
        self.source = source
        self.path = self._dice.pick((ENERGY, BANK))
        self.first = day_of_number(number)
        records = self._records()
        self.before = _parted(records, lambda row: row % LATER_ONE_IN != 0)
        self.after = _parted(records, lambda row: row % LATER_ONE_IN == 0)
        self.stage = "not begun"
        self.over = trio.Event()
        self.revoked: list[Revoked] = []
        # What stays lent when the story is over.
        self.lent: Window | None = None
        self.delivered: list[tuple[bytes, Batch]] = []

    @property
    def name(self) -> str:
        return f"story {self.number} of {self.person.name} and {self.source.name}"

    def _records(self) -> Batch:
        date = FIRST_DATE + datetime.timedelta(days=self.number * STORY_DAYS)
        if self.path == ENERGY:
            file = energy_file(self.number, first=date, days=DAYS, interval_s=3600)
            return espi.read(file.data, file.name).items[0].batch
        account = bank_file(self.number + 1, first=date, months=2)
        batch = ofx.read(account.data, account.name).items[0].batch
        return _on_days(batch, self.first, self.first + DAYS - 1)

    async def run(self) -> None:
        """Tell it to the end; complains to the world about what is not as it must be."""
        try:
            for step in (
                self._meet,
                partial(self._deliver, self.before),
                self._lend_and_take_back,
                partial(self._deliver, self.after),
                self._read_on,
                self._verify_logs,
            ):
                await self._pause()
                await step()
            self._stage("done")
        except StoryError as error:
            self._world.complain(f"{self.name}: {error}")
        except EntrenousError as error:
            self._world.complain(f"{self.name}: {self.stage}: {type(error).__name__}: {error}")
        self.over.set()

    # how people are

    def _stage(self, stage: str) -> None:
        self.stage = stage
        self._world.trace.event("story", str(self.number), stage)

    async def _pause(self) -> None:
        await trio.sleep(self._dice.wait(PACE_S))

    async def _insist(self, machine: Machine, act: Callable[[Node], Awaitable[T]]) -> T:
        """Do `act` until it is done, however often a machine goes off or a peer is away."""
        tries = 0
        while True:
            try:
                return await self._world.do(machine, act)
            except (DownError, Away, NotYetError):
                pass
            except Refused as error:
                if error.code not in (Code.BUSY.value,):
                    raise StoryError(f"{self.stage}: refused with {error.code}: {error}") from error
            await trio.sleep(PATIENCE_S[min(tries, len(PATIENCE_S) - 1)])
            tries += 1

    def _expect(self, so: bool, otherwise: str) -> None:
        if not so:
            raise StoryError(f"{self.stage}: {otherwise}")

    # meeting

    async def _meet(self) -> None:
        self._stage("meet")
        inviter, scanner = self._dice.shuffled((self.person, self.source))

        async def invite(node: Node) -> Invite:
            if not node.addresses():
                raise NotYetError
            return await node.store.database.write(
                lambda tx: node.meeting.invite(
                    tx, node.addresses(), scanner.name, node.clock.now_ms()
                )
            )

        link = await self._insist(inviter, invite)

        async def scan(node: Node) -> None:
            try:
                await _pair(node, inviter.name)
            except NotFound:
                await node.exchange.pair(link, inviter.name)

        await self._insist(scanner, scan)
        for machine, other in ((inviter, scanner), (scanner, inviter)):
            pair = await self._insist(machine, partial(_pair, name=other.name))
            self._expect(pair.device == other.device, "paired with another device")

    # handing back

    async def _deliver(self, batch: Batch) -> None:
        self._stage("deliver")

        async def send(node: Node) -> bytes:
            now_ms = node.clock.now_ms()
            sent = await node.deliveries.deliver(self.person.name, self.path, batch, now_ms)
            return sent.statement

        statement = await self._insist(self.source, send)
        self.delivered.append((statement, batch))

        async def came(node: Node) -> None:
            received = await node.store.database.read(node.deliveries.received)
            if not any(one.statement == statement for one in received):
                raise NotYetError

        await self._insist(self.person, came)
        reading = await self._insist(
            self.person,
            lambda node: node.vault.read(self.path, self.first, self.first + DAYS - 1),
        )
        self._expect(not reading.damaged, f"{len(reading.damaged)} pages are damaged")
        self._expect(
            _same(reading.batch, self._so_far()), "the vault does not hold what was delivered"
        )

    def _so_far(self) -> Batch:
        """Everything that was handed back until now."""
        return concat(self.before.schema, [batch for _, batch in self.delivered])

    # lending

    async def _lend_and_take_back(self) -> None:
        whole = Window(self.path, self.first, self.first + DAYS - 1)
        request = await self._ask(whole)
        start = self.first + self._dice.between(0, 9)
        window = Window(self.path, start, start + self._dice.between(0, 19))
        if self._dice.chance(0.15):
            await self._refuse(request)
            request = await self._ask(whole)
        await self._pause()
        grant = await self._grant(request, window)
        other: bytes | None = None
        if self._dice.chance(0.4):
            await self._pause()
            other = await self._grant(await self._ask(whole), window)
        await self._read(window)
        await self._try_what_is_not_granted(grant, window)
        await self._verify_logs()
        await self._pause()
        await self._revoke(grant)
        if other is None:
            await self._read_refused(window, Code.REVOKED)
        else:
            await self._heard_of(grant)
            await self._read(window)
            if self._dice.chance(0.5):
                self.lent = window
                return
            await self._revoke(other)
            await self._read_refused(window, Code.REVOKED)

    async def _read_on(self) -> None:
        """A grant that was not taken back opens what is added to its days, without a new one."""
        if self.lent is not None:
            await self._read(self.lent)

    async def _ask(self, window: Window) -> bytes:
        self._stage("ask")
        pair = await self._insist(self.source, partial(_pair, name=self.person.name))
        terms = Terms(
            "dpv:ServiceProvision",
            self._dice.between(1, 365),
            (self.source.name,),
            None,
            (Clause("not sold on", Force.PROMISED),),
        )
        exp_s = BEGINNING_MS // 1000 + GRANT_LIFE_S + self._dice.between(0, 86_400)
        request = Request(pair.own, (window,), terms.purpose, terms, exp_s, "nothing changes")

        async def ask(node: Node) -> bytes:
            now_ms = node.clock.now_ms()
            cid = await node.store.database.write(
                lambda tx: node.borrowing.ask(tx, pair, request, now_ms)
            )
            node.outgoing.notify()
            return cid

        cid = await self._insist(self.source, ask)

        async def came(node: Node) -> None:
            if await node.store.database.read(lambda tx: node.inbox.find(tx, cid)) is None:
                raise NotYetError

        await self._insist(self.person, came)
        return cid

    async def _refuse(self, request: bytes) -> None:
        self._stage("refuse")

        async def refuse(node: Node) -> None:
            now_ms = node.clock.now_ms()
            if (await _asked(node, request)).state is RequestState.REFUSED:
                return
            await node.store.database.write(
                lambda tx: node.lending.refuse(tx, request, "not now", now_ms)
            )
            node.outgoing.notify()

        await self._insist(self.person, refuse)
        answer = await self._insist(self.source, partial(self._decided, request))
        self._expect(answer.state is RequestState.REFUSED, "a refusal arrived as a grant")
        self._expect(answer.reason == "not now", "a refusal lost its reason")

    async def _decided(self, request: bytes, node: Node) -> Asked:
        asked = await node.store.database.read(lambda tx: node.asked.get(tx, request))
        if asked.state is RequestState.WAITING:
            raise NotYetError
        return asked

    async def _grant(self, request: bytes, window: Window) -> bytes:
        self._stage("grant")

        async def give(node: Node) -> bytes:
            now_ms = node.clock.now_ms()
            asked = await _asked(node, request)
            if asked.grant is not None:
                return asked.grant
            given = await node.store.database.write(
                lambda tx: node.lending.grant(
                    tx, request, [window], BEGINNING_MS // 1000 + GRANT_LIFE_S, now_ms
                )
            )
            node.outgoing.notify()
            return given.cid

        grant = await self._insist(self.person, give)
        self._stage("be granted")
        answer = await self._insist(self.source, partial(self._decided, request))
        self._expect(answer.grant == grant, "another grant arrived than was given")

        async def keys(node: Node) -> None:
            held = await node.store.database.read(lambda tx: node.borrowing.get(tx, grant))
            if not held.keysets:
                raise NotYetError

        self._stage("accept")
        await self._insist(self.source, keys)
        return grant

    async def _read(self, window: Window) -> None:
        self._stage("read")
        lent = await self._insist(self.source, partial(self._fetch, window))
        wanted = _on_days(self._so_far(), window.first, window.last)
        self._expect(not lent.damaged, f"{len(lent.damaged)} lent pages do not open")
        if not len(wanted):
            self._expect(lent.batch is None or not len(lent.batch), "records out of nothing")
        else:
            self._expect(lent.batch is not None and _same(lent.batch, wanted), "not these days")
        for proof in lent.provenance:
            self._expect(proof.reason is None, f"a statement does not verify: {proof.reason}")
            self._expect(
                window.first <= proof.first <= proof.last <= window.last, "days not granted"
            )
        self._expect(
            bool(lent.provenance) or not len(wanted), "no statement came with what was read"
        )

    async def _fetch(self, window: Window, node: Node) -> Lent:
        try:
            return await node.fetcher.fetch(await _pair(node, self.person.name), window)
        except NotAllowed as error:
            raise NotYetError from error

    # refusals

    async def _read_refused(self, window: Window, code: Code) -> None:
        self._stage(f"be refused with {code.value}")

        async def fetch(node: Node) -> None:
            try:
                await self._fetch(window, node)
            except Refused as error:
                if error.code == Code.BUSY.value:
                    raise
                self._expect(error.code == code.value, f"refused with {error.code}: {error}")
            else:
                raise StoryError(f"{self.stage}: {window} was served")

        await self._insist(self.source, fetch)

    async def _try_what_is_not_granted(self, grant: bytes, window: Window) -> None:
        wider = Window(window.collection, window.first, window.last + 1)
        await self._read_refused(wider, Code.DAYS)
        elsewhere = Window(BANK if self.path == ENERGY else ENERGY, window.first, window.last)
        await self._read_refused(elsewhere, Code.COLLECTION)
        await self._invoke_refused(Code.COMMAND, partial(another_command, grant, window))
        await self._invoke_refused(Code.DAYS, partial(wider_sub_grant, grant, wider))
        await self._replay(grant)

    async def _invoke_refused(
        self,
        code: Code,
        sign: Callable[[Node, Pair], Awaitable[tuple[Invocation, Sequence[bytes]]]],
    ) -> None:
        self._stage(f"invoke, be refused with {code.value}")

        async def invoke(node: Node) -> None:
            pair = await _pair(node, self.person.name)
            invocation, proofs = await sign(node, pair)
            said = await node.exchange.invoke(pair, invocation, proofs)
            if said.answer.code is Code.BUSY:
                raise NotYetError
            self._expect(
                said.answer.code is code, f"answered {said.answer.code}: {said.answer.out!r}"
            )

        await self._insist(self.source, invoke)

    async def _replay(self, grant: bytes) -> None:
        """An acceptance is said twice, word for word: the second is refused."""
        self._stage("replay")

        async def twice(node: Node) -> None:
            pair = await _pair(node, self.person.name)
            invocation = await acceptance(grant, node, pair)
            first = await node.exchange.invoke(pair, invocation, ())
            second = await node.exchange.invoke(pair, invocation, ())
            if Code.BUSY in (first.answer.code, second.answer.code):
                raise NotYetError
            self._expect(first.answer.code is Code.OK, f"answered {first.answer.code}")
            self._expect(second.answer.code is Code.REPLAY, f"answered {second.answer.code}")

        await self._insist(self.source, twice)

    # taking back

    async def _revoke(self, grant: bytes) -> None:
        self._stage("revoke")

        async def revoke(node: Node) -> int:
            now_ms = node.clock.now_ms()
            with suppress(UsageError):  # it was kept just before the machine went off
                await node.store.database.write(lambda tx: node.lending.revoke(tx, grant, now_ms))
            node.outgoing.notify()
            return await node.store.database.read(node.store.log.size)

        size = await self._insist(self.person, revoke)
        self.revoked.append(Revoked(self.person.name, grant, size))

    async def _heard_of(self, grant: bytes) -> None:
        """The reader's node learns of a taking back; only then it reads under another grant."""
        self._stage("hear of it")

        async def heard(node: Node) -> None:
            held = await node.store.database.read(lambda tx: node.borrowing.get(tx, grant))
            if held.kept is not GrantStatus.REVOKED:
                raise NotYetError

        await self._insist(self.source, heard)

    async def _verify_logs(self) -> None:
        self._stage("verify logs")
        for machine in (self.person, self.source):
            await self._insist(machine, lambda node: node.store.database.read(node.receipts.verify))


# small things


def day_of_number(number: int) -> int:
    """The first day of story `number`."""
    return day_of_date(FIRST_DATE.isoformat()) + number * STORY_DAYS


async def _pair(node: Node, name: str) -> Pair:
    return await node.store.database.read(lambda tx: node.peers.named(tx, name))


async def _asked(node: Node, request: bytes) -> Asked:
    return await node.store.database.read(lambda tx: node.inbox.get(tx, request))


def _on_days(batch: Batch, first: int, last: int) -> Batch:
    """The records of a batch on days `first … last`."""
    parts = [part for day, part in batch.sorted().by_day() if first <= day <= last]
    return concat(batch.schema, parts) if parts else batch.slice(0, 0)


def _parted(batch: Batch, wanted: Callable[[int], bool]) -> Batch:
    """The records whose row is wanted."""
    rows = batch.sorted().rows()
    return Batch.from_rows(batch.schema, (row for at, row in enumerate(rows) if wanted(at)))


def _same(one: Batch, other: Batch) -> bool:
    return one.schema is other.schema and list(one.sorted().rows()) == list(other.sorted().rows())
