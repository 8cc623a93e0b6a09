"""Undoing an import: exactly what it brought is removed and overwritten, and nothing else.

A record that two files told was written for the first alone.  If that one is undone, what the
others told of it is given back to them (`returning.py`); the journal of each says what it then has.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from dataclasses import replace

from ...protocol.day import month_of
from ..clock import Clock
from ..errors import NotFound, UsageError
from ..store.database import Tx
from ..vault.journal import Event, Import, Journal, State, after
from ..vault.vault import Vault
from .returning import give_back, returning

# So much of an id must be given: less is a slip, not a choice.
ID_DIGITS_MIN = 4


class Undoing:
    """Finds an import by what a person wrote of its id, and undoes it."""

    def __init__(self, vault: Vault, clock: Clock, journal: Journal) -> None:
        self._vault = vault
        self._clock = clock
        self._journal = journal

    def named(self, tx: Tx, id: str) -> Import:
        """The one import whose id begins with `id`.  Raises UsageError, NotFound."""
        text = id.lower()
        if len(text) < ID_DIGITS_MIN or set(text) - set("0123456789abcdef"):
            raise UsageError(f"an import is named by {ID_DIGITS_MIN} or more of its hex digits")
        found = [row for row in self._journal.all(tx) if row.id.hex().startswith(text)]
        if not found:
            raise NotFound(f"there is no import {text}: see `entrenous imports`")
        if len(found) > 1:
            raise UsageError(f"{len(found)} imports begin with {text}: give more of the id")
        return found[0]

    def undo(self, tx: Tx, id: bytes) -> int:
        """Undo an import; the pages removed, 0 if it is undone already.  Raises StoreError."""
        row = self._journal.get(tx, id)
        if row.state is State.UNDONE:
            return 0
        now_ms = self._clock.now_ms()
        pages = 0
        if self._vault.collections.find(tx, row.path) is not None:
            returned = returning(self._vault, tx, row.path, id, self._journal.standing(tx))
            pages = self._vault.remove(tx, row.path, lambda stored: stored.origin == id)
            for origin, pieces in returned:
                count = give_back(self._vault, tx, row.path, origin, pieces)
                other = self._journal.get(tx, origin)
                self._journal.put(
                    tx,
                    replace(
                        other,
                        records=other.records + count,
                        duplicates=max(0, other.duplicates - count),
                        changed_ms=now_ms,
                    ),
                )
        self._vault.left_out.forget(tx, row.path, id, months_of(row))
        self._journal.put(
            tx,
            replace(
                row,
                state=after(row.state, Event.UNDO),
                done_pieces=0,
                records=0,
                duplicates=0,
                differing=0,
                beside=0,
                same=0,
                ambiguous=0,
                same_as={},
                noted=True,
                changed_ms=now_ms,
            ),
        )
        if not pages:
            return 0
        for other in self._journal.all(tx):
            shares = other.path == row.path and other.duplicates + other.differing
            if shares and not other.noted and other.state is not State.UNDONE:
                state = after(other.state, Event.NEIGHBOUR_UNDONE)
                self._journal.put(tx, replace(other, state=state, changed_ms=now_ms))
        return pages


def months_of(row: Import) -> list[int]:
    """Every month in which an import may have noted something."""
    first, last = month_of(row.first), month_of(row.last)
    return list(range(first, last + 1))
