"""Transactions: what a bank's file says was booked, as records of `transaction/1`.

Formats differ in how an entry is found and by what it is known again, which stays with each reader.
What comes of it is one record each, in the order of a collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..protocol.reading import Decimal
from ..protocol.record import Batch
from ..protocol.schema import TRANSACTION


class Booked(Protocol):
    """One movement of an account.  `time` in UTC milliseconds, `amount` negative for what left."""

    @property
    def time(self) -> int: ...
    @property
    def offset_min(self) -> int: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def counterparty(self) -> str | None: ...
    @property
    def kind(self) -> str: ...


def transaction_batch(by_id: Mapping[str, Booked]) -> Batch:
    """The records of one account, each under its id, in order.  Raises RecordError."""
    return Batch.from_rows(
        TRANSACTION,
        (
            {
                "id": identity,
                "time": booked.time,
                "offset_min": booked.offset_min,
                "amount": list(booked.amount),
                "currency": booked.currency,
                "label": booked.label,
                "counterparty": booked.counterparty,
                "kind": booked.kind,
            }
            for identity, booked in by_id.items()
        ),
    ).sorted()
