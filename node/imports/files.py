"""Files that a person hands in: one file, each file of a folder, each member of an archive.

Names are listed first and bytes are read one file at a time, so that a folder of a thousand files
never stands in memory.  Links are not followed, hidden files are left alone, an archive inside an
archive is not opened, and nothing is ever unpacked to the disk.

An archive is believed only as far as it is bounded: the sizes that it announces are added up
before a byte is inflated, and a member that goes on after its announced size is refused.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ...protocol.limits import ARCHIVE_BYTES_MAX, ARCHIVE_RATIO_MAX, FILE_BYTES_MAX, FILES_MAX
from ...protocol.reading import refusal, shown
from ..errors import NotFound

_ARCHIVE = b"PK\x03\x04"
_ENCRYPTED: Final = 0x1
# What zipfile raises for archives that are cut, altered, or packed in a way it does not know.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
)
_RATIO_FROM_BYTES = 1024 * 1024  # a short file of one letter repeated harms nobody


@dataclass(frozen=True, slots=True)
class HandedIn:
    """One file to be read: `path`, or the member `member` of the archive there."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """Its name without the folders, fit to be shown."""
        return shown(self.path.name if self.member is None else self.member)

    def read(self) -> bytes:
        """All of it, at most a byte over FILE_BYTES_MAX (readers then refuse it).

        Raises ReaderError, NotFound.
        """
        if self.member is None:
            return _read_file(self.path)
        return _read_member(self.path, self.member)


def handed_in(path: Path) -> list[HandedIn]:
    """What there is to read at `path`, in order of name.  Raises ReaderError, NotFound."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise NotFound(f"{shown(str(path))} cannot be read: {error.strerror}") from error
    if not stat.S_ISDIR(mode):
        return _file_or_members(path)
    found: list[HandedIn] = []
    for file in _files_below(path):
        found += _file_or_members(file)
        if len(found) > FILES_MAX:
            raise refusal(str(path), f"there are over {FILES_MAX:,} files in it; import fewer")
    if not found:
        raise refusal(str(path), "there is no file in it")
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    """Regular files at any depth, in order, none of them hidden or reached by a link."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(here, name)
            if not name.startswith(".") and stat.S_ISREG(file.lstat().st_mode):
                yield file


def _file_or_members(path: Path) -> list[HandedIn]:
    try:
        with _opened(path) as file:
            begins = file.read(len(_ARCHIVE))
    except OSError as error:
        raise NotFound(f"{shown(str(path))} cannot be read: {error.strerror}") from error
    return _members(path) if begins == _ARCHIVE else [HandedIn(path)]


def _opened(path: Path) -> BinaryIO:
    """A regular file, opened for reading; a pipe or device is refused and not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotFound(f"{shown(str(path))} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise refusal(str(path), "this is not a file")
    return open(handle, "rb")


def _read_file(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            return file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise NotFound(f"{shown(str(path))} cannot be read: {error.strerror}") from error


def _members(path: Path) -> list[HandedIn]:
    """The files inside an archive, after its table of contents was held against the limits."""
    with _archive(path) as archive:
        # Not `is_dir`, which looks at the last character of a name that may have none.
        found = [info for info in archive.infolist() if not info.filename.endswith("/")]
    if len(found) > FILES_MAX:
        raise refusal(str(path), f"the archive holds over {FILES_MAX:,} files; import fewer")
    if sum(info.file_size for info in found) > ARCHIVE_BYTES_MAX:
        mebibytes = ARCHIVE_BYTES_MAX >> 20
        raise refusal(str(path), f"the archive would unpack to over {mebibytes} MiB")
    for info in found:
        large = info.file_size > _RATIO_FROM_BYTES
        if large and info.file_size > ARCHIVE_RATIO_MAX * info.compress_size:
            raise refusal(
                str(path), f"{shown(info.filename)} is packed over {ARCHIVE_RATIO_MAX} to 1"
            )
        if info.flag_bits & _ENCRYPTED:
            raise refusal(str(path), "the archive has a password; unpack it first")
    names = [info.filename for info in found if not _is_hidden(info.filename)]
    if len(set(names)) != len(names):
        raise refusal(str(path), "the archive names two files alike")
    if not names:
        raise refusal(str(path), "there is no file in it")
    return [HandedIn(path, name) for name in sorted(names)]


def _read_member(path: Path, member: str) -> bytes:
    with _archive(path) as archive:
        try:
            info = archive.getinfo(member)
            if info.file_size > FILE_BYTES_MAX:
                mebibytes = FILE_BYTES_MAX >> 20
                raise refusal(member, f"the file is over {mebibytes} MiB; export a shorter period")
            with archive.open(info) as file:
                # It ends at the size that was announced, and then its checksum must fit.
                return file.read(info.file_size + 1)
        except _DAMAGED as error:
            raise refusal(member, f"its archive is damaged or of another kind: {error}") from error


@contextmanager
def _archive(path: Path) -> Generator[zipfile.ZipFile]:
    with _opened(path) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _DAMAGED as error:
            raise refusal(str(path), f"the archive cannot be opened: {error}") from error
        with archive:
            yield archive


def _is_hidden(name: str) -> bool:
    """Also what one maker of archives puts beside each file, `__MACOSX/…`."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
