"""Grants: what one costs, what many cost a read, and what it costs to take back one of a thousand.

    grant       five years of one collection, from the decision to the keyset: time and size, and
                how both grow with the generations that have pages
    read        a granted read of one day, with 10 and with 10,000 live grants at its owner
    take back   one of 1,000 grants on a collection: until it is refused, new keys for the others
                and all; and how many of them get new keys in a second
    questions   `who` and `grants --as-of`, over 10,000 grants

Owner and reader are two nodes of this process, each on a disk, on the network of a simulated world:
no socket is in the figures.  The many grants are of one peer, since a keyset costs the same
whoever it is for.

Run alone: `python -m entrenous.tests.benchmarks.bench_grants`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config, Role
from entrenous.node.grants.grant_given import GrantGiven
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
from entrenous.protocol.request import Request
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.tests.benchmarks.figure import Figure
from entrenous.tests.benchmarks.two_homes import FIRST_DAY, METER, readings

TERMS = Terms("dpv:ServiceProvision", 30, (), None, (Clause("no resale", Force.PROMISED),))
DAY_S = 86_400
YEARS_S = 6 * 366 * DAY_S
FIVE_YEARS = Window(METER, FIRST_DAY, FIRST_DAY + 5 * 365)
GENERATIONS = 4
FLAT = 1.3

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


async def _give_many(node: Node, pair: Pair, window: Window, many: int) -> list[GrantGiven]:
    given: list[GrantGiven] = []
    for start in range(0, many, 100):
        some = min(100, many - start)
        given += await node.store.database.write(
            lambda tx, some=some: [_give(node, pair, window, tx) for _ in range(some)]
        )
    return given


async def _one_grant(node: Node, pair: Pair, rounds: int) -> tuple[float, int]:
    """Milliseconds and bytes of a grant over five years: what is kept, and what travels of it."""
    spent: list[float] = []
    given: GrantGiven | None = None
    for _ in range(rounds):
        start = time.perf_counter()
        given = await node.store.database.write(partial(_give, node, pair, FIVE_YEARS))
        spent.append((time.perf_counter() - start) * 1000)
    assert given is not None
    assert given.keyset is not None
    return median(spent), len(given.bundle.signed.raw) + len(given.keyset)


async def _turn(node: Node) -> None:
    """One more generation with pages: the keys are turned, and a day is written."""
    cause = next(_causes).to_bytes(36, "big")
    await node.store.database.write(lambda tx: node.vault.collections.take_back(tx, METER, cause))
    await _fill(node, FIRST_DAY + 40 + next(_causes), 1)


async def _fill(node: Node, first: int, days: int) -> None:
    batch = readings(first, days)
    await node.vault.write(METER, METER_READING, pieces_of(batch), origin=b"benchmark")


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
    request = Request(theirs.own, (FIVE_YEARS,), TERMS.purpose, TERMS, exp_s, "")
    await reader.store.database.write(lambda tx: reader.borrowing.ask(tx, theirs, request, now_ms))
    reader.outgoing.notify()
    # A benchmark looks from outside: nothing in a node tells of what came.
    while not await owner.store.database.read(owner.inbox.all):  # noqa: ASYNC110
        await trio.sleep(0.02)
    await owner.store.database.write(
        lambda tx: owner.lending.grant(tx, request.cid, [FIVE_YEARS], exp_s, now_ms)
    )
    owner.outgoing.notify()

    def keyed(tx: Tx) -> bool:
        return any(held.keysets for held in reader.borrowing.all(tx))

    while not await reader.store.database.read(keyed):  # noqa: ASYNC110
        await trio.sleep(0.02)


async def _read_ms(reader: Node, theirs: Pair, reads: int) -> float:
    spent: list[float] = []
    for number in range(reads):
        day = FIRST_DAY + number % 30
        start = time.perf_counter()
        lent = await reader.fetcher.fetch(theirs, Window(METER, day, day))
        spent.append((time.perf_counter() - start) * 1000)
        if lent.pages != 1 or lent.damaged:
            raise AssertionError("a read did not bring its day")
    return median(spent)


async def _grants(smoke: bool) -> list[Figure]:
    rounds, many, readers = (3, 40, 20) if smoke else (50, 10_000, 1_000)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        folder, world = Path(name), MemoryWorld(b"bench")
        async with _node(folder, "owner", world) as owner, _node(folder, "reader", world) as reader:
            ours, theirs = await _pair(owner, reader)
            await _fill(owner, FIRST_DAY, 30)
            await _lent(owner, reader, ours, theirs)
            figures += await _grant_figures(owner, ours, rounds)
            few_ms = await _read_ms(reader, theirs, rounds)
            # On another collection: what is counted is how many there are, not how they are turned.
            gas = replace(FIVE_YEARS, collection="energy/gas/load-curve")
            await _give_many(owner, ours, gas, many)
            many_ms = await _read_ms(reader, theirs, rounds)
            figures.append(
                Figure(
                    f"read of a day, {many:,} live grants", many_ms, "ms", goal=FLAT * few_ms,
                    ratio=many_ms / few_ms, against="with few", less_is_better=True,
                )
            )  # fmt: skip
            figures += await _question_figures(owner, many)
            figures += await _revocation_figures(owner, ours, readers)
    return figures


async def _grant_figures(owner: Node, ours: Pair, rounds: int) -> list[Figure]:
    figures: list[Figure] = []
    first_ms = 0.0
    for generations in range(1, GENERATIONS + 1):
        if generations > 1:
            await _turn(owner)
        spent_ms, size = await _one_grant(owner, ours, rounds)
        first_ms = first_ms or spent_ms
        goals = (2.0, 4096.0) if generations == 1 else (None, None)
        name = f"grant over 5 years, {generations} generations"
        figures.append(
            Figure(
                name, spent_ms, "ms", goal=goals[0], ratio=spent_ms / first_ms,
                against="one generation", less_is_better=True, note="with one durable commit",
            )
        )  # fmt: skip
        figures.append(Figure(name, size, "bytes", goal=goals[1], less_is_better=True))
    return figures


async def _question_figures(owner: Node, many: int) -> list[Figure]:
    await ready(owner)
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


async def _revocation_figures(owner: Node, ours: Pair, readers: int) -> list[Figure]:
    path = "energy/water/load-curve"
    given = await _give_many(owner, ours, replace(FIVE_YEARS, collection=path), readers)
    now_ms = owner.clock.now_ms()
    start = time.perf_counter()
    taken = await owner.store.database.write(
        lambda tx: owner.lending.revoke(tx, given[0].cid, now_ms)
    )
    spent = time.perf_counter() - start
    assert taken.survivors == readers - 1
    note = "one commit: after it nothing is served, and every survivor's keyset is in the outbox"
    return [
        Figure(f"one of {readers:,} taken back", spent * 1000, "ms", note=note),
        Figure("survivors re-keyed", taken.survivors / spent, "/s", goal=500.0),
    ]


def run(smoke: bool) -> list[Figure]:
    return trio.run(_grants, smoke)


def _show(figures: Sequence[Figure]) -> None:
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} of {figure.against}"
        print(f"{figure.name:<36} {figure.value:>10.2f} {figure.unit}  goal {figure.goal}  {ratio}")


if __name__ == "__main__":
    _show(run(smoke=False))
