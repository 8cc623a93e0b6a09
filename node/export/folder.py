"""The folder of an export while it is written: nothing half-written looks whole.

    .unfinished      what is done so far, a line for each part; gone in the end
    .NAME.new        a file that is being written; renamed once it is on the disk
    manifest.json    last

A run that was cut short goes on when the same export is asked for again: what `.unfinished` names
as done, and has not changed in the vault since, is not written again.  A folder that holds anything
else is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...crypto.digest import RunningSha256
from ...protocol.errors import ProtocolError
from ...protocol.export_manifest import FILES_MAX, NAME, ExportedFile, file_from_value
from ...protocol.json_text import read_object, write_object
from ...protocol.wire import Body, Value
from ..errors import NodeError
from ..store.home import FILE_MODE, FOLDER_MODE, sync_folder

UNFINISHED = ".unfinished"
# The files of one collection: its records, and a statement for each delivery.
_LINE_BYTES_MAX = 64 * 1024 * 1024
_NEW = ".new"


class ExportError(NodeError):
    """An export cannot be written, or not there."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was finished of an export: its files, and what whoever wrote them noted.

    `stamp` differs if what was exported has changed since.
    """

    name: str
    stamp: str
    files: tuple[ExportedFile, ...]
    notes: Value


class ExportFile:
    """One file on its way: what is written is counted and digested."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = RunningSha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def done(self, path: str) -> ExportedFile:
        self._file.flush()
        os.fsync(self._file.fileno())
        return ExportedFile(path, self._size, self._digest.digest())


class ExportFolder:
    """A folder that is being written.  Everything here waits for the disk: call it in a thread."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def begin(self, of: str) -> Mapping[str, Part]:
        """Make the folder, or go on with one; the parts that are done.  `of` names the export.

        Raises ExportError if something else is there.
        """
        with _saying(self.target):
            if self.target.is_symlink() or (self.target.exists() and not self.target.is_dir()):
                raise ExportError(f"{self.target} is there already, and is no folder")
            if not self.target.exists():
                self.target.mkdir(mode=FOLDER_MODE)
                sync_folder(self.target.parent)
            there = sorted(one.name for one in self.target.iterdir())
            if not there:
                self._first_line(of)
                return {}
            if UNFINISHED not in there:
                raise ExportError(
                    f"{self.target} holds something already: nothing was written over it"
                )
            return self._parts(of)

    def _first_line(self, of: str) -> None:
        beside = self.target / f"{UNFINISHED}{_NEW}"
        with open(os.open(beside, _FLAGS | os.O_TRUNC, FILE_MODE), "wb") as file:
            file.write(write_object({"export": of}))
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self.target / UNFINISHED)
        sync_folder(self.target)

    def _parts(self, of: str) -> dict[str, Part]:
        """What `.unfinished` names; a last line that was cut is none, and is cut off."""
        place = self.target / UNFINISHED
        with open(os.open(place, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), "r+b") as file:
            lines = file.readlines(4 * 1024 * 1024 * 1024)
            if lines and not lines[-1].endswith(b"\n"):
                lines.pop()
                file.truncate(sum(map(len, lines)))
        try:
            head = Body.open(_line(lines[0] if lines else b""), _WHAT, ("export",))
            if head.text("export") != of:
                raise ExportError(
                    f"{self.target} holds an unfinished export of something else: "
                    "give it other options, or choose another folder"
                )
            found: dict[str, Part] = {}
            for line in lines[1:]:
                part = _part(_line(line))
                found[part.name] = part
        except ProtocolError as error:
            raise ExportError(f"{self.target} holds no export that could go on: {error}") from error
        return {name: part for name, part in found.items() if self._is_there(part.files)}

    def _is_there(self, files: Iterable[ExportedFile]) -> bool:
        """Whether the files of a part are there; a look at their lengths."""
        for one in files:
            place = self.target / one.path
            if place.is_symlink() or not place.is_file() or place.stat().st_size != one.size:
                return False
        return True

    @contextmanager
    def file(self, path: str) -> Generator[tuple[ExportFile, list[ExportedFile]]]:
        """A new file at `path` of the folder; in the list once it is whole.  Raises ExportError."""
        place = self.target / path
        beside = place.with_name(f".{place.name}{_NEW}")
        written: list[ExportedFile] = []
        with _saying(self.target):
            self._folders(path)
            beside.unlink(missing_ok=True)
            with open(os.open(beside, _FLAGS | os.O_EXCL, FILE_MODE), "wb") as raw:
                file = ExportFile(raw)
                yield file, written
                done = file.done(path)
            beside.rename(place)
            written.append(done)

    def write(self, path: str, data: Iterable[bytes]) -> ExportedFile:
        """A whole file."""
        with self.file(path) as (file, written):
            for some in data:
                file.write(some)
        return written[0]

    def _folders(self, path: str) -> None:
        """Make the folders in which `path` lies; none of them may lead elsewhere."""
        at = self.target
        for part in Path(path).parent.parts:
            at = at / part
            if at.is_symlink():
                raise ExportError(f"{at} leads elsewhere: nothing was written there")
            if not at.exists():
                at.mkdir(mode=FOLDER_MODE)

    def finished(self, part: Part) -> None:
        """Note a part as done, durably.  Raises ExportError."""
        with _saying(self.target):
            for folder in sorted({(self.target / one.path).parent for one in part.files}):
                sync_folder(folder)
            self._sync_above(part.files)
            place = self.target / UNFINISHED
            flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            with open(os.open(place, flags), "ab") as file:
                file.write(write_object(_part_value(part)))
                file.flush()
                os.fsync(file.fileno())

    def _sync_above(self, files: Sequence[ExportedFile]) -> None:
        """The names of the folders themselves."""
        above = {parent for one in files for parent in Path(one.path).parents}
        for folder in sorted({self.target / parent for parent in above}):
            sync_folder(folder)

    def forget(self, part: Part) -> None:
        """Remove what a part wrote: it has changed and is written again."""
        with _saying(self.target):
            for one in part.files:
                (self.target / one.path).unlink(missing_ok=True)

    def end(self, manifest: bytes) -> ExportedFile:
        """Put the manifest there: from now on the folder is whole.  Raises ExportError."""
        written = self.write(NAME, [manifest])
        with _saying(self.target):
            sync_folder(self.target)
            (self.target / UNFINISHED).unlink(missing_ok=True)
            sync_folder(self.target)
        return written


_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_WHAT = "what is noted of an unfinished export"


@contextmanager
def _saying(target: Path) -> Generator[None]:
    """What the disk refuses, as one sentence."""
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{target} cannot be written: {error.strerror}; what is finished stays there, and the "
            "same command goes on from it"
        ) from error


def _line(raw: bytes) -> Value:
    return dict(read_object(raw, _WHAT, bytes_max=_LINE_BYTES_MAX))


def _part_value(part: Part) -> dict[str, Value]:
    return {
        "part": part.name,
        "stamp": part.stamp,
        "files": [one.value() for one in part.files],
        "notes": part.notes,
    }


def _part(value: Value) -> Part:
    body = Body.open(value, _WHAT, ("part", "stamp", "files", "notes"))
    return Part(
        body.text("part"),
        body.text("stamp"),
        tuple(file_from_value(item) for item in body.items("files", items_max=FILES_MAX)),
        body.value("notes"),
    )
