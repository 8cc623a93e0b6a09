"""What a view tells of each period: from records of its collection to records of its own.

    records ── by the local day on which each was told ── by period ── sums, bands or chosen fields

Sums are exact.  Mean power (`W`, `kW`) is added up as energy, rounded once, to a thousandth of what
it was told in.  A record of a view has its period's first day as its time, and an id that is new:
the id that a bank gave a payment is a mark by which two readers could join what they hold.  How
many records a sum is made of is not told.

Source: formats.md, "Views"; ADR 20.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from ..crypto.digest import blake2b128
from .day import UNDATED, start_ms
from .errors import RecordError
from .limits import SCALE_MAX
from .period import first_of, last_of, local_day, name_of
from .record import Batch, Cell
from .view import Band, DayPart, Days, Figure, Kind, View
from .wire import Value, encode

Key: TypeAlias = "tuple[str, str | None, str]"
"""(figure, category, unit) of one sum."""
_MANTISSA_MAX = (1 << 63) - 1
_POWER = {"W": "Wh", "kW": "kWh"}
_HOUR_S = 3600
# What a sum of mean power is rounded to: a thousandth.
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class PeriodTold:
    """One period: the days that bring something to it, and the records that a view has of it."""

    first: int
    days: Days
    records: Batch

    @property
    def told(self) -> bytes:
        """A digest of the records."""
        return blake2b128(encode([list(row.values()) for row in self.records.rows()]))


@dataclass(slots=True)
class _Sum:
    """Decimals added up: by scale, so that nothing is lost."""

    by_scale: defaultdict[int, int]

    def add(self, mantissa: int, scale: int) -> None:
        self.by_scale[scale] += mantissa

    def total(self) -> tuple[int, int]:
        scale = max(self.by_scale)
        return sum(m * 10 ** (scale - s) for s, m in self.by_scale.items()), scale


def derive(
    view: View, records: Batch, categories: Sequence[str | None] | None = None
) -> dict[int, PeriodTold]:
    """What `view` tells of each period in which one of `records` lies, by the period's first day.

    `categories` has one for each record of a view by category; None where it does not count.
    Raises RecordError for a sum that no record holds.
    """
    if records.schema is not view.schema:
        raise RecordError(f"{view.source} does not hold {view.schema.name} any more")
    if view.kind is Kind.FIELDS:
        return _chosen(view, records)
    return _sums(view, records, categories)


def is_complete(view: View, told: PeriodTold) -> bool:
    """Whether no day of a series is missing; of payments a day without any is a day like others."""
    period = view.every.period
    if view.kind not in (Kind.ENERGY, Kind.BAND) or view.figure not in (None, Figure.ENERGY):
        return True
    assert period is not None
    last = last_of(period, told.first)
    return all(day in told.days for day in range(told.first, last + 1))


# --- sums -----------------------------------------------------------------------------------------


def _sums(
    view: View, records: Batch, categories: Sequence[str | None] | None
) -> dict[int, PeriodTold]:
    period = view.every.period
    assert period is not None
    sums: defaultdict[int, dict[Key, _Sum]] = defaultdict(dict)
    parts: defaultdict[int, defaultdict[int, list[Value]]] = defaultdict(lambda: defaultdict(list))
    offsets = cast("Sequence[int]", records.columns["offset_min"])
    days = list(map(local_day, records.times, offsets))
    for row, (day, counted) in enumerate(zip(days, _counted(view, records), strict=True)):
        if counted is None or (categories is not None and categories[row] is None):
            continue
        figure, unit, mantissa, scale = counted
        category = None if categories is None else categories[row]
        first = first_of(period, day)
        key = (figure.value, category, unit)
        sums[first].setdefault(key, _Sum(defaultdict(int))).add(mantissa, scale)
        parts[first][day].append([*key, mantissa, scale])
    return {
        first: PeriodTold(first, _day_parts(parts[first]), _records(view, first, found))
        for first, found in sums.items()
    }


def _counted(view: View, records: Batch) -> list[tuple[Figure, str, int, int] | None]:
    """(figure, unit, mantissa, scale) of each record, None for one that does not count."""
    if view.schema.regular:
        values = cast("Sequence[tuple[int, int]]", records.columns["value"])
        units = cast("Sequence[str]", records.columns["unit"])
        durations = cast("Sequence[int]", records.columns["duration_s"])
        return [
            (Figure.ENERGY, unit, mantissa * (seconds if unit in _POWER else 1), scale)
            for (mantissa, scale), unit, seconds in zip(values, units, durations, strict=True)
        ]
    amounts = cast("Sequence[tuple[int, int]]", records.columns["amount"])
    currencies = cast("Sequence[str]", records.columns["currency"])
    found: list[tuple[Figure, str, int, int] | None] = []
    for (mantissa, scale), currency in zip(amounts, currencies, strict=True):
        if view.kind is Kind.CATEGORIES:  # what came back is less spent
            found.append((Figure.SPENT, currency, -mantissa, scale))
            continue
        figure = Figure.PAID if mantissa < 0 else Figure.RECEIVED
        if not mantissa or view.figure not in (None, figure):
            found.append(None)
        else:
            found.append((figure, currency, abs(mantissa), scale))
    return found


def _day_parts(parts: Mapping[int, list[Value]]) -> Days:
    # In the order of what was told, not of the rows: two orders of one day are one day.
    return {
        day: DayPart(len(some), blake2b128(encode(sorted(some, key=encode))))
        for day, some in parts.items()
    }


def _records(view: View, first: int, sums: Mapping[Key, _Sum]) -> Batch:
    period = view.every.period
    assert period is not None
    rows: list[dict[str, Value]] = []
    ordered = sorted(sums.items(), key=lambda one: (one[0][0], one[0][1] or "", one[0][2]))
    for number, ((figure, category, unit), found) in enumerate(ordered, start=1):
        mantissa, scale = found.total()
        if unit in _POWER:
            unit, mantissa, scale = _energy(unit, mantissa, scale)
        row: dict[str, Value] = {
            "id": f"{name_of(period, first)}/{number:03}",
            "time": start_ms(first),
            "offset_min": 0,
            "period_days": last_of(period, first) - first + 1,
            "figure": figure,
            "unit": unit,
        }
        if view.kind is Kind.BAND:
            row |= _in_band(view.bands, mantissa, scale)
        else:
            row |= {"category": category, "value": list(_fitting(mantissa, scale))}
        rows.append(row)
    return Batch.from_rows(view.tells, rows).sorted()


def _energy(unit: str, watt_seconds: int, scale: int) -> tuple[str, int, int]:
    """Mean power times seconds, as energy to a thousandth more, half to even."""
    whole, rest = divmod(watt_seconds * _THOUSAND, _HOUR_S)
    whole += 2 * rest > _HOUR_S or (2 * rest == _HOUR_S and whole % 2 == 1)
    return _POWER[unit], whole, scale + 3


def _fitting(mantissa: int, scale: int) -> tuple[int, int]:
    """The decimal in as many places as it needs and a record holds.  Raises RecordError."""
    while scale > 0 and mantissa % 10 == 0:
        mantissa, scale = mantissa // 10, scale - 1
    if abs(mantissa) > _MANTISSA_MAX or scale > SCALE_MAX:
        raise RecordError("these add up to more places than a record holds")
    return mantissa, scale


def _in_band(bands: Sequence[Band], mantissa: int, scale: int) -> dict[str, Value]:
    low: tuple[int, int] | None = None
    for band in bands:
        if band.high is None or mantissa * 10 ** band.high[1] < band.high[0] * 10**scale:
            return {
                "band": band.name,
                "low": None if low is None else list(low),
                "high": None if band.high is None else list(band.high),
            }
        low = band.high
    raise AssertionError("the last band has no end")


# --- chosen fields --------------------------------------------------------------------------------


def _chosen(view: View, records: Batch) -> dict[int, PeriodTold]:
    by_day: defaultdict[int, list[int]] = defaultdict(list)
    if view.schema.dated:
        offsets = cast("Sequence[int]", records.columns["offset_min"])
        for row, day in enumerate(map(local_day, records.times, offsets)):
            by_day[day].append(row)
    elif len(records):
        by_day[UNDATED] = list(range(len(records)))
    found: dict[int, PeriodTold] = {}
    for day, rows in by_day.items():
        batch = _with_fields(view, records, rows, day)
        digest = blake2b128(encode([list(row.values()) for row in batch.rows()]))
        found[day] = PeriodTold(day, {day: DayPart(len(rows), digest)}, batch)
    return found


def _with_fields(view: View, records: Batch, rows: Sequence[int], day: int) -> Batch:
    """These rows with the chosen fields, numbered by what they say, not by when it was."""
    columns: dict[str, list[Cell]] = {
        name: [records.columns[name][row] for row in rows] for name in view.fields
    }
    order = sorted(
        range(len(rows)), key=lambda at: encode([_value(c[at]) for c in columns.values()])
    )
    schema = view.tells
    chosen: dict[str, list[Cell]] = {
        name: [column[at] for at in order] for name, column in columns.items()
    }
    named = f"{day}/" if day != UNDATED else ""
    chosen["id"] = [f"{named}{number:06}" for number in range(1, len(rows) + 1)]
    if schema.dated:
        chosen["time"] = [start_ms(day)] * len(rows)
        chosen["offset_min"] = [0] * len(rows)
    return Batch(schema, {f.name: chosen[f.name] for f in schema.fields}).check().sorted()


def _value(cell: Cell) -> Value:
    return list(cell) if isinstance(cell, tuple) else cell
