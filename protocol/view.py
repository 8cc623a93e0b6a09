"""Views: what a view is, and when a period of it may be published.

A view speaks of periods.  Whoever can read it reads it as often as they like, so what it must not
give away is what two readings of it say together.  A monthly sum that followed each day would give
every day away by subtraction; so would one that took in a late day once a week.  The rule:

    a period is published    once it is over, the delay has passed, records from after it have
                             come, and (of a series) no day of it is missing
    what changes afterwards  is published where nobody was ever granted the period: there is no
                             earlier reading to subtract
    where somebody was       the whole period again, at most once in `again_days`, and only if
                             *every* day of it has changed since *each* version that may have
                             been read; then no subtraction leaves a part of a period
    anything else            is held back until the person says that it may be told as it is; so
                             is a period of which a day never came, or nothing from after it
    what was taken away      takes the period out of the view at once, without a new figure

`next_step` is that rule, a function of what is known; what it decides by is compared day by day in
digests, so that the memory of what was published holds no figure.

A projection is a view whose periods are days: its records are those of the collection with chosen
fields only.

Source: formats.md, "Views"; ADR 20.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from itertools import pairwise

from .collection import check_path
from .day import DAY_MS
from .errors import RecordError
from .limits import RECORD_UNIT_BYTES_MAX, SCALE_MAX
from .period import end_ms
from .schema import (
    METER_READING,
    PERIOD_BAND,
    PERIOD_SUM,
    TRANSACTION,
    Schema,
    projection,
    schema_named,
)
from .view_path import Every, view_path
from .wire import Body, Value

LATE_DAYS = 5
# Midnight of the places furthest west is twelve hours after that of UTC; offsets go up to eighteen.
LATE_DAYS_MIN = 1
LATE_DAYS_MAX = 366
AGAIN_DAYS = 7
AGAIN_DAYS_MIN = 7
BANDS_MAX = 32
FIELDS_MAX = 64
# Versions of one period that somebody may have read; then it stays as it is.
VERSIONS_MAX = 8
_RULE = re.compile(r"[a-z0-9-]{1,32}")


class Kind(StrEnum):
    """What a view tells."""

    ENERGY = "energy"
    PAYMENTS = "payments"
    CATEGORIES = "categories"
    BAND = "band"
    FIELDS = "fields"


class Figure(StrEnum):
    """What is added up."""

    ENERGY = "energy"
    PAID = "paid"
    RECEIVED = "received"
    SPENT = "spent"
    """What was paid less what came back."""


FIGURES: Mapping[str, tuple[Figure, ...]] = {
    METER_READING.name: (Figure.ENERGY,),
    TRANSACTION.name: (Figure.PAID, Figure.RECEIVED),
}


@dataclass(frozen=True, slots=True)
class Band:
    """A named band: up to, not including, `high` (mantissa, scale); the last one has none."""

    name: str
    high: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class View:
    """One view of one collection: `source` is its path, `schema` what it is derived from.

    `figure` and `bands` are those of a BAND, `fields` of a projection, `rule` names the rule by
    which CATEGORIES sorts.  Raises RecordError unless all of it goes together.
    """

    source: str
    schema: Schema
    kind: Kind
    every: Every
    name: str
    figure: Figure | None = None
    bands: tuple[Band, ...] = ()
    fields: tuple[str, ...] = ()
    rule: str | None = None
    late_days: int = LATE_DAYS
    again_days: int = AGAIN_DAYS

    def __post_init__(self) -> None:
        check_path(self.path)
        if not LATE_DAYS_MIN <= self.late_days <= LATE_DAYS_MAX:
            raise RecordError(f"a view waits {LATE_DAYS_MIN} to {LATE_DAYS_MAX} days")
        if not AGAIN_DAYS_MIN <= self.again_days <= LATE_DAYS_MAX:
            raise RecordError(f"a period is told again after {AGAIN_DAYS_MIN} days at the earliest")
        _check_kind(self)

    @property
    def path(self) -> str:
        return view_path(self.source, self.every, self.name)

    @property
    def tells(self) -> Schema:
        """What the records of the view look like."""
        match self.kind:
            case Kind.FIELDS:
                return projection(self.schema, self.fields)
            case Kind.BAND:
                return PERIOD_BAND
            case _:
                return PERIOD_SUM

    def value(self) -> Value:
        return {
            "source": self.source,
            "schema": self.schema.name,
            "kind": self.kind.value,
            "every": self.every.value,
            "name": self.name,
            "figure": None if self.figure is None else self.figure.value,
            "bands": [
                [band.name, None if band.high is None else list(band.high)] for band in self.bands
            ],
            "fields": list(self.fields),
            "rule": self.rule,
            "late_days": self.late_days,
            "again_days": self.again_days,
        }


_KEYS = ("source", "schema", "kind", "every", "name", "figure", "bands", "fields", "rule")
_DAYS = ("late_days", "again_days")


def view_from_value(value: Value) -> View:
    """Read a view.  Raises WireError, RecordError."""
    body = Body.open(value, "a view", (*_KEYS, *_DAYS))
    figure = body.maybe_text("figure")
    try:
        return View(
            check_path(body.text("source")),
            schema_named(body.text("schema")),
            Kind(body.text("kind")),
            Every(body.text("every")),
            body.text("name"),
            None if figure is None else Figure(figure),
            tuple(_band(item) for item in body.items("bands", items_max=BANDS_MAX)),
            tuple(map(_text, body.items("fields", items_max=FIELDS_MAX))),
            body.maybe_text("rule"),
            body.integer("late_days"),
            body.integer("again_days"),
        )
    except ValueError as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError("a view is of a kind that this program does not know") from error


def _band(item: Value) -> Band:
    match item:
        case [str(name), None]:
            return Band(name, None)
        case [str(name), [int(mantissa), int(scale)]]:
            return Band(name, (mantissa, scale))
        case _:
            raise RecordError("a band is a name and the figure at which it ends")


def _text(item: Value) -> str:
    if not isinstance(item, str):
        raise RecordError("a field is named by a text")
    return item


def _check_kind(view: View) -> None:
    """Raises RecordError for what does not go together."""
    figures = FIGURES.get(view.schema.name, ())
    if view.kind is Kind.FIELDS:
        wanted = Every.DAILY if view.schema.dated else Every.UNDATED
        projection(view.schema, view.fields)
    else:
        wanted = Every.MONTHLY
        if view.fields:
            raise RecordError("fields are chosen for a view that is records with these alone")
    if view.kind is Kind.ENERGY and view.every is Every.DAILY:
        wanted = Every.DAILY
    if view.every is not wanted:
        raise RecordError(f"a view of {view.kind.value} is {wanted.value}, not {view.every.value}")
    needed = {Kind.ENERGY: METER_READING, Kind.PAYMENTS: TRANSACTION, Kind.CATEGORIES: TRANSACTION}
    if view.schema is not needed.get(view.kind, view.schema):
        raise RecordError(f"{view.source} holds {view.schema.name}: {view.kind.value} is no view")
    banded = view.kind is Kind.BAND
    if (view.figure is not None, bool(view.bands)) != (banded, banded) or (
        banded and view.figure not in figures
    ):
        words = ", ".join(one.value for one in figures) or "none"
        raise RecordError(f"a view in bands has bands and a figure; of {view.source}: {words}")
    if (view.kind is Kind.CATEGORIES) != (view.rule is not None):
        raise RecordError("a view by category names its rule, and no other does")
    if view.rule is not None and _RULE.fullmatch(view.rule) is None:
        raise RecordError("a rule is named by 1 to 32 characters a-z, 0-9 and -")
    _check_bands(view.bands)


def _check_bands(bands: Sequence[Band]) -> None:
    if not bands:
        return
    names = {band.name for band in bands}
    if len(names) != len(bands) or not all(
        1 <= len(name.encode()) <= RECORD_UNIT_BYTES_MAX for name in names
    ):
        raise RecordError(f"each band has a name of its own, of 1 to {RECORD_UNIT_BYTES_MAX} bytes")
    if len(bands) > BANDS_MAX or len(bands) < 2 or bands[-1].high is not None:
        raise RecordError(f"there are 2 to {BANDS_MAX} bands, and the last one has no end")
    ends = [band.high for band in bands[:-1]]
    numbers: list[int] = []
    for end in ends:
        if end is None or not 0 <= end[1] <= SCALE_MAX or abs(end[0]) >= 1 << 63:
            raise RecordError("each band but the last ends at a decimal of 64 bits")
        numbers.append(end[0] * 10 ** (SCALE_MAX - end[1]))
    if any(a >= b for a, b in pairwise(numbers)):
        raise RecordError("bands go from the lowest to the highest")


# --- the closed-period rule -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DayPart:
    """What one day brings to its period: how many records, and a digest of all that counts."""

    count: int
    digest: bytes


Days = Mapping[int, DayPart]
"""The days of a period that bring something."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was published of one period.

    `told` is a digest of the records, `versions` are the days behind each version that somebody
    may have read, the newest last.  `out`: it was taken out of the view.
    """

    at_ms: int
    told: bytes
    versions: tuple[Days, ...]
    out: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one period now.  `told` is a digest of the records that it would have.

    `complete`: no day of it is missing, and records from after it have come.  `lent`: somebody was
    ever granted it.  `released`: the person said that it may be told as it is now, corrected or
    incomplete.
    """

    days: Days
    told: bytes
    complete: bool
    lent: bool
    released: bool = False


class Step(Enum):
    """What becomes of a period."""

    NOTHING = auto()
    """It holds nothing."""
    WAIT = auto()
    """Not yet: it is open, or incomplete, or was told a short while ago."""
    PUBLISH = auto()
    KEEP = auto()
    """What is published is right."""
    HOLD = auto()
    """What is published is not right, and to mend it would tell a part of a period."""
    WITHDRAW = auto()
    """It is taken out of the view."""


def is_closed(every: Every, first: int, late_days: int, now_ms: int) -> bool:
    """Whether the period that begins on `first` is over, and its delay with it."""
    period = every.period
    return period is None or now_ms >= end_ms(period, first) + late_days * DAY_MS


def next_step(view: View, first: int, known: Known, was: Published | None, now_ms: int) -> Step:
    """What becomes of the period that begins on `first`.  The rule of this module."""
    whole = known.complete or known.released
    if was is None:
        if not known.days:
            return Step.NOTHING
        closed = is_closed(view.every, first, view.late_days, now_ms)
        return Step.PUBLISH if closed and whole else Step.WAIT
    if known.told == was.told and not was.out:
        return Step.KEEP
    if was.out and known.days == was.versions[-1] and whole:
        return Step.PUBLISH  # what stood there before
    if not known.days:
        return Step.KEEP if was.out else Step.WITHDRAW
    shrunk = any(
        day not in known.days or known.days[day].count < part.count
        for day, part in was.versions[-1].items()
    )
    if not whole:
        return Step.WITHDRAW if shrunk and not was.out else Step.WAIT
    if not known.lent or known.released:
        return Step.PUBLISH
    if len(was.versions) < VERSIONS_MAX and all(
        is_whole_change(version, known.days) for version in was.versions
    ):
        return Step.WAIT if now_ms < was.at_ms + view.again_days * DAY_MS else Step.PUBLISH
    return Step.WITHDRAW if shrunk and not was.out else Step.HOLD


def published(known: Known, was: Published | None, now_ms: int) -> Published:
    """What is remembered of a period that is published now."""
    if was is not None and (known.told, known.days) == (was.told, was.versions[-1]):
        return replace(was, at_ms=now_ms, out=False)
    # What nobody was granted nobody has read.
    before = was.versions if was is not None and known.lent else ()
    return Published(now_ms, known.told, (*before, known.days)[-VERSIONS_MAX:])


def is_whole_change(before: Days, after: Days) -> bool:
    """Whether every day that brings something, before or after, brings something else now."""
    return all(before.get(day) != after.get(day) for day in {*before, *after})
