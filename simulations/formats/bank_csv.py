"""Bank statements as CSV, in two of the forms that French banks hand out.

- `two columns`: cp1252, debit and credit apart and without a sign, running balance, latest first.
- `signed`: UTF-8 with a byte order mark, one signed amount, the bank's reference, oldest first.

Both have a semicolon between cells, a comma before the cents, and days as 31/12/2025.
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class CsvForm(StrEnum):
    TWO_COLUMNS = "two columns"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class CsvEntry:
    """A line: `cents` signed, `balance_cents` what is there after it."""

    booked: datetime.date
    valued: datetime.date
    cents: int
    label: str
    who: str
    reference: str
    balance_cents: int


def bank_csv_file(entries: Iterable[CsvEntry], form: CsvForm) -> bytes:
    """The whole download of `entries`, which are oldest first."""
    out = io.StringIO()
    rows = csv.writer(out, delimiter=";", lineterminator="\r\n")
    if form is CsvForm.TWO_COLUMNS:
        rows.writerow(("Date", "Date de valeur", "Débit", "Crédit", "Libellé", "Solde"))
        for one in reversed(list(entries)):
            debit, credit = (comma(-one.cents), "") if one.cents < 0 else ("", comma(one.cents))
            rows.writerow(
                (_day(one.booked), _day(one.valued), debit, credit, one.label,
                 comma(one.balance_cents))
            )  # fmt: skip  # the cells of one line
        return out.getvalue().encode("cp1252")
    rows.writerow(
        ("Date de comptabilisation", "Libellé simplifié", "Libellé opération", "Référence",
         "Montant", "Devise", "Date de valeur")
    )  # fmt: skip
    for one in entries:
        rows.writerow(
            (_day(one.booked), one.who, one.label, one.reference, comma(one.cents), "EUR",
             _day(one.valued))
        )  # fmt: skip
    return out.getvalue().encode("utf-8-sig")


def comma(cents: int) -> str:
    """`-1234,50`"""
    whole, part = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole},{part:02d}"


def _day(day: datetime.date) -> str:
    return f"{day:%d/%m/%Y}"
