"""Stamps: whether a set of rows has changed since it was last looked at.

A set is whatever is compared as one (the rows of a kind, a month of pages).  Each change of it
gives it the next number, in the transaction that changes it; so a reader of one consistent state
that finds the number it knows has nothing to read again.  Numbers are not used twice while a
process lives, not even where a transaction was undone, and what is known by them is kept in memory
only.

Nothing is stamped until somebody watches: a home with one device has nobody to compare with.
"""

from __future__ import annotations

from ...crypto.canonical import Value
from .database import Tx
from .sealer import Sealer

_ALL: Value = "every-set"


class Stamps:
    """Numbers of changes, beside the counters in the table `counter`."""

    __slots__ = ("_last", "_sealer", "watched")

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._last: int | None = None
        # Set before anything that is watched is changed, and never unset.
        self.watched = False

    def changed(self, tx: Tx, name: Value) -> None:
        """The set `name` is changed by this transaction."""
        if not self.watched:
            return
        if self._last is None:
            self._last = self._at(tx, _ALL)
        self._last += 1
        for one in (name, _ALL):
            tx.execute(
                "INSERT INTO counter (tag, value) VALUES (?, ?) "
                "ON CONFLICT (tag) DO UPDATE SET value = excluded.value",
                (self._sealer.tag("stamp", one), self._last),
            )

    def of(self, tx: Tx, names: tuple[Value, ...]) -> tuple[int, ...]:
        """The number of each of these sets now."""
        return tuple(self._at(tx, name) for name in names)

    def latest(self, tx: Tx) -> int:
        """The number of the last change of any set."""
        return self._at(tx, _ALL)

    def _at(self, tx: Tx, name: Value) -> int:
        tag = self._sealer.tag("stamp", name)
        row = tx.one("SELECT value FROM counter WHERE tag = ?", (tag,))
        return 0 if row is None else int(row[0])
