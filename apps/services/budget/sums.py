"""Sums: what was spent in a span of days, by category, month or payee, each currency for itself.

What is spent under a category is what was paid less what came back.  What is usual is the median of
the months before, of those that the vault knows in full; a month without a payment counts as zero.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from ...exact import median
from ...local_days import first_of, last_of, month_of, months_later
from .categories import GROUPS, OWN, UNKNOWN
from .sorting import Sorted

MONTHS_BEFORE_MAX: Final = 12
# With fewer months nothing is called usual.
MONTHS_BEFORE_MIN: Final = 3
# A month is known in full if the first payment of all came in its first days.
_FIRST_DAYS: Final = 7
LARGEST_MAX: Final = 3


class By(StrEnum):
    """What the lines of a budget are."""

    CATEGORY = "category"
    MONTH = "month"
    PAYEE = "payee"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: amounts in 10⁻¹⁸; `spent` is `paid` less `received`; `usual` None if not known."""

    name: str
    paid: int
    received: int
    payments: int
    usual: int | None = None

    @property
    def spent(self) -> int:
        return self.paid - self.received


@dataclass(frozen=True, slots=True)
class Budget:
    """One currency.  `total` is of all spending (of the category, if one is asked for).

    `rows` are without what is not categorised, which is `unknown`; `largest` are its payees.
    `income` came in; `moved` went out of one own account into another.  `groups` are sums of rows.
    """

    currency: str
    total: Row
    rows: tuple[Row, ...]
    groups: tuple[Row, ...]
    unknown: Row | None
    largest: tuple[Row, ...]
    income: int
    moved: int


@dataclass(frozen=True, slots=True)
class Span:
    """Local days, both included."""

    first: datetime.date
    last: datetime.date

    def holds(self, day: datetime.date) -> bool:
        return self.first <= day <= self.last

    @property
    def month(self) -> str | None:
        """The month that this is, if it is one."""
        month = month_of(self.first)
        whole = self.first == first_of(month) and self.last == last_of(month)
        return month if whole else None


def months_before(span: Span, known_since: datetime.date) -> tuple[str, ...]:
    """The months with which a month is compared, the latest first; none for another span."""
    if span.month is None:
        return ()
    since = month_of(known_since)
    if known_since.day > _FIRST_DAYS:
        since = months_later(since, 1)
    months: list[str] = []
    month = months_later(span.month, -1)
    while month >= since and len(months) < MONTHS_BEFORE_MAX:
        months.append(month)
        month = months_later(month, -1)
    return tuple(months) if len(months) >= MONTHS_BEFORE_MIN else ()


def budgets(
    payments: Iterable[Sorted],
    span: Span,
    by: By,
    only: Sequence[str] | None,
    before: Sequence[str],
) -> tuple[Budget, ...]:
    """A budget for each currency in which there is a payment, the one most used first."""
    currencies: defaultdict[str, list[Sorted]] = defaultdict(list)
    for one in payments:
        currencies[one.payment.currency].append(one)
    found = [
        (sum(span.holds(one.payment.date) for one in some), currency, some)
        for currency, some in currencies.items()
    ]
    return tuple(
        _budget(currency, some, span, by, only, before)
        for count, currency, some in sorted(found, key=lambda each: (-each[0], each[1]))
        if count
    )


def _budget(
    currency: str,
    payments: Sequence[Sorted],
    span: Span,
    by: By,
    only: Sequence[str] | None,
    before: Sequence[str],
) -> Budget:
    now = [one for one in payments if span.holds(one.payment.date)]
    wanted = [one for one in now if one.spending and _is_wanted(one, only)]
    usual = _Usual([one for one in payments if one.spending and _is_wanted(one, only)], before)
    known = wanted if by is not By.CATEGORY else [one for one in wanted if one.category]
    name_of = _NAMES[by]
    names = {name_of(one) for one in known}
    if by is By.CATEGORY:
        names |= usual.categories
    if by is By.MONTH:
        names |= set(_months(span))
    rows = [_row(name, known, name_of, usual if by is By.CATEGORY else None) for name in names]
    if by is By.CATEGORY:
        rows = [row for row in rows if row.payments or row.usual]
    unknown = [one for one in wanted if one.category is None]
    return Budget(
        currency=currency,
        total=_sum("total", wanted, usual.of(lambda _: True)),
        rows=tuple(sorted(rows, key=_BY_NAME if by is By.MONTH else _MOST_FIRST)),
        groups=tuple(_groups(wanted, usual)) if by is By.CATEGORY else (),
        unknown=_sum(UNKNOWN, unknown, usual.of(lambda one: one.category is None))
        if unknown
        else None,
        largest=_largest(unknown),
        income=sum(one.payment.amount for one in now if one.category == "income"),
        moved=_moved(now),
    )


class _Usual:
    """The median of the months before, of any part of the payments."""

    def __init__(self, payments: Sequence[Sorted], months: Sequence[str]) -> None:
        self._months = months
        within = set(months)
        self._payments = [one for one in payments if month_of(one.payment.date) in within]

    @property
    def categories(self) -> set[str]:
        return {one.category for one in self._payments if one.category is not None}

    def of(self, chosen: Callable[[Sorted], bool]) -> int | None:
        if not self._months:
            return None
        spent = dict.fromkeys(self._months, 0)
        for one in self._payments:
            if chosen(one):
                spent[month_of(one.payment.date)] -= one.payment.amount
        return median(spent.values())


def _groups(payments: Sequence[Sorted], usual: _Usual) -> Iterable[Row]:
    """Groups of which several categories are there."""
    for name, parts in GROUPS.items():
        some = [one for one in payments if one.category in parts]
        if len({one.category for one in some}) > 1:
            yield _sum(name, some, usual.of(partial(_is_wanted, only=parts)))


def _row(
    name: str,
    payments: Sequence[Sorted],
    name_of: Callable[[Sorted], str],
    usual: _Usual | None,
) -> Row:
    some = [one for one in payments if name_of(one) == name]
    before = None if usual is None else usual.of(lambda one: name_of(one) == name)
    return _sum(name, some, before)


def _sum(name: str, payments: Sequence[Sorted], usual: int | None) -> Row:
    amounts = [one.payment.amount for one in payments]
    return Row(
        name,
        -sum(amount for amount in amounts if amount < 0),
        sum(amount for amount in amounts if amount > 0),
        len(amounts),
        usual,
    )


def _largest(payments: Sequence[Sorted]) -> tuple[Row, ...]:
    rows = [_row(name, payments, _payee, None) for name in {_payee(one) for one in payments}]
    return tuple(sorted(rows, key=_MOST_FIRST)[:LARGEST_MAX])


def _moved(payments: Sequence[Sorted]) -> int:
    """What moved between own accounts, each movement once, by the side that is seen more."""
    amounts = [one.payment.amount for one in payments if one.category in OWN]
    out = -sum(amount for amount in amounts if amount < 0)
    return max(out, sum(amount for amount in amounts if amount > 0))


def _months(span: Span) -> Iterable[str]:
    month = month_of(span.first)
    while month <= month_of(span.last):
        yield month
        month = months_later(month, 1)


def _is_wanted(one: Sorted, only: Sequence[str] | None) -> bool:
    return only is None or one.category in only


def _category(one: Sorted) -> str:
    return one.category or UNKNOWN


def _payee(one: Sorted) -> str:
    return one.payment.payee


def _month(one: Sorted) -> str:
    return month_of(one.payment.date)


def _most_first(row: Row) -> tuple[int, str]:
    return -row.spent, row.name


def _by_name(row: Row) -> str:
    return row.name


_MOST_FIRST, _BY_NAME = _most_first, _by_name
_NAMES: Final = {By.CATEGORY: _category, By.PAYEE: _payee, By.MONTH: _month}
