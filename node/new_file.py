"""A new file, made whole beside its place and then put there; nothing is ever written over."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .store.home import FILE_MODE, sync_folder

# What a file system without links says to one: that of most memory sticks.
_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))


@contextmanager
def made_beside(target: Path) -> Generator[tuple[Path, BinaryIO]]:
    """A file beside `target`, readable by its owner only; gone in the end unless it was put in
    place.  Raises OSError."""
    beside = target.with_name(f".{target.name}.new")
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with open(os.open(beside, flags, FILE_MODE), "wb") as file:
            yield beside, file
    finally:
        beside.unlink(missing_ok=True)


def put_in_place(beside: Path, target: Path) -> None:
    """Give what was made beside it its name, durably; a file that came meanwhile is left alone.

    What it holds must be durable already.  Raises OSError.
    """
    try:
        # A link, unlike a rename, refuses to take the place of another file.
        os.link(beside, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        beside.rename(target)
    sync_folder(target.parent)
