"""Payments, and the book in which the banks write them down.

A payment is made on one day and booked on that day or a few working days later; it counts in the
month in which it is booked, since that is the date that every statement shows.  What is made before
the last day and booked after it is in no file and in no answer.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .paris import Day, after, working
from .people import Account

CATEGORIES: Final = (
    "groceries",
    "restaurants",
    "housing",
    "energy",
    "telecoms",
    "transport",
    "health",
    "insurance",
    "leisure",
    "clothing",
    "education",
    "children",
    "taxes",
    "savings",
    "gifts",
    "fees",
    "income",
    "transfers",
    "other",
)


class Kind(StrEnum):
    """How money moves, as banks tell it apart."""

    CARD = "card"
    CARD_REFUND = "card refund"
    CASH = "cash"
    DEBIT = "direct debit"
    TRANSFER_IN = "transfer in"
    TRANSFER_OUT = "transfer out"
    FEE = "fee"
    INTEREST = "interest"


@dataclass(frozen=True, slots=True)
class Payment:
    """One line of a statement.  `made` and `booked` are days; `cents` is signed.

    `label` is the bank's line, `who` the other side's name, `series` what recurs, or empty.
    """

    account: str
    made: Day
    booked: Day
    cents: int
    category: str
    kind: Kind
    label: str
    who: str
    series: str = ""
    number: int = 0

    @property
    def reference(self) -> str:
        """The bank's own number of this line: in OFX the FITID, in CAMT the AcctSvcrRef."""
        return f"{self.booked:%y%m%d}{self.number:06d}"


@dataclass(slots=True)
class Book:
    """Lines that are still to be booked, and what each account holds."""

    accounts: tuple[Account, ...]
    balances: dict[str, int]
    _waiting: list[tuple[Day, int, Payment]]
    _seen: int = 0
    _numbers: int = 0

    @classmethod
    def of(cls, accounts: tuple[Account, ...]) -> Book:
        return cls(accounts, {one.key: one.opening_cents for one in accounts}, [])

    def write(self, payment: Payment) -> None:
        self._seen += 1
        heapq.heappush(self._waiting, (payment.booked, self._seen, payment))

    def booked(self, day: Day) -> list[Payment]:
        """The lines of `day`, numbered; what the accounts hold has changed by them."""
        lines: list[Payment] = []
        while self._waiting and self._waiting[0][0] <= day:
            _, _, one = heapq.heappop(self._waiting)
            self._numbers += 1
            self.balances[one.account] += one.cents
            lines.append(
                Payment(
                    one.account,
                    one.made,
                    one.booked,
                    one.cents,
                    one.category,
                    one.kind,
                    one.label,
                    one.who,
                    one.series,
                    self._numbers,
                )
            )
        return lines


def card(
    account: Account,
    day: Day,
    cents: int,
    category: str,
    shop: str,
    place: str,
    delay: int,
) -> Payment:
    """A card payment (`cents` below zero) or what a shop gives back, `delay` working days later."""
    back = cents > 0
    where = f" {place}" if place else ""
    label = {
        "joint": f"{'AVOIR ' if back else ''}CARTE {day:%d/%m} {shop}{where}",
        "second": (
            f"{'CREDIT CARTE BANCAIRE' if back else 'ACHAT CB'} {shop}{where} "
            f"{day:%d.%m.%y} CARTE NO {account.card}"
        ),
        "savings": f"CB {shop}{where} {day:%d/%m/%y}",
    }[account.key]
    kind = Kind.CARD_REFUND if back else Kind.CARD
    return Payment(account.key, day, after(day, delay), cents, category, kind, label, shop)


def debit(
    account: str, day: Day, cents: int, category: str, who: str, mandate: str, series: str
) -> Payment:
    """A direct debit, booked on the first working day from `day`."""
    booked = working(day)
    label = f"PRLV SEPA {who} ECH/{booked:%d%m%y} MDT/{mandate}"
    return Payment(account, day, booked, cents, category, Kind.DEBIT, label, who, series)


def transfer(
    account: str, day: Day, cents: int, category: str, who: str, why: str, series: str = ""
) -> Payment:
    """A transfer in or out, by its sign, booked on the first working day from `day`."""
    incoming = cents > 0
    said = f" /MOTIF {why}" if why else ""
    label = f"VIR SEPA {'RECU /DE' if incoming else 'EMIS /POUR'} {who}{said}"
    kind = Kind.TRANSFER_IN if incoming else Kind.TRANSFER_OUT
    return Payment(account, day, working(day), cents, category, kind, label, who, series)
