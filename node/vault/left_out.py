"""Left out: records of a file that were there already, word for word.

Downloads overlap, and a month's file that repeats the last week is no reason to keep that week
twice, or to lend it twice.  But a file that says what another one said has said it: its word must
outlive the other's.  So what is left out is noted, by a digest over the whole record, under the
import that brought it; and when the import that holds the record is undone, the record stays, as
told by the one that noted it (`returning`).

One row a month and path: `[[origin, day, digests], …]`, eight bytes a digest.  That is enough to
tell the records of one day apart; a record that a stranger makes to fit another's digest is kept,
which loses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...crypto.canonical import encode
from ...crypto.digest import blake2b128
from ...protocol.day import month_of
from ...protocol.record import Batch
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects

_DIGEST_BYTES = 8

Noted = Mapping[bytes, Mapping[int, frozenset[bytes]]]
"""Digests by origin and day."""


@dataclass(frozen=True, slots=True)
class LeftOutDay:
    """Digests of records of one day that an import left out."""

    day: int
    digests: frozenset[bytes]


def record_digest(batch: Batch, row: int) -> bytes:
    """What stands for one record, all of it."""
    return blake2b128(encode(batch.row(row)))[:_DIGEST_BYTES]


class LeftOut:
    """The notes, in the store."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def of(self, tx: Tx, path: str, months: Iterable[int]) -> Noted:
        """What was left out in these months."""
        found: defaultdict[bytes, dict[int, frozenset[bytes]]] = defaultdict(dict)
        for month in sorted(set(months)):
            for origin, days in self._month(tx, path, month).items():
                found[origin].update({day: frozenset(some) for day, some in days.items()})
        return dict(found)

    def add(self, tx: Tx, path: str, origin: bytes, days: Sequence[LeftOutDay]) -> None:
        """Note what the import `origin` left out."""
        self._change(tx, path, origin, days, add=True)

    def take(self, tx: Tx, path: str, origin: bytes, days: Sequence[LeftOutDay]) -> None:
        """Forget these: the import holds the records itself now."""
        self._change(tx, path, origin, days, add=False)

    def forget(self, tx: Tx, path: str, origin: bytes, months: Iterable[int]) -> None:
        """Forget all that the import `origin` noted."""
        for month in set(months):
            rows = self._month(tx, path, month)
            if rows.pop(origin, None) is not None:
                self._put(tx, path, month, rows)

    def _change(
        self, tx: Tx, path: str, origin: bytes, days: Sequence[LeftOutDay], *, add: bool
    ) -> None:
        by_month: defaultdict[int, list[LeftOutDay]] = defaultdict(list)
        for one in days:
            by_month[month_of(one.day)].append(one)
        for month, some in by_month.items():
            rows = self._month(tx, path, month)
            own = rows.setdefault(origin, {})
            for one in some:
                before = own.get(one.day, set())
                own[one.day] = before | one.digests if add else before - one.digests
            self._put(tx, path, month, rows)

    def _month(self, tx: Tx, path: str, month: int) -> dict[bytes, dict[int, set[bytes]]]:
        value = self._objects.get(tx, Kind.LEFT_OUT, [path, month])
        found: defaultdict[bytes, dict[int, set[bytes]]] = defaultdict(dict)
        for item in value if isinstance(value, list) else ():
            match item:
                case [bytes(origin), int(day), bytes(joined)] if not len(joined) % _DIGEST_BYTES:
                    found[origin][day] = {
                        joined[at : at + _DIGEST_BYTES]
                        for at in range(0, len(joined), _DIGEST_BYTES)
                    }
                case _:
                    raise StoreDamaged("a note of what was left out has not the form of one")
        return dict(found)

    def _put(
        self, tx: Tx, path: str, month: int, rows: Mapping[bytes, Mapping[int, set[bytes]]]
    ) -> None:
        value: list[Value] = [
            [origin, day, b"".join(sorted(digests))]
            for origin, days in sorted(rows.items())
            for day, digests in sorted(days.items())
            if digests
        ]
        if value:
            self._objects.put(tx, Kind.LEFT_OUT, [path, month], value)
        else:
            self._objects.delete(tx, Kind.LEFT_OUT, [path, month])
