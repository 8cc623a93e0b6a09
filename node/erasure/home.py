"""Destroying a home: the keystore first, with which everything else becomes noise.

    erasing      a mark: from here on the home is not opened any more, and this goes on to its end
    keystore     overwritten, then unlinked
    the rest     overwritten, then unlinked: store and its log, settings

A file system that copies on write, a disk that moves its sectors, a backup: a program that
overwrites a file reaches none of them.  What they keep of the store is sealed under keys that stood
in the keystore alone, and what they keep of the keystore is sealed under the passphrase.

What this program did not put into the folder is left there, and named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from ..checkpoint import UNWATCHED, Checkpoint
from ..errors import HomeError
from ..store.home import Home, sync_folder, write_atomically

MARK: Final = "erasing"
# In this order.  Without keys nobody needs the lock any more; while it is gone on with, there is
# another one.
_OURS: Final = (
    "keystore",
    ".keystore.new",
    "store.db-wal",
    "store.db-shm",
    "store.db",
    ".store.copy",
    "config.toml",
    "control",
    ".*.new",
    "lock",
    MARK,
)
_PIECE_BYTES = 1024 * 1024


class Step(StrEnum):
    """The numbered steps, as a `Checkpoint` is told them."""

    MARKED = "destroy 1 marked"
    FILE = "destroy 2 file"
    DONE = "destroy 3 done"


@dataclass(frozen=True, slots=True)
class Destroyed:
    """`files` of the home are gone; `left` are names of what lay there and is not ours."""

    files: int
    left: tuple[str, ...]


def is_being_erased(folder: Path) -> bool:
    """Whether the end of this home has begun."""
    return (folder / MARK).exists()


def destroy_home(home: Home, checkpoint: Checkpoint = UNWATCHED) -> Destroyed:
    """Destroy every key and every record of a home on which no node runs.

    Cut short, it goes on when it is called again.  Raises HomeInUse, HomeError.
    """
    with home.locked():
        write_atomically(home.folder / MARK, b"this home is being erased\n")
        checkpoint.reached(Step.MARKED)
        count = 0
        try:
            for path in _ours(home.folder):
                _overwrite(path)
                sync_folder(home.folder)
                count += 1
                checkpoint.reached(Step.FILE)
            left = tuple(sorted(one.name for one in home.folder.iterdir()))
            if not left:
                home.folder.rmdir()
                sync_folder(home.folder.parent)
        except OSError as error:
            raise HomeError(
                f"{home.folder} could not be destroyed to its end: {error.strerror}; "
                "`entrenous erase --everything` goes on"
            ) from error
    checkpoint.reached(Step.DONE)
    return Destroyed(count, left)


def _ours(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for pattern in _OURS:
        for name in sorted(one.name for one in folder.iterdir()):
            if name not in seen and fnmatch(name, pattern):
                seen.add(name)
                yield folder / name


def _overwrite(path: Path) -> None:
    """Zeros over the whole file, on the disk, and then no file.  A link loses its name only."""
    if stat.S_ISREG(path.lstat().st_mode):
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "wb", buffering=0) as file:
            left = os.fstat(handle).st_size
            while left > 0:
                left -= file.write(bytes(min(left, _PIECE_BYTES)))
            os.fsync(handle)
    path.unlink()
