"""Groups on the way to the disk: one commit for many, a commit that fails, callers that leave."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from entrenous.node.store import aiosqlite as backend
from entrenous.node.store import transaction
from entrenous.node.store.aiosqlite import AiosqliteDatabase, Connection
from entrenous.node.store.connection import open_writer
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreError


def put(name: str, value: int | bytes = 1) -> Callable[[Tx], str]:
    def unit(tx: Tx) -> str:
        tx.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, value))
        return name

    return unit


def names(tx: Tx) -> list[str]:
    return [row[0] for row in tx.execute("SELECT name FROM meta ORDER BY name")]


class Gate:
    """A unit that holds the database's thread until the test lets it go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self, tx: Tx) -> str:
        self.entered.set()
        assert self.release.wait(10)
        return put("gate")(tx)

    async def wait_entered(self) -> None:
        assert await trio.to_thread.run_sync(self.entered.wait, 10)


@contextmanager
def files_no_longer_than(size: int) -> Generator[None]:
    """The kernel refuses writes past `size` bytes of any file: a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_the_thread_runs_whole_functions_of_its_connection(tmp_path: Path) -> None:
    # Pins the protected queue of aiosqlite that `Connection.run` stands on.
    from entrenous.node.store.bridge import open_bridge

    async with open_bridge() as bridge:
        connection = Connection(lambda: sqlite3.connect(tmp_path / "x.db"), iter_chunk_size=64)
        await bridge.cross(connection.__aenter__)
        try:

            def work(inner: sqlite3.Connection) -> tuple[int, int]:
                return inner.execute("SELECT 7").fetchone()[0], threading.get_ident()

            seven, thread = await connection.run(work)
            assert seven == 7
            assert thread != threading.get_ident()
            with pytest.raises(ZeroDivisionError):
                await connection.run(lambda _: 1 // 0)
        finally:
            await bridge.cross(connection.close)
        with pytest.raises(ValueError, match="closed"):
            await connection.run(work)


async def test_units_that_wait_share_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def counted(
        connection: sqlite3.Connection, units: Sequence[Callable[[Tx], Any]]
    ) -> list[transaction.Answer]:
        sizes.append(len(units))
        return transaction.commit_group(connection, units)

    monkeypatch.setattr(backend, "commit_group", counted)
    gate = Gate()
    async with AiosqliteDatabase(tmp_path / "s.db") as db:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(db.write, gate)
            await gate.wait_entered()
            for number in range(40):
                nursery.start_soon(db.write, put(f"{number:02}"))
            await trio.testing.wait_all_tasks_blocked()
            gate.release.set()
        assert len(await db.read(names)) == 41
    assert sizes == [1, 40]


async def test_a_commit_that_fails_fails_every_caller_and_stores_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    all_told = trio.Event()
    gate = Gate()
    path = tmp_path / "s.db"

    def raises(tx: Tx) -> None:
        raise ValueError("seen inside a transaction that never was")

    async def refused(db: AiosqliteDatabase, unit: Callable[[Tx], object]) -> None:
        with pytest.raises(StoreError) as caught:
            await db.write(unit)
        told.append(str(caught.value))
        if len(told) == 11:
            all_told.set()

    async with AiosqliteDatabase(path) as db:
        await db.write(put("before"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(db.write, gate)
            await gate.wait_entered()
            for number in range(10):
                nursery.start_soon(refused, db, put(f"lost-{number}", bytes(50_000)))
            nursery.start_soon(refused, db, raises)
            await trio.testing.wait_all_tasks_blocked()
            # The gate's own small commit still fits; the ten that follow do not.
            size = path.with_name("s.db-wal").stat().st_size
            with files_no_longer_than(size + 65_536):
                gate.release.set()
                await all_told.wait()
        assert {sentence.split(":")[0] for sentence in told} == {"nothing was stored"}
        assert await db.read(names) == ["before", "gate"]
        await db.write(put("after", bytes(50_000)))
        assert await db.read(names) == ["after", "before", "gate"]
    async with AiosqliteDatabase(path) as db:
        assert await db.read(names) == ["after", "before", "gate"]


async def test_a_caller_that_leaves_is_done_or_not_started(tmp_path: Path) -> None:
    gate = Gate()
    came_back: list[str] = []

    async def cancelled(
        db: AiosqliteDatabase, unit: Callable[[Tx], str], scope: trio.CancelScope
    ) -> None:
        with scope:
            came_back.append(await db.write(unit))

    async with AiosqliteDatabase(tmp_path / "s.db") as db:
        async with trio.open_nursery() as nursery:
            started, waiting = trio.CancelScope(), trio.CancelScope()
            nursery.start_soon(cancelled, db, gate, started)
            await gate.wait_entered()
            nursery.start_soon(db.write, put("first neighbour"))
            nursery.start_soon(cancelled, db, put("withdrawn"), waiting)
            nursery.start_soon(db.write, put("second neighbour"))
            await trio.testing.wait_all_tasks_blocked()
            started.cancel()
            waiting.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert waiting.cancelled_caught
            gate.release.set()
        assert came_back == ["gate"]
        assert await db.read(names) == ["first neighbour", "gate", "second neighbour"]


async def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    gate = Gate()
    async with AiosqliteDatabase(tmp_path / "s.db") as db:
        await db.write(put("before"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(db.write, gate)
            await gate.wait_entered()
            with trio.fail_after(60):
                assert await db.read(names) == ["before"]
            gate.release.set()
        assert await db.read(names) == ["before", "gate"]


async def test_a_connection_that_fails_as_a_whole_tells_every_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = True

    def unreliable(
        connection: sqlite3.Connection, units: Sequence[Callable[[Tx], Any]]
    ) -> list[transaction.Answer]:
        if failing:
            raise sqlite3.OperationalError("disk I/O error")
        return transaction.commit_group(connection, units)

    monkeypatch.setattr(backend, "commit_group", unreliable)
    async with AiosqliteDatabase(tmp_path / "s.db") as db:
        with pytest.raises(StoreError, match="disk I/O error"):
            await db.write(put("a"))
        failing = False
        await db.write(put("b"))
        assert await db.read(names) == ["b"]


def test_the_settings_that_durability_and_erasure_rest_on(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "s.db")
    try:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "temp_store")
        }
    finally:
        connection.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "temp_store": 2}
