"""Periods: the days and months of which a view speaks.

A record belongs to the day on the wall of the place where it was told, its time and its offset
together: a payment that a bank dates on the 1st came as midnight in its own offset, and a reading
of half past eleven at night is of that evening.  A period has whole such days, and is named by the
number of its first.

Source: formats.md, "Views"; ADR 20.
"""

from __future__ import annotations

import datetime
from enum import StrEnum
from functools import lru_cache

from .day import DAY_MAX, DAY_MS, TIME_MAX_MS, TIME_MIN_MS, date_of, day_of, month_of, start_ms

_FIRST_ORDINAL = datetime.date(1900, 1, 1).toordinal()


class Period(StrEnum):
    """How long a period is."""

    DAILY = "daily"
    MONTHLY = "monthly"


def local_day(t_ms: int, offset_min: int) -> int:
    """The day that the calendar showed where a record was told."""
    return day_of(min(max(t_ms + offset_min * 60_000, TIME_MIN_MS), TIME_MAX_MS))


@lru_cache(maxsize=8192)
def first_of(period: Period, day: int) -> int:
    """The first day of the period in which `day` lies."""
    return day if period is Period.DAILY else first_of_month(month_of(day))


@lru_cache(maxsize=8192)
def last_of(period: Period, day: int) -> int:
    """The last day of the period in which `day` lies."""
    return day if period is Period.DAILY else last_of_month(month_of(day))


def first_of_month(month: int) -> int:
    """The first day of a month, counted as `day.month_of` does."""
    return datetime.date(1900 + month // 12, month % 12 + 1, 1).toordinal() - _FIRST_ORDINAL


def last_of_month(month: int) -> int:
    """The last day of a month."""
    return min(first_of_month(month + 1) - 1, DAY_MAX)


def end_ms(period: Period, day: int) -> int:
    """The first moment after the period in which `day` lies, by the clock of UTC."""
    return start_ms(last_of(period, day)) + DAY_MS


def name_of(period: Period, first: int) -> str:
    """`2026-03`, or `2026-03-01`."""
    return date_of(first) if period is Period.DAILY else date_of(first)[:7]
