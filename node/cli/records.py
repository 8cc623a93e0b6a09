"""Records as a table for the eye, as CSV, and as JSON.

    table   times in the offset that the source wrote, numbers aligned, everything made visible
    csv     one line a record under the names of the fields: times in UTC, decimals as they are,
            absent empty; to a file or a pipe the texts are exact, on a terminal made visible
    json    JSON Lines, the same cells under the same names, absent as null

Laid out by hand: a year of half-hours is 17,520 rows, and a table library measures every cell.
"""

from __future__ import annotations

import csv
import datetime
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO, cast

from ...protocol.contact import LISTS, read_values
from ...protocol.errors import RecordError
from ...protocol.record import Batch, Cell, Column
from ...protocol.schema import Field
from .json_form import Json
from .screen import columns_of
from .visible import visible

# On a terminal a long table is shown by its ends.
_ROWS_SHOWN_MAX = 60
_CELL_COLUMNS_MAX = 40
_TEXT_COLUMNS_MIN = 8
# Texts that are never cut: a sum without its unit says nothing.
_SHORT = frozenset(("currency", "unit"))
_LOOKED_FOR = frozenset(("name", "organisation", "phones", "emails", "addresses"))
_PARTS_OF_NAMES = frozenset(("kind", "family", "given", "additional", "prefix", "suffix", "rev"))
_EPOCH = datetime.datetime(1970, 1, 1)


class Format(StrEnum):
    """How records are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def between(batch: Batch, start: int, end: int) -> Batch:
    """The records from the moment `start` up to `end` (milliseconds); undated ones all stay."""
    if not batch.schema.dated or not len(batch):
        return batch
    times = batch.times
    from bisect import bisect_left

    return batch.slice(bisect_left(times, start), bisect_left(times, end))


Beside = tuple[str, Sequence[str]]
"""The heading and the cells of one more column of text."""


def print_batch(
    batch: Batch, format: Format, *, every: bool = False, beside: Beside | None = None
) -> None:
    """Print records on stdout; `every` shows a long table in full on a terminal too.

    `beside` is one more column of a table or of CSV.
    """
    match format:
        case Format.TABLE:
            _print_table(batch, every=every or not sys.stdout.isatty(), beside=beside)
        case Format.CSV:
            _print_csv(batch, beside)
        case Format.JSON:
            for row in json_rows(batch):
                print(json.dumps(row))


def json_rows(batch: Batch) -> Iterator[dict[str, Json]]:
    """Each record as an object: decimals as text, times in UTC."""
    names = [field.name for field in batch.schema.fields]
    columns = [_cells(name, batch.columns[name]) for name in names]
    for cells in zip(*columns, strict=True):
        yield dict(zip(names, cells, strict=True))


def decimal_text(mantissa: int, scale: int) -> str:
    """`-1250, 2` as `-12.50`, every place kept."""
    if not scale:
        return str(mantissa)
    digits = str(abs(mantissa)).rjust(scale + 1, "0")
    return f"{'-' if mantissa < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def fields_shown(batch: Batch) -> list[tuple[str, str]]:
    """The fields of the first record as a table shows them: name and text, absent as empty."""
    names = [field.name for field in batch.schema.fields if field.name != "offset_min"]
    return [(name, _column(batch, name)[0]) for name in names]


def utc_text(t_ms: int) -> str:
    """A moment as ISO 8601 in UTC; milliseconds only where there are some."""
    at = _EPOCH + datetime.timedelta(milliseconds=t_ms)
    return at.isoformat(timespec="milliseconds" if t_ms % 1000 else "seconds") + "Z"


def _cells(name: str, column: Column, *, exact: bool = False) -> list[Json]:
    if name == "time":
        return [utc_text(t_ms) for t_ms in cast("Sequence[int]", column)]
    if name in LISTS and not exact:
        return [_values(cast("str | None", cell)) for cell in column]
    return [_json_cell(cell) for cell in column]


def _values(text: str | None) -> Json:
    """A list of a contact as a list; what is none, and came from outside, as it stands."""
    try:
        return [
            {"parts": list(value.parts), "labels": list(value.labels)}
            for value in read_values(text)
        ]
    except RecordError:
        return text


def _json_cell(cell: Cell) -> Json:
    return decimal_text(*cell) if isinstance(cell, tuple) else cell


@dataclass(frozen=True, slots=True)
class _Rows:
    """Writes rows that end in CR LF with LF alone."""

    stream: TextIO

    def write(self, row: str) -> int:
        return self.stream.write(row.removesuffix("\r\n") + "\n")


def _print_csv(batch: Batch, beside: Beside | None) -> None:
    guard = sys.stdout.isatty()
    # The writer quotes what its own line ends are made of.  A bare return in a label is a new row
    # to many a program, so it has to be one of them, whatever then stands at the end of a line.
    writer = csv.writer(_Rows(sys.stdout), lineterminator="\r\n")
    names = [field.name for field in batch.schema.fields]
    columns = [_cells(name, batch.columns[name], exact=True) for name in names]
    if beside is not None:
        names, columns = [*names, beside[0]], [*columns, list(beside[1])]
    writer.writerow(names)
    for cells in zip(*columns, strict=True):
        texts = ("" if cell is None else str(cell) for cell in cells)
        writer.writerow([visible(text) for text in texts] if guard else texts)


# --- the table ------------------------------------------------------------------------------------

_RIGHT = frozenset(("dec", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"))


def _print_table(batch: Batch, *, every: bool, beside: Beside | None) -> None:
    hidden = 0 if every or len(batch) <= _ROWS_SHOWN_MAX else len(batch) - _ROWS_SHOWN_MAX
    half = _ROWS_SHOWN_MAX // 2
    ends = [(0, len(batch))] if not hidden else [(0, half), (len(batch) - half, len(batch))]
    fields = _table_fields(batch)
    names = [field.name for field in fields]
    rights = [field.dtype in _RIGHT for field in fields]
    texts = [field.dtype == "str" and field.name not in _SHORT for field in fields]
    rows: list[list[tuple[str, ...]]] = []
    for first, end in ends:
        columns = [_column(batch.slice(first, end), name) for name in names]
        if beside is not None:
            columns.append([visible(text) for text in beside[1][first:end]])
        rows.append(list(zip(*columns, strict=True)))
    if beside is not None:
        names, rights, texts = [*names, beside[0]], [*rights, False], [*texts, True]
    longest = [
        max([len(name), *(len(row[at]) for piece in rows for row in piece)])
        for at, name in enumerate(names)
    ]
    screen = columns_of(sys.stdout)
    widths = _fitted(longest, texts, screen)
    lines = [_line(names, widths, rights, screen)]
    for number, piece in enumerate(rows):
        if number:
            lines.append(f"… {hidden:,} more; --all shows them, --format csv writes them …")
        lines += [_line(row, widths, rights, screen) for row in piece]
    print("\n".join(lines), flush=True)


def _fitted(longest: Sequence[int], texts: Sequence[bool], screen: int) -> list[int]:
    """The widths of columns that fit a line of `screen`: numbers whole, the widest texts cut."""
    widths = [
        min(width, _CELL_COLUMNS_MAX) if text else width
        for width, text in zip(longest, texts, strict=True)
    ]
    while sum(widths) + 2 * (len(widths) - 1) > screen:
        cuttable = [at for at, text in enumerate(texts) if text]
        widest = max(cuttable, key=widths.__getitem__, default=-1)
        if widest < 0 or widths[widest] <= _TEXT_COLUMNS_MIN:
            break
        widths[widest] -= 1
    return widths


def _table_fields(batch: Batch) -> list[Field]:
    """The columns of a table: the offset is part of the time, ids come last.

    Of what has many fields, most of them empty, those that say something, what one looks for first.
    """
    fields = [field for field in batch.schema.fields if field.name != "offset_min"]
    if not batch.schema.dated:
        said = {name for name, column in batch.columns.items() if any(column)}
        fields = [field for field in fields if field.name in said - _PARTS_OF_NAMES]
        fields.sort(key=lambda field: field.name not in _LOOKED_FOR)
    return sorted(fields, key=lambda field: field.name == "id")


def _column(batch: Batch, name: str) -> list[str]:
    if name == "time":
        return _times(batch)
    if name in LISTS:
        return [_listed(cast("str | None", cell)) for cell in batch.columns[name]]
    return [_table_cell(cell) for cell in batch.columns[name]]


def _listed(text: str | None) -> str:
    """`+33 1 (work); +33 6 (cell)`; what is no list, and came from outside, as it stands."""
    try:
        values = read_values(text)
    except RecordError:
        return _table_cell(text)
    return visible(
        "; ".join(
            " ".join(value.text.split()) + (f" ({', '.join(value.labels)})" if value.labels else "")
            for value in values
        )
    )


def _times(batch: Batch) -> list[str]:
    """Each time as its source wrote it: local, with the offset."""
    offsets = cast("Sequence[int]", batch.columns["offset_min"])
    found: list[str] = []
    for t_ms, offset in zip(batch.times, offsets, strict=True):
        at = _EPOCH + datetime.timedelta(milliseconds=t_ms, minutes=offset)
        hours, minutes = divmod(abs(offset), 60)
        sign = "-" if offset < 0 else "+"
        found.append(f"{at:%Y-%m-%d %H:%M}{sign}{hours:02}:{minutes:02}")
    return found


def _table_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case (mantissa, scale):
            return decimal_text(mantissa, scale)
        case str():
            return visible(cell)
        case _:
            return str(cell)


def _line(cells: Sequence[str], widths: Sequence[int], rights: Sequence[bool], screen: int) -> str:
    parts = [
        (_cut(cell, width).rjust if right else _cut(cell, width).ljust)(width)
        for cell, width, right in zip(cells, widths, rights, strict=True)
    ]
    return _cut("  ".join(parts).rstrip(), screen)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
