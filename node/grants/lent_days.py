"""Of each day that was read, which pages its last read brought.

What was fetched is never thrown away, so a day that its owner has corrected since has pages of
several reads.  What counts is what the last one brought, even where that was nothing.  One object a
month of a lent collection: its days, each with the numbers of its pages.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from ...protocol.day import month_of
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from ..vault.stored import Stored


class LentDays:
    """The days of what peers have lent.  `owner` is the DID that lent them."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def came(
        self,
        tx: Tx,
        owner: str,
        path: str,
        days: tuple[int, int],
        pages: Sequence[tuple[int, int]],
        *,
        months: Iterable[int],
        goes_on: bool,
    ) -> None:
        """A window brought `days` (first and last) with `pages`, each (day, number).

        `months` are those of which there are any pages, these among them.  With `goes_on` the
        first day is a day that the window before it began.
        """
        first, last = days
        brought: dict[int, list[int]] = {}
        for day, seq in pages:
            brought.setdefault(day, []).append(seq)
        for month in months:
            if not month_of(first) <= month <= month_of(last):
                continue
            before = self._of(tx, owner, path, month)
            after = {day: seqs for day, seqs in before.items() if not first <= day <= last}
            if goes_on and first in before:
                after[first] = before[first]
            for day, seqs in brought.items():
                if month_of(day) == month:
                    after[day] = sorted({*after.get(day, ()), *seqs})
            # Days of which the last read brought nothing are told apart from those never read.
            for day in before:
                after.setdefault(day, [])
            if after != before:
                value: Value = [[day, list(after[day])] for day in sorted(after)]
                self._objects.put(tx, Kind.LENT_DAYS, [owner, path, month], value)

    def forget(self, tx: Tx, owner: str, path: str, month: int, days: Container[int]) -> None:
        """What was read of these days of a month is gone."""
        before = self._of(tx, owner, path, month)
        value: Value = [[day, list(before[day])] for day in sorted(before) if day not in days]
        self._objects.put(tx, Kind.LENT_DAYS, [owner, path, month], value)

    def current(self, tx: Tx, owner: str, path: str, stored: Sequence[Stored]) -> list[Stored]:
        """Those of `stored` that the last read of their day brought."""
        months = {month_of(one.day) for one in stored}
        known: dict[int, Sequence[int]] = {}
        for month in months:
            known |= self._of(tx, owner, path, month)
        return [one for one in stored if one.day not in known or one.seq in known[one.day]]

    def _of(self, tx: Tx, owner: str, path: str, month: int) -> Mapping[int, Sequence[int]]:
        found = self._objects.read(tx, Kind.LENT_DAYS, [owner, path, month], _days)
        return {} if found is None else found


def _days(value: Value) -> Mapping[int, Sequence[int]]:
    if not isinstance(value, list):
        raise _damaged()
    return dict(map(_day, value))


def _day(value: Value) -> tuple[int, Sequence[int]]:
    match value:
        case [int(day), list(seqs)]:
            return day, [seq for seq in seqs if isinstance(seq, int)]
        case _:
            raise _damaged()


def _damaged() -> StoreDamaged:
    return StoreDamaged("what is kept of days that were lent has not the form of it")
