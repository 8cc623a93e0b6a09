"""Records, held as columns.

A `Batch` is a number of records of one schema: a column for each field, all of one length.  Rows
exist only at the edges (`from_rows`, `rows`), because everything between an import and a page
handles whole columns, and a million readings are six lists and not a million objects.

    cell        whole number → int, text → str, decimal → (mantissa, scale), absent → None
    record      {field: value|null}, a decimal as [mantissa, scale]: what a statement's leaf hashes

A batch is a value: nobody changes its columns after making it.  `check` returns a batch that is
known to hold only what its schema allows; slices of it need no second look.  Its repr shows no
record.

Source: formats.md, "Page".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise, repeat
from operator import itemgetter, lt
from typing import TypeAlias, cast

from ..crypto.canonical import Value
from . import limits
from .day import DAY_MS, UNDATED, day_of, start_ms
from .errors import RecordError
from .schema import INTEGERS, Field, Schema

Cell: TypeAlias = "int | str | tuple[int, int] | None"
Column: TypeAlias = Sequence[Cell]

_MANTISSA = INTEGERS["i64"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one schema as columns of equal length, in the order of the schema's fields.

    Raises RecordError if a column is missing, unknown or of another length.
    """

    schema: Schema
    columns: Mapping[str, Column]
    # Set by `check` and by decoding only: the values are within the schema's limits.
    checked: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if self.columns.keys() != self.schema.by_name.keys():
            raise RecordError(f"records of {self.schema.name} have other fields than these")
        if len(set(map(len, self.columns.values()))) != 1:
            raise RecordError("the columns of a batch have different lengths")

    def __len__(self) -> int:
        return len(self.columns["time" if self.schema.dated else "id"])

    def __repr__(self) -> str:
        return f"<{len(self)} records of {self.schema.name}>"

    @property
    def times(self) -> Sequence[int]:
        """The time of each record, milliseconds since 1970, UTC; 0 if the schema is undated."""
        if not self.schema.dated:
            return (0,) * len(self)
        return cast("Sequence[int]", self.columns["time"])

    @classmethod
    def empty(cls, schema: Schema) -> Batch:
        return cls(schema, {f.name: [] for f in schema.fields}, checked=True)

    @classmethod
    def from_rows(cls, schema: Schema, rows: Iterable[Mapping[str, Value]]) -> Batch:
        """Records as maps to columns, checked.  Raises RecordError naming row and field."""
        columns: dict[str, list[Cell]] = {f.name: [] for f in schema.fields}
        for number, row in enumerate(rows):
            if row.keys() != columns.keys():
                raise RecordError(f"row {number} has other fields than {schema.name}")
            for name, cells in columns.items():
                cells.append(_cell(row[name]))
        return cls(schema, columns).check()

    def row(self, index: int) -> dict[str, Value]:
        """One record: `{field: value|null}`."""
        return {name: _value(column[index]) for name, column in self.columns.items()}

    def rows(self) -> Iterator[dict[str, Value]]:
        """The records, in order."""
        return map(self.row, range(len(self)))

    def slice(self, first: int, end: int) -> Batch:
        """Rows `first` up to, not including, `end`."""
        columns = {name: column[first:end] for name, column in self.columns.items()}
        return Batch(self.schema, columns, self.checked)

    def check(self) -> Batch:
        """This batch, known to hold only what the schema allows.

        Raises RecordError naming the first row and field that it does not.  Order is not looked at.
        """
        if self.checked:
            return self
        for f in self.schema.fields:
            column = self.columns[f.name]
            if not column_fits(f, column):
                row = next(i for i, cell in enumerate(column) if not column_fits(f, [cell]))
                raise RecordError(f"row {row}: {f.name} is not {_wanted(f)}")
        return Batch(self.schema, self.columns, checked=True)

    def sorted(self) -> Batch:
        """The same records in order of (time, id), checked.

        Raises RecordError if two have the same time and id: they would have no order.
        """
        batch = self.check()
        if is_ordered(batch):
            return batch
        keys = _order_keys(batch)
        order = sorted(range(len(keys)), key=keys.__getitem__)
        columns = {name: [col[i] for i in order] for name, col in batch.columns.items()}
        ordered = Batch(self.schema, columns, checked=True)
        require_order(ordered)
        return ordered

    def by_day(self) -> Iterator[tuple[int, Batch]]:
        """(day, records of that day), ascending, days without records left out.

        Raises RecordError unless the batch is in order.
        """
        require_order(self)
        if not self.schema.dated:
            if len(self):
                yield UNDATED, self
            return
        times = self.times
        first = 0
        while first < len(times):
            day = day_of(times[first])
            end = bisect_left(times, start_ms(day) + DAY_MS, first)
            yield day, self.slice(first, end)
            first = end


def concat(schema: Schema, batches: Iterable[Batch]) -> Batch:
    """The records of all `batches`, one after the other.  Raises RecordError on another schema."""
    columns: dict[str, list[Cell]] = {f.name: [] for f in schema.fields}
    checked = True
    for batch in batches:
        if batch.schema is not schema:
            raise RecordError("records of two schemas do not go into one batch")
        checked = checked and batch.checked
        for name, cells in columns.items():
            cells.extend(batch.columns[name])
    return Batch(schema, columns, checked)


def is_ordered(batch: Batch) -> bool:
    """Are the rows strictly ascending by (time, id)?"""
    times = batch.times
    if all(map(lt, times, times[1:])):
        return True
    return batch.schema.has_id and all(a < b for a, b in pairwise(_order_keys(batch)))


def require_order(batch: Batch) -> None:
    """Raise RecordError unless the rows are strictly ascending by (time, id)."""
    if is_ordered(batch):
        return
    for row, (before, after) in enumerate(pairwise(_order_keys(batch)), start=1):
        if before == after:
            raise RecordError(f"row {row} has the same time and id as the row before it")
        if before > after:
            raise RecordError(f"row {row} is not in order of time and id")


def require_day(batch: Batch, day: int) -> None:
    """Raise RecordError unless every record of a batch in order lies in `day`."""
    if not batch.schema.dated:
        if day != UNDATED:
            raise RecordError("undated records have no day")
    elif day == UNDATED:
        raise RecordError("dated records are not kept as undated")
    elif len(batch) and not day_of(batch.times[0]) == day == day_of(batch.times[-1]):
        raise RecordError("here are records of another day")


def column_fits(f: Field, column: Column) -> bool:
    """Does every cell have the type of `f` and lie within its limits?"""
    present = [cell for cell in column if cell is not None] if f.optional else column
    if not present:
        return True
    kinds = set(map(type, present))
    if f.dtype == "str":
        return kinds == {str} and texts_fit(f, cast("Sequence[str]", present))
    if f.dtype == "dec":
        return kinds == {tuple} and _decimals_fit(cast("Sequence[tuple[int, int]]", present))
    return kinds == {int} and integers_fit(f, cast("Sequence[int]", present))


def integers_fit(f: Field, values: Sequence[int]) -> bool:
    """`values`, not empty, within the limits of `f`."""
    return min(values) >= f.low and max(values) <= f.high


def texts_fit(f: Field, values: Sequence[str]) -> bool:
    """`values`, not empty, have UTF-8 forms whose lengths are within the limits of `f`."""
    if values.count(values[0]) == len(values):
        values = values[:1]
    try:
        if not "".join(values).isascii():
            lengths = [len(text.encode()) for text in values]
        else:
            lengths = list(map(len, values))
    except UnicodeEncodeError:  # half of a surrogate pair has no UTF-8 form
        return False
    return min(lengths) >= f.low and max(lengths) <= f.high


def _decimals_fit(values: Sequence[tuple[int, int]]) -> bool:
    if set(map(len, values)) != {2} or set(map(type, chain.from_iterable(values))) != {int}:
        return False
    _, _, low, high = _MANTISSA
    # Pairs are ordered by their mantissas first.
    if min(values)[0] < low or max(values)[0] > high:
        return False
    scales: set[int] = set(map(itemgetter(1), values))
    return min(scales) >= 0 and max(scales) <= limits.SCALE_MAX


def _order_keys(batch: Batch) -> list[tuple[int, str]]:
    # Python orders text by code points, which is the order of its UTF-8 bytes.
    ids = batch.columns["id"] if batch.schema.has_id else repeat("", len(batch))
    return list(zip(batch.times, cast("Iterable[str]", ids), strict=True))


def _cell(value: Value) -> Cell:
    """A value of a record as a cell.  A wrong type stays wrong, for `check` to name."""
    if isinstance(value, list | tuple):
        return cast("Cell", tuple(value))
    return cast("Cell", value)


def _value(cell: Cell) -> Value:
    return list(cell) if isinstance(cell, tuple) else cell


def _wanted(f: Field) -> str:
    if f.dtype == "str":
        wanted = f"text of {f.low} to {f.high} bytes"
    elif f.dtype == "dec":
        wanted = f"a decimal of 64 bits with 0 to {limits.SCALE_MAX} places"
    else:
        wanted = f"a whole number from {f.low} to {f.high}"
    return f"{wanted}, or absent" if f.optional else wanted
