"""Tariffs: what one's own curve would have cost under each, exact.

    name = "Base 6 kVA"
    currency = "EUR"

    [[price]]
    from = 2025-02-01            # holds from that day on, until the next
    standing_month = "12.68"     # or standing_year, or standing_day
    kwh = "0.2016"               # one price;  or two:
    # peak = "0.2146"
    # off_peak = "0.1696"
    # off_peak_hours = ["22:00-06:00", "12:30-14:00"]
    # off_peak_days = ["saturday", "sunday"]       # may be left out

Money is worked out in fractions and rounded once, at the end: a month's standing charge is shared
among its days, and an interval that lies across the turn of off-peak hours is shared by its time,
as if power had been even.  Hours are those of the curve's own clock.  Intervals that are missing
cost nothing, and how many those are is said beside the result.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, cast

from ....protocol.toml_text import toml_table
from ...local_days import last_of, month_of
from ...text import quoted
from .curve import KWH, Curve, Interval

_PRICES_MAX: Final = 1000
_HOURS: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_WEEKDAYS: Final = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
)  # fmt: skip  # a list of words
_STANDING: Final = ("standing_day", "standing_month", "standing_year")
_KEYS: Final = frozenset(
    ("from", "kwh", "peak", "off_peak", "off_peak_hours", "off_peak_days", *_STANDING)
)


class BadTariff(ValueError):
    """A tariff cannot be read, or does not hold on a day of the curve; the message says why."""


@dataclass(frozen=True, slots=True)
class Price:
    """Prices from a day on.  `off_peak` is None where there is one price only.

    `off_peak_minutes` are the minutes of a day that are cheaper, `off_peak_days` whole weekdays.
    """

    since: datetime.date
    standing: Fraction
    standing_per: str
    peak: Fraction
    off_peak: Fraction | None
    off_peak_minutes: frozenset[int]
    off_peak_days: frozenset[int]

    def a_day(self, day: datetime.date) -> Fraction:
        """The standing charge of one day."""
        match self.standing_per:
            case "standing_month":
                return self.standing / last_of(month_of(day)).day
            case "standing_year":
                year = datetime.date(day.year + 1, 1, 1) - datetime.date(day.year, 1, 1)
                return self.standing / year.days
            case _:
                return self.standing

    def cheap(self, one: Interval) -> Fraction:
        """Which part of an interval is off-peak."""
        if self.off_peak is None:
            return Fraction(0)
        minutes = max(one.seconds // 60, 1)
        count = 0
        for minute in range(one.minute, one.minute + minutes):
            days, within = divmod(minute, 1440)
            weekday = (one.date.weekday() + days) % 7
            count += within in self.off_peak_minutes or weekday in self.off_peak_days
        return Fraction(count, minutes)


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices in the order of their days."""

    name: str
    currency: str
    prices: tuple[Price, ...]

    def on(self, day: datetime.date) -> Price:
        """The prices of a day.  Raises BadTariff before the first."""
        for price in reversed(self.prices):
            if price.since <= day:
                return price
        raise BadTariff(f"{self.name} has no price for {day}; its first is {self.prices[0].since}")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a curve costs: energies in 10⁻¹⁸ W·s, money in fractions of the currency."""

    tariff: Tariff
    peak_energy: Fraction
    off_peak_energy: Fraction
    energy_cost: Fraction
    standing_cost: Fraction
    days: int

    @property
    def total(self) -> Fraction:
        return self.energy_cost + self.standing_cost


def cost_of(curve: Curve, tariff: Tariff) -> Cost:
    """What the days from the first to the last of a curve cost.  Raises BadTariff."""
    prices: dict[datetime.date, Price] = {}
    day, standing = curve.first, Fraction(0)
    while day <= curve.last:
        prices[day] = price = tariff.on(day)
        standing += price.a_day(day)
        day += datetime.timedelta(days=1)
    peak = off_peak = energy = Fraction(0)
    for (price, cheap), some in _alike(curve, prices).items():
        low = some * cheap
        peak, off_peak = peak + some - low, off_peak + low
        energy += (some - low) * price.peak / KWH + low * (price.off_peak or 0) / KWH
    return Cost(tariff, peak, off_peak, energy, standing, len(prices))


def _alike(
    curve: Curve, prices: Mapping[datetime.date, Price]
) -> Mapping[tuple[Price, Fraction], int]:
    """Energy by price and by the part that is off-peak, which few intervals share with others."""
    parts: dict[tuple[Price, int, int, int], Fraction] = {}
    found: dict[tuple[Price, Fraction], int] = {}
    for one in curve.intervals:
        price = prices[one.date]
        key = price, one.date.weekday(), one.minute, one.seconds
        if (part := parts.get(key)) is None:
            part = parts[key] = price.cheap(one)
        found[price, part] = found.get((price, part), 0) + one.energy
    return found


def tariff_of(text: str, name: str) -> Tariff:
    """The tariff in a file called `name`.  Raises BadTariff."""
    try:
        table = toml_table(text, Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        # Also a number with more digits, or a larger exponent, than can be held.
        raise BadTariff(f"{name} cannot be understood: {error}") from None
    if unknown := sorted(table.keys() - {"name", "currency", "price"}):
        raise BadTariff(f"{name}: there is no place for {quoted(unknown[0])}")
    title, currency = table.get("name", name), table.get("currency", "EUR")
    if not isinstance(title, str) or not isinstance(currency, str) or len(title) > 100:
        raise BadTariff(f"{name}: name and currency are short texts")
    if re.fullmatch("[A-Z]{3}", currency) is None:
        raise BadTariff(f"{name}: {quoted(currency)} is no currency of three letters")
    given: object = table.get("price")
    if not isinstance(given, list) or not 0 < len(cast("list[object]", given)) <= _PRICES_MAX:
        raise BadTariff(f"{name}: prices stand under [[price]], each with the day it holds from")
    prices = [_price(one, name) for one in cast("list[object]", given)]
    prices.sort(key=lambda one: one.since)
    if len({one.since for one in prices}) != len(prices):
        raise BadTariff(f"{name}: two prices hold from the same day")
    return Tariff(title, currency, tuple(prices))


def _price(value: object, name: str) -> Price:
    if not isinstance(value, dict):
        raise BadTariff(f"{name}: prices stand under [[price]], each with the day it holds from")
    given = cast("dict[str, object]", value)
    if unknown := sorted(given.keys() - _KEYS):
        raise BadTariff(f"{name}: a price has no place for {quoted(unknown[0])}")
    since = given.get("from")
    if not isinstance(since, datetime.date) or isinstance(since, datetime.datetime):
        raise BadTariff(f"{name}: each price says from which day it holds: from = 2025-02-01")
    standing = [key for key in _STANDING if key in given]
    if len(standing) > 1:
        raise BadTariff(f"{name}: one standing charge, not {' and '.join(standing)}")
    two = {"peak", "off_peak"} & given.keys()
    if ("kwh" in given) == bool(two) or len(two) == 1:
        raise BadTariff(f"{name}: a price has kwh, or peak and off_peak")
    minutes, days = _minutes(given.get("off_peak_hours", []), name), _weekdays(given, name)
    if bool(two) != bool(minutes or days):
        raise BadTariff(f"{name}: off_peak and off_peak_hours (or off_peak_days) go together")
    return Price(
        since=since,
        standing=_amount(given[standing[0]], name) if standing else Fraction(0),
        standing_per=standing[0] if standing else "standing_day",
        peak=_amount(given["peak" if two else "kwh"], name),
        off_peak=_amount(given["off_peak"], name) if two else None,
        off_peak_minutes=minutes,
        off_peak_days=days,
    )


def _amount(value: object, name: str) -> Fraction:
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = Decimal("NaN")
        if amount.is_finite() and 0 <= amount < 1_000_000 and -amount.as_tuple().exponent <= 18:  # type: ignore[operator]  # finite: a whole number
            return Fraction(amount)
    # A large whole number has no text of its own.
    said = "this" if isinstance(value, int) and abs(value) > 10**18 else repr(str(value)[:40])
    raise BadTariff(f'{name}: {said} is no amount; one is "0.2016"')


def _minutes(value: object, name: str) -> frozenset[int]:
    """The minutes of a day in spans like 22:00-06:00."""
    found: set[int] = set()
    if not isinstance(value, list):
        raise BadTariff(f'{name}: off_peak_hours is a list: ["22:00-06:00"]')
    for one in cast("list[object]", value):
        match = _HOURS.fullmatch(one) if isinstance(one, str) else None
        if match is None:
            raise BadTariff(f'{name}: {str(one)[:40]!r} are no hours; some are "22:00-06:00"')
        first = int(match[1]) * 60 + int(match[2])
        last = int(match[3]) * 60 + int(match[4])
        if last > 1440 or first == last:
            raise BadTariff(f"{name}: {match[0]!r} are no hours of a day")
        found |= set(range(first, last if last > first else last + 1440))
    return frozenset(minute % 1440 for minute in found)


def _weekdays(given: Mapping[str, object], name: str) -> frozenset[int]:
    value = given.get("off_peak_days", [])
    if not isinstance(value, list) or not all(
        isinstance(one, str) and one in _WEEKDAYS for one in cast("list[object]", value)
    ):
        raise BadTariff(f"{name}: off_peak_days is a list of {', '.join(_WEEKDAYS)}")
    return frozenset(_WEEKDAYS.index(one) for one in cast("list[str]", value))
