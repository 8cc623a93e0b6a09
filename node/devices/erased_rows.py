"""What was erased, as two devices compare it.

    erased      tombstones by collection and month: of two words about one record, the later
    rows-gone   imports, statements and deliveries that went with a whole collection

Both are fetched before any page.  What they name is taken out here in the unit of work that takes
them, and overwritten in the files; what comes later is swept as it comes (`page_spaces.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...protocol.collection import check_path
from ...protocol.day import UNDATED, month_of
from ...protocol.errors import WireError
from ...protocol.wire import Body, Value
from ..store.database import Tx
from ..store.objects import Kind, Objects
from ..vault.erased import Erased
from ..vault.tombstones import Marks, joined, marks_from_value, marks_value
from .row_spaces import Rows, RowSpace
from .space import Space, Taking, WholeSpace, row_id

ERASED: Final = "erased"
ROWS_GONE: Final = "rows-gone"
IMPORTS: Final = "imports"
STATEMENTS: Final = "statements"
DELIVERED: Final = "delivered"
KINDS: Final = {
    IMPORTS: Kind.IMPORT,
    STATEMENTS: Kind.STATEMENT,
    DELIVERED: Kind.DELIVERY,
}
# What has no date lies in a month of its own.
_MONTH_MAX: Final = month_of(UNDATED)

Sweep = Callable[[Tx, str, Collection[int], int], int]
"""Takes out what is erased of a path on these days, at this moment; how many pages went."""


def erased_spaces(objects: Objects, erased: Erased, sweep: Sweep) -> Iterable[Space]:
    """In the order in which they are fetched."""

    def keep(tx: Tx, name: Value, before: Marks | None, row: Marks, taking: Taking) -> None:
        path, month = _place(name)
        erased.adopt(tx, path, month, row)
        known = before or {}
        news = {one.day for one, mark in row.items() if mark.erased and known.get(one) != mark}
        sweep(tx, path, news, taking.now_ms)

    yield RowSpace(ERASED, Kind.TOMBSTONE, objects, Rows(_marks, marks_value, joined, keep=keep))
    yield RowsGoneSpace(objects)


def is_gone(objects: Objects, space: str) -> Callable[[Tx, Value, Value], bool]:
    """Whether a row of `space` has gone with its collection."""
    return lambda tx, name, _row: objects.has(tx, Kind.ROW_GONE, [space, name])


@dataclass(frozen=True, slots=True)
class RowsGoneSpace(WholeSpace):
    """The names of rows that went with what they were about."""

    objects: Objects
    name: str = ROWS_GONE
    sets: tuple[Value, ...] = (Kind.ROW_GONE.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        return {
            row_id(self.name, name, at_ms): [name, at_ms]
            for name, at_ms in self.objects.all(tx, Kind.ROW_GONE)
        }

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        changed = 0
        for row in rows:
            body = Body.of_list(row, "what went with a collection", ("row", "at_ms"))
            named = Body.of_list(body.value("row"), "what went", ("space", "name"))
            space, name, at_ms = named.text("space"), named.value("name"), body.integer("at_ms")
            if space not in KINDS:
                raise WireError("what went with a collection is of a space where nothing goes")
            known = self.objects.get(tx, Kind.ROW_GONE, [space, name])
            if not isinstance(known, int) or known < at_ms:
                self.objects.put(tx, Kind.ROW_GONE, [space, name], at_ms)
                self.objects.delete(tx, KINDS[space], name)
                changed += 1
        return changed


def _place(name: Value) -> tuple[str, int]:
    body = Body.of_list(name, "the name of tombstones", ("path", "month"))
    return check_path(body.text("path")), body.integer("month", high=_MONTH_MAX)


def _marks(name: Value, value: Value) -> Marks:
    _, month = _place(name)
    marks = marks_from_value(value)
    if not marks:
        # Nothing is kept of it, so it would be news at every exchange.
        raise WireError("tombstones of a month in which nothing was erased")
    if any(month_of(one.day) != month for one in marks):
        raise WireError("tombstones stand under another month than theirs")
    return marks
