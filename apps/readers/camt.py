"""CAMT: account reports, statements and notifications of ISO 20022, versions 2 to 8.

camt.053 is the statement, camt.052 the report during the day, camt.054 the notification of single
movements.  They differ in the name around an account's entries and in nothing that is read here.

Each booked entry (`Ntry`) is one record of `transaction/1`:

- `amount` is the entry's own Amt with the sign of the entry's CdtDbtInd.  Amounts inside its
  details are in the currency and of the sign that the other bank chose, and are sometimes zero.
  RvslInd turns nothing round: a reversed credit is a debit and says DBIT.
- A batch becomes its parts where every part has an amount in the entry's currency and they add up
  to the entry, to the last digit; else it stands whole, and a note says so.
- `time` is BookgDt, else ValDt, with its offset kept; a date alone is midnight UTC.
- `counterparty` is the other end (debtor of what came in, creditor of what went out, and the
  other way round in a reversal), `label` what the payer wrote, else what the bank did.
- `id` is a digest over account, bank reference (AcctSvcrRef), date and amount; where the bank
  gives no reference, over what the entry says.  Equal ones within a statement are counted, so two
  equal payments stay two; a report or copy that says an entry again adds nothing.

Balances become records of `account/1` (`apps/account.py`).

It does *not* read: pending, future and informative entries (counted in the notes: they come again
when they are booked), value dates of booked entries, charges, interest, summaries, cheques, cards.
Source: ISO 20022 message definitions camt.052, .053, .054 (001.02 to 001.08).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ...protocol.collection import check_path
from ...protocol.day import DAY_MS, TIME_MAX_MS, TIME_MIN_MS
from ...protocol.errors import RecordError
from ...protocol.iban import iban_of
from ...protocol.limits import FILE_HEAD_BYTES, FILE_SERIES_MAX, RECORD_TEXT_BYTES_MAX
from ...protocol.reading import (
    Decimal,
    Extract,
    ExtractItem,
    check_rows,
    check_size,
    record_id,
    refusal,
    shortest,
    shown,
    source_name,
)
from .. import iso20022 as iso
from ..account import PATH as ACCOUNTS_PATH
from ..account import Balance, Holding, account_batch, number_of
from ..iso20022 import inner, text_at
from ..markup import Element, first_tag, read_xml
from ..text import printable, quoted, shortened
from ..transactions import transaction_batch

_NAME: Final = "camt"
PATH: Final = check_path("finance/accounts/transactions")

_MESSAGE = re.compile(rb"urn:iso:std:iso:20022:tech:xsd:camt\.05([234])\.001\.([0-9]{2})\b")
_DOCUMENT = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,63}:)?Document[\s>]")
_VERSIONS: Final = range(2, 9)
_STATEMENTS: Final = {"Rpt": "report", "Stmt": "statement", "Ntfctn": "notification"}
_STATUSES: Final = {"PDNG": "pending", "FUTR": "future", "INFO": "informative"}


@dataclass(frozen=True, slots=True)
class _Part:
    """One TxDtls of an entry.  Which end is the other one is known once the entry's sign is."""

    amount: tuple[Decimal, str] | None
    indicator: str
    references: tuple[str, ...]
    payer: str
    payee: str
    remittance: str
    more: str
    amounts: Element | None
    codes: Element | None


@dataclass(frozen=True, slots=True)
class _Transaction:
    time: int
    offset_min: int
    amount: Decimal
    currency: str
    label: str
    counterparty: str | None
    kind: str
    # What makes it the same one when another file says it again.
    known_by: tuple[str, ...]


@dataclass(slots=True)
class _Account:
    """What the file says of one account."""

    identity: tuple[str, ...]
    transactions: dict[str, _Transaction] = field(default_factory=dict[str, _Transaction])
    told: list[tuple[Holding, Balance]] = field(default_factory=list[tuple[Holding, Balance]])
    # (Stmt/Id, page) of each statement read.
    statements: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    copies: Counter[tuple[str, ...]] = field(default_factory=Counter[tuple[str, ...]])


class _Statements:
    """Collects entries and balances until the statement around them says whose they are."""

    def __init__(self, filename: str, space: str) -> None:
        self._filename = filename
        self._space = space
        self._parts: list[_Part] = []
        self._entries: list[_Transaction] = []
        self._balances: list[Balance] = []
        self._accounts: dict[tuple[str, ...], _Account] = {}
        self._statements = 0
        self._rows = 0
        self._left_out: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self.cut = {
            "TxDtls": self._details,
            "Ntry": self._entry,
            "Bal": self._balance,
            **dict.fromkeys(_STATEMENTS, self._statement),
        }

    def _details(self, element: Element) -> None:
        if element.space != self._space:
            return
        references = inner(element, "Refs")
        names = ("AcctSvcrRef", "EndToEndId", "TxId", "InstrId", "MndtId", "PmtInfId")
        self._parts.append(
            _Part(
                amount=iso.detail_amount(element),
                indicator=element.value("CdtDbtInd"),
                references=tuple(iso.reference_of(references, name) for name in names),
                payer=iso.counterparty_of(element, paid=False),
                payee=iso.counterparty_of(element, paid=True),
                remittance=iso.remittance_of(element),
                more=element.value("AddtlTxInf"),
                amounts=element.child("AmtDtls"),
                codes=element.child("BkTxCd"),
            )
        )
        check_rows(self._rows + len(self._parts), self._filename)

    def _entry(self, element: Element) -> None:
        parts, self._parts = self._parts, []
        if element.space != self._space:
            return
        line = element.line
        status = iso.status_of(element)
        if status != "BOOK":
            if not status:
                raise self._refuse("an entry does not say whether it is booked (Sts)", line)
            self._left_out[_STATUSES.get(status, f"of status {shown(status)}")] += 1
            return
        found = iso.amount_of(element.child("Amt"))
        if found is None:
            said = shown(element.value("Amt"))
            raise self._refuse(f"{quoted(said)} is no amount with a currency (Ntry/Amt)", line)
        amount = iso.signed(found[0], element.value("CdtDbtInd"))
        if amount is None:
            raise self._refuse("the entry says neither CRDT nor DBIT (CdtDbtInd)", line)
        moment = self._moment(
            iso.date_text(element.child("BookgDt")) or iso.date_text(element.child("ValDt")), line
        )
        split = self._split(parts, amount, found[1]) if len(parts) > 1 else None
        if split is None:
            whole = parts[0] if len(parts) == 1 else None
            self._entries.append(self._transaction(element, amount, found[1], moment, whole))
        else:
            self._entries += [
                self._transaction(element, share, found[1], moment, part, part.references)
                for part, share in split
            ]
        self._rows += 1 if split is None else len(split)
        check_rows(self._rows, self._filename)

    def _split(
        self, parts: list[_Part], amount: Decimal, currency: str
    ) -> list[tuple[_Part, Decimal]] | None:
        """Each part with its amount, if they make up the entry; None if it stands whole."""
        entry = "DBIT" if amount[0] < 0 else "CRDT"
        shares: list[tuple[_Part, Decimal]] = []
        for part in parts:
            found = part.amount
            share = None if found is None else iso.signed(found[0], part.indicator or entry)
            if found is None or share is None or found[1] != currency:
                self._counts["whole"] += 1
                return None
            shares.append((part, share))
        finest = max(amount[1], *(scale for _, (_, scale) in shares))
        total = sum(mantissa * 10 ** (finest - scale) for _, (mantissa, scale) in shares)
        if total != amount[0] * 10 ** (finest - amount[1]):
            self._counts["whole"] += 1
            return None
        self._counts["split"] += 1
        return shares

    def _transaction(
        self,
        entry: Element,
        amount: Decimal,
        currency: str,
        moment: tuple[int, int],
        part: _Part | None,
        references: tuple[str, ...] = (),
    ) -> _Transaction:
        """`part`: the details to take words from; `references` set it apart in a batch."""
        reversal = iso.is_yes(entry, "RvslInd")
        paid = (amount[0] < 0) != reversal
        counterparty = remittance = more = exchange = ""
        codes = entry.child("BkTxCd")
        amounts = entry.child("AmtDtls")
        if part is not None:
            counterparty = part.payee if paid else part.payer
            remittance, more = part.remittance, part.more
            codes = part.codes or codes
            amounts = part.amounts or amounts
        exchange = iso.exchange_of(amounts, currency)
        label = remittance or more or entry.value("AddtlNtryInf") or counterparty
        if exchange:
            label = f"{label} ({exchange})" if label else exchange
        reference = iso.reference_of(entry, "AcctSvcrRef")
        # A report may tell the moment of what the statement tells the day.
        when = (moment[0] + moment[1] * 60_000) // DAY_MS if reference else moment[0]
        said = (str(when), *map(str, shortest(amount)), currency, reference, *references)
        if not reference:
            said = (*said, counterparty, remittance or more or entry.value("AddtlNtryInf"))
        return _Transaction(
            time=moment[0],
            offset_min=moment[1],
            amount=amount,
            currency=currency,
            label=self._text(label),
            counterparty=self._text(counterparty) or None,
            kind="reversal" if reversal else iso.kind_of(codes, paid=amount[0] < 0),
            known_by=said,
        )

    def _balance(self, element: Element) -> None:
        if element.space != self._space:
            return
        line = element.line
        code = iso.text_at(element, "Tp", "CdOrPrtry", "Cd")
        kind = iso.BALANCE_KINDS.get(code)
        if kind in ("opening", "closing") and iso.text_at(element, "Tp", "SubTp", "Cd") == "INTM":
            kind = "interim"
        if kind is None:
            self._counts["balances"] += 1
            return
        found = iso.amount_of(element.child("Amt"))
        amount = found and iso.signed(found[0], element.value("CdtDbtInd"))
        if found is None or amount is None:
            raise self._refuse("a balance has no amount, currency or sign (Bal)", line)
        time, offset_min = self._moment(iso.date_text(element.child("Dt")), line)
        self._balances.append(Balance(time, offset_min, found[1], amount, kind))
        check_rows(len(self._balances), self._filename)

    def _statement(self, element: Element) -> None:
        if element.space != self._space:
            return
        what = _STATEMENTS[element.name]
        self._statements += 1
        about = element.child("Acct")
        number = number_of(iso.account_number(about))
        if not number:
            raise self._refuse(f"the {what} does not say which account it is of", element.line)
        identity = ("iban" if iban_of(number) else "number", number)
        account = self._accounts.setdefault(identity, _Account(identity))
        if len(self._accounts) > FILE_SERIES_MAX:
            raise self._refuse(f"the file has over {FILE_SERIES_MAX} accounts", element.line)
        self._take_entries(account, what, element)
        self._take_balances(account, about, element)
        if text_at(element, "StmtPgntn", "LastPgInd") in ("false", "0"):
            self._counts["pages"] += 1

    def _take_entries(self, account: _Account, what: str, element: Element) -> None:
        """Give each entry its id: equal ones are counted, unless the statement is told again.

        Reports of one day repeat what the one before said; statements never do, but a file may
        hold the same statement twice.
        """
        page = (element.value("Id"), text_at(element, "StmtPgntn", "PgNb"))
        again = what == "report" or page in account.statements
        copies: Counter[tuple[str, ...]] = Counter() if again else account.copies
        account.statements.add(page)
        for entry in self._entries:
            copy = copies[entry.known_by]
            copies[entry.known_by] += 1
            extra = (str(copy),) if copy else ()
            identity = record_id("camt", *account.identity, *entry.known_by, *extra)
            if account.transactions.setdefault(identity, entry) is not entry:
                self._counts["twice"] += 1
        self._entries.clear()

    def _take_balances(self, account: _Account, about: Element | None, element: Element) -> None:
        kind = iso.ACCOUNT_KINDS.get(text_at(about, "Tp", "Cd"), "other")
        holding = Holding(
            number=account.identity[1],
            kind=kind,
            holder=self._text(iso.name_of(inner(about, "Ownr"))) or None,
            name=self._text(text_at(about, "Nm")) or None,
            institution=self._text(iso.bank_of(inner(about, "Svcr"))) or None,
        )
        account.told += [(holding, balance) for balance in self._balances]
        self._balances.clear()

    def extract(self) -> Extract:
        """All accounts: their transactions, and what they held.  Raises ReaderError."""
        if not self._statements:
            raise self._refuse("the file holds no report, statement or notification")
        if self._entries or self._balances:
            raise self._refuse("an entry or balance stands in no account's statement")
        items: list[ExtractItem] = []
        for account in self._accounts.values():
            source = source_name("bank", *account.identity)
            try:
                batch = transaction_batch(account.transactions)
                told = account_batch(("camt", *account.identity), account.told)
            except RecordError as error:
                raise self._refuse(f"an entry is not within limits: {error}") from None
            if len(batch):
                items.append(ExtractItem(PATH, batch, source))
            if len(told):
                items.append(ExtractItem(ACCOUNTS_PATH, told, source, beside=True))
        return Extract(_NAME, tuple(items), tuple(self._notes()))

    def _notes(self) -> list[str]:
        notes: list[str] = []
        if not any(account.transactions for account in self._accounts.values()):
            notes.append("The file holds no booked entries.")
        for what, count in sorted(self._left_out.items()):
            notes.append(f"Left out, because they are not booked: {what} entries ({count}).")
        for what, sentence in _NOTES.items():
            if self._counts[what]:
                notes.append(sentence.format(self._counts[what]))
        return notes

    def _moment(self, text: str, line: int) -> tuple[int, int]:
        if not text:
            raise self._refuse("the date is missing (BookgDt, ValDt or Bal/Dt)", line)
        moment = iso.moment_of(text)
        if moment is None:
            raise self._refuse(f"{shown(text)!r} is not a date", line)
        if not TIME_MIN_MS <= moment[0] <= TIME_MAX_MS:
            raise self._refuse(f"the date {quoted(text)} lies outside the years 1900 to 2079", line)
        return moment

    def _text(self, text: str) -> str:
        clean = printable(text)
        if len(clean.encode()) > RECORD_TEXT_BYTES_MAX:
            self._counts["long"] += 1
            return shortened(clean, RECORD_TEXT_BYTES_MAX)
        return clean

    def _refuse(self, sentence: str, line: int | None = None) -> Exception:
        return refusal(self._filename, sentence, line)


_NOTES: Final = {
    "split": "Batches taken apart into their transactions: {}.",
    "whole": "Batches kept whole, because their parts do not add up to them: {}.",
    "twice": "Entries said twice in the file and kept once: {}.",
    "balances": "Left out, because no kind of balance is theirs: {} of the bank's own.",
    "long": "Texts over the limit of a record, shortened: {}.",
    "pages": "Statements that go on in another file: {}.",
}


class CamtReader:
    """The reader of camt.052, camt.053 and camt.054."""

    @property
    def name(self) -> str:
        return _NAME

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whether the file is a Document in the namespace of one of the three, of any version."""
        tag = first_tag(head)
        return _DOCUMENT.match(tag) is not None and _MESSAGE.search(tag) is not None

    def read(self, data: bytes, filename: str) -> Extract:
        """Transactions and balances of every account in the file.  Raises ReaderError."""
        check_size(data, filename)
        tag = first_tag(data[:FILE_HEAD_BYTES])
        match = _MESSAGE.search(tag) if _DOCUMENT.match(tag) else None
        if match is None:
            raise refusal(filename, "this is no account report: it is no Document of camt.052-054")
        version = int(match[2])
        if version not in _VERSIONS:
            raise refusal(
                filename,
                f"version {version} of camt.05{match[1].decode()} is not read here, "
                f"only {_VERSIONS[0]} to {_VERSIONS[-1]}",
            )
        statements = _Statements(filename, match[0].decode("ascii"))
        read_xml(data, filename, statements.cut)
        return statements.extract()


reader: Final = CamtReader()
