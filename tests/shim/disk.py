"""The other half of `disk.c`: builds it, turns its faults on and off, and cuts the power.

After the program is killed, the journal tells every change since the disk was last looked at.  What
the files were before it is worked out by undoing all of it, newest first; then what was durable is
done again, oldest first:

- bytes are durable once their file was synced after them, names once their folder was;
- bytes that a failed sync was to make durable never are (the kernel marks them clean: later syncs
  leave them out);
- of the rest nothing is there (`Loss.ALL`), or whichever sectors, sizes and names chance chooses
  (`Loss.SOME`): a disk writes in the order that suits it.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("disk.c")
SECTOR_BYTES = 512
_HEAD = struct.Struct("=6IQ2q")
_CONTROL = struct.Struct("=4q")
_BUILD = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]


class Kind(IntEnum):
    """As in `disk.c`."""

    WRITE = 1
    TRUNCATE = 2
    CREATE = 3
    UNLINK = 4
    RENAME = 5
    SYNC = 6
    SYNC_FAILED = 7


class Loss(Enum):
    """How much of what was not durable goes with the power."""

    ALL = "all"
    SOME = "some"


@dataclass(slots=True)
class Change:
    """One line of the journal."""

    kind: Kind
    inode: int
    offset: int
    size_before: int
    path: str
    to: str
    old: bytes
    new: bytes
    durable: bool = False
    hopeless: bool = False


def build(folder: Path) -> dict[str, str]:
    """Compile the library into `folder`; the environment that preloads it."""
    library = folder / "disk.so"
    subprocess.run([*_BUILD, "-o", str(library), str(SOURCE), "-ldl", "-lpthread"], check=True)
    return {"LD_PRELOAD": str(library)}


@dataclass(slots=True)
class Disk:
    """Files below `folder`, as a disk keeps them; `side` is for the journal."""

    folder: Path
    side: Path
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    loss: Loss = Loss.ALL
    dropped: int = 0

    @classmethod
    def make(cls, folder: Path, side: Path) -> Disk:
        """Make both folders."""
        folder.mkdir(mode=0o700)
        side.mkdir()
        disk = cls(folder.resolve(), side)
        disk.set()
        (side / "journal").touch()
        return disk

    @property
    def places(self) -> dict[str, str]:
        """What `disk.c` must be told, in the environment or by `disk_begin`."""
        return {"DISK_FOLDER": str(self.folder), "DISK_SIDE": str(self.side)}

    # faults

    def set(self, *, space: int = -1, syncs: int = 0, kills: int = 0, halves: bool = False) -> None:
        """Room to grow by (-1: no limit), which sync fails and which kills (0: none), counted from
        now, whether writes are halved."""
        control = self.side / "control"
        if not control.exists():
            control.touch()
        # In place: running programs have it mapped.
        with control.open("r+b") as file:
            file.write(_CONTROL.pack(space, syncs, kills, halves))

    @property
    def space(self) -> int:
        return int(_CONTROL.unpack((self.side / "control").read_bytes())[0])

    @property
    def sync_is_due(self) -> bool:
        """Whether the sync that is to fail has not come yet."""
        return bool(_CONTROL.unpack((self.side / "control").read_bytes())[1])

    # power

    def cut_power(self) -> None:
        """Leave of the files what was durable.  The programs must be dead."""
        changes = list(self._journal())
        _judge(changes, self.folder)
        if self.loss is Loss.SOME:
            changes = list(self._spared(changes))
        contents, names = self._after(changes)
        for path in self._files():
            path.unlink()
        for name, inode in names.items():
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(contents[inode])
        self.dropped += sum(not one.durable and one.kind <= Kind.RENAME for one in changes)
        self.rest()

    def rest(self) -> None:
        """Forget the journal: all that is there now is durable.  The programs must be dead."""
        for path in self.side.iterdir():
            if path.name.isdigit():
                path.unlink()
        (self.side / "journal").write_bytes(b"")

    def _files(self) -> list[Path]:
        # Shared memory is made anew, and sockets are not on the disk.
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return [path for path in found if not path.name.endswith("-shm")]

    def _journal(self) -> Iterator[Change]:
        raw, at = (self.side / "journal").read_bytes(), 0
        while at < len(raw):
            kind, *sizes, _, inode, offset, before = _HEAD.unpack_from(raw, at)
            at += _HEAD.size
            parts: list[bytes] = []
            for size in sizes:
                parts.append(raw[at : at + size])
                at += size
            path, to = os.fsdecode(parts[0]), os.fsdecode(parts[1])
            yield Change(Kind(kind), inode, offset, before, path, to, parts[2], parts[3])

    def _spared(self, changes: list[Change]) -> Iterator[Change]:
        """The same changes, some of those that were not durable made so by chance."""
        for one in changes:
            if one.durable or one.hopeless:
                yield one
            elif one.kind is not Kind.WRITE:
                one.durable = self.chance.random() < 0.5
                yield one
            else:
                yield from self._torn(one)

    def _torn(self, one: Change) -> Iterator[Change]:
        """A write, sector by sector."""
        at = 0
        while at < len(one.new):
            end = min(len(one.new), at + SECTOR_BYTES - (one.offset + at) % SECTOR_BYTES)
            yield Change(
                Kind.WRITE,
                one.inode,
                one.offset + at,
                max(one.size_before, one.offset + at if at else 0),
                "",
                "",
                one.old[at:end],
                one.new[at:end],
                durable=self.chance.random() < 0.5,
            )
            at = end

    def _after(self, changes: list[Change]) -> tuple[dict[int, bytearray], dict[str, int]]:
        contents: dict[int, bytearray] = {}
        for path in (*self._files(), *(p for p in self.side.iterdir() if p.name.isdigit())):
            contents[path.stat().st_ino] = bytearray(path.read_bytes())
        names = {str(path): path.stat().st_ino for path in self._files()}
        for one in reversed(changes):
            _undo(one, contents, names)
        for one in changes:
            if one.durable:
                _do(one, contents, names)
        return contents, names


def _judge(changes: list[Change], folder: Path) -> None:
    """Mark what was durable when the power went."""
    folders = {path.stat().st_ino: str(path) for path in (folder, *folder.rglob("*/"))}
    waiting: defaultdict[int | str, list[Change]] = defaultdict(list)
    for one in changes:
        match one.kind:
            case Kind.WRITE | Kind.TRUNCATE:
                waiting[one.inode].append(one)
            case Kind.CREATE | Kind.UNLINK | Kind.RENAME:
                waiting[str(Path(one.path).parent)].append(one)
            case Kind.SYNC:
                for change in waiting.pop(folders.get(one.inode, one.inode), []):
                    change.durable = True
            case Kind.SYNC_FAILED:
                for change in waiting.pop(folders.get(one.inode, one.inode), []):
                    change.hopeless = True


def _undo(one: Change, contents: dict[int, bytearray], names: dict[str, int]) -> None:
    match one.kind:
        case Kind.WRITE | Kind.TRUNCATE:
            data = contents.get(one.inode)
            if data is None:
                return  # never had a name that was lost, or has one: it is gone for good
            _put(data, one.offset, one.old)
            _resize(data, one.size_before)
        case Kind.CREATE:
            names.pop(one.path, None)
        case Kind.UNLINK:
            names[one.path] = one.inode
        case Kind.RENAME:
            names[one.path] = one.inode
            names.pop(one.to, None)
            if one.offset:
                names[one.to] = one.offset
        case _:
            return


def _do(one: Change, contents: dict[int, bytearray], names: dict[str, int]) -> None:
    match one.kind:
        case Kind.WRITE:
            data = contents.setdefault(one.inode, bytearray())
            _put(data, one.offset, one.new)
        case Kind.TRUNCATE:
            _resize(contents.setdefault(one.inode, bytearray()), one.offset)
        case Kind.CREATE:
            names[one.path] = one.inode
            contents.setdefault(one.inode, bytearray())
        case Kind.UNLINK:
            names.pop(one.path, None)
        case Kind.RENAME:
            names.pop(one.path, None)
            names[one.to] = one.inode
        case _:
            return


def _put(data: bytearray, offset: int, some: bytes) -> None:
    if offset > len(data):
        _resize(data, offset)
    data[offset : offset + len(some)] = some


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))
