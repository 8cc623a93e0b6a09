"""The database as a stream of bytes, and back.

`snapshot` is one state of the database while the node goes on; `read_chunks` gives its bytes to
the encrypted file (`crypto/stream.py`), and `restore` takes them back: beside the target first,
checked, made durable, and only then moved into place.  The copy holds what the database holds,
tags and ciphertext, so it may lie on the same disk for a moment.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from .database import Database
from .errors import StoreDamaged, StoreError
from .home import FILE_MODE, sync_folder
from .migrations import check_version
from .transaction import store_error

CHUNK_BYTES = 64 * 1024


@asynccontextmanager
async def snapshot(database: Database, folder: Path) -> AsyncGenerator[Path]:
    """A consistent copy of the database, a file in `folder` that goes when the context ends.

    Raises StoreError.
    """
    copy = folder / ".store.copy"
    copy.unlink(missing_ok=True)
    try:
        await database.copy_to(copy)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def read_chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, 64 KiB at a time.  Raises StoreError."""
    try:
        # A pipe is not waited for: it reads as empty, which is no backup.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def restore(chunks: Iterable[bytes], target: Path) -> None:
    """Make the database at `target`, which must not be there, from the bytes of a snapshot.

    Raises StoreError (also StoreDamaged, StoreTooNew); then nothing is at `target`.  What
    `chunks` raises passes through.
    """
    if target.exists():
        raise StoreError(f"{target} is there already; nothing was written over it")
    with _made_beside(target) as beside:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with open(os.open(beside, flags, FILE_MODE), "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            _check(beside)
            beside.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            raise StoreError(f"{target} could not be written: {error.strerror}") from error


@contextmanager
def _made_beside(target: Path) -> Generator[Path]:
    beside = target.with_name(f".{target.name}.new")
    beside.unlink(missing_ok=True)
    try:
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def _check(path: Path) -> None:
    """Raises StoreDamaged or StoreTooNew unless the whole file is a store that we can open."""
    try:
        # Immutable: reading must not leave a log beside a file that is about to be renamed.
        address = path.absolute().as_uri() + "?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            if check_version(connection) == 0:
                raise StoreDamaged("the backup holds an empty store")
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise store_error(error) from error
    if found != "ok":
        raise StoreDamaged("the store in the backup is damaged; use another backup")
