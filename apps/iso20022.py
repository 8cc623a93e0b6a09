"""ISO 20022's words, as they stand in account reports: amounts, moments, parties, codes.

Pure leaves for `readers/camt.py`: an element goes in, what it says comes out, and None for what it
does not say.  Versions differ in how deep a thing lies, not in what it is called, so each function
looks at every depth that a version has:

    Sts             BOOK             until version 6, Sts/Cd from 7 on
    party           Dbtr/Nm          until version 7, Dbtr/Pty/Nm (or Dbtr/Agt) from 8 on
    a part's amount AmtDtls/TxAmt    in version 2, TxDtls/Amt later
    a bank          BIC              in version 2, BICFI later

Source: ISO 20022 message definitions camt.052/053/054.001.02 to .08; BankTransactionCode list.
"""

from __future__ import annotations

import datetime
import re
from typing import Final

from ..protocol.iban import iban_of
from ..protocol.reading import Decimal, decimal_of
from .markup import Element

_MOMENT = re.compile(
    r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:T(?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})(?:\.(?P<f>[0-9]{1,12}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_EPOCH = datetime.datetime(1970, 1, 1)
_OFFSET_MINUTES_MAX = 14 * 60
_CURRENCY = re.compile(r"[A-Z]{3}")
# What banks write where a reference must stand and there is none.
_NO_REFERENCE: Final = frozenset({"", "NOTPROVIDED", "NOT PROVIDED", "NONREF"})

ACCOUNT_KINDS: Final = {
    "CACC": "current", "TRAN": "current", "SACC": "current", "SVGS": "savings", "MOMA": "savings",
    "ONDP": "savings", "CARD": "card", "LOAN": "loan", "ODFT": "loan", "CASH": "cash",
    "CISH": "cash",
}  # fmt: skip  # a table of codes reads better in few lines
BALANCE_KINDS: Final = {
    "OPBD": "opening", "CLBD": "closing", "ITBD": "interim", "PRCD": "previous-closing",
    "OPAV": "opening-available", "CLAV": "closing-available", "ITAV": "interim-available",
    "FWAV": "forward-available", "XPCD": "expected", "INFO": "information",
}  # fmt: skip  # a table of codes reads better in few lines
# Of the sub-families those that say more than their family does.
_SUB_FAMILIES: Final = {
    "POSD": "pos", "CWDL": "atm", "CHRG": "fee", "FEES": "fee", "COMM": "fee", "INTR": "int",
    "SALA": "directdep", "STDO": "repeatpmt", "DIVI": "div", "DVCA": "div", "DVID": "div",
}  # fmt: skip  # a table of codes reads better in few lines
_FAMILIES: Final = {
    "RCDT": "credit", "ICDT": "xfer", "RDDT": "directdebit", "IDDT": "directdebit",
    "CCRD": "pos", "CNTR": "cash", "RCHQ": "check", "ICHQ": "check", "RRCT": "credit",
    "IRCT": "xfer",
}  # fmt: skip  # a table of codes reads better in few lines


def inner(element: Element | None, *path: str) -> Element | None:
    """The element that `path` leads to, each step to the first child of that name."""
    for name in path:
        if element is None:
            return None
        element = element.child(name)
    return element


def text_at(element: Element | None, *path: str) -> str:
    """The text there, without the blanks around it; or nothing."""
    found = inner(element, *path)
    return "" if found is None else found.text.strip()


def moment_of(text: str) -> tuple[int, int] | None:
    """An xs:date or xs:dateTime as (UTC milliseconds, offset in minutes); None if it is none.

    Without an offset it is UTC; a date alone is its midnight.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[part] or 0) for part in "ymdHMS")
    next_day = hour == 24 and minute == second == 0  # XML Schema's other name for midnight
    try:
        local = datetime.datetime(year, month, day, 0 if next_day else hour, minute, second)
    except ValueError:
        return None
    offset_min = 0
    if (zone := match["zone"]) and zone != "Z":
        offset_min = int(zone[1:3]) * 60 + int(zone[4:6])
        if offset_min > _OFFSET_MINUTES_MAX or int(zone[4:6]) > 59:
            return None
        offset_min = -offset_min if zone[0] == "-" else offset_min
    milliseconds = int((match["f"] or "0").ljust(3, "0")[:3]) + next_day * 86_400_000
    local_ms = (local - _EPOCH) // datetime.timedelta(milliseconds=1) + milliseconds
    return local_ms - offset_min * 60_000, offset_min


def date_text(element: Element | None) -> str:
    """What stands in a date-and-time choice: Dt or DtTm."""
    return text_at(element, "DtTm") or text_at(element, "Dt")


def amount_of(element: Element | None) -> tuple[Decimal, str] | None:
    """(amount, currency) of an element with a `Ccy`; never negative.  None if it is none."""
    if element is None:
        return None
    currency = element.attributes.get("Ccy", "")
    amount = decimal_of(element.text.strip())
    if amount is None or amount[0] < 0 or _CURRENCY.fullmatch(currency) is None:
        return None
    return amount, currency


def signed(amount: Decimal, indicator: str) -> Decimal | None:
    """`amount` with the sign of a CdtDbtInd; None if that is neither of its two words."""
    if indicator not in ("CRDT", "DBIT"):
        return None
    return (amount[0] if indicator == "CRDT" else -amount[0], amount[1])


def status_of(entry: Element) -> str:
    """BOOK, PDNG, INFO …; a bank's own word after `Prtry `."""
    status = entry.child("Sts")
    if status is None:
        return ""
    own = text_at(status, "Prtry")
    return text_at(status, "Cd") or (f"Prtry {own}" if own else status.text.strip())


def is_yes(element: Element, name: str) -> bool:
    return element.value(name) in ("true", "1")


def name_of(party: Element | None) -> str:
    """A party's name: its own, a level deeper from version 8 on, or that of a bank."""
    return (
        text_at(party, "Nm")
        or text_at(party, "Pty", "Nm")
        or text_at(party, "Agt", "FinInstnId", "Nm")
    )


def bank_of(agent: Element | None) -> str:
    """A bank's name, else its BIC."""
    bank = inner(agent, "FinInstnId")
    return (
        text_at(bank, "Nm")
        or text_at(bank, "BICFI")
        or text_at(bank, "BIC")
        or text_at(bank, "CmbndId", "Nm")
    )


def account_number(account: Element | None) -> str:
    """The IBAN, else the other identification, as written."""
    return text_at(account, "Id", "IBAN") or text_at(account, "Id", "Othr", "Id")


def counterparty_of(details: Element | None, *, paid: bool) -> str:
    """Who is at the other end: whom it was `paid` to, or who paid; their IBAN if nameless."""
    parties = inner(details, "RltdPties")
    for role in ("Cdtr", "UltmtCdtr") if paid else ("Dbtr", "UltmtDbtr"):
        if name := name_of(inner(parties, role)):
            return name
    iban = iban_of(account_number(inner(parties, "CdtrAcct" if paid else "DbtrAcct")))
    return iban or ""


def remittance_of(details: Element | None) -> str:
    """What the payer wrote: the free lines, then creditor references and notes not among them."""
    info = inner(details, "RmtInf")
    if info is None:
        return ""
    said = " ".join(info.values("Ustrd"))
    more: list[str] = []
    for structured in info.children:
        if structured.name == "Strd":
            more.append(text_at(structured, "CdtrRefInf", "Ref"))
            more.append(text_at(structured, "CdtrRefInf", "CdtrRef"))
            more += structured.values("AddtlRmtInf")
            for document in structured.children:
                if document.name == "RfrdDocInf":
                    more.append(document.value("Nb"))
    for text in more:
        if text and text not in said:
            said = f"{said} {text}" if said else text
    return said


def reference_of(element: Element | None, name: str) -> str:
    """A reference, and nothing where the bank only says that there is none."""
    text = text_at(element, name)
    return "" if text.upper() in _NO_REFERENCE else text


def detail_amount(details: Element) -> tuple[Decimal, str] | None:
    """What one part of a batch says it is of it."""
    return amount_of(details.child("Amt")) or amount_of(inner(details, "AmtDtls", "TxAmt", "Amt"))


def exchange_of(amounts: Element | None, currency: str) -> str:
    """`USD 12.00 at 1.0832`: what was asked for in another currency; nothing if it was in ours."""
    for name in ("InstdAmt", "CntrValAmt", "TxAmt"):
        part = inner(amounts, name)
        amount = inner(part, "Amt")
        found = amount_of(amount)
        if amount is None or found is None or found[1] == currency:
            continue
        rate = ""
        for place in (part, inner(amounts, "TxAmt"), inner(amounts, "CntrValAmt")):
            rate = rate or text_at(place, "CcyXchg", "XchgRate")
        return f"{found[1]} {amount.text.strip()}" + (f" at {rate}" if rate else "")
    return ""


def kind_of(codes: Element | None, *, paid: bool) -> str:
    """The kind of a transaction in the words of `transaction/1`, by its bank transaction code."""
    family = inner(codes, "Domn", "Fmly")
    kind = _SUB_FAMILIES.get(text_at(family, "SubFmlyCd")) or _FAMILIES.get(text_at(family, "Cd"))
    return kind or ("debit" if paid else "credit")
