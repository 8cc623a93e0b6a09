"""Payments: transactions of the vault with what a budget needs to know of each.

A fact that two sources told is one payment here, as it is one record in `Client.read`; who told it
says which file, and so which account, it stood in.  Which accounts are the person's own follows
from what the same files told of themselves (`account/1`): a file of one account is that account's.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from ....node.client import Client
from ....protocol.day import UNDATED
from ....protocol.schema import ACCOUNT, TRANSACTION
from ...exact import units
from ...local_days import Zone, date_of_record
from .words import Means, means_of, payee_of, plain

# Digits of an account's number that tell it from another: an IBAN holds the bank's own number.
_NUMBER_DIGITS_MIN: Final = 8


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment.  `amount` in units of 10⁻¹⁸ `currency`, below zero for what went out.

    `line` is label and counterparty in plain spelling; `files` who told it; `account` which own
    account it is of, where that is known.
    """

    id: str
    date: datetime.date
    amount: int
    currency: str
    label: str
    payee: str
    line: str
    means: Means
    files: frozenset[str]
    account: str | None = None

    @property
    def incoming(self) -> bool:
        return self.amount > 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Payments in order of date and id, and what is known about the whole of them.

    `own_ibans` are those of the person's accounts.  `conflicts` were told with other amounts by
    another source; `damaged` are sentences about pages that did not open.
    """

    payments: tuple[Payment, ...]
    own_ibans: frozenset[str]
    conflicts: int
    damaged: tuple[str, ...]


async def ledger(client: Client, whose: str | None, zone: Zone) -> Ledger:
    """Every payment in the vault (or of one of the house).  Raises NotFound."""
    found = [
        one
        for one in await client.collections()
        if one.records and (whose is None or _is_of(whose, one.whose))
    ]
    account_of, ibans = await _accounts(
        client, [one.path for one in found if one.schema == ACCOUNT.name]
    )
    payments: list[Payment] = []
    damaged: list[str] = []
    conflicts = 0
    for one in found:
        if one.schema != TRANSACTION.name:
            continue
        read = await client.read_sources(one.path, 0, UNDATED - 1)
        tellers = [f"{teller.how} {teller.who}" for teller in read.tellers]
        for row, tellings in zip(read.records.batch.rows(), read.tellings, strict=True):
            files = frozenset(tellers[teller] for teller, _ in tellings)
            payments.append(payment_of(row, files, account_of, zone))
        conflicts += read.records.conflicts
        damaged += read.records.damaged
    payments.sort(key=lambda one: (one.date, one.id))
    return Ledger(tuple(payments), ibans, conflicts, tuple(damaged))


def _is_of(name: str, whose: tuple[str, ...]) -> bool:
    """Whether a collection is of the person called `name`; `home` is what is nobody's alone."""
    return not whose if name.casefold() == "home" else name in whose


def payment_of(
    row: Mapping[str, object],
    files: frozenset[str],
    account_of: Mapping[str, str],
    zone: Zone,
) -> Payment:
    """The payment that a record of `transaction/1` is."""
    label, counterparty = cast("str", row["label"]), cast("str | None", row["counterparty"])
    line = plain(label)
    if counterparty and plain(counterparty) not in line:
        line = f"{line}{plain(counterparty)[1:]}"
    accounts = {account_of[file] for file in files if file in account_of}
    mantissa, scale = cast("tuple[int, int]", row["amount"])
    return Payment(
        id=cast("str", row["id"]),
        date=date_of_record(cast("int", row["time"]), cast("int", row["offset_min"]), zone),
        amount=units(mantissa, scale),
        currency=cast("str", row["currency"]),
        label=label,
        payee=payee_of(counterparty, label),
        line=line,
        means=means_of(cast("str", row["kind"]), line),
        files=files,
        account=accounts.pop() if len(accounts) == 1 else None,
    )


async def _accounts(
    client: Client, paths: Iterable[str]
) -> tuple[Mapping[str, str], frozenset[str]]:
    """Of each file that told of one account only, which; and the IBANs of one's own."""
    numbers: defaultdict[str, set[str]] = defaultdict(set)
    ibans: set[str] = set()
    for path in paths:
        read = await client.read_sources(path, 0, UNDATED - 1)
        for row, tellings in zip(read.records.batch.rows(), read.tellings, strict=True):
            iban, number = cast("str | None", row["iban"]), cast("str | None", row["number"])
            told_here = any(read.tellers[teller].how != "delivered" for teller, _ in tellings)
            # Whose accounts are one's own is for oneself to say: what is paid to an account that a
            # peer names would be counted as moved, not as spent.
            if iban and told_here:
                ibans.add(iban)
            for teller, _ in tellings:
                one = read.tellers[teller]
                numbers[f"{one.how} {one.who}"].add(_bare(iban or number or ""))
    every = sorted({number for some in numbers.values() for number in some}, key=len)
    same = {number: _whole(number, every) for number in every}
    account_of: dict[str, str] = {}
    for file, some in numbers.items():
        accounts = {same[number] for number in some if number}
        if len(accounts) == 1 and "" not in some:
            account_of[file] = accounts.pop()
    return account_of, frozenset(ibans)


def _whole(number: str, every: Iterable[str]) -> str:
    """The longest number that holds this one: a bank's own number stands in the IBAN."""
    if len(number) < _NUMBER_DIGITS_MIN:
        return number
    return max((each for each in every if number in each), key=len, default=number)


def _bare(number: str) -> str:
    return "".join(each for each in number.upper() if each.isalnum())
