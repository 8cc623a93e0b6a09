"""Files as a bank and an energy supplier would hand them out, made from a seed.

The demo reads them when it is given no real file, and tests read them because their answers are
known: each file comes with what a right reading of it must give, worked out while writing and not
by reading.  The same arguments give the same bytes.

The numbers have the shape of a household's, no more: a base load with a morning and an evening, a
salary, a rent and small purchases.  Names are of shops in general; nobody's.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..crypto.entropy import Entropy, SeededEntropy

_EPOCH: Final = datetime.date(1970, 1, 1)
_SHOPS: Final = (
    ("Market", "POS", 800, 9_000),
    ("Bakery", "POS", 150, 1_500),
    ("Bookshop", "POS", 900, 4_000),
    ("Train & tram", "POS", 190, 6_500),
    ("Café de la gare", "POS", 250, 2_800),
    ("Cash machine", "ATM", 2_000, 10_000),
)
_OFX_1_HEADER: Final = (
    "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:102\r\nSECURITY:NONE\r\nENCODING:USASCII\r\n"
    "CHARSET:1252\r\nCOMPRESSION:NONE\r\nOLDFILEUID:NONE\r\nNEWFILEUID:NONE\r\n\r\n"
)
_OFX_2_HEADER: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="220" SECURITY="NONE"'
    ' OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
)
# Last Sunday of March at 2:00 and of October at 3:00, as ESPI's DstRuleType packs them.
_SUMMER_FROM: Final = f"{3 << 28 | 7 << 25 | 7 << 17 | 2 << 12:08X}"
_SUMMER_TO: Final = f"{10 << 28 | 7 << 25 | 7 << 17 | 3 << 12:08X}"
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
    closing = "" if version == 1 else "end"
    rows = "".join(
        _transaction(payment, f"{account}-{number:06d}", closing)
        for number, payment in enumerate(payments)
    )
    body = (
        "<OFX>\n<SIGNONMSGSRSV1><SONRS><STATUS>"
        + _field("CODE", "0", closing)
        + _field("SEVERITY", "INFO", closing)
        + "</STATUS>"
        + _field("DTSERVER", f"{end:%Y%m%d}220000", closing)
        + _field("LANGUAGE", "ENG", closing)
        + "</SONRS></SIGNONMSGSRSV1>\n<BANKMSGSRSV1><STMTTRNRS>"
        + _field("TRNUID", "0", closing)
        + "<STATUS>"
        + _field("CODE", "0", closing)
        + _field("SEVERITY", "INFO", closing)
        + "</STATUS>\n<STMTRS>"
        + _field("CURDEF", currency, closing)
        + "<BANKACCTFROM>"
        + _field("BANKID", "30004", closing)
        + _field("ACCTID", account, closing)
        + _field("ACCTTYPE", "CHECKING", closing)
        + "</BANKACCTFROM>\n<BANKTRANLIST>"
        + _field("DTSTART", f"{first:%Y%m%d}", closing)
        + _field("DTEND", f"{end:%Y%m%d}", closing)
        + f"\n{rows}</BANKTRANLIST>\n</STMTRS></STMTTRNRS></BANKMSGSRSV1>\n</OFX>\n"
    )
    if version == 1:
        data = (_OFX_1_HEADER + body.replace("\n", "\r\n")).encode("cp1252")
    else:
        data = (_OFX_2_HEADER + body).encode()
    return GeneratedFile(
        name=f"account-{seed}.ofx",
        data=data,
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


def _transaction(payment: _Payment, fitid: str, closing: str) -> str:
    sign = "-" if payment.cents < 0 else ""
    whole, cents = divmod(abs(payment.cents), 100)
    return (
        "<STMTTRN>"
        + _field("TRNTYPE", payment.kind, closing)
        + _field("DTPOSTED", f"{payment.day:%Y%m%d}{payment.hour:02d}0000.000[+1:CET]", closing)
        + _field("TRNAMT", f"{sign}{whole}.{cents:02d}", closing)
        + _field("FITID", fitid, closing)
        + _field("NAME", payment.name.replace("&", "&amp;"), closing)
        + _field("MEMO", payment.memo, closing)
        + "</STMTTRN>\n"
    )


def _field(name: str, value: str, closing: str) -> str:
    return f"<{name}>{value}</{name}>" if closing else f"<{name}>{value}"


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
            rows.append(_reading(at_s, interval_s, value, 8 if estimated else 0))
        blocks.append(_block(meter, day, day_s, "".join(rows)))
    return GeneratedFile(
        name=f"meter-{seed}.xml",
        data=_feed(meter, interval_s, "".join(blocks)).encode(),
        known=KnownAnswers(
            path="energy/electricity/load-curve",
            count=days * each,
            first_ms=start_s * 1000,
            last_ms=(start_s + days * 86_400 - interval_s) * 1000,
            sums={"Wh": (total, 1)},
        ),
    )


def _reading(at_s: int, interval_s: int, value: int, quality: int) -> str:
    return (
        f"<IntervalReading><ReadingQuality><quality>{quality}</quality></ReadingQuality>"
        f"<timePeriod><duration>{interval_s}</duration><start>{at_s}</start></timePeriod>"
        f"<value>{value}</value></IntervalReading>\n"
    )


def _block(meter: str, number: int, day_s: int, rows: str) -> str:
    blocks = f"{meter}/MeterReading/1/IntervalBlock"
    return _entry(
        f"{blocks}/{number}",
        blocks,
        (),
        "<IntervalBlock xmlns='http://naesb.org/espi'><interval><duration>86400</duration>"
        f"<start>{day_s}</start></interval>\n{rows}</IntervalBlock>",
    )


def _entry(itself: str, up: str, related: tuple[str, ...], content: str) -> str:
    links = [f'<link rel="self" href="{itself}"/>', f'<link rel="up" href="{up}"/>']
    links += [f'<link rel="related" href="{link}"/>' for link in related]
    return f"<entry>{''.join(links)}<content>{content}</content></entry>\n"


def _feed(meter: str, interval_s: int, blocks: str) -> str:
    espi = "xmlns='http://naesb.org/espi'"
    reading = f"{meter}/MeterReading/1"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        + _entry(
            meter,
            meter.rpartition("/")[0],
            (f"{meter}/MeterReading", "LocalTimeParameters/1"),
            f"<UsagePoint {espi}><ServiceCategory><kind>0</kind></ServiceCategory></UsagePoint>",
        )
        + _entry(
            "LocalTimeParameters/1",
            "LocalTimeParameters",
            (),
            f"<LocalTimeParameters {espi}><dstEndRule>{_SUMMER_TO}</dstEndRule>"
            f"<dstOffset>3600</dstOffset><dstStartRule>{_SUMMER_FROM}</dstStartRule>"
            "<tzOffset>3600</tzOffset></LocalTimeParameters>",
        )
        + _entry(
            reading,
            f"{meter}/MeterReading",
            (f"{reading}/IntervalBlock", "ReadingType/1"),
            f"<MeterReading {espi}/>",
        )
        + _entry(
            "ReadingType/1",
            "ReadingType",
            (),
            f"<ReadingType {espi}><accumulationBehaviour>4</accumulationBehaviour>"
            "<commodity>1</commodity><flowDirection>1</flowDirection>"
            f"<intervalLength>{interval_s}</intervalLength><kind>12</kind>"
            "<powerOfTenMultiplier>-1</powerOfTenMultiplier><uom>72</uom></ReadingType>",
        )
        + blocks
        + "</feed>\n"
    )
