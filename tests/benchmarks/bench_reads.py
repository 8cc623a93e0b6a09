"""Granted reads of one day, on a warm connection between two processes.

A read is everything that it is to its reader: sign the invocation, ask, verify the receipt, the
segment's proof, the source's statement; store the pages, log and countersign the receipt, open the
records.  The owner authorises, logs before it answers, and keeps the countersignature.  Both sides
write durably: a read is at least one fsync on each side, one after the other.

Run alone: `python -m tests.benchmarks.bench_reads`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from statistics import median

import trio

from entrenous.node.node import Node
from entrenous.node.peers.peers import Pair
from entrenous.protocol.window import Window
from entrenous.tests.benchmarks.figure import Figure
from entrenous.tests.benchmarks.two_homes import FIRST_DAY, HALF_HOURS, METER, Fill, lender, reader

DAYS = 365
P50_GOAL_MS = 5.0
PIPELINED_GOAL = 500.0
# Calls at one time: the session allows 64 open ones, and a read holds one of them.
AT_ONCE = 32

_days = count()


def _next_day() -> Window:
    day = FIRST_DAY + next(_days) * 7 % DAYS
    return Window(METER, day, day)


async def _one(node: Node, pair: Pair) -> None:
    lent = await node.fetcher.fetch(pair, _next_day())
    if lent.batch is None or len(lent.batch) != HALF_HOURS or lent.damaged:
        raise AssertionError("a read did not bring the day that was asked for")


async def _one_by_one(node: Node, pair: Pair, reads: int) -> list[float]:
    spent_ms: list[float] = []
    for _ in range(reads):
        start = time.perf_counter()
        await _one(node, pair)
        spent_ms.append((time.perf_counter() - start) * 1_000)
    return spent_ms


async def _pipelined(node: Node, pair: Pair, reads: int) -> float:
    """Reads a second, with `AT_ONCE` under way."""
    left = reads

    async def one_after_another() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await _one(node, pair)

    start = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(one_after_another)
    return reads / (time.perf_counter() - start)


async def _measure(invite: str, reads: int) -> tuple[list[float], float]:
    async with reader(invite, [Window(METER, FIRST_DAY, FIRST_DAY + DAYS - 1)]) as (node, pair):
        await _one_by_one(node, pair, 20)
        return await _one_by_one(node, pair, reads), await _pipelined(node, pair, reads * 4)


def run(smoke: bool) -> list[Figure]:
    with lender(Fill(meter_days=DAYS)) as invite:
        spent_ms, pipelined = trio.run(_measure, invite, 25 if smoke else 300)
    spent_ms.sort()
    note = (
        "one page of 48 half-hours; asked, verified, stored, countersigned, opened; "
        f"slowest of a hundred {spent_ms[len(spent_ms) * 99 // 100]:.1f} ms"
    )
    return [
        Figure(
            "granted read of one day, p50",
            median(spent_ms),
            "ms",
            goal=P50_GOAL_MS,
            note=note,
            less_is_better=True,
        ),
        Figure(
            "granted reads of one day, pipelined",
            pipelined,
            "reads/s",
            goal=PIPELINED_GOAL,
            note=f"{AT_ONCE} reads under way on one connection",
        ),
    ]


def _show(figures: Sequence[Figure]) -> None:
    for figure in figures:
        print(f"{figure.name:<45} {figure.value:>10,.2f} {figure.unit:<5} goal {figure.goal}")
        print(f"    {figure.note}")


if __name__ == "__main__":
    _show(run(smoke=False))
