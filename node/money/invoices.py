"""Invoices: what a creditor says is open, and what its debtor's node says it has counted itself.

    creditor ── invoice: events and money by grant, what was paid, name and IBAN or not ──> debtor
    debtor   ── its own count of the same grants until the same moment, signed ──> creditor

So each side has the other's count, and shows where the two differ.  The newest of each pair, way
and currency is kept.

The IBAN is the creditor's own to say: it lies sealed in the store, and goes out in no other word
than an invoice for which the person chose to send it.  What was said holds until another is said:
an invoice without one takes none away.  Beside the newest invoice are kept the last that says whom
to pay, and the last before that with another IBAN, so that a changed one is shown as changed:
whoever has got hold of a creditor's node would like to be paid in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...crypto.canonical import encode
from ...protocol.command import Cmd, InvoiceArgs, InvoiceOut
from ...protocol.command_account import invoice_out
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import ACCOUNT_GRANTS_MAX, CLOCK_SKEW_S_MAX
from ...protocol.payment import Counted, Invoice, check_between, make_invoice, parse_invoice
from ...protocol.receipt import Answer
from ...protocol.sepa import Creditor
from ...protocol.wire import Body, Value
from ..errors import UsageError
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .accounts import Accounts, Owed, Sheet

_CREDITOR: Value = "creditor"


@dataclass(frozen=True, slots=True)
class InvoiceKept:
    """The newest invoice of its kind, and what the debtor counted, None if it has not said.

    `payee` is the last invoice that says whom to pay, `before` the last before it that gave another
    IBAN; each None if there is none.
    """

    invoice: Invoice
    theirs: InvoiceOut | None
    payee: Invoice | None = None
    before: Invoice | None = None

    @classmethod
    def of(cls, invoice: Invoice, theirs: InvoiceOut | None) -> InvoiceKept:
        return cls(invoice, theirs, *_payees([invoice]))

    def value(self) -> Value:
        theirs = None if self.theirs is None else self.theirs.value()
        kept: dict[str, Value] = {"invoice": self.invoice.signed.raw, "theirs": theirs}
        if self.payee is not None and self.payee != self.invoice:
            kept["payee"] = self.payee.signed.raw
        if self.before is not None:
            kept["before"] = self.before.signed.raw
        return kept

    @classmethod
    def from_value(cls, value: Value) -> InvoiceKept:
        more = [k for k in ("payee", "before") if isinstance(value, Mapping) and k in value]
        body = Body.open(value, "an invoice in the store", ("invoice", "theirs", *more))
        theirs = body.value("theirs")
        newest = parse_invoice(body.data("invoice"))
        others = [parse_invoice(body.data(key)) for key in more]
        return cls(
            newest, None if theirs is None else invoice_out(theirs), *_payees([newest, *others])
        )

    @property
    def invoices(self) -> tuple[Invoice, ...]:
        """All that are kept."""
        return tuple(one for one in (self.invoice, self.payee, self.before) if one is not None)

    def beside(self, other: InvoiceKept) -> InvoiceKept:
        """This one as the newest; whom to pay is what either knows to have been said last."""
        payee, before = _payees((*self.invoices, *other.invoices))
        return replace(self, payee=payee, before=before)

    def joined(self, other: InvoiceKept) -> InvoiceKept:
        """As two devices of one side keep it together: the newer, with the debtor's count."""
        newest, older = sorted((self, other), key=_age, reverse=True)
        return newest.beside(older)

    @property
    def differing(self) -> tuple[tuple[Counted, Counted], ...]:
        """(creditor's, debtor's) count of each grant on which the two differ."""
        if self.theirs is None:
            return ()
        ours = {one.grant: one for one in self.invoice.counted}
        others = {one.grant: one for one in self.theirs.counted}
        pairs = [
            (
                ours.get(grant, Counted(grant, 0, 0)),
                others.get(grant, Counted(grant, 0, 0)),
            )
            for grant in dict.fromkeys((*ours, *others))
        ]
        return tuple(pair for pair in pairs if pair[0] != pair[1])


class Invoices:
    """Both sides of every invoice, and the creditor that this node's person is."""

    def __init__(
        self, objects: Objects, peers: Peers, accounts: Accounts, outgoing: Outgoing
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._accounts = accounts
        self._outgoing = outgoing

    # whom to pay

    def creditor(self, tx: Tx) -> Creditor | None:
        """To whom money for this node's licences goes, if the person has said so."""
        match self._objects.get(tx, Kind.CREDITOR, _CREDITOR):
            case [str(name), str(iban)]:
                return Creditor(name, iban)
            case _:
                return None

    def set_creditor(self, tx: Tx, creditor: Creditor | None) -> None:
        if creditor is None:
            self._objects.delete(tx, Kind.CREDITOR, _CREDITOR)
        else:
            self._objects.put(tx, Kind.CREDITOR, _CREDITOR, [creditor.name, creditor.iban])

    # the creditor's side

    def send(self, tx: Tx, pair: Pair, currency: str, *, iban: bool, now_ms: int) -> InvoiceKept:
        """Tell `pair` what it owes in `currency`, with name and IBAN if `iban`.

        Raises UsageError.
        """
        own = Did(pair.own)
        sheet = self._accounts.sheet(tx, now_ms, own, pair.their, Owed.TO_ME, currency)
        if not sheet.grants:
            raise UsageError(f"you lend nothing to {pair.name} on terms in {currency}")
        creditor = self.creditor(tx) if iban else None
        if iban and creditor is None:
            raise UsageError("no IBAN is set: `entrenous accounts iban IBAN --name NAME` sets it")
        invoice = make_invoice(
            self._peers.persona(tx, pair.own).key,
            to=pair.their_now,
            currency=currency,
            counted=_counted(sheet),
            paid_minor=sheet.paid_minor,
            name=None if creditor is None else creditor.name,
            iban=None if creditor is None else creditor.iban,
            t_ms=now_ms,
        )
        kept = InvoiceKept.of(invoice, None)
        before = self.find(tx, own, pair.their, Owed.TO_ME, currency)
        kept = kept if before is None else kept.beside(before)
        self._save(tx, own, pair.their, Owed.TO_ME, kept)
        args = InvoiceArgs(pair.their, invoice.signed.raw)
        self._outgoing.put(tx, pair, Cmd.INVOICE, args.value(), now_ms)
        return kept

    def answered(self, tx: Tx, pair: Pair, args: InvoiceArgs, answer: Answer) -> None:
        """The debtor's node has counted too.  Raises WireError."""
        sent = parse_invoice(args.invoice)
        kept = self.find(tx, Did(pair.own), pair.their, Owed.TO_ME, sent.currency)
        if answer.code is Code.OK and kept is not None and kept.invoice.cid == sent.cid:
            fresh = replace(kept, theirs=invoice_out(answer.out))
            self._save(tx, Did(pair.own), pair.their, Owed.TO_ME, fresh)

    # the debtor's side

    def invoiced(self, tx: Tx, pair: Pair, args: InvoiceArgs, now_ms: int) -> Value:
        """A creditor says what is open: what this node has counted until then.

        Raises WireError, BadSignature, CapabilityError, GrantRefused.
        """
        invoice = parse_invoice(args.invoice)
        check_between(invoice, by=pair.their_now, to=pair.own_now)
        if invoice.t_ms > now_ms + CLOCK_SKEW_S_MAX * 1000:
            raise GrantRefused("this invoice is of a time that has not come", Code.NOT_YET)
        own = Did(pair.own)
        sheet = self._accounts.sheet(
            tx, invoice.t_ms, own, pair.their, Owed.BY_ME, invoice.currency
        )
        if not sheet.grants:
            raise GrantRefused("nothing is held here on such terms", Code.UNKNOWN_GRANT)
        before = self.find(tx, own, pair.their, Owed.BY_ME, invoice.currency)
        counted = InvoiceOut(invoice.cid, _counted(sheet), sheet.paid_minor)
        fresh = InvoiceKept.of(invoice, counted)
        if before is not None and invoice.t_ms > before.invoice.t_ms:
            fresh = fresh.beside(before)
        elif before is not None:
            fresh = before.beside(fresh)  # one that was late may still say whom to pay
        self._save(tx, own, pair.their, Owed.BY_ME, fresh)
        return counted.value()

    # the store

    def find(self, tx: Tx, own: Did, their: Did, owed: Owed, currency: str) -> InvoiceKept | None:
        """The newest invoice: one that this node sent (to-me), or that came (by-me)."""
        name: Value = [own, their, owed.value, currency]
        return self._objects.read(tx, Kind.INVOICE, name, InvoiceKept.from_value)

    def _save(self, tx: Tx, own: Did, their: Did, owed: Owed, kept: InvoiceKept) -> None:
        name: Value = [own, their, owed.value, kept.invoice.currency]
        self._objects.put(tx, Kind.INVOICE, name, kept.value())


def _payees(invoices: Iterable[Invoice]) -> tuple[Invoice | None, Invoice | None]:
    """Of these, the last that says whom to pay, and the last before it that gave another IBAN.

    In whatever order they come to be known, and on whichever device: the same two are left.
    """
    said = sorted(
        (one for one in invoices if one.creditor is not None),
        key=lambda one: (one.t_ms, one.cid),
        reverse=True,
    )
    if not said:
        return None, None
    return said[0], next((one for one in said if one.iban != said[0].iban), None)


def _age(kept: InvoiceKept) -> tuple[int, bool, bytes]:
    """Which of two is the newer; of one and the same, that of which the count was heard."""
    theirs = None if kept.theirs is None else kept.theirs.value()
    return kept.invoice.t_ms, kept.theirs is not None, encode([kept.invoice.signed.raw, theirs])


def _counted(sheet: Sheet) -> tuple[Counted, ...]:
    """The grants of a sheet; of more than fit into one word, those under which most is owed.

    Raises UsageError if what is left out is not nothing.
    """
    found = sorted((one.counted for one in sheet.grants), key=lambda one: -one.amount_minor)
    if any(one.amount_minor for one in found[ACCOUNT_GRANTS_MAX:]):
        raise UsageError(f"an invoice counts {ACCOUNT_GRANTS_MAX} grants at most")
    return tuple(found[:ACCOUNT_GRANTS_MAX])
