"""The calendar of a household in Paris: local time, working days, holidays.

Summer time is from the last Sunday of March to the last of October, both at 1:00 UTC (Directive
2000/84/EC), worked out here so that the files do not depend on a machine's time zone tables.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

Day = datetime.date
ONE: Final = datetime.timedelta(days=1)
_EPOCH: Final = Day(1970, 1, 1)
_WINTER_S: Final = 3600
_SUMMER_S: Final = 7200
# (month, day) of the holidays that have a date of their own.
_FIXED: Final = {(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}
# First and last (month, day) of the school holidays, near enough to those of any year.
_SCHOOL: Final = (
    ((1, 1), (1, 4)),
    ((2, 15), (3, 2)),
    ((4, 12), (4, 27)),
    ((7, 6), (8, 31)),
    ((10, 18), (11, 3)),
    ((12, 20), (12, 31)),
)


def days(first: Day, last: Day) -> Iterator[Day]:
    """Each day from `first` to `last`, both included."""
    for number in range((last - first).days + 1):
        yield first + number * ONE


def month_of(day: Day) -> str:
    return f"{day.year:04d}-{day.month:02d}"


def month_start(day: Day, months: int = 0) -> Day:
    """The first of the month that is `months` after the one of `day`."""
    number = day.year * 12 + day.month - 1 + months
    return Day(number // 12, number % 12 + 1, 1)


def month_end(day: Day) -> Day:
    return month_start(day, 1) - ONE


def on_day(month: Day, day: int) -> Day:
    """The `day` of that month, or its last where it is shorter."""
    return min(month_start(month) + (day - 1) * ONE, month_end(month))


@lru_cache(maxsize=256)
def _last_sunday(year: int, month: int) -> Day:
    last = month_end(Day(year, month, 1))
    return last - (last.isoweekday() % 7) * ONE


def offset_s(at_s: int) -> int:
    """Seconds ahead of UTC at a moment in UTC seconds."""
    day = _EPOCH + (at_s // 86_400) * ONE
    march, october = _last_sunday(day.year, 3), _last_sunday(day.year, 10)
    from_s = (march - _EPOCH).days * 86_400 + 3600
    to_s = (october - _EPOCH).days * 86_400 + 3600
    return _SUMMER_S if from_s <= at_s < to_s else _WINTER_S


def midnight_s(day: Day) -> int:
    """UTC seconds at which `day` begins; the clocks never change at midnight."""
    local_s = (day - _EPOCH).days * 86_400
    return local_s - offset_s(local_s - _WINTER_S)


def half_hours(day: Day) -> int:
    """48; 46 and 50 on the days of the change."""
    return (midnight_s(day + ONE) - midnight_s(day)) // 1800


def at(day: Day, minute: int) -> int:
    """UTC seconds of a minute of that local day, by its clock (never within the changed hours)."""
    guess = midnight_s(day) + minute * 60
    return guess - (offset_s(guess) - offset_s(midnight_s(day)))


def stamp(at_s: int) -> str:
    """`2025-03-30T03:00:00+02:00`"""
    zone = datetime.timezone(datetime.timedelta(seconds=offset_s(at_s)))
    return datetime.datetime.fromtimestamp(at_s, zone).isoformat()


def utc(at_s: int) -> str:
    """`2025-03-30T01:00:00Z`"""
    moment = datetime.datetime.fromtimestamp(at_s, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


@lru_cache(maxsize=256)
def _easter(year: int) -> Day:
    """The Gregorian Easter Sunday (Butcher's reckoning)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    n = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * n) // 451
    month, day = divmod(h + n - 7 * m + 114, 31)
    return Day(year, month, day + 1)


def public_holiday(day: Day) -> bool:
    """A holiday of France as a whole."""
    since = (day - _easter(day.year)).days
    return (day.month, day.day) in _FIXED or since in (1, 39, 50)


def works(day: Day) -> bool:
    """Whether banks and offices do."""
    return day.weekday() < 5 and not public_holiday(day)


def school(day: Day) -> bool:
    """Whether there are lessons."""
    now = (day.month, day.day)
    return works(day) and not any(first <= now <= last for first, last in _SCHOOL)


def working(day: Day, step: int = 1) -> Day:
    """`day`, or the next working day (the one before for a step of -1)."""
    while not works(day):
        day += step * ONE
    return day


def after(day: Day, working_days: int) -> Day:
    """The working day that many working days later; for 0 `day` itself, or the next."""
    day = working(day)
    for _ in range(working_days):
        day = working(day + ONE)
    return day
