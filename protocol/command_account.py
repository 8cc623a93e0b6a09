"""Accounts: what the commands `/account/…` say and answer.

Each carries one signed word (`payment.py`) and is answered with its CID, so that both logs name the
word that was heard.  Only an invoice is answered with more: what the debtor has counted itself.

Source: docs/adr/0019-paid-terms.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from .cid import CID_BYTES, check_cid
from .command_parts import recipient
from .did import Did
from .errors import WireError
from .limits import ACCOUNT_BYTES_MAX, PAYMENT_BYTES_MAX
from .payment import Counted, counted_from_value
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class PaidArgs:
    """`payment` is the signed object."""

    to: Did
    payment: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "payment": self.payment}


@dataclass(frozen=True, slots=True)
class AcknowledgeArgs:
    """`word` is the signed object, a word on a payment."""

    to: Did
    word: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "word": self.word}


@dataclass(frozen=True, slots=True)
class InvoiceArgs:
    """`invoice` is the signed object."""

    to: Did
    invoice: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "invoice": self.invoice}


@dataclass(frozen=True, slots=True)
class WaiveArgs:
    """`waiver` is the signed object."""

    to: Did
    waiver: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "waiver": self.waiver}


@dataclass(frozen=True, slots=True)
class InvoiceOut:
    """The debtor's own account, of the grants that it knows, until the invoice's `t_ms`."""

    invoice: bytes
    counted: tuple[Counted, ...]
    paid_minor: int

    def value(self) -> dict[str, Value]:
        return {
            "invoice": self.invoice,
            "counted": [one.value() for one in self.counted],
            "paid": self.paid_minor,
        }


def paid_args(body: Body) -> PaidArgs:
    return PaidArgs(recipient(body), body.data("payment", bytes_max=PAYMENT_BYTES_MAX))


def acknowledge_args(body: Body) -> AcknowledgeArgs:
    return AcknowledgeArgs(recipient(body), body.data("word", bytes_max=PAYMENT_BYTES_MAX))


def invoice_args(body: Body) -> InvoiceArgs:
    return InvoiceArgs(recipient(body), body.data("invoice", bytes_max=ACCOUNT_BYTES_MAX))


def waive_args(body: Body) -> WaiveArgs:
    return WaiveArgs(recipient(body), body.data("waiver", bytes_max=ACCOUNT_BYTES_MAX))


def word_out(out: Value) -> bytes:
    """The CID of the word that was heard."""
    if not isinstance(out, bytes):
        raise WireError("an outcome is not a CID")
    return check_cid(out)


def invoice_out(out: Value) -> InvoiceOut:
    body = Body.open(out, "an account", ("invoice", "counted", "paid"))
    return InvoiceOut(
        check_cid(body.data("invoice", length=CID_BYTES)),
        counted_from_value(body.value("counted"), "an account"),
        body.integer("paid"),
    )
