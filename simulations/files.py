"""Files as a bank and an energy supplier would hand them out, made from a seed.

Small single files for tests; whole lives are in `household`.  Each file comes with what a right
reading of it must give, worked out while writing and not by reading.  The same arguments give the
same bytes.

The numbers have the shape of a household's, no more: a base load with a morning and an evening, a
salary, a rent and small purchases.  Names are of shops in general; nobody's.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..crypto.entropy import Entropy, SeededEntropy
from .formats.espi import ESPI_TAIL, ESTIMATED, VALID, espi_block, espi_head, espi_reading
from .formats.ofx import OfxEntry, OfxStatement, ofx_file

_EPOCH: Final = datetime.date(1970, 1, 1)
_SHOPS: Final = (
    ("Market", "POS", 800, 9_000),
    ("Bakery", "POS", 150, 1_500),
    ("Bookshop", "POS", 900, 4_000),
    ("Train & tram", "POS", 190, 6_500),
    ("Café de la gare", "POS", 250, 2_800),
    ("Cash machine", "ATM", 2_000, 10_000),
)
# Wh an hour, by the hour of the day in UTC.
_LOAD: Final = (
    210, 190, 180, 180, 190, 260, 520, 690, 480, 360, 340, 420,
    510, 400, 330, 330, 400, 640, 910, 980, 860, 640, 430, 290,
)  # fmt: skip  # half a day a line


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """What a right reading gives.  Times in UTC milliseconds; `sums` by unit, exact decimals."""

    path: str
    count: int
    first_ms: int
    last_ms: int
    sums: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file's name, its bytes, and what is in it."""

    name: str
    data: bytes
    known: KnownAnswers


class _Dice:
    """Whole numbers from a seeded stream."""

    def __init__(self, seed: int, purpose: str) -> None:
        stream = SeededEntropy(seed.to_bytes(8, "big", signed=True))
        self._entropy: Entropy = stream.fork(purpose)

    def between(self, low: int, high: int) -> int:
        """From `low` to `high`, both included.  The bias of 8 bytes is nobody's concern here."""
        return low + int.from_bytes(self._entropy.random_bytes(8), "big") % (high - low + 1)


@dataclass(frozen=True, slots=True)
class _Payment:
    kind: str
    day: datetime.date
    hour: int
    cents: int
    name: str
    memo: str

    @property
    def time_ms(self) -> int:
        """The local hour is at +01:00 all year: banks' batch computers keep winter time."""
        return ((self.day - _EPOCH).days * 24 + self.hour - 1) * 3_600_000


def bank_file(
    seed: int,
    *,
    first: datetime.date = datetime.date(2025, 1, 1),
    months: int = 6,
    currency: str = "EUR",
    version: int = 1,
) -> GeneratedFile:
    """An OFX download of one account; `version` 1 is SGML in cp1252, 2 is XML in UTF-8."""
    dice = _Dice(seed, "bank file")
    account = f"{dice.between(10**10, 10**11 - 1)}"
    payments = _payments(dice, first, months)
    end = payments[-1].day
    statement = OfxStatement(
        bank="30004",
        account=account,
        currency=currency,
        language="ENG",
        served=f"{end:%Y%m%d}220000",
        first=f"{first:%Y%m%d}",
        last=f"{end:%Y%m%d}",
        entries=[
            OfxEntry(
                kind=payment.kind,
                posted=f"{payment.day:%Y%m%d}{payment.hour:02d}0000.000[+1:CET]",
                cents=payment.cents,
                fitid=f"{account}-{number:06d}",
                name=payment.name,
                memo=payment.memo,
            )
            for number, payment in enumerate(payments)
        ],
    )
    return GeneratedFile(
        name=f"account-{seed}.ofx",
        data=ofx_file(statement, version),
        known=KnownAnswers(
            path="finance/accounts/transactions",
            count=len(payments),
            first_ms=payments[0].time_ms,
            last_ms=payments[-1].time_ms,
            sums={currency: (sum(payment.cents for payment in payments), 2)},
        ),
    )


def _payments(dice: _Dice, first: datetime.date, months: int) -> list[_Payment]:
    """A salary, a rent, and one to three purchases on two days of three; ascending."""
    last = first + datetime.timedelta(days=round(months * 30.44) - 1)
    payments: list[_Payment] = []
    day = first
    while day <= last:
        if day.day == 2:
            payments.append(_Payment("DIRECTDEBIT", day, 3, -74_500, "Housing office", "Rent"))
        if day.day == 27:
            payments.append(_Payment("DIRECTDEP", day, 4, 231_800, "Employer", "Salary"))
        if dice.between(0, 2):
            hours = sorted({dice.between(8, 21) for _ in range(dice.between(1, 3))})
            for hour in hours:
                name, kind, low, high = _SHOPS[dice.between(0, len(_SHOPS) - 1)]
                cents = -dice.between(low, high)
                payments.append(_Payment(kind, day, hour, cents, name, f"Card {day:%d/%m}"))
        day += datetime.timedelta(days=1)
    return payments or [_Payment("OTHER", first, 12, 0, "Account", "Opened")]


def energy_file(
    seed: int,
    *,
    first: datetime.date = datetime.date(2025, 1, 1),
    days: int = 365,
    interval_s: int = 1800,
) -> GeneratedFile:
    """A Green Button download of one electricity meter, in tenths of a watt-hour, UTC days.

    One interval block a day.  One reading in about two hundred is estimated.
    """
    dice = _Dice(seed, "energy file")
    meter = f"RetailCustomer/{dice.between(1, 9999)}/UsagePoint/1"
    start_s = (first - _EPOCH).days * 86_400
    each = 86_400 // interval_s
    total = 0
    blocks: list[str] = []
    for day in range(days):
        day_s = start_s + day * 86_400
        rows: list[str] = []
        for number in range(each):
            at_s = day_s + number * interval_s
            usual = _LOAD[number * interval_s // 3600] * interval_s // 360
            value = usual * dice.between(55, 160) // 100
            total += value
            estimated = dice.between(0, 199) == 0
            rows.append(espi_reading(at_s, interval_s, value, ESTIMATED if estimated else VALID))
        blocks.append(espi_block(meter, day, day_s, "".join(rows)))
    return GeneratedFile(
        name=f"meter-{seed}.xml",
        data="".join((espi_head(meter, interval_s), *blocks, ESPI_TAIL)).encode(),
        known=KnownAnswers(
            path="energy/electricity/load-curve",
            count=days * each,
            first_ms=start_s * 1000,
            last_ms=(start_s + days * 86_400 - interval_s) * 1000,
            sums={"Wh": (total, 1)},
        ),
    )
