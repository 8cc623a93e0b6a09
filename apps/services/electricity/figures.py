"""Figures of a curve: by month, by hour of the day, at night, on work days and weekends.

night     of a night, the middle of its four lowest intervals between midnight and six
base      of a month, the tenth part of its nights that draw least: what is never switched
          off.  Heating hides it in winter; the same month of another year shows whether
          something was added
a day     counts as whole if nothing of it is missing
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...exact import divided, median
from ...local_days import last_of, month_of, months_later
from .curve import Curve, Interval

NIGHT_HOURS: Final = 6
_LOWEST: Final = 4
_DAYS_MIN: Final = 5
HIGHEST_MAX: Final = 5
_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Month:
    """Energy in 10⁻¹⁸ W·s, powers in 10⁻¹⁸ W (None: too few days), `missing` in seconds."""

    name: str
    energy: int
    intervals: int
    missing: int
    night: int | None
    base: int | None
    base_before: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """`hours` is the mean power by hour of the day, None where nothing is known of it.

    `weekday` and `weekend` are the mean energy of a whole day, `highest` the whole days with most.
    """

    first: datetime.date
    last: datetime.date
    energy: int
    seconds: int
    missing: int
    months: tuple[Month, ...]
    hours: tuple[int | None, ...]
    base: int | None
    weekday: int | None
    weekend: int | None
    highest: tuple[tuple[datetime.date, int], ...]

    @property
    def power(self) -> int:
        """The mean power of what was measured."""
        return divided(self.energy, self.seconds) if self.seconds else 0


def figures(curve: Curve, whole: Curve) -> Figures:
    """Figures of a curve with at least one interval; `whole` has the year before it too."""
    days = _days(curve)
    energies = {day: sum(one.energy for one in some) for day, some in days.items()}
    full = {day: energies[day] for day, some in days.items() if not _lacking(curve, day, some)}
    lowest = _lowest(curve, 24)
    return Figures(
        first=curve.first,
        last=curve.last,
        energy=sum(energies.values()),
        seconds=sum(one.seconds for one in curve.intervals),
        missing=sum(gap.end_s - gap.start_s for gap in curve.gaps()),
        months=tuple(_months(curve, days, _lowest(whole, 24))),
        hours=_hours(curve) if curve.step_s() <= _HOUR_S else (None,) * 24,
        base=_base(list(lowest.values())),
        weekday=_mean([energy for day, energy in full.items() if day.weekday() < 5]),
        weekend=_mean([energy for day, energy in full.items() if day.weekday() >= 5]),
        highest=tuple(sorted(full.items(), key=lambda pair: (-pair[1], pair[0]))[:HIGHEST_MAX]),
    )


def _days(curve: Curve) -> dict[datetime.date, list[Interval]]:
    days: defaultdict[datetime.date, list[Interval]] = defaultdict(list)
    for one in curve.intervals:
        days[one.date].append(one)
    return dict(days)


def _lacking(curve: Curve, day: datetime.date, some: Sequence[Interval]) -> bool:
    return sum(one.seconds for one in some) != curve.seconds_of(day)


def _months(
    curve: Curve,
    days: dict[datetime.date, list[Interval]],
    lowest: dict[datetime.date, int],
) -> list[Month]:
    """Each month from the first to the last, those of which nothing is known too."""
    nights = _lowest(curve, NIGHT_HOURS)
    by_month: defaultdict[str, list[Interval]] = defaultdict(list)
    for day, some in days.items():
        by_month[month_of(day)] += some
    lost: defaultdict[str, int] = defaultdict(int)
    for gap in curve.gaps():
        _share_out(curve, gap.start_s, gap.end_s, gap.date, lost)
    found: list[Month] = []
    name = month_of(curve.first)
    while name <= month_of(curve.last):
        some = by_month.get(name, [])
        asleep = [power for day, power in nights.items() if month_of(day) == name]
        own = [lowest[day] for day in days if month_of(day) == name and day in lowest]
        year_before = months_later(name, -12)
        before = [power for day, power in lowest.items() if month_of(day) == year_before]
        found.append(
            Month(
                name=name,
                energy=sum(one.energy for one in some),
                intervals=len(some),
                missing=lost[name],
                night=median(asleep) if len(asleep) >= _DAYS_MIN else None,
                base=_base(own),
                base_before=_base(before),
            )
        )
        name = months_later(name, 1)
    return found


def _share_out(
    curve: Curve, start_s: int, end_s: int, day: datetime.date, lost: defaultdict[str, int]
) -> None:
    """Count seconds that are missing to the months in which they lie."""
    while start_s < end_s:
        month = month_of(day)
        turn_s = curve.midnight_s(last_of(month) + datetime.timedelta(days=1))
        until_s = min(end_s, max(turn_s, start_s + 1))
        lost[month] += until_s - start_s
        start_s, day = until_s, last_of(month) + datetime.timedelta(days=1)


def _lowest(curve: Curve, hours: int) -> dict[datetime.date, int]:
    """Of each day, the middle of its four lowest intervals in the first `hours` of it."""
    powers: defaultdict[datetime.date, list[int]] = defaultdict(list)
    for one in curve.intervals:
        if one.hour < hours:
            powers[one.date].append(divided(one.energy, one.seconds))
    return {
        day: median(sorted(some)[:_LOWEST]) for day, some in powers.items() if len(some) >= _LOWEST
    }


def _base(lowest: Sequence[int]) -> int | None:
    if len(lowest) < _DAYS_MIN:
        return None
    return sorted(lowest)[len(lowest) // 10]


def _hours(curve: Curve) -> tuple[int | None, ...]:
    energy, seconds = [0] * 24, [0] * 24
    for one in curve.intervals:
        energy[one.hour] += one.energy
        seconds[one.hour] += one.seconds
    return tuple(
        divided(some, length) if length else None
        for some, length in zip(energy, seconds, strict=True)
    )


def _mean(energies: Sequence[int]) -> int | None:
    return divided(sum(energies), len(energies)) if energies else None
