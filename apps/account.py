"""Accounts: what a bank's file says of the account itself, as records of `account/1`.

Every reader of bank files meets the same facts (whose, where, which number, how much at which
moment) under other names.  Here they become one record each, in a collection of their own, so that
transactions can be lent without the account's number.

The id is a digest over the account, the moment, the kind of balance and the balance itself.  Two
downloads of one day may tell two balances of it (a bank that gives a date alone tells one at noon
and another at night): both were said, and neither is thrown away for the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..protocol.collection import check_path
from ..protocol.iban import iban_of
from ..protocol.limits import ACCOUNT_NUMBER_BYTES_MAX
from ..protocol.reading import Decimal, record_id, shortest
from ..protocol.record import Batch
from ..protocol.schema import ACCOUNT

PATH: Final = check_path("finance/accounts/balances")


@dataclass(frozen=True, slots=True)
class Holding:
    """Which account it is.  `number` as the bank writes it; an IBAN or not."""

    number: str = field(repr=False)
    kind: str = "other"
    holder: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    institution: str | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What it held: `amount` of `currency`, at `time` (UTC ms); all None where nothing is said."""

    time: int
    offset_min: int
    currency: str
    amount: Decimal | None = None
    kind: str | None = None


def number_of(text: str) -> str:
    """An account's number in one spelling: an IBAN without blanks, any other trimmed."""
    return iban_of(text) or " ".join(text.split())


def account_batch(identity: tuple[str, ...], told: Iterable[tuple[Holding, Balance]]) -> Batch:
    """The records of one account, in order, each once.  Raises RecordError.

    `identity` is what takes part in the ids of its transactions.
    """
    rows = {(row := _row(identity, holding, balance))["id"]: row for holding, balance in told}
    return Batch.from_rows(ACCOUNT, rows.values()).sorted()


def _row(
    identity: tuple[str, ...], holding: Holding, balance: Balance
) -> dict[str, str | int | list[int] | None]:
    said = () if balance.amount is None else tuple(map(str, shortest(balance.amount)))
    iban = iban_of(holding.number)
    number = holding.number if iban is None else ""
    if len(number.encode()) > ACCOUNT_NUMBER_BYTES_MAX:
        number = ""
    return {
        "id": record_id(
            "account", *identity, str(balance.time), balance.kind or "", balance.currency, *said
        ),
        "time": balance.time,
        "offset_min": balance.offset_min,
        "kind": holding.kind,
        "currency": balance.currency,
        "balance": None if balance.amount is None else list(balance.amount),
        "balance_kind": balance.kind,
        "iban": iban,
        "number": number or None,
        "holder": holding.holder,
        "name": holding.name,
        "institution": holding.institution,
    }
