"""What three banks hand out: monthly OFX, yearly CAMT.053, and CSV in two forms.

The files of one account overlap, as downloads do: a quarter of the joint account comes as CSV once
more, half of the second account's last year in the older message, and two months of every year as
OFX.  The same line has the same reference in each, where the format has a place for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..formats.bank_csv import CsvEntry, CsvForm, bank_csv_file
from ..formats.camt import CamtEntry, CamtStatement, camt_file
from ..formats.ofx import OfxEntry, OfxStatement, ofx_file
from .answers import Answers
from .folder import Folder
from .ledger import Kind, Payment
from .life import Life
from .paris import Day, month_end, month_start
from .people import CURRENCY, Account

_OFX_KINDS = {
    Kind.CARD: "POS",
    Kind.CARD_REFUND: "CREDIT",
    Kind.CASH: "ATM",
    Kind.DEBIT: "DIRECTDEBIT",
    Kind.TRANSFER_IN: "CREDIT",
    Kind.TRANSFER_OUT: "XFER",
    Kind.FEE: "SRVCHG",
    Kind.INTEREST: "INT",
}
# ISO 20022 external code set, bank transaction codes: domain, family, sub-family.
_CAMT_CODES = {
    Kind.CARD: ("PMNT", "CCRD", "POSD"),
    Kind.CARD_REFUND: ("PMNT", "CCRD", "RIMB"),
    Kind.CASH: ("PMNT", "CCRD", "CWDL"),
    Kind.DEBIT: ("PMNT", "RDDT", "ESDD"),
    Kind.TRANSFER_IN: ("PMNT", "RCDT", "ESCT"),
    Kind.TRANSFER_OUT: ("PMNT", "ICDT", "ESCT"),
    Kind.FEE: ("ACMT", "MDOP", "CHRG"),
    Kind.INTEREST: ("ACMT", "MCOP", "INTR"),
}
_OFX_NAME_MAX = 32


@dataclass(frozen=True, slots=True)
class _Extract:
    """The lines of one account from `first` to `last`, and what it held around them."""

    account: Account
    first: Day
    last: Day
    lines: Sequence[Payment]
    opening: int

    @property
    def closing(self) -> int:
        return self.opening + sum(one.cents for one in self.lines)


class Banks:
    """Keeps the lines of one year; writes a month's and a year's files when they end."""

    def __init__(self, life: Life, folder: Folder, answers: Answers) -> None:
        self._life, self._folder, self._answers = life, folder, answers
        self._accounts = {one.key: one for one in life.family.accounts}
        self._opening = {one.key: one.opening_cents for one in life.family.accounts}
        self._lines: dict[str, list[Payment]] = {key: [] for key in self._accounts}

    def booked(self, lines: Iterable[Payment]) -> None:
        for one in lines:
            self._lines[one.account].append(one)

    def month_ended(self, last: Day) -> None:
        """The joint account's statement of the month that ends on `last`."""
        extract = self._extract("joint", month_start(last), last)
        self._ofx(f"bank-a/{last:%Y-%m}.ofx", extract, version=1)

    def year_ended(self, first: Day, last: Day) -> None:
        """The files of a calendar year, or of the part of one that the life has."""
        year, final = last.year, last == self._life.until
        quarter = max(month_start(last, -2), first)
        self._csv(f"bank-a/{year}-trimestre.csv", "joint", quarter, last, CsvForm.SIGNED)
        whole = self._extract("second", first, last)
        if final:
            half = month_end(month_start(first, min(last.month - first.month, 5)))
            self._camt(f"bank-b/{year}-v2.xml", self._extract("second", first, half), 2)
        self._camt(f"bank-b/{year}.xml", whole, 8 if final else 2)
        recent = max(month_start(last, -1), first)
        self._ofx(f"bank-b/{year}-recent.ofx", self._extract("second", recent, last), version=2)
        self._csv(f"bank-c/{year}.csv", "savings", first, last, CsvForm.TWO_COLUMNS)
        for key, lines in self._lines.items():
            self._opening[key] += sum(one.cents for one in lines)
            lines.clear()

    def _extract(self, key: str, first: Day, last: Day) -> _Extract:
        lines = self._lines[key]
        before = sum(one.cents for one in lines if one.booked < first)
        chosen = [one for one in lines if first <= one.booked <= last]
        return _Extract(self._accounts[key], first, last, chosen, self._opening[key] + before)

    def _ofx(self, path: str, extract: _Extract, *, version: int) -> None:
        account = extract.account
        statement = OfxStatement(
            bank=account.bank,
            account=account.number,
            currency=CURRENCY,
            language="FRA",
            served=f"{extract.last:%Y%m%d}230000",
            first=f"{extract.first:%Y%m%d}",
            last=f"{extract.last:%Y%m%d}",
            entries=[
                OfxEntry(
                    _OFX_KINDS[one.kind],
                    f"{one.booked:%Y%m%d}",
                    one.cents,
                    one.reference,
                    one.who[:_OFX_NAME_MAX],
                    one.label,
                )
                for one in extract.lines
            ],
            balance_cents=extract.closing,
        )
        self._folder.write(path, [ofx_file(statement, version)])
        self._told(path, f"OFX {version}", extract)

    def _camt(self, path: str, extract: _Extract, version: int) -> None:
        account = extract.account
        statement = CamtStatement(
            number=extract.last.year * 10 + version,
            iban=account.iban,
            holder=account.holder,
            bic="VALBFR2PXXX",
            currency=CURRENCY,
            served=f"{extract.last}T23:00:00+01:00",
            first=extract.first,
            last=extract.last,
            opening_cents=extract.opening,
            closing_cents=extract.closing,
            entries=[
                CamtEntry(
                    one.booked, one.booked, one.cents, one.reference, one.label, one.who,
                    *_CAMT_CODES[one.kind],
                )
                for one in extract.lines
            ],
        )  # fmt: skip  # an entry's parts on two lines
        self._folder.write(path, (piece.encode() for piece in camt_file(statement, version)))
        self._told(path, f"CAMT.053 v{version}", extract)

    def _csv(self, path: str, key: str, first: Day, last: Day, form: CsvForm) -> None:
        extract = self._extract(key, first, last)
        balance, rows = extract.opening, list[CsvEntry]()
        for one in extract.lines:
            balance += one.cents
            rows.append(
                CsvEntry(
                    one.booked, one.booked, one.cents, one.label, one.who, one.reference, balance
                )
            )
        self._folder.write(path, [bank_csv_file(rows, form)])
        self._told(path, f"bank CSV, {form}", extract)

    def _told(self, path: str, form: str, extract: _Extract) -> None:
        self._answers.bank_file(
            path,
            form,
            extract.account.key,
            (extract.first, extract.last),
            [one.cents for one in extract.lines],
            (extract.opening, extract.closing),
        )
