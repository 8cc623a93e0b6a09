"""Tombstones: which records were erased, so that none comes back unnoticed; and nothing of them.

Of each erased record eight bytes are kept: a digest of its path and name (its id, or its time)
under a key that follows from the first secret of the vault, which a person's devices share.  From
it nobody reads what the record said; who has the whole home and its passphrase can try whether a
name that they know was erased.  Homes of earlier versions have digests under the index key of their
store: they hold there, and no other device can be told of them.

An import leaves such records out and says how many; so does a delivery, of which what is left is
then no whole day and stays unsigned.  What the person adds by hand they mean, and from then on the
record may come again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...crypto.digest import kdf, tag128
from ...crypto.keys import VaultSecret
from ...crypto.labels import Derive, Tag
from ...protocol.day import month_of
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from ..store.sealer import Sealer
from .sealing import Piece
from .stored import names_of, rows_of
from .tombstones import DIGEST_BYTES, Mark, Marks, Named, joined, marks_from_value, marks_value

_PATHS: Value = "erased-paths"
_NONE: Marks = {}

Tombstones = Mapping[int, Mapping[bytes, int]]
"""By day: when each digest was erased (milliseconds)."""


@dataclass(frozen=True, slots=True)
class ErasedRecords:
    """What was erased of one collection: `count` records on days `first … last`, the last at
    `last_ms`."""

    path: str
    count: int
    first: int
    last: int
    last_ms: int


class Erased:
    """The tombstones, in the store."""

    def __init__(self, objects: Objects, sealer: Sealer, secret: VaultSecret) -> None:
        self._objects = objects
        self._sealer = sealer
        self._key = kdf(secret.secret_bytes(), Derive.TOMBSTONES)

    def digest(self, path: str, name: Hashable) -> bytes:
        """What stands for a record that was erased."""
        assert isinstance(name, str | int)
        return tag128(self._key, Tag.TOMBSTONE, path, name)[:DIGEST_BYTES]

    def _digest_of_store(self, path: str, name: Hashable) -> bytes:
        """The same in a home that an earlier version wrote."""
        assert isinstance(name, str | int)
        return self._sealer.tag("erased", path, name)[:DIGEST_BYTES]

    def add(self, tx: Tx, path: str, names: Mapping[int, Iterable[Hashable]], now_ms: int) -> None:
        """Records of these names, by day, are erased."""
        by_month: defaultdict[int, dict[Named, Mark]] = defaultdict(dict)
        for day, some in names.items():
            known = self.marks(tx, path, month_of(day))
            for name in some:
                named = Named(day, self.digest(path, name))
                before = known.get(named)
                # Never before what it takes the place of, whatever the clock says.
                at_ms = now_ms if before is None else max(now_ms, before.at_ms + 1)
                by_month[month_of(day)][named] = Mark(at_ms, True)
        for month, marks in by_month.items():
            self.adopt(tx, path, month, marks)

    def marks(self, tx: Tx, path: str, month: int) -> Marks:
        """What was said of records of one month, that all devices of this person can tell."""
        found = self._objects.read(tx, Kind.TOMBSTONE, [path, month], marks_from_value)
        return _NONE if found is None else found

    def adopt(self, tx: Tx, path: str, month: int, marks: Marks) -> None:
        """Keep what was said of records of one month, here or on another device."""
        known = self.marks(tx, path, month)
        after = joined(known, marks)
        if after != known:
            self._objects.put(tx, Kind.TOMBSTONE, [path, month], marks_value(after))
            self._remember(tx, path, (month,))

    def of(self, tx: Tx, path: str, days: Iterable[int]) -> Tombstones:
        """The tombstones on these days; none of a collection of which nothing was erased."""
        wanted = set(days)
        months = self._months(tx, path) & {month_of(day) for day in wanted}
        return {
            day: digests
            for month in months
            for day, digests in self._standing(tx, path, month).items()
            if day in wanted
        }

    def is_erased(self, found: Tombstones, path: str, day: int, name: Hashable) -> bool:
        if not (some := found.get(day)):
            return False
        return self.digest(path, name) in some or self._digest_of_store(path, name) in some

    def days_of(self, tx: Tx, path: str, name: Hashable) -> set[int]:
        """The days of `path` of which a record of this name was erased; none if none was."""
        wanted = {self.digest(path, name), self._digest_of_store(path, name)}
        return {
            day
            for month in self._months(tx, path)
            for day, digests in self._standing(tx, path, month).items()
            if not wanted.isdisjoint(digests)
        }

    def sifted(
        self, found: Tombstones, path: str, pieces: Sequence[Piece]
    ) -> tuple[list[Piece], int]:
        """`pieces` without what was erased, and how many records that were; empty ones stay."""
        if not found:
            return list(pieces), 0
        kept: list[Piece] = []
        gone = 0
        for piece in pieces:
            rows = [
                row
                for row, name in enumerate(names_of(piece.batch))
                if not self.is_erased(found, path, piece.day, name)
            ]
            gone += len(piece.batch) - len(rows)
            whole = len(rows) == len(piece.batch)
            # A day that lacks a record is not the day that was signed: its salt goes too.
            kept.append(
                piece if whole else replace(piece, batch=rows_of(piece.batch, rows), salt=None)
            )
        return kept, gone

    def forget(self, tx: Tx, path: str, names: Mapping[int, Iterable[Hashable]]) -> None:
        """These may come again: the person said so."""
        for day, some in names.items():
            month = month_of(day)
            rows = self._month(tx, path, month)
            if day in rows:
                digests = {self._digest_of_store(path, name) for name in some}
                rows[day] = {one: at for one, at in rows[day].items() if one not in digests}
                self._put(tx, path, month, rows)
            named = {Named(day, self.digest(path, name)) for name in some}
            self.adopt(tx, path, month, _lifted(self.marks(tx, path, month), named))

    def lift(self, tx: Tx, path: str) -> int:
        """Everything that was erased of `path` may come again; how many records."""
        count = 0
        for month in self._months(tx, path):
            count += sum(map(len, self._standing(tx, path, month).values()))
            self._objects.delete(tx, Kind.ERASED, [path, month])
            marks = self.marks(tx, path, month)
            self.adopt(tx, path, month, _lifted(marks, marks))
        return count

    def any(self, tx: Tx, path: str) -> bool:
        """Whether anything of `path` was erased and may not come again."""
        return any(self._standing(tx, path, month) for month in self._months(tx, path))

    def all(self, tx: Tx) -> list[ErasedRecords]:
        """What was erased, by collection."""
        found: list[ErasedRecords] = []
        for path in sorted(self._paths(tx)):
            days = {
                day: digests
                for month in self._months(tx, path)
                for day, digests in self._standing(tx, path, month).items()
                if digests
            }
            if days:
                last_ms = max(at for digests in days.values() for at in digests.values())
                count = sum(map(len, days.values()))
                found.append(ErasedRecords(path, count, min(days), max(days), last_ms))
        return found

    # rows

    def _standing(self, tx: Tx, path: str, month: int) -> Mapping[int, Mapping[bytes, int]]:
        """What is erased of one month, by day."""
        found = self._month(tx, path, month)
        for named, mark in self.marks(tx, path, month).items():
            if mark.erased:
                found[named.day][named.digest] = mark.at_ms
        return found

    def _months(self, tx: Tx, path: str) -> set[int]:
        return self._paths(tx).get(path, set())

    def _paths(self, tx: Tx) -> dict[str, set[int]]:
        value = self._objects.get(tx, Kind.ERASED, _PATHS)
        found: dict[str, set[int]] = {}
        for item in value if isinstance(value, list) else ():
            match item:
                case [str(path), list(months)]:
                    found[path] = {month for month in months if isinstance(month, int)}
                case _:
                    raise _damaged()
        return found

    def _remember(self, tx: Tx, path: str, months: Iterable[int]) -> None:
        known = self._paths(tx)
        known[path] = known.get(path, set()) | set(months)
        self._put_paths(tx, known)

    def _put_paths(self, tx: Tx, known: Mapping[str, set[int]]) -> None:
        value: list[Value] = [[path, list(sorted(known[path]))] for path in sorted(known)]
        self._objects.put(tx, Kind.ERASED, _PATHS, value)

    def _month(self, tx: Tx, path: str, month: int) -> defaultdict[int, dict[bytes, int]]:
        """As an earlier version kept it: `[[day, erased_ms, digests], …]`."""
        value = self._objects.get(tx, Kind.ERASED, [path, month])
        found: defaultdict[int, dict[bytes, int]] = defaultdict(dict)
        for item in value if isinstance(value, list) else ():
            match item:
                case [int(day), int(at_ms), bytes(joined)] if not len(joined) % DIGEST_BYTES:
                    found[day] |= {
                        joined[at : at + DIGEST_BYTES]: at_ms
                        for at in range(0, len(joined), DIGEST_BYTES)
                    }
                case _:
                    raise _damaged()
        return found

    def _put(self, tx: Tx, path: str, month: int, rows: Mapping[int, Mapping[bytes, int]]) -> None:
        value: list[Value] = []
        for day in sorted(rows):
            at: defaultdict[int, list[bytes]] = defaultdict(list)
            for digest, at_ms in rows[day].items():
                at[at_ms].append(digest)
            value += [[day, at_ms, b"".join(sorted(at[at_ms]))] for at_ms in sorted(at)]
        if value:
            self._objects.put(tx, Kind.ERASED, [path, month], value)
        else:
            self._objects.delete(tx, Kind.ERASED, [path, month])


def _lifted(marks: Marks, which: Iterable[Named]) -> Marks:
    """Those of `marks` that say erased, taken back."""
    return {
        named: Mark(marks[named].at_ms + 1, False)
        for named in which
        if named in marks and marks[named].erased
    }


def _damaged() -> StoreDamaged:
    return StoreDamaged("what is kept of erased records has not the form of it")
