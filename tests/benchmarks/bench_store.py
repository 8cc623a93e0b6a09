"""What a unit of work costs: whole units beside a hop for each statement, beside bare SQLite.

Run: `python tests/benchmarks/bench_store.py [folder]`.  All of it is durable at the same level
(WAL, `synchronous=FULL`); the ratios within one run are what counts.  docs/adr/0002 quotes one.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import aiosqlite
import trio

from entrenous.node.store.aiosqlite import AiosqliteDatabase
from entrenous.node.store.bridge import Bridge, open_bridge
from entrenous.node.store.connection import open_writer
from entrenous.node.store.database import Tx
from entrenous.tests.benchmarks.figure import Figure

SECONDS = 1.5
ROUNDS = 5
CALLERS = 32
PAGES = 1_000
PAGE = bytes(2_048 + 40)
INSERT = "INSERT INTO page (tag, ct) VALUES (?, ?)"
ROW = bytes(200)


@dataclass
class Effort:
    """How long to measure."""

    seconds: float = SECONDS
    rounds: int = ROUNDS


EFFORT = Effort()
FIGURES: list[Figure] = []
_numbers = count()


def tags() -> Iterator[bytes]:
    for number in _numbers:
        yield (number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(16, "big")


TAGS = tags()


def insert_one(tx: Tx) -> None:
    tx.execute(INSERT, (next(TAGS), ROW))


def insert_pages(tx: Tx) -> None:
    tx.executemany(INSERT, ((next(TAGS), PAGE) for _ in range(PAGES)))


def look(tx: Tx) -> None:
    tx.one("SELECT 1")


async def per_second(step: Callable[[], Awaitable[object]], callers: int) -> float:
    """How often `callers` tasks together complete `step` in a second."""
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await step()
            done += 1

    start = time.perf_counter()
    end = start + EFFORT.seconds
    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(caller)
    return done / (time.perf_counter() - start)


async def median_ms(step: Callable[[], Awaitable[object]]) -> float:
    spent: list[float] = []
    for _ in range(EFFORT.rounds):
        start = time.perf_counter()
        await step()
        spent.append(time.perf_counter() - start)
    return median(spent) * 1_000


class Hops:
    """The way not taken: each statement is a call of its own over the bridge."""

    def __init__(self, bridge: Bridge, connection: aiosqlite.Connection) -> None:
        self._bridge = bridge
        self._connection = connection
        self._turn = trio.Lock()

    async def _say(self, sql: str, params: tuple[bytes, ...] = ()) -> None:
        cursor = await self._bridge.cross(self._ask, sql, params)
        del cursor

    async def _ask(self, sql: str, params: tuple[bytes, ...]) -> aiosqlite.Cursor:
        return await self._connection.execute(sql, params)

    async def insert(self, rows: int, content: bytes) -> None:
        async with self._turn:
            await self._say("BEGIN IMMEDIATE")
            for _ in range(rows):
                await self._say(INSERT, (next(TAGS), content))
            await self._say("COMMIT")


async def measure_hops(folder: Path) -> None:
    open_writer(folder / "hops.db").close()
    async with open_bridge() as bridge:
        connection = aiosqlite.Connection(lambda: open_writer(folder / "hops.db"), 64)
        await bridge.cross(connection.__aenter__)
        hops = Hops(bridge, connection)

        async def one() -> None:
            await hops.insert(1, ROW)

        async def pages() -> None:
            await hops.insert(PAGES, PAGE)

        show("hops: durable rows, 32 callers", await per_second(one, CALLERS), "/s")
        show("hops: 1,000 pages in a transaction", await median_ms(pages), "ms")
        await bridge.cross(connection.close)


async def measure_units(folder: Path) -> None:
    async with AiosqliteDatabase(folder / "units.db") as db:
        show(
            "units: durable rows, 32 callers",
            await per_second(lambda: db.write(insert_one), CALLERS),
            "/s",
        )
        show(
            "units: durable rows, 1 caller", await per_second(lambda: db.write(insert_one), 1), "/s"
        )
        show("units: 1,000 pages in a unit", await median_ms(lambda: db.write(insert_pages)), "ms")
        show(
            "units: crossings, one after another", await per_second(lambda: db.read(look), 1), "/s"
        )
        show("units: reads, 32 callers", await per_second(lambda: db.read(look), CALLERS), "/s")


def measure_bare(folder: Path) -> None:
    connection = open_writer(folder / "bare.db")
    done, start = 0, time.perf_counter()
    while time.perf_counter() < start + EFFORT.seconds:
        connection.execute(INSERT, (next(TAGS), ROW))
        done += 1
    show("bare sqlite3: durable rows, one after another", done / EFFORT.seconds, "/s")
    spent: list[float] = []
    for _ in range(EFFORT.rounds):
        begun = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, ((next(TAGS), PAGE) for _ in range(PAGES)))
        connection.execute("COMMIT")
        spent.append(time.perf_counter() - begun)
    show("bare sqlite3: 1,000 pages in a transaction", median(spent) * 1_000, "ms")
    connection.close()


def show(what: str, value: float, unit: str) -> None:
    FIGURES.append(Figure(what, value, unit, less_is_better=unit == "ms"))
    if __name__ == "__main__":
        print(f"{what:<50} {value:>10,.1f} {unit}")


def run(smoke: bool) -> list[Figure]:
    """Every figure once; the rounds are inside each."""
    EFFORT.seconds, EFFORT.rounds = (0.1, 1) if smoke else (SECONDS, ROUNDS)
    FIGURES.clear()
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        trio.run(main, Path(name))
    return list(FIGURES)


async def main(folder: Path) -> None:
    await trio.to_thread.run_sync(measure_bare, folder)
    await measure_hops(folder)
    await measure_units(folder)


if __name__ == "__main__":
    print(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as name:
        trio.run(main, Path(name))
