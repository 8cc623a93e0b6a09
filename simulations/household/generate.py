"""A household, lived day by day and written down as it goes.

`generate` is a function of its arguments: the same ones give the same bytes in every file, on every
machine.  Memory holds one year of payments and one day of the load curve; the rest is on disk.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from .answers import Answers
from .banks import Banks
from .contacts import Phone, write_books
from .folder import Folder, OpenFile, new_folder
from .illness import Illness
from .ledger import Book, Payment, transfer
from .life import Life, life
from .load import Electricity
from .meters import Meters
from .outings import Outings
from .papers import Insurers, School, Till
from .paris import Day, days, month_end, month_of, month_start
from .regular import contracts
from .routine import Routine, interest, kept_liquid

# Nothing here asks what day it is: a household ends on this one unless told otherwise.
UNTIL: Final = datetime.date(2025, 12, 31)
YEARS_MAX: Final = 10  # the child of ten years ago is still at school
SEED_MAX: Final = 2**63 - 1
SOURCES: Final = (
    "banks",
    "meters",
    "health",
    "contacts",
    "phone",
    "tracks",
    "receipts",
    "school",
)
ANSWERS: Final = "answers.json"
PAYMENTS: Final = "answers-payments.jsonl"


def generate(
    seed: int,
    out: Path,
    *,
    years: int = 1,
    until: datetime.date = UNTIL,
    sources: Collection[str] = SOURCES,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write the household of `seed` into `out`, a new or empty folder.

    It lives for `years` whole years that end on `until`, the last day of a month.  `progress` is
    told each month that is done, its number and how many there are.  Raises NodeError where `out`
    is taken, ValueError for arguments out of range.
    """
    if not 1 <= years <= YEARS_MAX:
        raise ValueError(f"a household lives for 1 to {YEARS_MAX} years")
    if until != month_end(until) or not 2010 <= until.year <= 2070:
        raise ValueError("a household ends on the last day of a month from 2010 to 2070")
    if not 0 <= seed <= SEED_MAX:
        raise ValueError(f"a seed is a whole number from 0 to {SEED_MAX}")
    lived = life(seed, month_start(until, 1 - 12 * years), until)
    with new_folder(out) as folder, folder.open(PAYMENTS) as truth:
        _Household(lived, folder, truth, frozenset(sources)).live(progress)


class _Household:
    def __init__(
        self, lived: Life, folder: Folder, truth: OpenFile, sources: frozenset[str]
    ) -> None:
        self._life, self._folder, self._truth, self._sources = lived, folder, truth, sources
        self._contracts = contracts(lived)
        self._curve = Electricity(lived)
        self._answers = Answers(lived, self._contracts, self._curve)
        self._book = Book.of(lived.family.accounts)
        self._routine = Routine(lived)
        self._illness = Illness(lived, self._contracts.insurers)
        self._banks = Banks(lived, folder, self._answers)
        self._meters = Meters(lived, self._curve, folder, self._answers)
        self._insurers = Insurers(lived, self._contracts.insurers, folder, self._answers)
        self._till = Till(lived, folder, self._answers)
        self._strands: tuple[tuple[str, Callable[[Day], None]], ...] = (
            ("meters", self._load),
            ("phone", Phone(lived, folder, self._answers).day),
            ("tracks", Outings(lived, folder, self._answers).day),
            ("school", School(lived, folder, self._answers).day),
        )

    def live(self, progress: Callable[[str, int, int], None] | None) -> None:
        first, until = self._life.first, self._life.until
        months = (until.year - first.year) * 12 + until.month - first.month + 1
        year_first = first
        for number in range(months):
            month = month_start(first, number)
            last = month_end(month)
            self._due(month)
            for day in days(month, last):
                self._day(day)
            self._month_ended(last)
            if month.month == 12 or last == until:
                self._year_ended(year_first, last)
                year_first = month_start(month, 1)
            if progress is not None:
                progress(month_of(month), number + 1, months)
        if "contacts" in self._sources:
            write_books(self._life, self._folder, self._answers)
        self._folder.write(ANSWERS, [self._answers.text().encode()])

    def _month_ended(self, last: Day) -> None:
        if "banks" in self._sources:
            self._banks.month_ended(last)
        if "receipts" in self._sources:
            self._till.month_ended(last)

    def _year_ended(self, first: Day, last: Day) -> None:
        if "banks" in self._sources:
            self._banks.year_ended(first, last)
        if "health" in self._sources:
            self._insurers.year_ended(last)

    def _due(self, month: Day) -> None:
        """What the contracts and the clients pay this month."""
        for series in self._contracts.series:
            if (payment := series.payment(month)) is not None:
                self._book.write(payment)
        for paid in self._contracts.irregular:
            if month_start(paid.day) == month:
                self._book.write(
                    transfer("second", paid.day, paid.cents, "income", paid.client, "FACTURE")
                )

    def _day(self, day: Day) -> None:
        for payment in self._routine.day(day):
            self._book.write(payment)
        for act, payments in self._illness.day(day):
            self._answers.acted(act)
            if "health" in self._sources:
                self._insurers.acted(act)
            for payment in payments:
                self._book.write(payment)
        balances = self._book.balances
        for payment in (
            *kept_liquid(self._life, day, balances),
            *interest(day, balances["savings"]),
        ):
            self._book.write(payment)
        lines = self._book.booked(day)
        for line in lines:
            self._answers.booked(line)
            self._truth.write(_truth(line))
            if "receipts" in self._sources:
                self._till.booked(line)
        if "banks" in self._sources:
            self._banks.booked(lines)
        for source, told in self._strands:
            if source in self._sources:
                told(day)

    def _load(self, day: Day) -> None:
        load = self._curve.day(day)
        self._answers.used(load)
        self._meters.day(load)


def _truth(line: Payment) -> bytes:
    """What one line of the statements really was, as a line of JSON."""
    value = {
        "account": line.account,
        "reference": line.reference,
        "booked": line.booked.isoformat(),
        "cents": line.cents,
        "category": line.category,
        "who": line.who,
        "label": line.label,
        "series": line.series or None,
    }
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()
