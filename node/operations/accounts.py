"""Operations on accounts: what is owed, payments and words on them, invoices, the switch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ...protocol.cid import cid_text
from ...protocol.currency import amount_from_text, amount_text, check_currency
from ...protocol.did import Did
from ...protocol.errors import ProtocolError
from ...protocol.limits import PAYMENT_NOTE_CHARS_MAX
from ...protocol.payment import Invoice, PaymentWord
from ...protocol.sepa import Creditor, check_creditor, transfer_payload
from ...protocol.wire import Value
from ..errors import NotFound, UsageError
from ..money.accounts import Owed, Sheet
from ..money.invoices import InvoiceKept
from ..money.payments import PaymentKept
from ..node import Node
from ..peers.peers import Pair
from ..results.accounts import (
    AccountDifference,
    AccountInfo,
    AccountLine,
    CreditorInfo,
    GrantOwed,
    InvoiceInfo,
    PaidTermsInfo,
    PayeeInfo,
    PaymentInfo,
    TransferInfo,
)
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host, shorts

T = TypeVar("T")
_ID_HEAD = len("bafyrei")
_ID_CHARS = 8


async def accounts(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer = args.maybe_text("peer")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> list[AccountInfo]:
        names, short = _names(node, tx), shorts(one.cid for one in node.payments.all(tx))
        return [_info(node, tx, sheet, names, short) for sheet in _sheets(node, tx, peer, now_ms)]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def account_lines(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer = args.maybe_text("peer")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> list[AccountLine]:
        names = _names(node, tx)
        return [
            line
            for sheet in _sheets(node, tx, peer, now_ms)
            for line in _lines(sheet, names[sheet.own, sheet.their])
        ]

    for line in await node.store.database.read(unit):
        await emit.item(to_value(line))
    return None


async def account_paid(host: Host, args: Args, emit: Emit) -> Value:
    node, peer, currency = host.node, args.text("peer"), args.text("currency")
    note = args.maybe_text("note", PAYMENT_NOTE_CHARS_MAX) or ""
    amount = _usage(
        lambda: amount_from_text(args.text("amount"), check_currency(currency, "a payment"))
    )
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> PaymentInfo:
        pair = node.peers.named(tx, peer)
        kept = node.payments.say(tx, pair, amount, currency, note, now_ms)
        return _payment(kept, peer, cid_text(kept.cid))

    said = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(said)


async def account_answer(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    word = PaymentWord.CONFIRMED if args.flag("confirm") else PaymentWord.DISPUTED
    reason = args.maybe_text("reason", PAYMENT_NOTE_CHARS_MAX) or ""
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> PaymentInfo:
        cid = args.id("payment", (one.cid for one in node.payments.all(tx)), "payment")
        kept = node.payments.acknowledge(tx, cid, word, reason, now_ms)
        return _payment(kept, _names(node, tx)[kept.own, kept.their], cid_text(cid))

    done = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(done)


async def invoice(host: Host, args: Args, emit: Emit) -> Value:
    node, peer, iban = host.node, args.text("peer"), args.flag("iban")
    currency = _usage(lambda: check_currency(args.text("currency"), "an invoice"))
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> InvoiceInfo:
        pair = node.peers.named(tx, peer)
        sent = node.invoices.send(tx, pair, currency, iban=iban, now_ms=now_ms)
        return _invoice(sent, pair.their_before)

    sent = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(sent)


async def transfer(host: Host, args: Args, emit: Emit) -> Value:
    """The transfer that would settle what is open with `peer`, or part of it."""
    node, peer = host.node, args.text("peer")
    written = args.maybe_text("amount")
    amount = None if written is None else _usage(lambda: amount_from_text(written, "EUR"))
    now_ms = node.clock.now_ms()
    return to_value(
        await node.store.database.read(lambda tx: _transfer(node, tx, peer, amount, now_ms))
    )


def _transfer(node: Node, tx: Tx, peer: str, amount: int | None, now_ms: int) -> TransferInfo:
    pair = node.peers.named(tx, peer)
    sheets = node.accounts.sheets(tx, now_ms, (pair.own, pair.their))
    if sheets and not any(sheet.currency == "EUR" for sheet in sheets):
        raise UsageError(
            f"what is owed with {peer} is in {sheets[0].currency}: "
            "the code of a SEPA transfer is for EUR only"
        )
    own = Did(pair.own)
    owed, kept = Owed.BY_ME, node.invoices.find(tx, own, pair.their, Owed.BY_ME, "EUR")
    creditor = None if kept is None or kept.payee is None else kept.payee.creditor
    if creditor is None and any(sheet.owed is Owed.TO_ME for sheet in sheets):
        owed, kept = Owed.TO_ME, node.invoices.find(tx, own, pair.their, Owed.TO_ME, "EUR")
        creditor = node.invoices.creditor(tx)
    if creditor is None:
        raise NotFound(
            f"nobody's IBAN is known here for what is owed with {peer}: the one who is paid "
            "sends it, by `entrenous accounts invoice PEER --iban`"
        )
    payee = creditor
    sheet = node.accounts.sheet(tx, now_ms, own, pair.their, owed, "EUR")
    due = sheet.open_minor if amount is None else amount
    if due < 1:
        raise UsageError(f"nothing is open with {peer}: give an amount to pay ahead")
    reference = "entrenous" if kept is None else f"entrenous {_short(kept.invoice.cid)}"
    payload = _usage(lambda: transfer_payload(payee, due, reference))
    said = _invoice(kept, pair.their_before) if kept is not None and owed is Owed.BY_ME else None
    return TransferInfo(
        peer=peer,
        owed=owed.value,
        name=payee.name,
        iban=payee.iban,
        amount=amount_text(due, "EUR"),
        currency="EUR",
        reference=reference,
        payload=payload,
        payee=None if said is None else said.payee,
        payee_before=None if said is None else said.payee_before,
    )


# --- whom to pay, and whether anything is paid at all ---------------------------------------------


async def creditor(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    found = await node.store.database.read(node.invoices.creditor)
    return to_value(_creditor(found))


async def set_creditor(host: Host, args: Args, emit: Emit) -> Value:
    node, name, iban = host.node, args.maybe_text("name"), args.maybe_text("iban")
    if (name is None) != (iban is None):
        raise UsageError("a name goes with an IBAN")
    wanted = None if name is None or iban is None else _usage(lambda: check_creditor(name, iban))
    await node.store.database.write(lambda tx: node.invoices.set_creditor(tx, wanted))
    return to_value(_creditor(wanted))


def _creditor(one: Creditor | None) -> CreditorInfo:
    return CreditorInfo(None, None) if one is None else CreditorInfo(one.name, one.iban)


async def paid_terms(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    return to_value(PaidTermsInfo(await node.store.database.read(node.paid_terms.on), 0))


async def set_paid_terms(host: Host, args: Args, emit: Emit) -> Value:
    node, on = host.node, args.flag("on")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> PaidTermsInfo:
        if on:
            node.paid_terms.switch_on(tx)
            return PaidTermsInfo(True, 0)
        return PaidTermsInfo(False, node.paid_terms.switch_off(tx, node.lending.all(tx), now_ms))

    done = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(done)


# --- as a client sees it --------------------------------------------------------------------------


def _sheets(node: Node, tx: Tx, peer: str | None, now_ms: int) -> Sequence[Sheet]:
    pair: Pair | None = None if peer is None else node.peers.named(tx, peer)
    between = None if pair is None else (pair.own, pair.their)
    return node.accounts.sheets(tx, now_ms, between)


def _info(
    node: Node,
    tx: Tx,
    sheet: Sheet,
    names: Mapping[tuple[str, str], str],
    short: Mapping[bytes, str],
) -> AccountInfo:
    peer = names[sheet.own, sheet.their]
    kept = node.invoices.find(tx, sheet.own, sheet.their, sheet.owed, sheet.currency)
    return AccountInfo(
        peer=peer,
        owed=sheet.owed.value,
        currency=sheet.currency,
        accrued=amount_text(sheet.accrued_minor, sheet.currency),
        paid=amount_text(sheet.paid_minor, sheet.currency),
        said=amount_text(sheet.said_minor, sheet.currency),
        open=amount_text(sheet.open_minor, sheet.currency),
        grants=tuple(
            GrantOwed(
                one.grant,
                one.terms,
                one.count,
                amount_text(one.amount_minor, sheet.currency),
                one.unsigned,
                one.waived_ms,
            )
            for one in sheet.grants
        ),
        payments=tuple(_payment(one, peer, short[one.cid]) for one in sheet.payments),
        invoice=None if kept is None else _invoice(kept, _before(node, tx, sheet)),
    )


def _lines(sheet: Sheet, peer: str) -> list[AccountLine]:
    return [
        AccountLine(
            peer,
            sheet.owed.value,
            grant.grant,
            entry.t_ms,
            entry.count,
            amount_text(entry.amount_minor, sheet.currency),
            sheet.currency,
            entry.receipt,
        )
        for grant in sheet.grants
        for entry in grant.entries
    ]


def _payment(kept: PaymentKept, peer: str, short: str) -> PaymentInfo:
    payment = kept.payment
    return PaymentInfo(
        kept.cid,
        short,
        peer,
        (Owed.BY_ME if kept.ours else Owed.TO_ME).value,
        amount_text(payment.amount_minor, payment.currency),
        payment.currency,
        payment.note,
        kept.state.value,
        kept.reason,
        payment.t_ms,
    )


def _before(node: Node, tx: Tx, sheet: Sheet) -> Sequence[Did]:
    """Who the peer of a sheet was before it lost a device."""
    pair = node.peers.find(tx, sheet.own, sheet.their)
    return () if pair is None else pair.their_before


def _invoice(kept: InvoiceKept, left: Sequence[Did]) -> InvoiceInfo:
    sent, theirs, currency = kept.invoice, kept.theirs, kept.invoice.currency
    return InvoiceInfo(
        id=sent.cid,
        t_ms=sent.t_ms,
        open=amount_text(sent.open_minor, currency),
        name=sent.name,
        iban=sent.iban,
        answered=theirs is not None,
        creditor_paid=amount_text(sent.paid_minor, currency),
        debtor_paid=None if theirs is None else amount_text(theirs.paid_minor, currency),
        differences=tuple(
            AccountDifference(
                one.grant,
                one.count,
                amount_text(one.amount_minor, currency),
                other.count,
                amount_text(other.amount_minor, currency),
            )
            for one, other in kept.differing
        ),
        payee=_payee(kept.payee, left),
        payee_before=_payee(kept.before, left),
    )


def _payee(said: Invoice | None, left: Sequence[Did]) -> PayeeInfo | None:
    """Whom to pay, as `said` says it; `left` are personas of its creditor that were followed."""
    if said is None or (creditor := said.creditor) is None:
        return None
    return PayeeInfo(creditor.name, creditor.iban, said.cid, said.t_ms, said.by in left)


def _names(node: Node, tx: Tx) -> dict[tuple[str, str], str]:
    return {(pair.own, pair.their): pair.name for pair in node.peers.all(tx)}


def _short(cid: bytes) -> str:
    return cid_text(cid)[_ID_HEAD : _ID_HEAD + _ID_CHARS]


def _usage(read: Callable[[], T]) -> T:
    try:
        return read()
    except ProtocolError as error:
        raise UsageError(str(error)) from error
