"""What a week is made of: some weeks of one generated household, cut into files of whole days.

The bank's files are those of the household's joint account (OFX, and the same lines again as CSV),
the meter's a Green Button download.  A cut file holds the lines of its days and nothing else, so
any two of them overlap in whole days, as downloads do.
"""

from __future__ import annotations

import datetime
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from ...apps.readers.espi import reader as espi
from ...apps.readers.ofx import reader as ofx
from ...protocol.day import day_of_date
from ...protocol.reading import ExtractItem
from ...protocol.record import Batch, concat
from ...protocol.schema import METER_READING, TRANSACTION, Schema
from ..files import energy_file
from ..household import generate

BANK: Final = "finance/accounts/transactions"
# Where the household keeps what its bank hands back to Ana and Ben.
JOINT: Final = f"{BANK}/p1-p2"
CURVE: Final = "energy/electricity/load-curve"
FIRST_DATE: Final = datetime.date(2025, 12, 1)
FIRST: Final = day_of_date(FIRST_DATE.isoformat())
DAYS: Final = 28

# One fact as both a bank and its customer's files tell it: when, how much, and which of its like.
Fact: TypeAlias = tuple[int, str, int]


def facts_of(batch: Batch) -> frozenset[Fact]:
    """Every fact of a batch; a fact that is there twice is another one, and noticed."""
    seen: Counter[tuple[int, str]] = Counter()
    facts: set[Fact] = set()
    name = "value" if "value" in batch.columns else "amount"
    for time, amount in zip(batch.columns["time"], batch.columns[name], strict=True):
        assert isinstance(time, int)
        key = (time, repr(tuple(amount)) if isinstance(amount, list | tuple) else repr(amount))
        facts.add((*key, seen[key]))
        seen[key] += 1
    return frozenset(facts)


@dataclass(frozen=True, slots=True)
class Slice:
    """The household of one seed, `DAYS` days of it."""

    ofx: bytes
    csv: bytes
    espi: bytes

    @classmethod
    def of(cls, seed: int) -> Slice:
        with tempfile.TemporaryDirectory() as made:
            out = Path(made) / "household"
            generate(seed, out, years=1, sources=("banks",))
            account = (out / "bank-a" / "2025-12.ofx").read_bytes()
            again = (out / "bank-a" / "2025-trimestre.csv").read_bytes()
        meter = energy_file(seed, first=FIRST_DATE, days=DAYS, interval_s=7200)
        return cls(account, again, meter.data)

    def bank_file(self, first: int, last: int) -> bytes:
        """The OFX file of days `first … last` of the slice, counted from 0."""

        def kept(found: re.Match[bytes]) -> bytes:
            return found[0] if _date(first) <= found[1] <= _date(last) else b""

        return re.sub(rb"<STMTTRN>(?:(?!</STMTTRN>).)*?<DTPOSTED>(\d{8}).*?</STMTTRN>\s*", kept,
                      self.ofx, flags=re.DOTALL)  # fmt: skip

    def csv_file(self, first: int, last: int) -> bytes:
        """The same lines as the bank's other download writes them."""
        head, *lines = self.csv.splitlines(keepends=True)
        wanted = {_spelled(day) for day in range(first, last + 1)}
        return head + b"".join(line for line in lines if any(one in line[:12] for one in wanted))

    def meter_file(self, first: int, last: int) -> bytes:
        """The Green Button file of these days."""
        blocks = re.findall(rb"<entry>(?:(?!</entry>).)*?IntervalBlock.*?</entry>\s*", self.espi,
                            flags=re.DOTALL)  # fmt: skip
        data = self.espi
        for day, block in enumerate(blocks):
            if not first <= day <= last:
                data = data.replace(block, b"")
        return data

    def bank(self, first: int, last: int) -> Batch:
        return _read(ofx.read(self.bank_file(first, last), "bank.ofx").items, BANK, TRANSACTION)

    def meter(self, first: int, last: int) -> Batch:
        data = self.meter_file(first, last)
        # On a day whose readings were lost there is no file to read.
        items = espi.read(data, "meter.xml").items if b"IntervalReading" in data else ()
        return _read(items, CURVE, METER_READING)


def _read(items: Iterable[ExtractItem], path: str, schema: Schema) -> Batch:
    found = [item.batch for item in items if item.path == path]
    return concat(schema, found).sorted() if found else Batch.from_rows(schema, [])


def _date(day: int) -> bytes:
    return (FIRST_DATE + datetime.timedelta(days=day)).strftime("%Y%m%d").encode()


def _spelled(day: int) -> bytes:
    return (FIRST_DATE + datetime.timedelta(days=day)).strftime("%d/%m/%Y").encode()


def on_days(batch: Batch, first: int, last: int) -> Batch:
    """The records of a batch on days `first … last` of the calendar."""
    parts = [part for day, part in batch.sorted().by_day() if first <= day <= last]
    return concat(batch.schema, parts) if parts else batch.slice(0, 0)
