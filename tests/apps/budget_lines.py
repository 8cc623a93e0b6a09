"""Payments for tests of the budget, made from a line as a bank would write it."""

from __future__ import annotations

import datetime
from decimal import Decimal

from entrenous.apps.exact import units
from entrenous.apps.services.budget.payments import Payment
from entrenous.apps.services.budget.words import means_of, payee_of, plain


def payment(
    date: str,
    amount: str,
    label: str,
    *,
    who: str | None = None,
    kind: str = "other",
    file: str = "a.ofx",
    account: str | None = None,
    currency: str = "EUR",
    id: str = "",
) -> Payment:
    """One payment; `amount` as text, below zero for what went out."""
    line = plain(f"{label} {who or ''}")
    exact = Decimal(amount)
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int)
    return Payment(
        id=id or f"{date} {amount} {label} {file}",
        date=datetime.date.fromisoformat(date),
        amount=units(int(exact.scaleb(-exponent)), -exponent),
        currency=currency,
        label=label,
        payee=payee_of(who, label),
        line=line,
        means=means_of(kind, line),
        files=frozenset((file,)),
        account=account,
    )
