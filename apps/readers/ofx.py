"""OFX: statements of accounts, as banks let people download them (also under the name QFX).

Two forms with one content.  OFX 1 is SGML behind a header, OFX 2 is XML.  Both become the same
elements here: OFX 1 by a scanner of our own (`apps/ofx_markup.py`), OFX 2 by defusedxml.

Each `STMTTRN` is one record of `transaction/1`:

- `time` is DTPOSTED, with its offset kept; a date alone is midnight UTC, as the specification says.
- `amount` is TRNAMT exactly as written, trailing zeros too.
- `currency` is the transaction's own CURRENCY, else the statement's CURDEF.  ORIGCURRENCY tells
  what was converted, not what the amount is in.
- `counterparty` is who (PAYEE or NAME), `label` is what (MEMO, else NAME).
- `id` is a digest over the account and the bank's FITID, which is what makes a transaction the
  same in two overlapping downloads.  FITIDs often contain the account number, so none is kept.
  The specification requires a FITID; where one is missing the id is over what the transaction
  says, and equal ones are counted.  Two different transactions under one FITID are refused:
  whichever were kept, the other would be lost at the next import.

LEDGERBAL and AVAILBAL become records of `account/1` (`apps/account.py`), `booked` and `available`
at DTASOF; one that cannot be read is left out with a note, for the transactions are sound.

It does *not* read: pending transactions, securities (counted in the notes), lists of balances.

ofxparse, which tests use as an oracle, drops offsets and per-transaction currencies and names no
lines.  Source: OFX 1.6 and 2.2, chapters 2, 3 and 11.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ...protocol.collection import check_path
from ...protocol.day import TIME_MAX_MS, TIME_MIN_MS
from ...protocol.errors import ReaderError, RecordError
from ...protocol.limits import FILE_HEAD_BYTES, FILE_SERIES_MAX, RECORD_TEXT_BYTES_MAX
from ...protocol.reading import (
    Decimal,
    Extract,
    ExtractItem,
    check_rows,
    check_size,
    decimal_of,
    record_id,
    refusal,
    shown,
    source_name,
)
from ...protocol.record import Batch
from ..account import PATH as ACCOUNTS_PATH
from ..account import Balance, Holding, account_batch, number_of
from ..markup import Builder, Element, first_tag, read_xml
from ..ofx_markup import scan, text_of
from ..text import printable, quoted
from ..transactions import transaction_batch

_NAME: Final = "ofx"
PATH: Final = check_path("finance/accounts/transactions")

_KINDS: Final = frozenset(
    {"credit", "debit", "int", "div", "fee", "srvchg", "dep", "atm", "pos", "xfer", "check"}
    | {"payment", "cash", "directdep", "directdebit", "repeatpmt", "hold", "other"}
)
_STATEMENTS: Final = {"STMTRS": "bank", "CCSTMTRS": "card", "INVSTMTRS": "investment"}
_ACCOUNTS: Final = {"bank": "BANKACCTFROM", "card": "CCACCTFROM", "investment": "INVACCTFROM"}
# What of an account tells it from another.
_ACCOUNT_FIELDS: Final = ("BANKID", "BROKERID", "BRANCHID", "ACCTID", "ACCTKEY")

_BALANCES: Final = {"LEDGERBAL": "booked", "AVAILBAL": "available"}
_ACCOUNT_KINDS: Final = {
    "CHECKING": "current", "SAVINGS": "savings", "MONEYMRKT": "savings", "CD": "savings",
    "CREDITLINE": "loan",
}  # fmt: skip  # a table of codes reads better in few lines

_DATE = re.compile(
    r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})"
    r"(?:(?P<H>[0-9]{2})(?P<M>[0-9]{2})(?:(?P<S>[0-9]{2})(?:\.(?P<f>[0-9]{1,6}))?)?)?"
    r"(?:\s?\[(?P<h>[+-]?[0-9]{1,2})?(?:\.(?P<hf>[0-9]{1,2}))?(?::(?P<zone>[^\]\[]{0,32}))?\])?"
)
# Digits in groups of three, with the other sign before the fraction: reads one way only.
_GROUPED_POINT = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3}){1,5}\.[0-9]{1,4}")
_GROUPED_COMMA = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3}){1,5},[0-9]{1,4}")
_THOUSAND_OR_FRACTION = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_THREE_DECIMALS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_CURRENCY = re.compile(r"[A-Z]{3}")
_OFFSET_MINUTES_MAX = 14 * 60
_BANK_CHARS_MAX = 128
_EPOCH = datetime.datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class _Transaction:
    fitid: str
    time: int
    offset_min: int
    amount: Decimal
    currency: str
    label: str
    counterparty: str | None
    kind: str
    # Where it stands is no part of what it says: two equal ones are one said twice.
    line: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Account:
    """`parts` identify it and stay in this module."""

    kind: str
    parts: tuple[str, ...] = field(repr=False)


class _Statements:
    """Collects transactions until the statement around them closes and says whose they are."""

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._pending: list[_Transaction] = []
        self._accounts: dict[_Account, list[_Transaction]] = {}
        self._told: dict[_Account, list[tuple[Holding, Balance]]] = {}
        self._bank = ""
        self._unread = 0
        self._statements = 0
        self._left_out: Counter[str] = Counter()
        self.notes: list[str] = []
        # CURDEF stands before the transactions, as the specification orders them.
        self._default = ""
        self.cut = {
            "ORG": self._organisation,
            "CURDEF": self._statement_currency,
            "STMTTRN": self._transaction,
            "STMTTRNP": self._left_out_transaction,
            "INVTRAN": self._left_out_transaction,
            **dict.fromkeys(_STATEMENTS, self._statement),
        }

    def _left_out_transaction(self, element: Element) -> None:
        self._left_out["pending" if element.name == "STMTTRNP" else "securities"] += 1

    def _organisation(self, element: Element) -> None:
        self._bank = self._bank or printable(element.text)[:_BANK_CHARS_MAX]

    def _statement_currency(self, element: Element) -> None:
        self._default = element.text.strip()

    def _transaction(self, element: Element) -> None:
        line = element.line
        own = element.child("CURRENCY")
        currency = self._currency(self._default if own is None else own.value("CURSYM"), line)
        time, offset_min = self._time(element.value("DTPOSTED"), line)
        payee = element.child("PAYEE")
        name = element.value("NAME") or ("" if payee is None else payee.value("NAME"))
        memo = element.value("MEMO")
        kind = element.value("TRNTYPE").lower()
        transaction = _Transaction(
            fitid=element.value("FITID"),
            time=time,
            offset_min=offset_min,
            amount=self._amount(element.value("TRNAMT"), currency, line),
            currency=currency,
            label=self._text(memo or name, line),
            counterparty=self._text(name, line) or None,
            kind=kind if kind in _KINDS else "other",
            line=line,
        )
        self._pending.append(transaction)
        check_rows(len(self._pending), self._filename)

    def _statement(self, element: Element) -> None:
        kind = _STATEMENTS[element.name]
        self._statements += 1
        source = element.child(_ACCOUNTS[kind])
        parts = tuple("" if source is None else source.value(name) for name in _ACCOUNT_FIELDS)
        if source is None or not source.value("ACCTID"):
            raise self._refuse("the statement does not say which account it is of", element.line)
        account = _Account(kind, parts)
        self._accounts.setdefault(account, []).extend(self._pending)
        self._pending.clear()
        self._told.setdefault(account, []).extend(self._balances(element, kind, source))
        self._default = ""
        if len(self._accounts) > FILE_SERIES_MAX:
            raise self._refuse(f"the file has over {FILE_SERIES_MAX} accounts", element.line)
        check_rows(sum(map(len, self._accounts.values())), self._filename)

    def _balances(
        self, statement: Element, kind: str, source: Element
    ) -> Iterator[tuple[Holding, Balance]]:
        """What the account held, said at the end of its statement."""
        holding = Holding(
            number=number_of(source.value("ACCTID")),
            kind=_ACCOUNT_KINDS.get(source.value("ACCTTYPE").upper(), "other")
            if kind == "bank"
            else kind,
            institution=self._bank or None,
        )
        for name, balance_kind in _BALANCES.items():
            told = statement.child(name)
            if told is None:
                continue
            try:
                currency = self._currency(self._default, told.line)
                amount = self._amount(told.value("BALAMT"), currency, told.line)
                time, offset_min = self._time(told.value("DTASOF"), told.line)
            except ReaderError:
                self._unread += 1
                continue
            yield holding, Balance(time, offset_min, currency, amount, balance_kind)

    def extract(self) -> Extract:
        """All accounts, each an item of its own.  Raises ReaderError."""
        if self._pending:
            line = self._pending[0].line
            raise self._refuse("a transaction stands in no account's statement", line)
        if not self._statements:
            raise self._refuse("the file holds no statement of an account")
        items: list[ExtractItem] = []
        for account, transactions in self._accounts.items():
            batch = self._batch(account, transactions)
            source = source_name(account.kind, *account.parts)
            if len(batch):
                items.append(ExtractItem(PATH, batch, source))
            if told := self._told[account]:
                accounts = account_batch((account.kind, *account.parts), told)
                items.append(ExtractItem(ACCOUNTS_PATH, accounts, source, beside=True))
        if not any(item.path == PATH for item in items):
            self.notes.append("The statement holds no transactions.")
        if self._unread:
            self.notes.append(
                f"Left out, because they do not say how much or when: balances ({self._unread})."
            )
        for what, count in sorted(self._left_out.items()):
            self.notes.append(
                f"Left out, because they are not read: {what} transactions ({count})."
            )
        return Extract(_NAME, tuple(items), tuple(self.notes))

    def _batch(self, account: _Account, transactions: list[_Transaction]) -> Batch:
        by_id = self._named(account, transactions)
        try:
            return transaction_batch(by_id)
        except RecordError as error:
            raise self._refuse(f"a transaction is not within limits: {error}") from None

    def _named(
        self, account: _Account, transactions: list[_Transaction]
    ) -> dict[str, _Transaction]:
        by_id: dict[str, _Transaction] = {}
        alike: Counter[_Transaction] = Counter()
        twice = 0
        for t in transactions:
            if t.fitid:
                identity = record_id(account.kind, *account.parts, t.fitid)
            else:
                said = (str(t.time), *map(str, t.amount), t.currency, t.label, t.kind)
                copy = str(alike[t])
                identity = record_id(account.kind, *account.parts, "", *said, copy)
                alike[t] += 1
            before = by_id.setdefault(identity, t)
            if before is not t:
                twice += 1
                if before != t:
                    raise self._refuse(
                        "two different transactions have the same FITID "
                        f"(the first is on line {before.line})",
                        t.line,
                    )
        if twice:
            self.notes.append(f"Transactions said twice in the file and kept once: {twice}.")
        if alike:
            self.notes.append(
                f"Transactions without a FITID, whose ids come from what they say: {alike.total()}."
            )
        return by_id

    def _text(self, text: str, line: int) -> str:
        clean = printable(text)
        if len(clean.encode()) > RECORD_TEXT_BYTES_MAX:
            raise self._refuse(f"a text is over {RECORD_TEXT_BYTES_MAX} bytes", line)
        return clean

    def _currency(self, text: str, line: int) -> str:
        if _CURRENCY.fullmatch(text) is None:
            what = f"{shown(text)!r} is no currency of three letters" if text else "no currency"
            raise self._refuse(f"{what} (CURDEF or CURSYM)", line)
        return text

    def _amount(self, text: str, currency: str, line: int) -> Decimal:
        plain = text
        if _GROUPED_POINT.fullmatch(text):
            plain = text.replace(",", "")
        elif _GROUPED_COMMA.fullmatch(text):
            plain = text.replace(".", "").replace(",", ".")
        elif "," in text and "." not in text:
            if _THOUSAND_OR_FRACTION.fullmatch(text) and currency not in _THREE_DECIMALS:
                raise self._refuse(f"the amount {quoted(text)} can be read in two ways", line)
            plain = text.replace(",", ".")
        amount = decimal_of(plain)
        if amount is None:
            what = f"{shown(text)!r} is not an amount" if text else "the amount is missing"
            raise self._refuse(f"{what} (TRNAMT)", line)
        return amount

    def _time(self, text: str, line: int) -> tuple[int, int]:
        if not text:
            raise self._refuse("the date is missing (DTPOSTED)", line)
        moment = time_of(text)
        if moment is None:
            raise self._refuse(f"{shown(text)!r} is not a date (DTPOSTED)", line)
        if not TIME_MIN_MS <= moment[0] <= TIME_MAX_MS:
            raise self._refuse(f"the date {quoted(text)} lies outside the years 1900 to 2079", line)
        return moment

    def _refuse(self, sentence: str, line: int | None = None) -> Exception:
        return refusal(self._filename, sentence, line)


def time_of(text: str) -> tuple[int, int] | None:
    """`20090401122017.000[-5:EST]` as (UTC milliseconds, offset in minutes); None if it is none.

    The offset is in hours with a fraction; without one the time is UTC (OFX 2.2, 3.2.8.2).  Some
    banks write hours and minutes with a point between ([+5.30:IST]): where the fraction is no
    multiple of a quarter of an hour, that is what it is.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[part] or 0) for part in "ymdHMS")
    try:
        local = datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    offset_min = _offset_of(match["h"], match["hf"])
    # An abbreviation alone ("EST") names several offsets in the world, and only UTC for certain.
    named = match["zone"] is not None and match["h"] is None
    if offset_min is None or (named and match["zone"].strip() not in ("GMT", "UTC", "")):
        return None
    milliseconds = int((match["f"] or "0").ljust(3, "0")[:3])
    local_ms = (local - _EPOCH) // datetime.timedelta(milliseconds=1) + milliseconds
    return local_ms - offset_min * 60_000, offset_min


def _offset_of(hours: str | None, fraction: str | None) -> int | None:
    digits = (fraction or "").ljust(2, "0")
    hundredths = int(digits)
    if hundredths * 60 % 1500 == 0:
        minutes = hundredths * 60 // 100
    elif hundredths in (15, 30, 45):
        minutes = hundredths
    else:
        return None
    offset = abs(int(hours or "0")) * 60 + minutes
    if offset > _OFFSET_MINUTES_MAX:
        return None
    return -offset if (hours or "").startswith("-") else offset


class OfxReader:
    """The reader of OFX 1, OFX 2 and QFX."""

    @property
    def name(self) -> str:
        return _NAME

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whether the file has OFX's header, or is markup whose first element is OFX."""
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if re.match(rb"OFXHEADER[ \t]*:", start, re.IGNORECASE):
            return True
        return first_tag(head).upper() == b"<OFX>"

    def read(self, data: bytes, filename: str) -> Extract:
        """Transactions of every account in the file.  Raises ReaderError."""
        check_size(data, filename)
        if not self.sniff(data[:FILE_HEAD_BYTES], filename):
            raise refusal(filename, "this is not an OFX file: it has neither its header nor <OFX>")
        statements = _Statements(filename)
        if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<?"):
            read_xml(data.lstrip(), filename, statements.cut)
        else:
            scan(
                text_of(data, filename, statements.notes),
                Builder(filename, statements.cut),
                filename,
            )
        return statements.extract()


reader: Final = OfxReader()
