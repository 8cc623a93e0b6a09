"""Files of an export from elsewhere: opened one folder after the other, and never outside.

A folder may come from anybody.  No link is followed, whatever is not a plain file is refused, and
each file has the length and the digest that the manifest gives before a line of it is believed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...crypto.digest import RunningSha256, equal
from ...protocol.errors import ReaderError
from ...protocol.export_manifest import (
    LINE_BYTES_MAX,
    MANIFEST_BYTES_MAX,
    NAME,
    ExportedFile,
    Manifest,
    manifest_digest,
    parse_manifest,
)
from ...protocol.reading import refusal
from .folder import UNFINISHED

_PIECE_BYTES = 1024 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe would otherwise wait for somebody to write.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def is_export(folder: Path) -> bool:
    """Whether `folder` says of itself that it is an export, whole or not."""
    return folder.is_dir() and any(os.path.lexists(folder / one) for one in (NAME, UNFINISHED))


class Inside:
    """The folder of an export.  Everything here waits for the disk: call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        return self.folder.name or str(self.folder)

    def manifest(self) -> tuple[bytes, Manifest]:
        """The digest that names the export, and its manifest.  Raises ReaderError, WireError,
        RecordError."""
        if not os.path.lexists(self.folder / NAME):
            raise self.refusal("this export was cut short: it has no manifest, export it again")
        with self.open(NAME) as file:
            raw = file.read(MANIFEST_BYTES_MAX + 1)
        return manifest_digest(raw), parse_manifest(raw)

    def verify(self, one: ExportedFile) -> None:
        """Hold a file against the manifest.  Raises ReaderError."""
        running, size = RunningSha256(), 0
        with self.open(one.path) as file:
            while size <= one.size and (piece := file.read(_PIECE_BYTES)):
                running.update(piece)
                size += len(piece)
        if size != one.size or not equal(running.digest(), one.digest):
            raise self.refusal(f"{one.path} is not what the manifest says: it was altered or cut")

    def lines(self, path: str, *, line_max: int = LINE_BYTES_MAX) -> Iterator[tuple[int, bytes]]:
        """Each line of a file with the place where it begins.  Raises ReaderError."""
        with self.open(path) as file:
            at = 0
            while line := file.readline(line_max + 1):
                if not line.endswith(b"\n"):
                    raise self.refusal(f"{path} has a line that is too long, or cut")
                yield at, line
                at += len(line)

    def between(self, path: str, first: int, end: int) -> bytes:
        """Some bytes of a file."""
        with self.open(path) as file:
            file.seek(first)
            return file.read(end - first)

    @contextmanager
    def open(self, path: str) -> Generator[BinaryIO]:
        """A plain file of the folder.  Raises ReaderError."""
        try:
            handle = self._open(path)
        except OSError as error:
            raise self.refusal(f"{path} cannot be read: {error.strerror}") from error
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise self.refusal(f"{path} is no plain file")
            yield file

    def _open(self, path: str) -> int:
        parts = path.split("/")
        at = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                inner = os.open(part, _FOLDER, dir_fd=at)
                os.close(at)
                at = inner
            return os.open(parts[-1], _FILE, dir_fd=at)
        finally:
            os.close(at)

    def refusal(self, reason: str) -> ReaderError:
        return refusal(self.name, f"{reason}; nothing was taken in")
