"""OFX statements of one bank account: version 1 is SGML in cp1252, version 2 is XML in UTF-8.

Source: OFX 1.6 and 2.2, chapters 2, 3 and 11.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_HEADER_1: Final = (
    "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:102\r\nSECURITY:NONE\r\nENCODING:USASCII\r\n"
    "CHARSET:1252\r\nCOMPRESSION:NONE\r\nOLDFILEUID:NONE\r\nNEWFILEUID:NONE\r\n\r\n"
)
_HEADER_2: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="220" SECURITY="NONE"'
    ' OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
)


@dataclass(frozen=True, slots=True)
class OfxEntry:
    """One STMTTRN.  `posted` as OFX writes a time; `cents` signed; `fitid` one for ever."""

    kind: str
    posted: str
    cents: int
    fitid: str
    name: str
    memo: str


@dataclass(frozen=True, slots=True)
class OfxStatement:
    """One account over a time.  `served`, `first` and `last` as OFX writes times.

    `balance_cents` is what the account holds at the end of `last`; None leaves LEDGERBAL out.
    """

    bank: str
    account: str
    currency: str
    language: str
    served: str
    first: str
    last: str
    entries: Iterable[OfxEntry]
    balance_cents: int | None = None
    savings: bool = False


def ofx_file(statement: OfxStatement, version: int) -> bytes:
    """The whole download.  Its lines end as the version's downloads usually do."""
    text = _body(statement, closed=version > 1)
    if version > 1:
        return (_HEADER_2 + text).encode()
    return (_HEADER_1 + text.replace("\n", "\r\n")).encode("cp1252")


def amount(cents: int) -> str:
    """`-12.30`: a point, and no thousands."""
    whole, part = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{part:02d}"


def _body(statement: OfxStatement, *, closed: bool) -> str:
    def field(name: str, value: str) -> str:
        text = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"<{name}>{text}</{name}>" if closed else f"<{name}>{text}"

    status = f"<STATUS>{field('CODE', '0')}{field('SEVERITY', 'INFO')}</STATUS>"
    rows = "".join(
        "<STMTTRN>"
        + field("TRNTYPE", entry.kind)
        + field("DTPOSTED", entry.posted)
        + field("TRNAMT", amount(entry.cents))
        + field("FITID", entry.fitid)
        + field("NAME", entry.name)
        + field("MEMO", entry.memo)
        + "</STMTTRN>\n"
        for entry in statement.entries
    )
    balance = ""
    if statement.balance_cents is not None:
        balance = (
            "<LEDGERBAL>"
            + field("BALAMT", amount(statement.balance_cents))
            + field("DTASOF", statement.last)
            + "</LEDGERBAL>\n"
        )
    return (
        f"<OFX>\n<SIGNONMSGSRSV1><SONRS>{status}"
        + field("DTSERVER", statement.served)
        + field("LANGUAGE", statement.language)
        + "</SONRS></SIGNONMSGSRSV1>\n<BANKMSGSRSV1><STMTTRNRS>"
        + field("TRNUID", "0")
        + f"{status}\n<STMTRS>"
        + field("CURDEF", statement.currency)
        + "<BANKACCTFROM>"
        + field("BANKID", statement.bank)
        + field("ACCTID", statement.account)
        + field("ACCTTYPE", "SAVINGS" if statement.savings else "CHECKING")
        + "</BANKACCTFROM>\n<BANKTRANLIST>"
        + field("DTSTART", statement.first)
        + field("DTEND", statement.last)
        + f"\n{rows}</BANKTRANLIST>\n{balance}</STMTRS></STMTTRNRS></BANKMSGSRSV1>\n</OFX>\n"
    )
