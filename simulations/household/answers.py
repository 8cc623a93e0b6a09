"""The known answers: counted while the life is lived, never read from the files.

Amounts are texts with two decimals, energy in Wh with one, days as 2025-12-31, months as 2025-12.
A payment counts in the month in which it is booked, once, however many files hold it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..formats.ofx import amount
from .illness import Act
from .ledger import CATEGORIES, Kind, Payment
from .life import Life
from .load import DayLoad, Electricity
from .paris import Day, month_of
from .people import CURRENCY
from .regular import Contracts, Series

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"


@dataclass(slots=True)
class _Spent:
    paid: int = 0
    received: int = 0
    payments: int = 0


@dataclass(slots=True)
class _Seen:
    """What was booked of a series."""

    first: Day
    last: Day
    cents: int
    count: int = 0


@dataclass(slots=True)
class _Used:
    """Energy in half watt-hours: used, and what the grid operator's values add up to."""

    used: int = 0
    measured: int = 0
    half_hours: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class _BankFile:
    path: str
    account: str
    first: Day
    last: Day


@dataclass(frozen=True, slots=True)
class _LoadFile:
    path: str
    meter: str
    first: Day
    last: Day
    measured_only: bool


@dataclass(slots=True)
class Answers:
    """Everything that a right reading, a budget or a meter service must find."""

    life: Life
    contracts: Contracts
    curve: Electricity
    files: dict[str, Json] = field(default_factory=lambda: dict[str, Json]())
    more: dict[str, Json] = field(default_factory=lambda: dict[str, Json]())
    _months: dict[str, dict[str, _Spent]] = field(default_factory=lambda: {})
    _series: dict[str, _Seen] = field(default_factory=lambda: {})
    _accounts: dict[str, _Spent] = field(default_factory=lambda: {})
    _lines_a_day: dict[tuple[str, Day], int] = field(default_factory=lambda: {})
    _energy: dict[str, _Used] = field(default_factory=lambda: {})
    _values_a_day: dict[Day, tuple[int, int]] = field(default_factory=lambda: {})
    _bank_files: list[_BankFile] = field(default_factory=lambda: [])
    _load_files: list[_LoadFile] = field(default_factory=lambda: [])
    _pending: list[Json] = field(default_factory=lambda: [])
    _returns: list[Json] = field(default_factory=lambda: [])
    _health: dict[str, int] = field(default_factory=lambda: {"acts": 0, "paid": 0, "back": 0})

    def booked(self, one: Payment) -> None:
        month = self._months.setdefault(month_of(one.booked), {})
        for spent in (
            month.setdefault(one.category, _Spent()),
            self._accounts.setdefault(one.account, _Spent()),
        ):
            spent.payments += 1
            if one.cents < 0:
                spent.paid -= one.cents
            else:
                spent.received += one.cents
        key = (one.account, one.booked)
        self._lines_a_day[key] = self._lines_a_day.get(key, 0) + 1
        if one.kind is Kind.CARD_REFUND:
            self._returns.append(
                {
                    "booked": one.booked.isoformat(),
                    "account": one.account,
                    "who": one.who,
                    "amount": amount(one.cents),
                }
            )
        if one.series:
            seen = self._series.setdefault(one.series, _Seen(one.booked, one.booked, one.cents))
            seen.last, seen.cents = one.booked, one.cents
            seen.count += 1

    def used(self, load: DayLoad) -> None:
        one = self._energy.setdefault(month_of(load.day), _Used())
        one.used += sum(load.watts)
        one.measured += sum(w for n, w in enumerate(load.watts) if n not in load.lost)
        one.half_hours += len(load.watts)
        one.missing += len(load.lost)
        self._values_a_day[load.day] = (len(load.watts), len(load.lost))

    def acted(self, act: Act) -> None:
        """An act that was paid; what it waits for on the last day is pending."""
        self._health["acts"] += 1
        self._health["paid"] += act.cents
        for refund in act.refunds:
            if refund.booked <= self.life.until:
                self._health["back"] += refund.cents
            elif refund.cents:
                self._pending.append(
                    {
                        "insurer": refund.insurer,
                        "amount": amount(refund.cents),
                        "act": act.number,
                        "day": act.day.isoformat(),
                        "person": act.person.key,
                        "paid": amount(act.cents),
                        "provider": act.provider,
                    }
                )

    def bank_file(
        self,
        path: str,
        form: str,
        account: str,
        window: tuple[Day, Day],
        cents: Sequence[int],
        balances: tuple[int, int],
    ) -> None:
        self._bank_files.append(_BankFile(path, account, *window))
        self.files[path] = {
            "format": form,
            "account": account,
            "records": len(cents),
            "first": window[0].isoformat(),
            "last": window[1].isoformat(),
            "paid": amount(-sum(c for c in cents if c < 0)),
            "received": amount(sum(c for c in cents if c > 0)),
            "opening": amount(balances[0]),
            "closing": amount(balances[1]),
        }

    def load_file(
        self,
        path: str,
        form: str,
        window: tuple[Day, Day],
        *,
        meter: str,
        records: int,
        empty: int,
        half_wh: int,
    ) -> None:
        self._load_files.append(_LoadFile(path, meter, *window, form == "Linky CSV"))
        self.files[path] = {
            "format": form,
            "meter": meter,
            "records": records,
            "empty": empty,
            "first": window[0].isoformat(),
            "last": window[1].isoformat(),
            "energy_wh": wh(half_wh),
        }

    def other_file(self, path: str, form: str, records: int, **figures: Json) -> None:
        self.files[path] = {"format": form, "records": records, **figures}

    def text(self) -> str:
        """answers.json, in full."""
        return json.dumps(self.value(), ensure_ascii=False, indent=1) + "\n"

    def value(self) -> Mapping[str, Json]:
        life = self.life
        return {
            "format": "entrenous household answers 1",
            "seed": life.seed,
            "first": life.first.isoformat(),
            "until": life.until.isoformat(),
            "currency": CURRENCY,
            "categories": list(CATEGORIES),
            "accounts": self._account_values(),
            "spending": {
                month: {
                    category: _spent(spent)
                    for category in CATEGORIES
                    if (spent := categories.get(category)) is not None
                }
                for month, categories in sorted(self._months.items())
            },
            "recurring": [
                self._recurring(one) for one in self.contracts.series if one.key in self._series
            ],
            "price_rises": [*self._rises()],
            "missed_months": {
                one.key: [m for m in sorted(one.missed) if m <= month_of(life.until)]
                for one in self.contracts.series
                if one.missed
            },
            "returns": self._returns,
            "irregular_pay": self._irregular(),
            "job_loss": self._job_loss(),
            "move": self._move(),
            "holidays": [
                {"first": one.first.isoformat(), "last": one.last.isoformat()} for one in life.away
            ],
            "health": {
                "acts": self._health["acts"],
                "paid": amount(self._health["paid"]),
                "refunded": amount(self._health["back"]),
                "pending": self._pending,
            },
            "energy": self._energy_values(),
            "doubles": [*self._doubles()],
            **self.more,
            "files": dict(sorted(self.files.items())),
        }

    def _account_values(self) -> Mapping[str, Json]:
        found: dict[str, Json] = {}
        for one in self.life.family.accounts:
            spent = self._accounts.get(one.key, _Spent())
            found[one.key] = {
                "iban": one.iban,
                "holder": one.holder,
                "opening": amount(one.opening_cents),
                "closing": amount(one.opening_cents + spent.received - spent.paid),
                **_spent(spent),
            }
        return found

    def _recurring(self, one: Series) -> Json:
        seen, following = self._series[one.key], one.next_after(self.life.until)
        return {
            "key": one.key,
            "account": one.account,
            "who": one.who,
            "category": one.category,
            "every_months": one.every,
            "day": one.day,
            "count": seen.count,
            "first": seen.first.isoformat(),
            "last": seen.last.isoformat(),
            "last_amount": amount(seen.cents),
            "ended": following is None,
            "next": None if following is None else following.isoformat(),
            "next_amount": None if following is None else amount(one.cents(following)),
        }

    def _rises(self) -> Iterable[Json]:
        for one in self.contracts.series:
            for charged, before, then in one.rises(self.life.until):
                yield {
                    "key": one.key,
                    "who": one.who,
                    "first_charged": charged.isoformat(),
                    "before": amount(-before),
                    "after": amount(-then),
                    "by": amount(before - then),
                }

    def _irregular(self) -> Json:
        paid: dict[str, int] = {}
        for one in self.contracts.irregular:
            if one.day <= self.life.until:
                paid[month_of(one.day)] = paid.get(month_of(one.day), 0) + one.cents
        months = sorted(self._months)
        return {
            "account": "second",
            "months": {month: amount(cents) for month, cents in sorted(paid.items())},
            "months_without": [month for month in months if month not in paid],
        }

    def _job_loss(self) -> Json:
        benefit = self.contracts.named("benefit")
        paid = [
            (due, cents)
            for since, cents in benefit.prices
            if cents and (due := benefit.due(since)) is not None and due <= self.life.until
        ]
        return {
            "last_day": self.life.job_lost.isoformat(),
            "next_job": self.life.job_found.isoformat(),
            "employers": [self.contracts.named(key).who for key in ("salary", "salary-2")],
            "benefit": {month_of(due): amount(cents) for due, cents in paid},
        }

    def _move(self) -> Json:
        before, later = self.life.family.homes
        names = [self.contracts.named(key).who for key in ("rent", "rent-2")]
        return {
            "day": self.life.moved.isoformat(),
            "from": f"{before.line}, {before.code} {before.town}",
            "to": f"{later.line}, {later.code} {later.town}",
            "landlords": [*names],
            "energy_suppliers": [*self.contracts.energy],
            "meters": [one.meter for one in self.curve.dwellings],
        }

    def _energy_values(self) -> Json:
        years: dict[str, _Used] = {}
        for month, used in self._energy.items():
            year = years.setdefault(month[:4], _Used())
            for name in ("used", "measured", "half_hours", "missing"):
                setattr(year, name, getattr(year, name) + getattr(used, name))
        first, second = self.curve.dwellings
        machine = self.life.machine
        return {
            "months": {month: _used(used) for month, used in sorted(self._energy.items())},
            "years": {year: _used(used) for year, used in sorted(years.items())},
            "base_load_w": [
                {"from": self.life.first.isoformat(), "watts": first.base_w},
                {
                    "from": machine.isoformat(),
                    "watts": first.base(machine, machine),
                    "why": "a new freezer",
                },
                {
                    "from": self.life.moved.isoformat(),
                    "watts": second.base(self.life.moved, machine),
                    "why": "the move",
                },
            ],
        }

    def _doubles(self) -> Iterable[Json]:
        """The same line, or the same half hour, in two files."""
        for number, one in enumerate(self._bank_files):
            for other in self._bank_files[number + 1 :]:
                first, last = max(one.first, other.first), min(one.last, other.last)
                if one.account == other.account and first <= last:
                    same = sum(
                        lines
                        for (account, day), lines in self._lines_a_day.items()
                        if account == one.account and first <= day <= last
                    )
                    if same:
                        yield {"files": [one.path, other.path], "same": same, "of": "payments"}
        for number, load in enumerate(self._load_files):
            for later in self._load_files[number + 1 :]:
                first, last = max(load.first, later.first), min(load.last, later.last)
                if load.meter != later.meter or first > last:
                    continue
                measured_only = load.measured_only or later.measured_only
                same = sum(
                    values - (lost if measured_only else 0)
                    for day, (values, lost) in self._values_a_day.items()
                    if first <= day <= last
                )
                yield {"files": [load.path, later.path], "same": same, "of": "half hours"}


def wh(half_wh: int) -> str:
    """Half watt-hours as watt-hours with one decimal."""
    return f"{half_wh // 2}.{half_wh % 2 * 5}"


def _spent(one: _Spent) -> Mapping[str, Json]:
    return {"paid": amount(one.paid), "received": amount(one.received), "payments": one.payments}


def _used(one: _Used) -> Mapping[str, Json]:
    return {
        "used_wh": wh(one.used),
        "measured_wh": wh(one.measured),
        "half_hours": one.half_hours,
        "missing": one.missing,
    }
