"""What the columns of a bank's table say, together and row by row.

A profile says which column is which (`csv_profile.py`), the whole column says how its cells are
read (`csv_values.py`), and here they become transactions.  Everything that does not fit is a
sentence with its line; everything left out is counted with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..protocol.day import TIME_MAX_MS, TIME_MIN_MS
from ..protocol.errors import ReaderError
from ..protocol.limits import RECORD_TEXT_BYTES_MAX
from ..protocol.reading import Decimal, Settings, check_rows, refusal
from .account import number_of
from .csv_profile import plain
from .csv_table import Table
from .csv_text import Row, rows_of
from .csv_values import (
    Mark,
    Moment,
    Unclear,
    Unfit,
    amount_of,
    date_of,
    looks_like_date,
    mark_of,
    order_of,
    symbol_of,
)
from .text import printable, quoted, shortened

_MONEY_ROLES: Final = ("amount", "debit", "credit", "fee")
_CURRENCY_CHARS: Final = 3


@dataclass(frozen=True, slots=True)
class Transaction:
    line: int
    account: str
    moment: Moment
    amount: Decimal
    currency: str
    label: str
    counterparty: str
    balance: Decimal | None


class Reading:
    """One file under one profile."""

    def __init__(self, filename: str, table: Table, settings: Settings) -> None:
        self._filename = filename
        self._table = table
        self._profile = table.profile
        self._settings = settings
        self._left_out: Counter[str] = Counter()
        self._first_line: dict[str, int] = {}
        self._shortened = 0
        self.notes: list[str] = []

    # rows

    def rows(self, text: str) -> list[Row]:
        """The booked rows of the table.  Raises ReaderError."""
        table = self._table
        rows: list[Row] = []
        width = len(table.header)
        for number, row in enumerate(rows_of(text, table.delimiter, self._filename)):
            if number < table.above or row.empty:
                continue
            if width and any(row.cells[width:]):
                raise self._refuse(
                    "the row has more cells than the header: a delimiter stands in a text", row.line
                )
            if self._booked(row):
                rows.append(row)
        rows = self._without_foot(rows)
        check_rows(len(rows), self._filename)
        return rows

    def _booked(self, row: Row) -> bool:
        if "status" not in self._table.places:
            return True
        status = self._table.cell(row, "status")
        if plain(status) in self._profile.booked:
            return True
        self._leave_out(
            f"their status is {quoted(status)}" if status else "they have no status", row
        )
        return False

    def _without_foot(self, rows: list[Row]) -> list[Row]:
        """Drop what is no transaction: sums and sentences below the table, rows that say nothing.

        Inside the table a row whose date is no date is a fault, not a foot.
        """
        table = self._table
        end = len(rows)
        while end:
            date = table.cell(rows[end - 1], "date")
            if looks_like_date(date) or not any(map(str.isalpha, date)):
                break
            end -= 1
        for row in rows[end:]:
            self._leave_out("they stand below the table", row)
        kept: list[Row] = []
        for row in rows[:end]:
            if not table.cell(row, "date"):
                self._leave_out("they have no date", row)
            elif not any(table.cell(row, role) for role in ("amount", "debit", "credit")):
                self._leave_out("they have no amount", row)
            else:
                kept.append(row)
        return kept

    def _leave_out(self, why: str, row: Row) -> None:
        self._left_out[why] += 1
        self._first_line.setdefault(why, row.line)

    # what the columns say together

    def transactions(self, rows: Sequence[Row]) -> list[Transaction]:
        """Raises ReaderError."""
        moments = self._moments(rows)
        mark = self._mark(rows, [role for role in _MONEY_ROLES if role in self._table.places])
        amounts = self._amounts(rows, mark)
        balances = self._balances(rows)
        return [
            Transaction(
                line=row.line,
                account=self._account(row),
                moment=moments[n],
                amount=amounts[n],
                currency=self._currency(row),
                label=self._label(row),
                counterparty=self._counterparty(row, amounts[n]),
                balance=balances[n],
            )
            for n, row in enumerate(rows)
        ]

    def _moments(self, rows: Sequence[Row]) -> list[Moment]:
        table = self._table
        cells = [(row.line, table.cell(row, "date")) for row in rows]
        day_first = self._settings.day_first
        if day_first is None:
            day_first = self._profile.day_first
        if day_first is None:
            try:
                day_first = order_of(cells)
            except Unclear as unclear:
                if not self._profile.day_first_by_language:
                    raise self._refuse(
                        f"{quoted(unclear.text)} in {table.named('date')} can be read with the "
                        "day or the month first; say --day-first or --month-first",
                        unclear.line,
                    ) from None
                day_first = True
                self.notes.append(
                    f"Dates like {quoted(unclear.text)} are read with the day first, as is usual "
                    "in the language of the header."
                )
            except Unfit as unfit:
                raise self._no_date(unfit.line, unfit.text) from None
        moments: list[Moment] = []
        for line, text in cells:
            moment = date_of(text, day_first)
            if moment is None:
                raise self._no_date(line, text)
            if not TIME_MIN_MS <= moment[0] <= TIME_MAX_MS:
                raise self._refuse(f"{quoted(text)} lies outside the years 1900 to 2079", line)
            moments.append(moment)
        return moments

    def _no_date(self, line: int, text: str) -> ReaderError:
        name = self._table.named("date")
        return self._refuse(f"{quoted(text)} in {name} is no date like the others", line)

    def _mark(self, rows: Sequence[Row], roles: Sequence[str], *, said: bool = True) -> Mark:
        """The decimal mark of these columns.  `said`: what profile and person say is about them."""
        table = self._table
        decimal = self._settings.decimal or self._profile.decimal
        if decimal and said:
            return Mark(decimal)
        cells = [(row.line, cell) for row in rows for r in roles if (cell := table.cell(row, r))]
        names = ", ".join(table.named(role) for role in roles)
        try:
            return mark_of(cells)
        except Unclear as unclear:
            raise self._refuse(
                f"{quoted(unclear.text)} in {names} can be read with a comma or a point before "
                "the decimals; say --decimal comma or --decimal point",
                unclear.line,
            ) from None
        except Unfit as unfit:
            raise self._refuse(
                f"{quoted(unfit.text)} in {names} is no amount like the others", unfit.line
            ) from None

    def _amounts(self, rows: Sequence[Row], mark: Mark) -> list[Decimal]:
        places = self._table.places
        amounts: list[Decimal] = []
        if "amount" in places:
            amounts += [self._signed(row, self._money(row, "amount", mark)) for row in rows]
        else:
            debits = [self._money(row, "debit", mark) for row in rows]
            credits = [self._money(row, "credit", mark) for row in rows]
            self._one_sign(rows, "debit", debits)
            self._one_sign(rows, "credit", credits)
            for row, debit, credit in zip(rows, debits, credits, strict=True):
                if debit[0] and credit[0]:
                    names = f"{self._table.named('debit')} and {self._table.named('credit')}"
                    raise self._refuse(f"there is an amount in {names} both", row.line)
                amounts.append((-abs(debit[0]), debit[1]) if debit[0] else credit)
        if "fee" not in places:
            return amounts
        fees = [self._money(row, "fee", mark) for row in rows]
        return [less(amount, fee) for amount, fee in zip(amounts, fees, strict=True)]

    def _signed(self, row: Row, amount: Decimal) -> Decimal:
        """`amount` with the sign that stands in a column of its own, if there is one."""
        table = self._table
        if "sign" not in table.places:
            return amount
        sign = table.cell(row, "sign")
        if amount[0] < 0 or not sign:
            raise self._refuse(f"the amount and {table.named('sign')} contradict", row.line)
        return (-amount[0], amount[1]) if plain(sign) in self._profile.debits else amount

    def _one_sign(self, rows: Sequence[Row], role: str, amounts: Sequence[Decimal]) -> None:
        """A debit may be written with a minus or without, but not now so and now otherwise."""
        wrong = {amount[0] < 0 for amount in amounts if amount[0]}
        if len(wrong) == 2 or (role == "credit" and True in wrong):
            line = next(r.line for r, a in zip(rows, amounts, strict=True) if a[0] < 0)
            raise self._refuse(
                f"{self._table.named(role)} holds amounts of both signs, or the wrong one", line
            )

    def _money(self, row: Row, role: str, mark: Mark) -> Decimal:
        text = self._table.cell(row, role)
        if not text:
            return (0, 0)
        amount = amount_of(text, mark)
        if amount is None:
            name = self._table.named(role)
            raise self._refuse(f"{quoted(text)} in {name} is no amount", row.line)
        return amount

    def _balances(self, rows: Sequence[Row]) -> list[Decimal | None]:
        """The running balance of each row, or of none: it helps, and it is nothing to refuse for.

        One bank writes it with another decimal mark than its amounts.
        """
        table = self._table
        cells = [table.cell(row, "balance") for row in rows]
        if "balance" not in table.places or not all(cells):
            return [None] * len(rows)
        try:
            mark = self._mark(rows, ["balance"], said=False)
        except ReaderError:
            if not (decimal := self._settings.decimal or self._profile.decimal):
                return [None] * len(rows)
            mark = Mark(decimal)
        return [amount_of(cell, mark) for cell in cells]

    # one row

    def _account(self, row: Row) -> str:
        said = self._settings.account or self._profile.account
        here = " ".join(self._table.cells(row, "account"))
        return number_of(said or here or self._table.account)

    def _currency(self, row: Row) -> str:
        table = self._table
        currency = table.cell(row, "currency") or self._settings.currency or self._profile.currency
        if not currency:
            role = next(r for r in ("amount", "debit", "credit") if table.cell(row, r))
            currency = symbol_of(table.cell(row, role))
        if not currency:
            raise self._refuse(
                "nothing says which currency the amounts are in; say it, as in --currency EUR",
                row.line,
            )
        currency = currency.upper()
        if len(currency) != _CURRENCY_CHARS or not (currency.isascii() and currency.isalpha()):
            raise self._refuse(f"{quoted(currency)} is no currency of three letters", row.line)
        return currency

    def _label(self, row: Row) -> str:
        return self._text(" ".join(self._table.cells(row, "label")))

    def _counterparty(self, row: Row, amount: Decimal) -> str:
        other = self._table.cell(row, "payee" if amount[0] < 0 else "payer")
        named = self._table.cells(row, "counterparty")
        return self._text(other or (named[0] if named else ""))

    def _text(self, text: str) -> str:
        clean = printable(text)
        short = shortened(clean, RECORD_TEXT_BYTES_MAX)
        self._shortened += short != clean
        return short

    def all_notes(self) -> list[str]:
        """What a person should know of this reading."""
        notes = [f"Columns by the profile: {self._profile.name}.", *self.notes]
        for why, count in sorted(self._left_out.items()):
            line = self._first_line[why]
            notes.append(f"Rows left out, because {why}: {count} (the first on line {line}).")
        if self._shortened:
            notes.append(f"Texts over the limit of a record, shortened: {self._shortened}.")
        return notes

    def _refuse(self, sentence: str, line: int | None = None) -> ReaderError:
        return refusal(self._filename, sentence, line)


def less(amount: Decimal, fee: Decimal) -> Decimal:
    """`amount` - `fee`, exact."""
    finest = max(amount[1], fee[1])
    total = amount[0] * 10 ** (finest - amount[1]) - fee[0] * 10 ** (finest - fee[1])
    return total, finest
