"""Opening the file: the settings that every connection of both backends has."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from .errors import StoreDamaged, StoreError
from .migrations import check_version, migrate
from .transaction import store_error

# Another connection of this node may hold a lock for the length of one group or one checkpoint.
BUSY_TIMEOUT_S = 10.0
# Fixed when a store is made.  8 KiB holds three pages of 2 KiB, where 4 KiB holds one: the file is
# a third smaller and bulk writes 1.1 to 1.6 times as fast, against single small rows at three
# quarters of the speed (docs/adr/0002-units-of-work.md).
PAGE_BYTES = 8192


def open_writer(
    path: Path | None, *, durable: bool = True, any_thread: bool = False
) -> sqlite3.Connection:
    """Open, and if need be create or migrate, the store at `path`; None is memory (simulations).

    `durable=False` leaves out the fsync: for simulations, never for a home.  `any_thread`: it will
    be handed to another thread, which is then the only one to use it.
    Raises StoreError, StoreTooNew, StoreDamaged; a file that is refused is not changed.
    """
    if path is not None:
        _make_private(path)
    return _prepared(path, durable=durable, any_thread=any_thread, writes=True)


def open_reader(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """Open a second connection that cannot write.  Raises StoreError."""
    return _prepared(path, durable=True, any_thread=any_thread, writes=False)


def copy_into(source: sqlite3.Connection, target: Path) -> None:
    """Copy the whole database, at one state, to the new file `target`.  Raises StoreError."""
    if target.exists():
        raise StoreError(f"{target} is there already; nothing was written over it")
    _make_private(target)
    try:
        copy = sqlite3.connect(target)
        try:
            source.backup(copy)
        finally:
            copy.close()
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise store_error(error) from error


def copy_file(source: Path, target: Path) -> None:
    """`copy_into` over a connection of its own, while others write.  Raises StoreError."""
    connection = open_reader(source)
    try:
        copy_into(connection, target)
    finally:
        connection.close()


def _prepared(
    path: Path | None, *, durable: bool, any_thread: bool, writes: bool
) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions begin and end where transaction.py says
            check_same_thread=not any_thread,
        )
    except sqlite3.Error as error:
        raise store_error(error) from error
    try:
        check_version(connection)
        if writes:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        if writes:
            migrate(connection)
        else:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        connection.close()
        told = store_error(error)
        if isinstance(told, StoreDamaged):
            raise StoreDamaged(f"{path} is damaged ({error}); restore it from a backup") from error
        raise told from error
    except BaseException:
        connection.close()
        raise
    return connection


def _make_private(path: Path) -> None:
    """Create the file for its owner only; SQLite gives its log the same permissions."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        if not stat.S_ISREG(path.lstat().st_mode):
            raise StoreError(f"{path} is not a file; the store cannot be there")
    except OSError as error:
        raise StoreError(f"the store at {path} cannot be opened: {error.strerror}") from error
