"""The home folder, the numbered migrations, the way into a backup and back."""

# ruff: noqa: ASYNC240 -- a test looks at the files between two steps; nothing else runs then.

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from entrenous.node.errors import HomeError, HomeInUse
from entrenous.node.store.backup import read_chunks, restore, snapshot
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreDamaged, StoreError, StoreTooNew
from entrenous.node.store.home import Home, write_atomically
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.store.migrations import MIGRATIONS, Migration, migrate, newest
from entrenous.node.store.schema import APPLICATION_ID

# --- home -----------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "deep" / "home")
    home.create()
    return home


def test_a_home_is_for_its_owner_only(home: Home) -> None:
    assert home.folder.stat().st_mode & 0o777 == 0o700
    home.create()
    home.folder.chmod(0o750)
    with pytest.raises(HomeError, match="chmod 700"):
        home.create()
    assert home.folder.stat().st_mode & 0o777 == 0o750


def test_a_home_that_is_not_there_or_no_folder(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=r"no home at .* make one with init"):
        Home(tmp_path / "nowhere").check()
    (tmp_path / "file").touch()
    with pytest.raises(HomeError):
        Home(tmp_path / "file").create()
    with pytest.raises(HomeError, match="is not a folder"):
        Home(tmp_path / "file").check()


def test_one_node_at_a_time_and_the_next_when_it_ends(home: Home) -> None:
    script = (
        "import sys; from pathlib import Path; from entrenous.node.store.home import Home\n"
        "with Home(Path(sys.argv[1])).locked():\n"
        "    print('mine', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"mine\n"
        sentence = rf"already \(process {other.pid}\); stop it first"
        with pytest.raises(HomeInUse, match=sentence), home.locked():
            pass
        other.kill()
    with home.locked():
        assert home.lock.read_text() == f"{os.getpid()}\n"
    with home.locked():
        pass


def test_a_small_file_is_replaced_as_a_whole_or_not_at_all(home: Home) -> None:
    write_atomically(home.config, b"one")
    write_atomically(home.config, b"two")
    assert home.config.read_bytes() == b"two"
    assert home.config.stat().st_mode & 0o777 == 0o600
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        with pytest.raises(HomeError, match="could not be written"):
            write_atomically(home.config, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert home.config.read_bytes() == b"two"
    assert [found.name for found in home.folder.iterdir()] == ["config.toml"]
    with pytest.raises(HomeError, match="No such file"):
        write_atomically(home.folder / "deep" / "file", b"")


def test_a_leftover_of_a_crash_does_not_stand_in_the_way(home: Home) -> None:
    (home.folder / ".config.toml.new").write_bytes(b"half")
    write_atomically(home.config, b"whole")
    assert home.config.read_bytes() == b"whole"


# --- migrations -----------------------------------------------------------------------------------

NEXT = (*MIGRATIONS, Migration(newest() + 1, ("ALTER TABLE meta ADD COLUMN added INTEGER",)))
BROKEN = (*MIGRATIONS, Migration(newest() + 1, ("CREATE TABLE half (x)", "CREATE TABLE meta (x)")))


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as connection:
        yield connection


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.to for migration in MIGRATIONS] == list(range(1, newest() + 1))


@pytest.mark.parametrize("earlier", range(newest() + 1))
def test_every_earlier_version_becomes_the_newest(
    connection: sqlite3.Connection, tmp_path: Path, earlier: int
) -> None:
    if earlier:
        migrate(connection, MIGRATIONS[:earlier])
    assert version(connection) == earlier
    migrate(connection)
    migrate(connection)
    assert version(connection) == newest()
    assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as new:
        migrate(new)
        tables = "SELECT name, sql FROM sqlite_master ORDER BY name"
        assert connection.execute(tables).fetchall() == new.execute(tables).fetchall()


def test_rows_survive_a_migration(connection: sqlite3.Connection) -> None:
    migrate(connection)
    connection.execute("INSERT INTO meta VALUES ('kept', 1)")
    migrate(connection, NEXT)
    assert connection.execute("SELECT * FROM meta").fetchall() == [("kept", 1, None)]
    assert version(connection) == newest() + 1


def test_a_migration_that_fails_leaves_the_version_before(connection: sqlite3.Connection) -> None:
    migrate(connection)
    with pytest.raises(sqlite3.OperationalError, match="meta already exists"):
        migrate(connection, BROKEN)
    assert version(connection) == newest()
    assert connection.execute("SELECT * FROM sqlite_master WHERE name = 'half'").fetchall() == []


def test_another_programs_database_is_refused_unchanged(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreDamaged, match="not a store of entrenous"):
        migrate(connection)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


# --- backup ---------------------------------------------------------------------------------------


def put(tx: Tx) -> None:
    tx.execute("INSERT INTO meta VALUES ('a', zeroblob(300000))")


async def copied(folder: Path) -> bytes:
    async with InlineDatabase(folder / "store.db") as db:
        await db.write(put)
        async with snapshot(db, folder) as copy:
            await db.write(lambda tx: tx.execute("DELETE FROM meta"))
            data = b"".join(read_chunks(copy))
            assert copy.stat().st_size == len(data)
            assert copy.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in folder.iterdir()] == ["store.db"]
    return data


async def test_a_snapshot_is_restored_as_it_was(tmp_path: Path) -> None:
    data = await copied(tmp_path)
    target = tmp_path / "restored.db"
    restore((data[at : at + 1_000] for at in range(0, len(data), 1_000)), target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert {found.name for found in tmp_path.iterdir()} == {"store.db", "restored.db"}
    async with InlineDatabase(target) as db:
        assert await db.read(lambda tx: tx.execute("SELECT name FROM meta")) == [("a",)]
    with pytest.raises(StoreError, match="nothing was written over it"):
        restore([data], target)


async def test_a_backup_that_is_not_whole_leaves_nothing(tmp_path: Path) -> None:
    data = await copied(tmp_path)

    def breaks_off() -> Iterator[bytes]:
        yield data[:5_000]
        raise StoreDamaged("the backup ends too early")

    newer = data[:60] + (newest() + 1).to_bytes(4, "big") + data[64:]
    altered = data[:20_000] + b"\xff" * 8_000 + data[28_000:]
    attempts: list[tuple[Iterator[bytes], type[StoreError]]] = [
        (breaks_off(), StoreDamaged),
        (iter([data[: len(data) // 2]]), StoreDamaged),
        (iter([altered]), StoreDamaged),
        (iter([b"not a database" * 999]), StoreDamaged),
        (iter([]), StoreDamaged),
        (iter([newer]), StoreTooNew),
    ]
    for chunks, kind in attempts:
        with pytest.raises(kind):
            restore(chunks, tmp_path / "restored.db")
        assert [found.name for found in tmp_path.iterdir()] == ["store.db"]
    with pytest.raises(StoreError, match="could not be written"):
        restore([data], tmp_path / "nowhere" / "restored.db")
    with pytest.raises(StoreError, match="cannot be read"):
        list(read_chunks(tmp_path / "nowhere"))
