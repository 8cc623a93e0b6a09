"""Bank CSV: the table that a bank lets people download, whose shape is each bank's own.

Which column says what is a profile (`apps/csv_profile.py`): one that a person wrote, one that is
built in, or one guessed from the header's words.  What the profile leaves open the whole column
decides (`apps/csv_values.py`).  What even the column leaves open is not guessed: the file is
refused with one sentence that names the column and the option that settles it.

Each row is one record of `transaction/1`:

- `amount` exactly as written: one signed column, or a column with a sign beside it, or debit and
  credit (the one is taken away and the other added, however their signs are written), less the fee.
- `time` is the date, as in the other readers of banks: a date alone is midnight UTC.
- `label` joins the columns of the label, `counterparty` is the first of its columns that speaks.
- `id` is a digest over account, time, amount, label, counterparty and running balance; equal rows
  are counted.  So what two downloads have in common is the same in both, as long as they are of
  the same form and hold whole days.

A running balance is held against the amounts.  Where it follows from them, the last one becomes a
record of `account/1`; where it does not, a note says so.

It does *not* read: rows that are not booked yet (counted in the notes), value dates, categories,
lines above and below the table (but the account's number).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from ...protocol.collection import check_path
from ...protocol.errors import ReaderError, RecordError
from ...protocol.iban import iban_of
from ...protocol.limits import FILE_SERIES_MAX
from ...protocol.reading import (
    UNSAID,
    Extract,
    ExtractItem,
    Settings,
    check_size,
    record_id,
    refusal,
    shortest,
    shown,
    source_name,
)
from ...protocol.record import Batch
from ...protocol.schema import TRANSACTION
from ..account import PATH as ACCOUNTS_PATH
from ..account import Balance, Holding, account_batch
from ..csv_columns import Reading, Transaction, less
from ..csv_profile import BadProfile, Profile, from_toml
from ..csv_profiles import BY_NAME
from ..csv_table import known_table, table_in
from ..csv_text import head_text, text_of
from ..csv_values import Mark

_NAME: Final = "bank-csv"
PATH: Final = check_path("finance/accounts/transactions")
_TAKES: Final = frozenset({"profile", "day_first", "decimal", "currency", "account"})


class _Accounts:
    """The transactions of a file by account."""

    def __init__(self, filename: str, reading: Reading) -> None:
        self._filename = filename
        self._reading = reading
        self._notes: list[str] = []

    def extract(self, transactions: Sequence[Transaction]) -> Extract:
        """Each account an item of its own.  Raises ReaderError."""
        accounts: defaultdict[str, list[Transaction]] = defaultdict(list)
        for transaction in transactions:
            accounts[transaction.account].append(transaction)
        if len(accounts) > FILE_SERIES_MAX:
            raise self._refuse(
                f"the file has over {FILE_SERIES_MAX} accounts; the column of the account "
                "may be that of the other end: describe the columns in a file for --profile"
            )
        items: list[ExtractItem] = []
        for account, some in accounts.items():
            identity = ("iban" if iban_of(account) else "number", account)
            source = source_name("bank", *identity)
            try:
                items.append(ExtractItem(PATH, _batch(identity, some), source))
                told = list(self._told(account, some))
                if told:
                    batch = account_batch((_NAME, *identity), told)
                    items.append(ExtractItem(ACCOUNTS_PATH, batch, source, beside=True))
            except RecordError as error:
                raise self._refuse(f"a row is not within limits: {error}") from None
        return Extract(_NAME, tuple(items), tuple(self._all_notes("" in accounts)))

    def _told(
        self, account: str, transactions: Sequence[Transaction]
    ) -> Iterable[tuple[Holding, Balance]]:
        """The last balance of each currency, where the balances follow from the amounts."""
        by_currency: defaultdict[str, list[Transaction]] = defaultdict(list)
        for transaction in transactions:
            by_currency[transaction.currency].append(transaction)
        for currency, some in by_currency.items():
            if any(one.balance is None for one in some):
                continue
            last = _last(some)
            if last is None:
                self._notes.append(
                    f"The running balance in {currency} does not follow from the amounts; "
                    "it is not kept."
                )
                continue
            time, offset_min = last.moment
            balance = Balance(time, offset_min, currency, last.balance, "booked")
            yield Holding(account), balance

    def _all_notes(self, nameless: bool) -> list[str]:
        notes = [*self._reading.all_notes(), *self._notes]
        if nameless:
            notes.append(
                "The file does not say which account it is of; if you have several at this bank, "
                "name it with --account, the same each time."
            )
        return notes

    def _refuse(self, sentence: str, line: int | None = None) -> ReaderError:
        return refusal(self._filename, sentence, line)


def _last(transactions: Sequence[Transaction]) -> Transaction | None:
    """The latest, if the balances follow from the amounts in the file's order or against it."""
    if all(_follows(a, b) for a, b in pairwise(transactions)):
        return transactions[-1]
    if all(_follows(b, a) for a, b in pairwise(transactions)):
        return transactions[0]
    return None


def _follows(before: Transaction, after: Transaction) -> bool:
    if before.balance is None or after.balance is None or before.moment > after.moment:
        return False
    return shortest(less(after.balance, before.balance)) == shortest(after.amount)


def _batch(identity: tuple[str, ...], transactions: Iterable[Transaction]) -> Batch:
    copies: Counter[tuple[str, ...]] = Counter()
    rows: list[dict[str, str | int | list[int] | None]] = []
    for t in transactions:
        balance = () if t.balance is None else map(str, shortest(t.balance))
        said = (str(t.moment[0]), *map(str, shortest(t.amount)), t.currency, t.label)
        said = (*said, t.counterparty, *balance)
        copy = copies[said]
        copies[said] += 1
        rows.append(
            {
                "id": record_id(_NAME, *identity, *said, *((str(copy),) if copy else ())),
                "time": t.moment[0],
                "offset_min": t.moment[1],
                "amount": list(t.amount),
                "currency": t.currency,
                "label": t.label or t.counterparty,
                "counterparty": t.counterparty or None,
                "kind": "debit" if t.amount[0] < 0 else "credit",
            }
        )
    return Batch.from_rows(TRANSACTION, rows).sorted()


def _own_profile(said: str, filename: str) -> Profile | None:
    """The profile that a person named or wrote.  Raises ReaderError."""
    if not said:
        return None
    if said in BY_NAME:
        return BY_NAME[said]
    if "=" not in said:
        names = ", ".join(sorted(BY_NAME))
        raise refusal(filename, f"there is no profile {shown(said)!r} here, only {names}")
    try:
        return from_toml(said)
    except BadProfile as bad:
        raise refusal(filename, f"the profile {bad}") from None


class BankCsvReader:
    """The reader of tables that banks let people download."""

    @property
    def name(self) -> str:
        return _NAME

    @property
    def takes(self) -> frozenset[str]:
        return _TAKES

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whether a row near the top names columns for date, amount and label."""
        try:
            text = head_text(head, filename)
        except ReaderError:
            return False
        try:
            return known_table(text, filename) is not None
        except ReaderError:
            return True  # ours, and `read` says what is not clear about it

    def read(self, data: bytes, filename: str) -> Extract:
        """Transactions of every account in the file.  Raises ReaderError."""
        return self.read_with(data, filename, UNSAID)

    def read_with(self, data: bytes, filename: str, settings: Settings) -> Extract:
        """`read`, with a profile, an order of dates or what else a person said."""
        check_size(data, filename)
        own = _own_profile(settings.profile, filename)
        if settings.decimal not in ("", *(mark.value for mark in Mark)):
            raise refusal(filename, "--decimal is comma or point")
        text = text_of(data, filename, "" if own is None else own.encoding)
        table = table_in(text, filename, own)
        reading = Reading(filename, table, settings)
        transactions = reading.transactions(reading.rows(text))
        return _Accounts(filename, reading).extract(transactions)


reader: Final = BankCsvReader()
