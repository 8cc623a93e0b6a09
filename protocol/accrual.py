"""Accruals: what is owed under one grant, counted from what both sides signed.

Each side counts by itself, from its own log and its own grants, with the function below; where both
hold the same words, both find the same.  An **entry** is one event of the terms, and says on which
receipt or day it stands.

    once        at the acceptance
    month       at the acceptance, and at 00:00 UTC of the same day of each month after it, or of
                the last day of a shorter month
    read        with the first window of an invocation that brought pages
    window-day  with each window that brought pages, for the days in it that no window before had;
                a day that had not begun when the window was signed is not in it

A window counts when both have signed it and it brought pages: what brings nothing costs nothing.
Nothing counts from the end on: the expiry, a revocation, or a waiver, whichever is first.  Windows
are taken in the order of (time, CID), so that a cap cuts at the same place on both sides.

No I/O, no clock: `now_ms` is handed in.
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .day import DAY_MS, TIME_MAX_MS, UNDATED, day_of
from .remuneration import Per, Remuneration

_EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class SignedWindow:
    """A window that both have signed and that brought pages; `first … last` are its days."""

    receipt: bytes
    inv: bytes
    t_ms: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Entry:
    """`count` events at `t_ms`: those of a `receipt` (a CID), or of the day that `t_ms` is in.

    `amount_minor` is what they add to what is owed; a cap may leave less than they cost.
    """

    t_ms: int
    count: int
    amount_minor: int
    receipt: bytes | None


def accrued(
    terms: Remuneration,
    windows: Iterable[SignedWindow],
    *,
    accepted_ms: int | None,
    end_ms: int,
    now_ms: int,
) -> tuple[Entry, ...]:
    """The entries of one grant until `now_ms`, in order of time.

    `accepted_ms`: when its first keys were made, None if that has not happened.
    """
    until_ms = min(end_ms, now_ms + 1)
    if terms.per in (Per.ONCE, Per.MONTH):
        events = _by_time(terms.per, accepted_ms, until_ms)
    else:
        ordered = sorted(windows, key=lambda one: (one.t_ms, one.receipt))
        counted = [one for one in ordered if one.t_ms < until_ms]
        events = _reads(counted) if terms.per is Per.READ else _days(counted)
    return tuple(_capped(terms, events))


def _by_time(
    per: Per, accepted_ms: int | None, until_ms: int
) -> Iterator[tuple[int, int, bytes | None]]:
    if accepted_ms is None or accepted_ms >= until_ms:
        return
    yield accepted_ms, 1, None
    months = 1
    while per is Per.MONTH:
        begins_ms = month_later_ms(accepted_ms, months)
        if begins_ms is None or begins_ms >= until_ms:
            return
        yield begins_ms, 1, None
        months += 1


def month_later_ms(t_ms: int, months: int) -> int | None:
    """00:00 UTC of the same day `months` later, or of that month's last; None past year 9999."""
    start = _EPOCH + datetime.timedelta(days=t_ms // DAY_MS)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if year > datetime.MAXYEAR:
        return None
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return (datetime.date(year, month + 1, day) - _EPOCH).days * DAY_MS


def _reads(windows: Iterable[SignedWindow]) -> Iterator[tuple[int, int, bytes | None]]:
    seen: set[bytes] = set()
    for one in windows:
        if one.inv not in seen:
            seen.add(one.inv)
            yield one.t_ms, 1, one.receipt


def _days(windows: Iterable[SignedWindow]) -> Iterator[tuple[int, int, bytes | None]]:
    seen: set[int] = set()
    for one in windows:
        fresh = _days_of(one) - seen
        if fresh:
            seen |= fresh
            yield one.t_ms, len(fresh), one.receipt


def _days_of(window: SignedWindow) -> set[int]:
    begun = min(window.last, day_of(min(window.t_ms, TIME_MAX_MS)))
    days = set(range(window.first, begun + 1))
    return days | {UNDATED} if window.last == UNDATED else days


def _capped(
    terms: Remuneration, events: Iterable[tuple[int, int, bytes | None]]
) -> Iterator[Entry]:
    left = terms.cap_minor
    for t_ms, count, receipt in events:
        amount = count * terms.amount_minor
        if left is not None:
            amount = min(amount, left)
            if not amount:
                return
            left -= amount
        yield Entry(t_ms, count, amount, receipt)
