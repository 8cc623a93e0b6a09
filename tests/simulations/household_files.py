"""What the household's files say, read by the standard library and others: not by our readers."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ofxparse  # pyright: ignore[reportMissingTypeStubs]  # the oracle ships no types

TWO_YEARS = 2


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a statement: `reference` is empty where the format has no place for one."""

    day: date
    amount: Decimal
    label: str
    reference: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A file's lines, and the balances that it states itself."""

    lines: tuple[Line, ...]
    opening: Decimal | None
    closing: Decimal | None

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal(0))


def answers_of(household: Path) -> dict[str, Any]:
    """answers.json, as it is: JSON has no other types to check against."""
    found: dict[str, Any] = json.loads((household / "answers.json").read_text())
    return found


def statement(file: Path) -> Statement:
    """Any bank file, by its form."""
    if file.suffix == ".ofx":
        return _ofx(file)
    if file.suffix == ".xml":
        return _camt(file)
    return _csv(file)


def _ofx(file: Path) -> Statement:
    # ofxparse does not see the encoding of OFX 2, and hands amounts over as Decimal.
    data = file.read_bytes()
    if data.startswith(b"<?xml"):
        data = re.sub(rb"^<\?xml.*?\?>\s*<\?OFX.*?\?>\s*", b"", data, flags=re.DOTALL)
        data = b"OFXHEADER:100\nDATA:OFXSGML\nENCODING:UTF-8\nCHARSET:NONE\n\n" + data
    oracle: Any = ofxparse
    with warnings.catch_warnings():
        # It calls BeautifulSoup by names that it calls old.
        warnings.simplefilter("ignore", DeprecationWarning)
        account = oracle.OfxParser.parse(io.BytesIO(data)).account
    lines = tuple(
        Line(one.date.date(), Decimal(one.amount), one.memo, one.id)
        for one in account.statement.transactions
    )
    closing = Decimal(account.statement.balance)
    return Statement(lines, None, closing)


def _camt(file: Path) -> Statement:
    root = ET.parse(file).getroot()
    space = {"c": root.tag[1:].partition("}")[0]}

    def amount(of: ET.Element) -> Decimal:
        value = Decimal(of.findtext("c:Amt", "", space))
        return value if of.findtext("c:CdtDbtInd", "", space) == "CRDT" else -value

    balances = {
        one.findtext("c:Tp/c:CdOrPrtry/c:Cd", "", space): amount(one)
        for one in root.iterfind(".//c:Bal", space)
    }
    lines = tuple(
        Line(
            date.fromisoformat(one.findtext("c:BookgDt/c:Dt", "", space)),
            amount(one),
            one.findtext("c:AddtlNtryInf", "", space),
            one.findtext("c:AcctSvcrRef", "", space),
        )
        for one in root.iterfind(".//c:Ntry", space)
    )
    return Statement(lines, balances["OPBD"], balances["CLBD"])


def _csv(file: Path) -> Statement:
    data = file.read_bytes()
    signed = data.startswith(b"\xef\xbb\xbf")
    text = data.decode("utf-8-sig" if signed else "cp1252")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))

    def cell(row: dict[str, str], name: str) -> Decimal:
        return Decimal(row[name].replace(",", ".") or "0")

    if signed:
        lines = tuple(
            Line(
                _day(row["Date de comptabilisation"]),
                cell(row, "Montant"),
                row["Libellé opération"],
                row["Référence"],
            )
            for row in rows
        )
        return Statement(lines, None, None)
    lines = tuple(
        Line(_day(row["Date"]), cell(row, "Crédit") - cell(row, "Débit"), row["Libellé"], "")
        for row in rows
    )
    # Latest first, each with what was there after it.
    opening = cell(rows[-1], "Solde") - lines[-1].amount
    return Statement(lines, opening, cell(rows[0], "Solde"))


def _day(text: str) -> date:
    return datetime.strptime(text, "%d/%m/%Y").date()


def linky(file: Path) -> Iterator[tuple[datetime, int | None]]:
    """(the end of each half hour with its offset, its watts)."""
    rows = csv.reader(io.StringIO(file.read_bytes().decode("utf-8-sig")), delimiter=";")
    for row in list(rows)[3:]:
        yield datetime.fromisoformat(row[0]), int(row[1]) if row[1] else None


def green_button(file: Path) -> dict[int, tuple[Decimal, int]]:
    """UTC seconds of each start: (Wh, quality)."""
    root = ET.parse(file).getroot()
    espi = "{http://naesb.org/espi}"
    power = int(next(root.iter(f"{espi}powerOfTenMultiplier")).text or "")
    found: dict[int, tuple[Decimal, int]] = {}
    for reading in root.iter(f"{espi}IntervalReading"):
        start = int(reading.findtext(f"{espi}timePeriod/{espi}start", ""))
        value = Decimal(reading.findtext(f"{espi}value", "")).scaleb(power)
        quality = int(reading.findtext(f"{espi}ReadingQuality/{espi}quality", ""))
        assert start not in found
        found[start] = value, quality
    return found
