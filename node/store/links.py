"""Which objects are about a thing: the grants that name a collection, or are of one peer.

    link     (kind, thing, end_day, tag)   one row for each thing that an object is about
    linked   (kind, thing, standing)       how many of them stand, where somebody counts

So what is asked of one collection costs what there is of it, and one object more costs one row
more, however many there are.  An object that has ended is still about its things, and is found by
those who ask for what ever was; until then its row names the last day on which it can stand.

A thing is in a row as a blinded tag, an object as the tag it has in its own table.  Someone with
the file sees which objects are about one same thing, and on which day they end; not which thing.

Objects that an older program wrote have no links.  Whether those of a kind have stands in `meta`,
in the transaction that made them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ...crypto.canonical import Value
from .database import Row, Tx
from .errors import StoreDamaged
from .sealer import Sealer

_PLACE = "links"
_OBJECTS = (
    # CROSS JOIN: the links of a thing first, then each of its objects by its name.
    "SELECT object.tag, object.sealed FROM link CROSS JOIN object "
    "ON object.kind = link.kind AND object.tag = link.tag "
    "WHERE link.kind = ? AND link.thing = ? AND link.end_day BETWEEN ? AND ? "
    "ORDER BY object.rowid"
)
# In place of the day on which an object ends: it has.  And a day that is after every other.
_ENDED, _NEVER = -1, 1 << 62


class Links:
    """The tables `link` and `linked`.  `kind` is the number of a kind of objects."""

    __slots__ = ("_sealer", "_tag_of")

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        # A thing is linked, counted and asked for again and again: a collection, a pair.
        self._tag_of = lru_cache(maxsize=1024)(self._made)

    def add(self, tx: Tx, kind: int, tag: bytes, things: Iterable[Value], end_day: int) -> None:
        """The object `tag` is about `things`, none of them said before, and stands until the day
        `end_day` (days since 1970)."""
        tx.executemany(
            "INSERT INTO link (kind, thing, end_day, tag) VALUES (?, ?, ?, ?)",
            [(kind, self._thing(kind, thing), end_day, tag) for thing in things],
        )

    def end(self, tx: Tx, kind: int, tag: bytes, things: Iterable[Value], end_day: int) -> bool:
        """The object `tag`, which was said to stand until `end_day`, stands no more; False if
        that was said already."""
        ended = tx.executemany(
            "UPDATE link SET end_day = ? WHERE kind = ? AND thing = ? AND end_day = ? AND tag = ?",
            [(_ENDED, kind, self._thing(kind, thing), end_day, tag) for thing in things],
        )
        return ended > 0

    def remove(self, tx: Tx, kind: int, tag: bytes, things: Iterable[Value], end_day: int) -> None:
        """The object `tag`, which stands until `end_day`, is no more, and about nothing."""
        tx.executemany(
            "DELETE FROM link WHERE kind = ? AND thing = ? AND end_day = ? AND tag = ?",
            [(kind, self._thing(kind, thing), end_day, tag) for thing in things],
        )

    def count(self, tx: Tx, kind: int, thing: Value, more: int) -> None:
        """Count `more` objects that stand about `thing`, or fewer."""
        tx.execute(
            "INSERT INTO linked (kind, thing, standing) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, thing) DO UPDATE SET standing = standing + excluded.standing",
            (kind, self._thing(kind, thing), more),
        )

    def standing(self, tx: Tx, kind: int, thing: Value) -> int:
        """How many objects that stand about `thing` were counted."""
        row = tx.one(
            "SELECT standing FROM linked WHERE kind = ? AND thing = ?",
            (kind, self._thing(kind, thing)),
        )
        return 0 if row is None else int(row[0])

    def rows(self, tx: Tx, kind: int, thing: Value, *, ended: bool) -> list[Row]:
        """(tag, sealed) of the objects about `thing`, in the order they were first put.

        With those that have `ended`, or without.
        """
        return self._rows(tx, kind, thing, _ENDED if ended else 0, _NEVER)

    def rows_until(self, tx: Tx, kind: int, thing: Value, day: int) -> list[Row]:
        """As `rows`, of those that stand, and no longer than until `day`."""
        return self._rows(tx, kind, thing, 0, day)

    def _rows(self, tx: Tx, kind: int, thing: Value, first: int, last: int) -> list[Row]:
        return tx.execute(_OBJECTS, (kind, self._thing(kind, thing), first, last))

    # homes of older versions

    def complete(self, tx: Tx, kind: int) -> bool:
        """Whether every object of `kind` has its links."""
        name = _name(kind)
        row = tx.one("SELECT value FROM meta WHERE name = ?", (name,))
        if row is None:
            return False
        return self._sealer.read(_PLACE, name.encode(), row[0], _complete)

    def completed(self, tx: Tx, kind: int) -> None:
        """Every object of `kind` has its links now."""
        name = _name(kind)
        sealed = self._sealer.seal(_PLACE, name.encode(), True)
        tx.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, sealed))

    def _thing(self, kind: int, thing: Value) -> bytes:
        match thing:
            case [str() as word, *names] if all(type(name) is str for name in names):
                return self._tag_of(kind, (word, *names))
            case _:
                return self._sealer.tag("link", kind, thing)

    def _made(self, kind: int, thing: tuple[Value, ...]) -> bytes:
        return self._sealer.tag("link", kind, list(thing))


def _name(kind: int) -> str:
    return f"links/{kind}"


def _complete(value: Value) -> bool:
    if value is not True:
        raise StoreDamaged("whether objects have their links has not the form of it")
    return True
