"""The curve: a meter's intervals, each once, on the clock that hung on the wall.

Energy is a whole number of 10⁻¹⁸ watt-seconds, so that mean watts over any interval and watt-hours
both stay exact.  Hours and days are those of the meter's own clock where its records have one (an
offset from UTC that says when clocks were put forward), else of the person's zone; so the day in
spring has 46 half hours and the one in autumn 50.  Of intervals that overlap, the first is kept:
their sum would count energy twice.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, cast

from ....protocol.record import Batch
from ...exact import ONE, units
from ...local_days import Zone, local, midnight_ms
from ...text import quoted

WH: Final = 3600 * ONE
KWH: Final = 1000 * WH
# Watt-seconds in one of a unit; of a power, for each second that it lasted.
_ENERGIES: Final = {"Wh": 3600, "kWh": 3_600_000, "MWh": 3_600_000_000}
_POWERS: Final = {"W": 1, "kW": 1000}
_EPOCH: Final = datetime.date(1970, 1, 1)
_DAY_S: Final = 86_400


class BadCurve(ValueError):
    """The records are no electricity; the message says what they are."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start_s` (UTC) for `seconds`: `energy` in 10⁻¹⁸ W·s; local `date` and `minute`."""

    start_s: int
    seconds: int
    energy: int
    date: datetime.date
    minute: int

    @property
    def end_s(self) -> int:
        return self.start_s + self.seconds

    @property
    def hour(self) -> int:
        return self.minute // 60


@dataclass(frozen=True, slots=True)
class Gap:
    """Seconds of UTC of which nothing is known, with the local day on which they begin."""

    start_s: int
    end_s: int
    date: datetime.date
    minute: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Intervals in order.  `overlapping` were left out; `own_clock`: hours are the meter's own."""

    intervals: tuple[Interval, ...]
    overlapping: int
    own_clock: bool
    zone: Zone
    _midnights: dict[datetime.date, int] = field(repr=False, compare=False)

    @property
    def first(self) -> datetime.date:
        return self.intervals[0].date

    @property
    def last(self) -> datetime.date:
        return self.intervals[-1].date

    def between(self, first: datetime.date, last: datetime.date) -> Curve:
        """The part on local days `first … last`."""
        some = tuple(one for one in self.intervals if first <= one.date <= last)
        return Curve(some, self.overlapping, self.own_clock, self.zone, self._midnights)

    def seconds_of(self, day: datetime.date) -> int:
        """How long a local day was: 23, 24 or 25 hours, mostly."""
        return self.midnight_s(day + datetime.timedelta(days=1)) - self.midnight_s(day)

    def midnight_s(self, day: datetime.date) -> int:
        """When a local day began."""
        if not self.own_clock:
            return midnight_ms(day, self.zone) // 1000
        if (known := self._midnights.get(day)) is not None:
            return known
        # A day without a reading: by the clock of the day before it that has one.
        before = max((each for each in self._midnights if each < day), default=None)
        if before is None:
            before = min(self._midnights)
        return self._midnights[before] + (day - before).days * _DAY_S

    def gaps(self) -> list[Gap]:
        """What is missing between the first interval and the last."""
        found: list[Gap] = []
        for before, after in pairwise(self.intervals):
            if after.start_s > before.end_s:
                minute = before.minute + before.seconds // 60
                date = before.date + datetime.timedelta(days=minute // 1440)
                found.append(Gap(before.end_s, after.start_s, date, minute % 1440))
        return found

    def step_s(self) -> int:
        """The usual length of an interval."""
        lengths = [one.seconds for one in self.intervals]
        return max(set(lengths), key=lambda each: (lengths.count(each), -each))


def curve_of(batches: Iterable[Batch], zone: Zone = None) -> Curve:
    """The curve that meter readings are.  `zone` is said, else None.  Raises BadCurve."""
    rows = [row for batch in batches for row in batch.rows()]
    offsets = [cast("int", row["offset_min"]) for row in rows]
    own_clock = zone is None and any(offsets)
    found: list[Interval] = []
    for row, offset_min in zip(rows, offsets, strict=True):
        start_s = cast("int", row["time"]) // 1000
        if own_clock:
            day, second = divmod(start_s + offset_min * 60, _DAY_S)
            date, minute = _EPOCH + datetime.timedelta(days=day), second // 60
        else:
            at = local(start_s * 1000, zone)
            date, minute = at.date(), at.hour * 60 + at.minute
        seconds = cast("int", row["duration_s"])
        value, unit = cast("tuple[int, int]", row["value"]), cast("str", row["unit"])
        if seconds > 0:
            energy = _energy(units(*value), unit, seconds)
            found.append(Interval(start_s, seconds, energy, date, minute))
    found.sort(key=lambda one: (one.start_s, one.seconds))
    kept: list[Interval] = []
    for one in found:
        if not kept or one.start_s >= kept[-1].end_s:
            kept.append(one)
    return Curve(tuple(kept), len(found) - len(kept), own_clock, zone, _midnights(kept))


def _energy(value: int, unit: str, seconds: int) -> int:
    if unit in _ENERGIES:
        return value * _ENERGIES[unit]
    if unit in _POWERS:
        return value * _POWERS[unit] * seconds
    raise BadCurve(f"these readings are in {quoted(unit)}, which is neither energy nor power")


def _midnights(intervals: Sequence[Interval]) -> dict[datetime.date, int]:
    """When each local day began, by the clock of its first interval, else of the last before it.

    Clocks are changed at night, not at midnight, so the first interval has the clock of midnight.
    """
    found: dict[datetime.date, int] = {}
    after: dict[datetime.date, int] = {}
    for one in intervals:
        found.setdefault(one.date, one.start_s - one.minute * 60)
        after[one.date + datetime.timedelta(days=1)] = one.start_s + (1440 - one.minute) * 60
    return after | found
