"""A person and three organisations, whose grants come and go; and what should be open, by hand.

The model knows nothing of keys.  Each path has a counter that rises when a grant on it ends; a page
has the number that the counter showed when it was written.  A grant that was accepted opens the
pages of its days (none after the day on which it ends) whose number is at most the one that the
counter showed when it ended.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.node.config import Config, Role
from entrenous.node.keystore import Keystore
from entrenous.node.network.memory import MemoryNetwork, MemoryWorld
from entrenous.node.node import Ground, Node
from entrenous.node.offload import InlineOffload
from entrenous.node.peers.peers import Pair
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.day import day_of, start_ms
from entrenous.protocol.page import parse_entry
from entrenous.protocol.record import Batch
from entrenous.protocol.request import Request
from entrenous.protocol.schema import TRANSACTION
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window

PATHS = ("finance/accounts/transactions", "finance/cards/transactions", "consumption/till")
READERS = ("bank", "shop", "town")
BEGIN_MS = 1_767_225_600_000
TODAY = day_of(BEGIN_MS)
DAY_S = 86_400
SETTLE_S = 5.0


@dataclass
class MovingClock:
    """The world's time, and what it was moved by."""

    moved_ms: int = 0

    def now_ms(self) -> int:
        return BEGIN_MS + self.moved_ms + int(trio.current_time() * 1000)


@dataclass(frozen=True)
class PageMade:
    """A page by the digest of its ciphertext; `number` is that of its path when it was written."""

    digest: bytes
    path: str
    day: int
    number: int


@dataclass
class GrantMade:
    """A grant as the model sees it.  `ended`: each path's number when it ended."""

    cid: bytes
    reader: str
    windows: tuple[Window, ...]
    exp_s: int
    accepted: bool = False
    ended: dict[str, int] | None = None

    def opens(self, page: PageMade) -> bool:
        last_day = self.exp_s // DAY_S + 25_567
        return (
            self.accepted
            and page.day <= last_day
            and any(
                w.collection == page.path and w.first <= page.day <= w.last for w in self.windows
            )
            and (self.ended is None or page.number <= self.ended[page.path])
        )


@dataclass
class History:
    """The nodes, and the model beside them."""

    folder: Path
    world: MemoryWorld
    clock: MovingClock
    owner: Node
    readers: dict[str, Node]
    pairs: dict[str, Pair]
    keystores: dict[str, Keystore]
    pages: dict[bytes, PageMade] = field(default_factory=dict[bytes, PageMade])
    grants: list[GrantMade] = field(default_factory=list[GrantMade])
    fetched: dict[str, set[bytes]] = field(default_factory=dict[str, set[bytes]])
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PATHS, 0))
    records: int = 0

    def database(self, name: str) -> Path:
        return self.folder / name / "store.db"

    def granted(self, *readers: str) -> set[bytes]:
        """What these readers together should be able to open."""
        return {
            page.digest
            for page in self.pages.values()
            if any(grant.reader in readers and grant.opens(page) for grant in self.grants)
        }

    def live(self, reader: str | None = None) -> list[GrantMade]:
        return [g for g in self.grants if g.ended is None and reader in (None, g.reader)]

    # steps

    async def write(self, path: str, days: list[int]) -> None:
        """Two records on each of `days`; what has run out by now has ended first."""
        self._expire()
        rows = [(day, n) for day in days for n in range(2)]
        first = self.records
        self.records += len(rows)
        columns = {
            "id": [f"r-{first + place}" for place in range(len(rows))],
            "time": [start_ms(day) + n * 3_600_000 for day, n in rows],
            "offset_min": [0] * len(rows),
            "amount": [(-(100 + first + place), 2) for place in range(len(rows))],
            "currency": ["EUR"] * len(rows),
            "label": ["market"] * len(rows),
            "counterparty": [None] * len(rows),
            "kind": ["card"] * len(rows),
        }
        batch = Batch(TRANSACTION, columns).check()
        await self.owner.vault.write(path, TRANSACTION, pieces_of(batch), origin=b"history")
        await self._see_pages(path)

    async def _see_pages(self, path: str) -> None:
        stored = await self.owner.store.database.read(
            lambda tx: self.owner.vault.stored(tx, path, 0, 65_534)
        )
        for one in stored:
            entry = parse_entry(one.raw)
            made = PageMade(entry.digest, path, entry.day, self.numbers[path])
            self.pages.setdefault(entry.digest, made)

    async def grant(self, reader: str, windows: tuple[Window, ...], exp_s: int) -> GrantMade:
        """Ask, narrow and grant; keys travel later.  The reader asks for more than it gets."""
        node, pair, now_ms = self.readers[reader], self.pairs[reader], self.clock.now_ms()
        asked = tuple(Window(path, 0, 65_534) for path in sorted({w.collection for w in windows}))
        purpose = "dpv:ServiceProvision"
        terms = Terms(purpose, 30, (reader,), None, ())
        # The nonce of a request is its end: each is another request.
        end_s = now_ms // 1000 + 400 * DAY_S + len(self.grants)
        request = Request(pair.own, asked, purpose, terms, end_s, "")
        cid = await node.store.database.write(
            lambda tx: node.borrowing.ask(tx, pair, request, now_ms)
        )
        node.outgoing.notify()
        await trio.sleep(SETTLE_S)
        now_ms = self.clock.now_ms()
        given = await self.owner.store.database.write(
            lambda tx: self.owner.lending.grant(tx, cid, windows, exp_s, now_ms)
        )
        self.owner.outgoing.notify()
        made = GrantMade(given.cid, reader, given.windows, exp_s)
        self.grants.append(made)
        return made

    async def revoke(self, grant: GrantMade) -> None:
        now_ms = self.clock.now_ms()
        self._expire()
        await self.owner.store.database.write(
            lambda tx: self.owner.lending.revoke(tx, grant.cid, now_ms)
        )
        self.owner.outgoing.notify()
        if grant.ended is None:
            self._end(grant)
        else:  # it had run out; taking it back rotates once more
            for path in {w.collection for w in grant.windows}:
                self.numbers[path] += 1

    async def fetch(self, grant: GrantMade, window: Window) -> None:
        """Read under a live grant: what there is on these days comes, and opens.

        No window of a grant passes the day on which it ends, whatever was decided on.
        """
        node = self.readers[grant.reader]
        pair = await node.store.database.read(lambda tx: node.peers.named(tx, "owner"))
        lent = await node.fetcher.fetch(pair, window)
        there = {
            page.digest: page
            for page in self.pages.values()
            if page.path == window.collection and window.first <= page.day <= window.last
        }
        assert lent.pages == len(there)
        assert not lent.damaged
        self.fetched.setdefault(grant.reader, set()).update(there)

    async def pass_time(self, days: int, *, house: bool) -> None:
        """Time goes by; with `house` the owner's node notices at once what has run out."""
        self.clock.moved_ms += days * DAY_S * 1000
        if house:
            await self.owner.keep_house()
            self._expire()

    def away(self, reader: str) -> None:
        self.world.cut([self.owner.keystore.device.public], [self._device(reader)])
        self.world.reset_streams(self._device(reader))

    async def settle(self) -> None:
        """Everyone is there again, everything said; which grants have been accepted by then."""
        self.world.heal()
        await trio.sleep(700)  # longer than the longest pause between two tries
        self._expire()
        for grant in self.grants:
            node = self.readers[grant.reader]
            held = await node.store.database.read(node.borrowing.all)
            got = [one.keysets for one in held if one.cid == grant.cid]
            grant.accepted = bool(got and got[0])
            if grant.ended is None:
                assert grant.accepted, "a live grant has its keys once all is said"

    def _device(self, reader: str) -> bytes:
        return self.keystores[reader].device.public

    def _expire(self) -> None:
        now_ms = self.clock.now_ms()
        over = [g for g in self.live() if g.exp_s * 1000 <= now_ms]
        before = dict(self.numbers)
        for grant in over:
            self._end(grant)
            grant.ended = {w.collection: before[w.collection] for w in grant.windows}

    def _end(self, grant: GrantMade) -> None:
        grant.ended = {w.collection: self.numbers[w.collection] for w in grant.windows}
        for path in grant.ended:
            self.numbers[path] += 1


@asynccontextmanager
async def history(folder: Path, seed: int) -> AsyncGenerator[History]:
    """A person paired with three organisations; databases are files in `folder`."""
    entropy = SeededEntropy(seed.to_bytes(8, "big"))
    world, clock = MemoryWorld(entropy.fork("air").random_bytes(16)), MovingClock()
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        nodes: dict[str, Node] = {}
        keystores: dict[str, Keystore] = {}
        for name in ("owner", *READERS):
            fork = entropy.fork(name)
            keystore = keystores[name] = Keystore.create(RecoverySecret.generate(fork), fork)
            (folder / name).mkdir()
            database = await stack.enter_async_context(InlineDatabase(folder / name / "store.db"))
            network = await stack.enter_async_context(MemoryNetwork(keystore.device, world))
            ground = Ground(database, network, clock, fork, InlineOffload())
            role = Role.PERSON if name == "owner" else Role.ORGANISATION
            node = nodes[name] = Node(ground, keystore, Config(name=name, role=role))
            nursery.start_soon(node.run)
        await trio.sleep(SETTLE_S)
        owner = nodes.pop("owner")
        pairs: dict[str, Pair] = {}
        for name, node in nodes.items():
            invite = await owner.store.database.write(
                lambda tx, name=name: owner.meeting.invite(
                    tx, owner.addresses(), name, clock.now_ms()
                )
            )
            pairs[name] = await node.exchange.pair(invite, "owner")
        yield History(folder, world, clock, owner, nodes, pairs, keystores)
        nursery.cancel_scope.cancel()


async def live_through(history: History, dice: random.Random, steps: int) -> None:
    """A random history of `steps` steps, settled at its end."""
    for path in PATHS:
        await history.write(path, sorted(dice.sample(range(TODAY - 30, TODAY + 12), 6)))
    for reader in READERS:
        windows = tuple(_window(dice) for _ in range(dice.randint(1, 3)))
        exp_s = history.clock.now_ms() // 1000 + dice.randint(1, 4) * DAY_S
        await history.grant(reader, windows, exp_s)
    for _ in range(steps):
        await _step(history, dice)
    await history.settle()


async def _step(history: History, dice: random.Random) -> None:
    what = dice.choice(
        ("write", "write", "write", "grant", "revoke", "revoke", "fetch", "away", "time", "time")
    )
    if what == "write":
        days = sorted(dice.sample(range(TODAY - 30, TODAY + 12), dice.randint(1, 5)))
        await history.write(dice.choice(PATHS), days)
    elif what == "grant":
        # A reader that is away asks for nothing.
        await history.settle()
        windows = tuple(_window(dice) for _ in range(dice.randint(1, 2)))
        exp_s = history.clock.now_ms() // 1000 + dice.randint(1, 6) * DAY_S
        await history.grant(dice.choice(READERS), windows, exp_s)
        if dice.random() < 0.7:
            await trio.sleep(SETTLE_S)
    elif what == "revoke" and history.live():
        grant = dice.choice(history.live())
        if grant.exp_s * 1000 > history.clock.now_ms():
            await history.revoke(grant)
    elif what == "fetch":
        await history.settle()
        if live := history.live():
            grant = dice.choice(live)
            await history.fetch(grant, dice.choice(grant.windows))
    elif what == "away":
        history.away(dice.choice(READERS))
    elif what == "time":
        await history.pass_time(dice.randint(1, 2), house=dice.random() < 0.5)


def _window(dice: random.Random) -> Window:
    first = TODAY - 30 + dice.randrange(31)
    return Window(dice.choice(PATHS), first, first + dice.randint(0, 15))
