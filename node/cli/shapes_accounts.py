"""What `--json` prints of money: what is owed, payments, invoices, transfers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

_PAYMENT = {
    "id": "the payment's CID",
    "short": "as much of it as tells it from others here",
    "peer": "with whom",
    "owed": "`to-me`: the peer says it; `by-me`: you said it",
    "amount": "text with the digits of its currency",
    "currency": "ISO 4217",
    "note": "what was said with it",
    "state": "`said` (not heard yet), `heard`, `confirmed`, `disputed` or `refused`",
    "reason": "why it is disputed or refused",
    "t_ms": "when it was said",
}
_PAYEES = {
    "payee": "the last that an invoice gave: `name`, `iban`, `invoice`, `t_ms`, `left` (said "
    "before its creditor lost a device); or null",
    "payee_before": "the last before that with another IBAN, or null: if there is one, it changed",
}
_INVOICE = {
    "id": "its CID",
    "t_ms": "until when it counts",
    "open": "what its creditor says is left to pay",
    "name": "whom to pay, as this invoice says, or null",
    "iban": "their IBAN, or null: the creditor's choice",
    "answered": "whether the debtor's count is known",
    "creditor_paid": "what the creditor has confirmed by then",
    "debtor_paid": "what the debtor knows to be confirmed, or null",
    "differences": "grants on which the two differ: `grant`, `creditor_count`, `creditor_amount`, "
    "`debtor_count`, `debtor_amount`",
    **_PAYEES,
}
_SWITCH = {
    "on": "whether paid terms are on",
    "waived": "under how many grants nothing more becomes owed, from now on",
}

ACCOUNTS: Final[Mapping[str, Shape]] = {
    "accounts": lines(
        peer="with whom",
        owed="`to-me` or `by-me`",
        currency="ISO 4217",
        accrued="what has become owed, text with the digits of the currency",
        paid="what of it was paid and confirmed",
        said="what was said to be paid and waits for a word",
        open="`accrued` less `paid`",
        grants="the grants: `grant`, `remuneration` (`amount`, `currency`, `per`, `cap`, `for`), "
        "`count` of events, `amount`, `unsigned` windows that are not counted, `waived_ms` since "
        "when nothing more becomes owed, or null",
        payments="each as in `accounts confirm`",
        invoice="the newest, as in `accounts invoice`, or null",
        lines="what it stands on: `peer`, `owed`, `grant`, `t_ms`, `count`, `amount`, `currency`, "
        "`receipt` (null: the day of `t_ms`)",
    ),
    "accounts paid": one(
        **_PAYMENT,
        same="payments of this amount that were said before, the newest first, each as in "
        "`accounts confirm`; not those that were refused",
        open="what was open before it, or null",
        said="what was said before it to be paid, and waits for a word; or null",
    ),
    "accounts confirm": one(**_PAYMENT),
    "accounts dispute": one(**_PAYMENT),
    "accounts invoice": one(**_INVOICE),
    "accounts qr": one(
        peer="with whom",
        owed="`to-me`: to be paid to you; `by-me`: by you",
        name="whom to pay",
        iban="their IBAN",
        amount="how much",
        currency="EUR",
        reference="what stands on the transfer",
        payload="the text of the QR code (EPC069-12)",
        **_PAYEES,
    ),
    "accounts iban": one(name="whom to pay, or null", iban="the IBAN, or null"),
    "accounts off": one(**_SWITCH),
    "accounts on": one(**_SWITCH),
}
