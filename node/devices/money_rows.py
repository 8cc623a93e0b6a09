"""What is owed and paid, as two devices compare it.

    paid-off, creditor     what the person chose, whichever was chosen later
    payments               confirmed > disputed > refused > heard > said: as far as any has come
    invoices               of one pair, way and currency the newest, with the debtor's count, and
                           the last that says whom to pay
    waivers                of one grant the first
    paid-reads             receipts under grants on paid terms, of which a device has logged each

What is owed is derived from grants and receipts (`node/money/accounts.py`), and each read stands in
the log of the device that made or served it.  So those receipts are brought, once each, beside the
log and not into it: a log is of one device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...crypto.canonical import encode
from ...protocol.errors import WireError
from ...protocol.payment import parse_waiver
from ...protocol.wire import Value
from ..log.receipts import LOGGED
from ..money.invoices import InvoiceKept
from ..money.paid_reads import PaidRead, PaidReads
from ..money.paid_terms import WaiverKept
from ..money.payments import PaymentKept, PaymentState
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .chosen_space import ChosenSpace, creditor, moment
from .row_spaces import Rows, RowSpace, as_kept, named
from .space import Space, Taking, WholeSpace

PAID_OFF: Final = "paid-off"
CREDITOR: Final = "creditor"
_STATES: Final = {
    state: place
    for place, state in enumerate(
        (
            PaymentState.SAID,
            PaymentState.HEARD,
            PaymentState.REFUSED,
            PaymentState.DISPUTED,
            PaymentState.CONFIRMED,
        )
    )
}


def money_spaces(objects: Objects, paid_reads: PaidReads) -> Iterable[Space]:
    """In the order in which they are fetched."""
    yield ChosenSpace(
        PAID_OFF, objects, Kind.SETTING, "paid-terms-off", "paid-terms-off-set", moment
    )
    yield ChosenSpace(CREDITOR, objects, Kind.CREDITOR, "creditor", "creditor-set", creditor)
    paid = named("a payment", PaymentKept.from_value, lambda row: row.cid)
    yield RowSpace("payments", Kind.PAYMENT, objects, Rows(paid, as_kept, payment))
    yield RowSpace("invoices", Kind.INVOICE, objects, Rows(_invoice, as_kept, invoice))
    yield RowSpace("waivers", Kind.WAIVER, objects, Rows(_waiver, as_kept, waiver))
    yield PaidReadSpace(paid_reads)


def payment(one: PaymentKept, other: PaymentKept) -> PaymentKept:
    """A payment that was said.  What the creditor confirmed anywhere is final."""
    return max(one, other, key=lambda kept: (_STATES[kept.state], encode(kept.value())))


def invoice(one: InvoiceKept, other: InvoiceKept) -> InvoiceKept:
    """The newer invoice; of one and the same, that of which the count was heard.  With whom to pay,
    which an older one may say."""
    return one.joined(other)


def waiver(one: WaiverKept, other: WaiverKept) -> WaiverKept:
    """The one from which on nothing becomes owed."""
    return min(one, other, key=lambda kept: (kept.t_ms, kept.raw))


def _invoice(name: Value, value: Value) -> InvoiceKept:
    found = InvoiceKept.from_value(value)
    match name:
        case [str(), str(), str(), str(currency)] if all(
            one.currency == currency for one in found.invoices
        ):
            return found
        case _:
            raise WireError("an invoice stands under another name than its own")


def _waiver(name: Value, value: Value) -> WaiverKept:
    found = WaiverKept.from_value(value)
    said = parse_waiver(found.raw)
    if name not in said.grants or said.t_ms != found.t_ms:
        raise WireError("a waiver stands under another grant than it names")
    return found


@dataclass(frozen=True, slots=True)
class PaidReadSpace(WholeSpace):
    """Receipts under grants on paid terms: those of this device's log, and those brought."""

    reads: PaidReads
    name: str = "paid-reads"
    sets: tuple[Value, ...] = (
        Kind.PAID_READ.value,
        Kind.GRANT_GIVEN.value,
        Kind.GRANT_HELD.value,
        LOGGED,
    )

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        return {one.id: one.value() for one in self.reads.all(tx)}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        return sum(self.reads.bring(tx, PaidRead.from_value(row)) for row in rows)
