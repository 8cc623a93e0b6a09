"""Which rows of the log are about a thing: a peer, a grant, a collection.

    mention   (tag, log, idx)      one row for each thing that a row of the log is about

An index and nothing more: everything in it follows from the log, so it is filled afterwards, in
small units, and never in the unit that serves or answers a peer.  How far it has come stands in
`meta`, in the transaction of the rows that it added.

Someone with the file sees which rows of the log are about one same thing, not which thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...crypto.canonical import Value
from .database import Tx
from .errors import StoreDamaged
from .sealer import Sealer

_PLACE = "mentions"
_TAGS_A_STATEMENT = 500


class Mentions:
    """The table `mention`, for every log that this home has had."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def upto(self, tx: Tx, log: int) -> int:
        """How many rows of log `log` have been looked at."""
        name = _name(log)
        row = tx.one("SELECT value FROM meta WHERE name = ?", (name,))
        if row is None:
            return 0
        found = self._sealer.open(_PLACE, name.encode(), row[0])
        if not isinstance(found, int):
            raise StoreDamaged("how far the index of the log has come has not the form of it")
        return found

    def add(
        self, tx: Tx, log: int, things: Iterable[tuple[int, Sequence[Value]]], upto: int
    ) -> None:
        """Row `index` of log `log` is about each thing beside it; `upto` rows are looked at now."""
        tx.executemany(
            "INSERT OR IGNORE INTO mention (tag, log, idx) VALUES (?, ?, ?)",
            ((self._tag(thing), log, index) for index, some in things for thing in some),
        )
        name = _name(log)
        sealed = self._sealer.seal(_PLACE, name.encode(), upto)
        tx.execute(
            "INSERT INTO meta (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, sealed),
        )

    def of(self, tx: Tx, thing: Value) -> list[tuple[int, int]]:
        """(log, index) of every row that is about `thing`, in the order they were logged."""
        rows = tx.execute(
            "SELECT log, idx FROM mention WHERE tag = ? ORDER BY log, idx", (self._tag(thing),)
        )
        return [(int(log), int(idx)) for log, idx in rows]

    def of_each(self, tx: Tx, things: Iterable[Value]) -> list[list[tuple[int, int]]]:
        """As `of`, of each of `things`, with one statement for hundreds of them."""
        tags = [self._tag(thing) for thing in things]
        found: dict[bytes, list[tuple[int, int]]] = {tag: [] for tag in tags}
        for start in range(0, len(tags), _TAGS_A_STATEMENT):
            some = tags[start : start + _TAGS_A_STATEMENT]
            marks = ", ".join("?" * len(some))
            for tag, log, index in tx.execute(
                f"SELECT tag, log, idx FROM mention WHERE tag IN ({marks}) ORDER BY log, idx", some
            ):
                found[bytes(tag)].append((int(log), int(index)))
        return [found[tag] for tag in tags]

    def count(self, tx: Tx, thing: Value) -> int:
        """How many rows are about `thing`."""
        row = tx.one("SELECT count(*) FROM mention WHERE tag = ?", (self._tag(thing),))
        return 0 if row is None else int(row[0])

    def _tag(self, thing: Value) -> bytes:
        return self._sealer.tag("mention", thing)


def _name(log: int) -> str:
    return f"log/{log}/mentions"
