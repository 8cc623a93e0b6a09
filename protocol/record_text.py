"""Records as text: one JSON object or one row of CSV for each, with nothing lost.

    text      as it is; absent is null (in CSV: an empty cell)
    decimal   its digits, every place kept: mantissa -1250 with two places is `-12.50`
    time      ISO 8601 with the offset that the source wrote: `2026-03-01T10:30:00+01:00`;
              milliseconds only where there are some; `Z` where a schema keeps no offset
    number    a whole number

`time` and `offset_min` of a record are the one field `time` here.  Each value has one spelling, so
what is read is written again as it stood; whatever has another spelling is refused.

CSV is for eyes and spreadsheets: it does not tell an absent text from an empty one.  JSON is what
is read back.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from .errors import RecordError
from .limits import SCALE_MAX
from .record import Batch, Cell, Column
from .schema import Schema

Text: TypeAlias = "str | int | None"

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,255})?", re.ASCII)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?)"
    r"(Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_EPOCH = datetime.datetime(1970, 1, 1)
_MS = datetime.timedelta(milliseconds=1)
_OFFSET = "offset_min"
_DAY_MIN = 24 * 60


def field_names(schema: Schema) -> tuple[str, ...]:
    """The keys of a record as text, in the order in which they are written."""
    folded = _folded(schema)
    return tuple(f.name for f in schema.fields if not (folded and f.name == _OFFSET))


def record_texts(batch: Batch) -> Iterator[tuple[Text, ...]]:
    """Each record of `batch` as the values of `field_names`."""
    names = field_names(batch.schema)
    return zip(*(_texts(batch, name) for name in names), strict=True)


def batch_of_texts(schema: Schema, rows: Sequence[Mapping[str, object]]) -> Batch:
    """The records that `record_texts` wrote, checked and in the order given.

    Raises RecordError naming row and field for what is no record, or is spelled otherwise.
    """
    names = field_names(schema)
    folded = _folded(schema)
    columns: dict[str, list[Cell]] = {f.name: [] for f in schema.fields}
    for number, row in enumerate(rows):
        if set(row) != set(names):
            raise RecordError(f"row {number} has other fields than {schema.name}")
        for name in names:
            value = row[name]
            f = schema.by_name[name]
            try:
                if name == "time" and f.dtype == "d64":
                    t_ms, offset_min = _moment(value, folded)
                    columns[name].append(t_ms)
                    if folded:
                        columns[_OFFSET].append(offset_min)
                elif f.dtype == "dec" and value is not None:
                    columns[name].append(_decimal(value))
                else:
                    columns[name].append(_plain(value))
            except ValueError:
                raise RecordError(f"row {number}: {name} is not written as it should be") from None
    return Batch(schema, columns).check()


def decimal_text(mantissa: int, scale: int) -> str:
    """`-1250, 2` as `-12.50`, every place kept."""
    if not scale:
        return str(mantissa)
    digits = str(abs(mantissa)).rjust(scale + 1, "0")
    return f"{'-' if mantissa < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def time_text(t_ms: int, offset_min: int | None) -> str:
    """A moment as ISO 8601 on the clock `offset_min` ahead of UTC; None: in UTC, as `Z`."""
    local = _EPOCH + datetime.timedelta(milliseconds=t_ms, minutes=offset_min or 0)
    text = local.isoformat(timespec="milliseconds" if t_ms % 1000 else "seconds")
    if offset_min is None:
        return text + "Z"
    hours, minutes = divmod(abs(offset_min), 60)
    return f"{text}{'-' if offset_min < 0 else '+'}{hours:02}:{minutes:02}"


def _folded(schema: Schema) -> bool:
    """Whether `time` carries the offset of a record."""
    return "time" in schema.by_name and _OFFSET in schema.by_name


def _texts(batch: Batch, name: str) -> Sequence[Text]:
    column = batch.columns[name]
    if name == "time" and batch.schema.by_name[name].dtype == "d64":
        times = cast("Sequence[int]", column)
        if not _folded(batch.schema):
            return [time_text(t_ms, None) for t_ms in times]
        offsets = cast("Sequence[int]", batch.columns[_OFFSET])
        return [time_text(t_ms, offset) for t_ms, offset in zip(times, offsets, strict=True)]
    return _column_texts(column)


def _column_texts(column: Column) -> list[Text]:
    return [decimal_text(*cell) if isinstance(cell, tuple) else cell for cell in column]


def _moment(value: object, folded: bool) -> tuple[int, int]:
    """The milliseconds and the offset.  Raises ValueError."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError
    zone = found[2]
    if (zone == "Z") is folded:
        raise ValueError
    offset_min = 0
    if folded:
        offset_min = int(zone[1:3]) * 60 + int(zone[4:6])
        offset_min = -offset_min if zone[0] == "-" else offset_min
    if abs(offset_min) >= _DAY_MIN:
        raise ValueError
    try:
        local = datetime.datetime.fromisoformat(found[1])
        t_ms = (local - _EPOCH) // _MS - offset_min * 60_000
        again = time_text(t_ms, offset_min if folded else None)
    except OverflowError:
        raise ValueError from None
    if again != value:
        raise ValueError
    return t_ms, offset_min


def _decimal(value: object) -> tuple[int, int]:
    """Mantissa and places.  Raises ValueError."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError
    whole, _, places = value.partition(".")
    if len(places) > SCALE_MAX:
        raise ValueError
    found = int(whole + places), len(places)
    if decimal_text(*found) != value:  # a zero with a sign
        raise ValueError
    return found


def _plain(value: object) -> Cell:
    """Text, a whole number or absent.  Raises ValueError."""
    if value is None or isinstance(value, str) or type(value) is int:
        return value
    raise ValueError
