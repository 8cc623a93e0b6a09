"""Tombstones: which records were erased, so that none comes back unnoticed; and nothing of them.

Of each erased record eight bytes are kept: a digest of its path and name (its id, or its time)
under the index key of this store, which never leaves it.  From it nobody reads what the record
said; who has the whole home and its passphrase can try whether a name that they know was erased.

One row a month and path: `[[day, erased_ms, digests], …]`.  An import leaves such records out and
says how many; so does a delivery, of which what is left is then no whole day and stays unsigned.
What the person adds by hand they mean, and the tombstone goes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...protocol.day import month_of
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from ..store.sealer import Sealer
from .sealing import Piece
from .stored import names_of, rows_of

_DIGEST_BYTES = 8
_PATHS: Value = "erased-paths"

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

    def __init__(self, objects: Objects, sealer: Sealer) -> None:
        self._objects = objects
        self._sealer = sealer

    def digest(self, path: str, name: Hashable) -> bytes:
        """What stands for a record that was erased."""
        assert isinstance(name, str | int)
        return self._sealer.tag("erased", path, name)[:_DIGEST_BYTES]

    def add(self, tx: Tx, path: str, names: Mapping[int, Iterable[Hashable]], now_ms: int) -> None:
        """Records of these names, by day, are erased."""
        by_month: defaultdict[int, dict[int, set[bytes]]] = defaultdict(dict)
        for day, some in names.items():
            by_month[month_of(day)][day] = {self.digest(path, name) for name in some}
        for month, days in by_month.items():
            rows = self._month(tx, path, month)
            for day, digests in days.items():
                rows[day] = {**rows[day], **dict.fromkeys(digests, now_ms)}
            self._put(tx, path, month, rows)
        self._remember(tx, path, by_month)

    def of(self, tx: Tx, path: str, days: Iterable[int]) -> Tombstones:
        """The tombstones on these days; none of a collection of which nothing was erased."""
        wanted = set(days)
        months = self._months(tx, path) & {month_of(day) for day in wanted}
        return {
            day: digests
            for month in months
            for day, digests in self._month(tx, path, month).items()
            if day in wanted
        }

    def is_erased(self, found: Tombstones, path: str, day: int, name: Hashable) -> bool:
        return bool(found) and self.digest(path, name) in found.get(day, ())

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
            rows = self._month(tx, path, month_of(day))
            if day in rows:
                digests = {self.digest(path, name) for name in some}
                rows[day] = {one: at for one, at in rows[day].items() if one not in digests}
                self._put(tx, path, month_of(day), rows)

    def lift(self, tx: Tx, path: str) -> int:
        """Everything that was erased of `path` may come again; how many records."""
        count = 0
        for month in self._months(tx, path):
            count += sum(map(len, self._month(tx, path, month).values()))
            self._objects.delete(tx, Kind.ERASED, [path, month])
        known = self._paths(tx)
        known.pop(path, None)
        self._put_paths(tx, known)
        return count

    def any(self, tx: Tx, path: str) -> bool:
        """Whether anything of `path` was erased and may not come again."""
        return any(self._month(tx, path, month) for month in self._months(tx, path))

    def all(self, tx: Tx) -> list[ErasedRecords]:
        """What was erased, by collection."""
        found: list[ErasedRecords] = []
        for path in sorted(self._paths(tx)):
            days = {
                day: digests
                for month in self._months(tx, path)
                for day, digests in self._month(tx, path, month).items()
                if digests
            }
            if days:
                last_ms = max(at for digests in days.values() for at in digests.values())
                count = sum(map(len, days.values()))
                found.append(ErasedRecords(path, count, min(days), max(days), last_ms))
        return found

    # rows

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
        value = self._objects.get(tx, Kind.ERASED, [path, month])
        found: defaultdict[int, dict[bytes, int]] = defaultdict(dict)
        for item in value if isinstance(value, list) else ():
            match item:
                case [int(day), int(at_ms), bytes(joined)] if not len(joined) % _DIGEST_BYTES:
                    found[day] |= {
                        joined[at : at + _DIGEST_BYTES]: at_ms
                        for at in range(0, len(joined), _DIGEST_BYTES)
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


def _damaged() -> StoreDamaged:
    return StoreDamaged("what is kept of erased records has not the form of it")
