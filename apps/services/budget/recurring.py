"""What recurs: rent, contracts, subscriptions, pay; when it is next due, and when it got dearer.

Payments to one payee (or, where those follow no rhythm, those of one payee with one wording) are a
series if the days between them are one period, now and then a multiple of it where a month was
left out, and their amounts go in steps or stay near one another.  Days slip with weekends and
holidays, so a period is met within a few days.  It is a guess about the future from the past, made
the same way by anyone who looks at the dates; nothing is learnt and nothing is kept.
"""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ...local_days import last_of, month_of, months_later
from .sorting import Sorted
from .words import Means, plain

# Months; and weeks, in days.
_MONTHS: Final = (1, 2, 3, 4, 6, 12)
_WEEKS: Final = (7, 14)
_DAYS_A_MONTH: Final = 30.4375
_PAYMENTS_MIN: Final = 3
# Twice at the same time of the year is a yearly contract if it is debited.
_YEARLY_MIN: Final = 2
_SLIP_DAYS, _SLIP_DAYS_WEEKLY = 8, 2
# Of all gaps, those that are one period and no multiple; of all steps, those that are small.
_ONE_PERIOD_MIN, _NEAR_MIN = 0.6, 0.6
_NEAR: Final = 0.15
# So many days after it was due, and nothing came: it has ended.
_LATE_DAYS: Final = 20


@dataclass(frozen=True, slots=True)
class Rise:
    """It cost `after` from `date` on, and `before` until then (10⁻¹⁸)."""

    date: datetime.date
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Series:
    """One thing that recurs.  `every` in months, or in weeks where `weekly`; amounts signed.

    `next` is None where it has ended.
    """

    payee: str
    category: str | None
    currency: str
    every: int
    weekly: bool
    count: int
    first: datetime.date
    last: datetime.date
    amount: int
    next: datetime.date | None
    rises: tuple[Rise, ...]

    @property
    def in_words(self) -> str:
        if self.weekly:
            return "week" if self.every == 1 else f"{self.every} weeks"
        return _PERIODS.get(self.every, f"{self.every} months")


_PERIODS: Final = {1: "month", 3: "quarter", 6: "half year", 12: "year"}


def recurring(payments: Iterable[Sorted]) -> tuple[Series, ...]:
    """Every series, what is paid before what is received, the dearest of a year first.

    What has ended is judged by the last day of which anything is known.
    """
    every = sorted(payments, key=lambda one: (one.payment.date, one.payment.id))
    if not every:
        return ()
    known_until = every[-1].payment.date
    groups: defaultdict[tuple[str, str, bool], list[Sorted]] = defaultdict(list)
    for one in every:
        payment = one.payment
        groups[_name(payment.payee), payment.currency, payment.incoming].append(one)
    found: list[Series] = []
    for _, some in sorted(groups.items()):
        series = _series(some, known_until)
        if series is None:
            for _, part in sorted(_by_wording(some).items()):
                if len(part) < len(some) and (own := _series(part, known_until)) is not None:
                    found.append(own)
        else:
            found.append(series)
    return tuple(sorted(found, key=lambda one: (one.amount > 0, -_a_year(one), one.payee)))


def _series(payments: Sequence[Sorted], known_until: datetime.date) -> Series | None:
    """The payments as one series, if they are."""
    days = _days(payments)
    dates, amounts = [day for day, _ in days], [amount for _, amount in days]
    debited = all(one.payment.means in (Means.DEBIT, Means.FEE) for one in payments)
    period = _period(dates, debited)
    if period is None or not _near(amounts):
        return None
    every, weekly = period
    following = _after(dates, every, weekly=weekly)
    late = (known_until - following).days > _LATE_DAYS
    last = payments[-1]
    return Series(
        payee=last.payment.payee,
        category=last.category,
        currency=last.payment.currency,
        every=every,
        weekly=weekly,
        count=len(dates),
        first=dates[0],
        last=dates[-1],
        amount=amounts[-1],
        next=None if late else following,
        rises=_rises(dates, amounts) if amounts[-1] < 0 else (),
    )


def _days(payments: Iterable[Sorted]) -> list[tuple[datetime.date, int]]:
    """Date and amount, one a day."""
    days: dict[datetime.date, int] = {}
    for one in payments:
        day = one.payment.date
        days[day] = days.get(day, 0) + one.payment.amount
    return sorted(days.items())


def _period(dates: Sequence[datetime.date], debited: bool) -> tuple[int, bool] | None:
    """(every how many months, False) or (weeks, True), or None for no rhythm."""
    gaps = [(after - before).days for before, after in pairwise(dates)]
    for months in _MONTHS:
        enough = _YEARLY_MIN if months == 12 and debited else _PAYMENTS_MIN
        if len(dates) >= enough and _fits(gaps, months * _DAYS_A_MONTH, _SLIP_DAYS):
            return months, False
    for length in _WEEKS:
        if len(dates) > _PAYMENTS_MIN and _fits(gaps, length, _SLIP_DAYS_WEEKLY):
            return length // 7, True
    return None


def _fits(gaps: Sequence[int], period: float, slip: int) -> bool:
    """Whether every gap is the period or a multiple of it, most of them once."""
    times = [round(gap / period) for gap in gaps]
    if not all(
        count and abs(gap - count * period) <= slip for gap, count in zip(gaps, times, strict=True)
    ):
        return False
    return sum(count == 1 for count in times) >= _ONE_PERIOD_MIN * len(times)


def _near(amounts: Sequence[int]) -> bool:
    """Whether most amounts are near the one before: steps, not a scatter."""
    steps = list(pairwise(amounts))
    near = sum(abs(after - before) <= _NEAR * abs(before) for before, after in steps)
    return near >= _NEAR_MIN * len(steps)


def _after(dates: Sequence[datetime.date], every: int, *, weekly: bool) -> datetime.date:
    """The day on which the next is due: the usual day of the month, one period after the last."""
    last = dates[-1]
    if weekly:
        return last + datetime.timedelta(weeks=every)
    counts = Counter(date.day for date in dates)
    usual = min(counts, key=lambda day: (-counts[day], day))
    about = last + datetime.timedelta(days=round(every * _DAYS_A_MONTH))
    candidates = (_on(months_later(month_of(about), shift), usual) for shift in (-1, 0, 1))
    return min(candidates, key=lambda day: abs((day - about).days))


def _on(month: str, day: int) -> datetime.date:
    end = last_of(month)
    return end.replace(day=min(day, end.day))


def _rises(dates: Sequence[datetime.date], amounts: Sequence[int]) -> tuple[Rise, ...]:
    """Steps up that stayed; none where amounts move all the time."""
    paid = [-amount for amount in amounts]
    steps = [at for at in range(1, len(paid)) if paid[at] != paid[at - 1]]
    if len(steps) > max(len(paid) // 3, 1):
        return ()
    return tuple(
        Rise(dates[at], paid[at - 1], paid[at])
        for at in steps
        if paid[at] > paid[at - 1] and (at + 1 == len(paid) or paid[at + 1] == paid[at])
    )


def _by_wording(payments: Iterable[Sorted]) -> Mapping[str, list[Sorted]]:
    found: defaultdict[str, list[Sorted]] = defaultdict(list)
    for one in payments:
        found[_name(one.payment.label)].append(one)
    return found


def _name(text: str) -> str:
    """A payee or label without what is different each time: numbers."""
    words = [word for word in plain(text).split() if not any(each.isdigit() for each in word)]
    return " ".join(words)


def _a_year(one: Series) -> int:
    periods = 52 // one.every if one.weekly else 12 // one.every
    return abs(one.amount) * max(periods, 1)
