"""Grants: what one costs, what many cost a read, and what it costs to take back one of a thousand.

    grant       five years of one collection, from the decision to the keyset: time and size, and
                how both grow with the generations that have pages; many in one transaction, which
                is what it computes; the last of ten thousand on one collection beside the first
    read        a granted read of one day: with 10,000 more live grants on its collection, with
                10,000 grants of others at its reader, in a collection of 10^6 records
    take back   one of 1,000 grants on a collection: until it is refused, new keys for the others
                and all; and how many of them get new keys in a second
    questions   `who` and `grants --as-of`, over 10,000 grants

Owner and reader are two nodes of this process, each on a disk, on the network of a simulated world:
no socket is in the figures.  The many grants are of one peer, since a keyset costs the same
whoever it is for; no two of them have the same days.

The limit beside a grant and beside new keys is what nobody can leave out: its signatures, its seal,
and bare SQLite with the same bytes, as durable.  Ratios of reads are of processor time.

Run alone: `python -m entrenous.tests.benchmarks.bench_grants`.
"""

from __future__ import annotations

import gc
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import PersonaKey, ReaderSecret, RecoverySecret
from entrenous.crypto.seal import seal
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config, Role
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.grants_held import GrantsHeld
from entrenous.node.history import standing_at
from entrenous.node.keystore import Keystore
from entrenous.node.network.memory import MemoryNetwork, MemoryWorld
from entrenous.node.node import Ground, Node
from entrenous.node.offload import ThreadOffload
from entrenous.node.operations.history import ready
from entrenous.node.operations.household import names_of
from entrenous.node.peers.peers import Pair
from entrenous.node.store.aiosqlite import AiosqliteDatabase
from entrenous.node.store.database import Tx
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.command import AcceptArgs
from entrenous.protocol.did import did_of
from entrenous.protocol.grant import issue_grant, make_bundle
from entrenous.protocol.request import Request
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.benchmarks.figure import Figure
from entrenous.tests.benchmarks.two_homes import FIRST_DAY, HALF_HOURS, METER, readings

TERMS = Terms("dpv:ServiceProvision", 30, (), None, (Clause("no resale", Force.PROMISED),))
DAY_S = 86_400
YEARS_S = 6 * 366 * DAY_S
# Of three collections one stays small, one becomes long, and one is granted again and again.
GAS = "energy/gas/load-curve"
LONG = "energy/heat/load-curve"
FIVE_YEARS = Window(METER, FIRST_DAY, FIRST_DAY + 5 * 365)
LENT = (FIVE_YEARS, replace(FIVE_YEARS, collection=LONG))
GENERATIONS = 4
FLAT = 1.3
BATCH = 100
YEAR = 365
FEW_DAYS = 21  # a thousand half-hours


@dataclass(frozen=True, slots=True)
class _Effort:
    """How much is measured: reads and grants of one kind, many grants, survivors of how many
    revocations, days of the long collection."""

    rounds: int
    many: int
    readers: int
    taken_back: int
    days: int


WHOLE = _Effort(50, 10_000, 1_000, 3, 1_000_000 // HALF_HOURS)
SMOKE = _Effort(3, 40, 20, 2, 60)

_causes = count()


@asynccontextmanager
async def _node(folder: Path, name: str, world: MemoryWorld) -> AsyncGenerator[Node]:
    entropy = SystemEntropy()
    keystore = Keystore.create(RecoverySecret.generate(entropy), entropy)
    async with (
        AiosqliteDatabase(folder / f"{name}.db") as database,
        MemoryNetwork(keystore.device, world) as network,
        trio.open_nursery() as nursery,
    ):
        ground = Ground(database, network, SystemClock(), entropy, ThreadOffload())
        node = Node(ground, keystore, Config(name=name, role=Role.PERSON))
        await nursery.start(node.run)
        yield node
        nursery.cancel_scope.cancel()


def _give(node: Node, pair: Pair, window: Window, tx: Tx) -> GrantGiven:
    """A grant, and its keyset, as when its reader has accepted it."""
    now_ms = node.clock.now_ms()
    exp_s = now_ms // 1000 + YEARS_S
    given = node.lending.give(tx, pair, [window], TERMS, exp_s, None, now_ms)
    args = AcceptArgs(pair.own, given.cid, TERMS.cid)
    node.lending.accepted(tx, pair, args, now_ms)
    return node.lending.get(tx, given.cid)


async def _give_many(node: Node, pair: Pair, collection: str, many: int) -> list[bytes]:
    """So many grants, a hundred in a transaction; their CIDs."""
    given: list[bytes] = []
    for start in range(0, many, BATCH):
        numbers = range(start, min(start + BATCH, many))

        def unit(tx: Tx, numbers: range = numbers) -> list[bytes]:
            return [_give(node, pair, _days(collection, number), tx).cid for number in numbers]

        given += await node.store.database.write(unit)
    return given


def _days(collection: str, number: int) -> Window:
    """Five years, less some days: those of no two of a thousand grants are the same."""
    low, high = number % 37, number // 37 % 41
    return Window(collection, FIRST_DAY + low, FIRST_DAY + 5 * 365 - high)


async def _one_grant(
    node: Node, pair: Pair, collection: str, rounds: int
) -> tuple[float, float, int]:
    """Milliseconds, milliseconds of processor and bytes of a grant over five years: what is kept,
    and what travels of it."""
    spent: list[float] = []
    computed: list[float] = []
    given: GrantGiven | None = None
    for number in range(rounds):
        unit = partial(_give, node, pair, _days(collection, number))
        start, begin = time.perf_counter(), time.process_time()
        given = await node.store.database.write(unit)
        computed.append((time.process_time() - begin) * 1000)
        spent.append((time.perf_counter() - start) * 1000)
    assert given is not None
    assert given.keyset is not None
    size = len(given.bundle.signed.raw) + len(given.keyset)
    return median(spent), median(computed), size


def _bare_ms(
    folder: Path, rounds: int, *, signatures: int, rows: Sequence[int], each: int = 1
) -> float:
    """Milliseconds of what nobody can leave out: so many signatures, one seal to a reader, and
    rows of these sizes in bare SQLite, `each` times in one durable transaction."""
    entropy = SystemEntropy()
    key, reader = PersonaKey.generate(entropy), ReaderSecret.generate(entropy)
    message = bytes(500)
    spent: list[float] = []
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, data BLOB)")
        for _ in range(rounds):
            start = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(each):
                for _ in range(signatures):
                    key.sign(message)
                seal(reader.public, b"info", message, entropy=entropy)
                data = [(bytes(size),) for size in rows]
                connection.executemany("INSERT INTO row (data) VALUES (?)", data)
            connection.execute("COMMIT")
            spent.append((time.perf_counter() - start) * 1000 / each)
    return median(spent)


async def _turn(node: Node) -> None:
    """One more generation with pages: the keys are turned, and a day is written."""
    cause = next(_causes).to_bytes(36, "big")
    await node.store.database.write(lambda tx: node.vault.collections.take_back(tx, GAS, cause))
    await _fill(node, FIRST_DAY + 40 + next(_causes), 1, GAS)


async def _fill(node: Node, first: int, days: int, path: str = METER) -> None:
    for start in range(first, first + days, YEAR):
        batch = readings(start, min(YEAR, first + days - start))
        await node.vault.write(path, METER_READING, pieces_of(batch), origin=b"benchmark")


async def _pair(owner: Node, reader: Node) -> tuple[Pair, Pair]:
    now_ms = owner.clock.now_ms()
    invite = await owner.store.database.write(
        lambda tx: owner.meeting.invite(tx, owner.addresses(), "reader", now_ms)
    )
    theirs = await reader.exchange.pair(invite, "owner")
    ours = await owner.store.database.read(lambda tx: owner.peers.named(tx, "reader"))
    return ours, theirs


async def _lent(owner: Node, reader: Node, ours: Pair, theirs: Pair) -> None:
    """The one grant that is read under: asked for, given, accepted."""
    now_ms = owner.clock.now_ms()
    exp_s = now_ms // 1000 + YEARS_S
    request = Request(theirs.own, LENT, TERMS.purpose, TERMS, exp_s, "")
    await reader.store.database.write(lambda tx: reader.borrowing.ask(tx, theirs, request, now_ms))
    reader.outgoing.notify()
    # A benchmark looks from outside: nothing in a node tells of what came.
    while not await owner.store.database.read(owner.inbox.all):  # noqa: ASYNC110  # another node says it
        await trio.sleep(0.02)
    await owner.store.database.write(
        lambda tx: owner.lending.grant(tx, request.cid, LENT, exp_s, now_ms)
    )
    owner.outgoing.notify()

    def keyed(tx: Tx) -> bool:
        return any(held.keysets for held in reader.borrowing.all(tx))

    while not await reader.store.database.read(keyed):  # noqa: ASYNC110  # another node says it
        await trio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class _Reads:
    """Medians of one read: milliseconds, and of those of both nodes' processor time."""

    ms: float
    computed_ms: float

    def figure(self, name: str, few: _Reads, against: str) -> Figure:
        ratio = self.computed_ms / few.computed_ms
        note = f"{self.computed_ms:.1f} ms of processor, {few.computed_ms:.1f} {against}"
        return Figure(
            name, self.ms, "ms", goal=FLAT * few.ms, ratio=ratio, against=against, note=note,
            less_is_better=True,
        )  # fmt: skip


async def _reads(reader: Node, theirs: Pair, reads: int, path: str = METER) -> _Reads:
    spent: list[float] = []
    computed: list[float] = []
    for number in range(reads):
        day = FIRST_DAY + number % FEW_DAYS
        start, begin = time.perf_counter(), time.process_time()
        lent = await reader.fetcher.fetch(theirs, Window(path, day, day))
        computed.append((time.process_time() - begin) * 1000)
        spent.append((time.perf_counter() - start) * 1000)
        if lent.pages != 1 or lent.damaged:
            raise AssertionError("a read did not bring its day")
    return _Reads(median(spent), median(computed))


async def _grants(smoke: bool) -> list[Figure]:
    effort = SMOKE if smoke else WHOLE
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        folder, world = Path(name), MemoryWorld(b"bench")
        async with _node(folder, "owner", world) as owner, _node(folder, "reader", world) as reader:
            ours, theirs = await _pair(owner, reader)
            for path in (METER, LONG, GAS):
                await _fill(owner, FIRST_DAY, FEW_DAYS, path)
            await _lent(owner, reader, ours, theirs)
            figures += await _grant_figures(folder, owner, ours, effort)
            figures += await _read_figures(owner, reader, (ours, theirs), effort)
            figures += await _question_figures(owner, effort.many)
            figures += await _revocation_figures(folder, owner, ours, effort)
    return figures


async def _read_figures(
    owner: Node, reader: Node, pair: tuple[Pair, Pair], effort: _Effort
) -> list[Figure]:
    ours, theirs = pair
    figures: list[Figure] = []

    first_ms, first_computed, _ = await _one_grant(owner, ours, METER, min(effort.rounds, 10))
    few = await _reads(reader, theirs, effort.rounds)
    await _give_many(owner, ours, METER, effort.many)
    last_ms, last_computed, _ = await _one_grant(owner, ours, METER, effort.rounds)
    figures.append(
        Figure(
            f"a grant after {effort.many:,} on its collection", last_ms, "ms",
            goal=FLAT * first_ms, ratio=last_computed / first_computed, against="the first ten",
            less_is_better=True,
            note=f"{last_computed:.2f} ms of processor, {first_computed:.2f} the first ten",
        )
    )  # fmt: skip
    many = await _reads(reader, theirs, effort.rounds)
    figures.append(many.figure(f"read of a day, {effort.many:,} live grants", few, "with ten"))

    await _hold_many(reader, effort.many)
    held = await _reads(reader, theirs, effort.rounds)
    figures.append(held.figure(f"read by one who holds {effort.many:,}", many, "with one"))

    short = await _reads(reader, theirs, effort.rounds, LONG)
    await _fill(owner, FIRST_DAY + FEW_DAYS, effort.days - FEW_DAYS, LONG)
    long = await _reads(reader, theirs, effort.rounds, LONG)
    name = f"read of a day of {effort.days * HALF_HOURS:,} records"
    figures.append(long.figure(name, short, f"in one of {FEW_DAYS * HALF_HOURS:,}"))
    return figures


async def _hold_many(reader: Node, many: int) -> None:
    """Grants of so many others, as one who reads of many people holds them."""
    entropy, kept = SystemEntropy(), GrantsHeld(reader.store.objects)
    (model,) = await reader.store.database.read(reader.borrowing.all)

    def one(tx: Tx) -> None:
        key = PersonaKey.generate(entropy)
        issued = issue_grant(
            key,
            aud=model.own,
            windows=LENT,
            terms=TERMS,
            exp_s=model.bundle.grant.exp_s,
            nonce=entropy.random_bytes(16),
        )
        reader_key = model.bundle.reader_key
        bundle = make_bundle(key, issued, terms=TERMS, reader_key=reader_key)
        kept.add(tx, replace(model, their=did_of(key.public), bundle=bundle, request=None))

    for start in range(0, many, BATCH):
        some = min(BATCH, many - start)
        await reader.store.database.write(lambda tx, some=some: [one(tx) for _ in range(some)])


async def _grant_figures(folder: Path, owner: Node, ours: Pair, effort: _Effort) -> list[Figure]:
    # Delegation, bundle and keyset are signed; grant, line, keyset and its names are rows.
    bare_ms = _bare_ms(folder, effort.rounds, signatures=3, rows=(3_600, 500, 120))
    name = "3 signatures, a seal, 3 rows of bare SQLite"
    figures = [Figure(name, bare_ms, "ms", less_is_better=True, note="the limit of a grant")]
    for generations in range(1, GENERATIONS + 1):
        if generations > 1:
            await _turn(owner)
        spent_ms, computed_ms, size = await _one_grant(owner, ours, GAS, effort.rounds)
        goals = (2.0, 4096.0) if generations == 1 else (None, None)
        name = f"grant over 5 years, {generations} generations"
        figures.append(
            Figure(
                name, spent_ms, "ms", goal=goals[0], ratio=spent_ms / bare_ms,
                against="the limit", less_is_better=True,
                note=f"with one durable commit; {computed_ms:.2f} ms of processor",
            )
        )  # fmt: skip
        figures.append(Figure(name, size, "bytes", goal=4096.0, less_is_better=True))
        if generations == 1:
            figures.append(await _together(owner, ours, effort.rounds, bare_ms))
    return figures


async def _together(owner: Node, ours: Pair, rounds: int, bare_ms: float) -> Figure:
    """What a grant computes: many in one transaction share its commit and find a warm machine."""

    def unit(tx: Tx) -> float:
        begin = time.thread_time()
        for number in range(rounds):
            _give(owner, ours, _days(GAS, number), tx)
        return (time.thread_time() - begin) * 1000 / rounds

    each_ms = await owner.store.database.write(unit)
    note = "processor time of each: what its computing and its statements cost"
    return Figure(
        f"the same, {rounds} in one transaction", each_ms, "ms", ratio=each_ms / bare_ms,
        against="the limit", less_is_better=True, note=note,
    )  # fmt: skip


async def _question_figures(owner: Node, many: int) -> list[Figure]:
    await ready(owner)
    gc.collect()
    gc.freeze()  # as the daemon does when it has begun
    now_ms = owner.clock.now_ms()
    database = owner.store.database

    def as_of(tx: Tx) -> int:
        return len(standing_at(owner.lending.lines.all(tx), now_ms))

    def who(tx: Tx) -> int:
        return len(owner.history.who(tx, METER, names_of(owner, tx), now_ms))

    figures: list[Figure] = []
    for name, unit in (("which stood at a moment", as_of), ("who, one collection", who)):
        start = time.perf_counter()
        found = await database.read(unit)
        spent = (time.perf_counter() - start) * 1000
        note = f"{found:,} found among {many:,} grants"
        figures.append(Figure(name, spent, "ms", less_is_better=True, note=note))
    return figures


async def _revocation_figures(
    folder: Path, owner: Node, ours: Pair, effort: _Effort
) -> list[Figure]:
    readers = effort.readers
    # One signature and one seal for each; grant, names and outbox are rows.
    bare_ms = _bare_ms(folder, 3, signatures=1, rows=(3_600, 120, 1_000), each=readers)
    given = await _give_many(owner, ours, "energy/water/load-curve", readers)
    spent: list[float] = []
    computed: list[float] = []
    for cid in given[: effort.taken_back]:
        unit = partial(owner.lending.revoke, cid=cid, now_ms=owner.clock.now_ms())
        start, begin = time.perf_counter(), time.process_time()
        taken = await owner.store.database.write(unit)
        computed.append((time.process_time() - begin) / taken.survivors)
        spent.append((time.perf_counter() - start) / taken.survivors)
        stands = await owner.store.database.read(
            lambda tx, cid=cid: owner.lending.get(tx, cid).status(owner.clock.now_ms())
        )
        assert stands is GrantStatus.REVOKED
    each_s, note = median(spent), f"{median(computed) * 1000:.2f} ms of processor each"
    return [
        Figure("a signature, a seal, 3 rows of bare SQLite", 1000 / bare_ms, "/s",
               note="the limit of new keys, in one transaction"),
        Figure("survivors re-keyed", 1 / each_s, "/s", goal=500.0, ratio=bare_ms / 1000 / each_s,
               against="the limit", note=note),
        Figure(f"one of {readers:,} taken back", each_s * (readers - 1) * 1000, "ms",
               less_is_better=True,
               note="one commit: then it is refused, and all new keys wait in the outbox"),
    ]  # fmt: skip


def run(smoke: bool) -> list[Figure]:
    return trio.run(_grants, smoke)


def _show(figures: Sequence[Figure]) -> None:
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} of {figure.against}"
        goal = "" if figure.goal is None else f"goal {figure.goal:.2f}"
        start = f"{figure.name:<44} {figure.value:>10.2f} {figure.unit:<6} {goal:<12}"
        print(f"{start} {ratio}  {figure.note}")


if __name__ == "__main__":
    _show(run("--smoke" in sys.argv))
