"""One suite over both backends: what `database.py` promises, whichever thread runs the units."""

# ruff: noqa: ASYNC240 -- a test looks at the files between two steps; nothing else runs then.

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import trio

from entrenous.node.store.aiosqlite import AiosqliteDatabase
from entrenous.node.store.database import Database, Row, Tx
from entrenous.node.store.errors import (
    StoreClosed,
    StoreConflict,
    StoreDamaged,
    StoreError,
    StoreTooNew,
)
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.store.migrations import newest

Opener: TypeAlias = Callable[[Path], AiosqliteDatabase | InlineDatabase]


def open_aiosqlite(path: Path) -> AiosqliteDatabase:
    return AiosqliteDatabase(path)


def open_inline(path: Path) -> InlineDatabase:
    return InlineDatabase(path)


@pytest.fixture(params=[open_aiosqlite, open_inline], ids=["aiosqlite", "inline"])
def opener(request: pytest.FixtureRequest) -> Opener:
    chosen: Opener = request.param
    return chosen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def put(name: str, value: int | str | bytes | None = 1) -> Callable[[Tx], str]:
    def unit(tx: Tx) -> str:
        tx.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, value))
        return name

    return unit


def names(tx: Tx) -> list[str]:
    return [row[0] for row in tx.execute("SELECT name FROM meta ORDER BY name")]


async def test_a_unit_is_there_for_the_next_reader_and_the_next_start(
    opener: Opener, path: Path
) -> None:
    async with opener(path) as db:
        assert await db.write(put("a")) == "a"
        assert await db.read(names) == ["a"]
    async with opener(path) as db:
        assert await db.read(names) == ["a"]
    assert [found.name for found in path.parent.iterdir()] == ["store.db"]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_each_backend_reads_what_the_other_wrote(path: Path) -> None:
    async with InlineDatabase(path) as db:
        await db.write(put("inline"))
    async with AiosqliteDatabase(path) as db:
        await db.write(put("thread"))
    async with InlineDatabase(path) as db:
        assert await db.read(names) == ["inline", "thread"]


async def test_what_a_unit_raises_undoes_it_alone_and_reaches_its_caller(
    opener: Opener, path: Path
) -> None:
    raised: list[str] = []

    def bad(tx: Tx) -> None:
        put("half")(tx)
        raise ValueError("not this one")

    async def fail(db: Database) -> None:
        with pytest.raises(ValueError, match="not this one"):
            await db.write(bad)
        raised.append("bad")

    async with opener(path) as db:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(db.write, put(f"good-{number}"))
                nursery.start_soon(fail, db)
        assert await db.read(names) == [f"good-{number}" for number in range(5)]
    assert len(raised) == 5


async def test_a_broken_rule_of_the_schema_is_a_conflict(opener: Opener, path: Path) -> None:
    async with opener(path) as db:
        await db.write(put("a"))
        with pytest.raises(StoreConflict, match="UNIQUE"):
            await db.write(put("a"))
        with pytest.raises(StoreConflict, match="NOT NULL"):
            await db.write(put("b", None))
        with pytest.raises(StoreError, match="no such table"):
            await db.read(lambda tx: tx.execute("SELECT * FROM elsewhere"))
        assert await db.read(names) == ["a"]


async def test_a_unit_may_catch_a_conflict_and_go_on(opener: Opener, path: Path) -> None:
    def either(tx: Tx) -> str:
        try:
            return put("a")(tx)
        except StoreConflict:
            return put("b")(tx)

    async with opener(path) as db:
        assert [await db.write(either), await db.write(either)] == ["a", "b"]
        assert await db.read(names) == ["a", "b"]


async def test_a_reader_cannot_write(opener: Opener, path: Path) -> None:
    async with opener(path) as db:
        with pytest.raises(StoreError, match="readonly"):
            await db.read(put("a"))
        await db.write(put("b"))
        assert await db.read(names) == ["b"]


async def test_a_transaction_ends_with_its_unit(opener: Opener, path: Path) -> None:
    kept: list[Tx] = []
    async with opener(path) as db:
        await db.write(kept.append)
        await db.read(kept.append)
        for tx in kept:
            with pytest.raises(StoreClosed, match="has ended"):
                tx.execute("SELECT 1")


async def test_a_unit_that_ends_the_transaction_itself_loses_the_group(
    opener: Opener, path: Path
) -> None:
    async with opener(path) as db:
        with pytest.raises(StoreError, match="ended the transaction"):
            await db.write(lambda tx: tx.execute("ROLLBACK"))
        await db.write(put("after"))
        assert await db.read(names) == ["after"]


async def test_a_full_disk_is_one_sentence_and_nothing_is_half_applied(
    opener: Opener, path: Path
) -> None:
    def too_much(tx: Tx) -> None:
        put("half")(tx)
        tx.execute("INSERT INTO page (tag, ct) VALUES (?, ?)", (b"t", bytes(1_000_000)))

    def allow(more: int) -> Callable[[Tx], None]:
        def unit(tx: Tx) -> None:
            row = tx.one("PRAGMA page_count")
            assert row is not None
            tx.execute(f"PRAGMA max_page_count = {row[0] + more}")

        return unit

    async with opener(path) as db:
        await db.write(allow(8))
        with pytest.raises(StoreError, match="the disk is full") as caught:
            await db.write(too_much)
        assert str(caught.value).count(".") <= 1
        await db.write(put("small"))
        assert await db.read(names) == ["small"]
        await db.write(allow(1_000))
        await db.write(too_much)
        assert await db.read(names) == ["half", "small"]


async def test_erased_bytes_are_in_no_file_afterwards(opener: Opener, path: Path) -> None:
    needle = b"NEEDLE-" * 40

    def on_disk() -> bool:
        return any(needle in found.read_bytes() for found in path.parent.iterdir())

    async with opener(path) as db:
        for number in range(40):
            await db.write(put(f"page-{number:02}", needle * (number + 1)))
        await db.write(put("kept", b"kept"))
        assert on_disk()
        await db.erase(lambda tx: tx.execute("DELETE FROM meta WHERE name LIKE 'page-%'"))
        assert not on_disk()
        assert await db.read(names) == ["kept"]


async def test_closing_finishes_what_waits_and_refuses_what_comes(
    opener: Opener, path: Path
) -> None:
    done: list[str] = []
    refused: list[str] = []

    async def caller(db: Database, name: str) -> None:
        try:
            done.append(await db.write(put(name)))
        except StoreClosed:
            refused.append(name)

    async with opener(path) as db:
        await db.write(put("before"))
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(caller, db, f"{number:03}")
            for _ in range(2):
                await trio.lowlevel.checkpoint()
            await db.aclose()
            await caller(db, "late")
        with pytest.raises(StoreClosed):
            await db.read(names)
        with pytest.raises(StoreClosed):
            await db.erase(names)
        await db.aclose()
    assert len(done) + len(refused) == 101
    assert done
    assert "late" in refused
    async with opener(path) as db:
        assert await db.read(names) == sorted([*done, "before"])


async def test_before_it_is_opened_it_refuses(opener: Opener, path: Path) -> None:
    with pytest.raises(StoreClosed):
        await opener(path).write(put("early"))


async def test_a_cancelled_node_leaves_a_store_that_opens(opener: Opener, path: Path) -> None:
    done: list[str] = []
    with trio.move_on_after(0.05) as scope:
        async with opener(path) as db:
            number = 0
            while True:
                done.append(await db.write(put(f"{number:06}")))
                number += 1
    assert scope.cancelled_caught
    async with opener(path) as db:
        assert await db.read(names) == done


async def test_an_error_in_the_body_leaves_as_it_is(opener: Opener, path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with opener(path):
            raise ZeroDivisionError


async def test_a_file_that_is_no_database_is_refused_unchanged(opener: Opener, path: Path) -> None:
    path.write_bytes(b"a shopping list, and much more of it" * 1_000)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="restore it from a backup"):
        async with opener(path):
            pass
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["store.db"]


async def test_damage_inside_the_file_is_one_sentence(opener: Opener, path: Path) -> None:
    async with opener(path) as db:
        for number in range(200):
            await db.write(put(f"{number:04}", bytes(600)))
    altered = bytearray(path.read_bytes())
    for page in range(8192, len(altered), 8192):
        altered[page : page + 64] = b"\xff" * 64
    path.write_bytes(altered)
    with pytest.raises(StoreDamaged, match="damaged"):
        async with opener(path) as db:
            await db.read(names)


async def test_a_newer_home_is_refused_before_anything_changes(opener: Opener, path: Path) -> None:
    async with opener(path) as db:
        await db.write(put("a"))
        await db.write(lambda tx: tx.execute(f"PRAGMA user_version = {newest() + 1}"))
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="written by a newer entrenous"):
        async with opener(path):
            pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("what", ["folder", "link", "nowhere"])
async def test_a_place_that_cannot_hold_a_store(opener: Opener, path: Path, what: str) -> None:
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(path.parent / "elsewhere")
    else:
        path = path / "deep" / "store.db"
    with pytest.raises(StoreError, match="cannot be opened"):
        async with opener(path):
            pass


async def test_a_copy_is_the_database_at_one_moment(opener: Opener, path: Path) -> None:
    copy = path.with_name("copy.db")
    async with opener(path) as db:
        await db.write(put("a"))
        await db.copy_to(copy)
        await db.write(put("b"))
        with pytest.raises(StoreError, match="nothing was written over it"):
            await db.copy_to(copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    async with opener(copy) as db:
        assert await db.read(names) == ["a"]


async def test_one_and_execute_and_executemany(opener: Opener, path: Path) -> None:
    def unit(tx: Tx) -> tuple[int, Row | None, Row | None]:
        changed = tx.executemany(
            "INSERT INTO meta (name, value) VALUES (?, ?)", ((str(n), n) for n in range(10))
        )
        found = tx.one("SELECT value FROM meta WHERE name = ?", ("7",))
        return changed, found, tx.one("SELECT value FROM meta WHERE name = 'no'")

    async with opener(path) as db:
        assert await db.write(unit) == (10, (7,), None)
