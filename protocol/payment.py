"""Payments: what two sides say, and sign, about money that passes outside of this network.

    debtor   ── payment ──────> creditor      "I have paid you 12.50 EUR"
    debtor   <── payment-word ── creditor      "I have it", or "I do not, because …"
    debtor   <── invoice ─────── creditor      what is open, counted by grant; name and IBAN, if the
                                               creditor chose to say them
    debtor   <── waiver ──────── creditor      nothing more is owed under these grants from now on

No money moves here: a payment is a word about one, and only a payment that its creditor has
confirmed lessens what is owed, on both sides alike.  A confirmation is final; a dispute may still
become one.  Each word names both personas, so it is worth nothing between others, and is named by
its CID, so saying it twice says it once.

An invoice is a claim.  The debtor's node answers it with what *it* has counted until the same
moment, so a difference is seen by both, at once and signed.

A waiver binds who signs it and nobody else, so it needs no consent: it is how a person who is owed
something switches paid terms off while a licence stands.

Source: docs/adr/0019-paid-terms.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ..crypto.entropy import Entropy
from ..crypto.keys import PersonaKey
from ..crypto.labels import Signed
from .cid import CID_BYTES, check_cid
from .currency import amount_from_value, amount_value, check_currency
from .did import Did, check_did, did_of, public_of
from .errors import CapabilityError, Code, WireError
from .limits import (
    ACCOUNT_BYTES_MAX,
    ACCOUNT_GRANTS_MAX,
    CREDITOR_CHARS_MAX,
    PAYMENT_BYTES_MAX,
    PAYMENT_NOTE_CHARS_MAX,
)
from .sepa import Creditor, check_creditor
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

NONCE_BYTES = 16


class PaymentWord(StrEnum):
    """What a creditor says of a payment."""

    CONFIRMED = "confirmed"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Payment:
    """`by` says that it has paid `amount_minor` of `currency` to `to`."""

    by: Did
    to: Did
    amount_minor: int
    currency: str
    note: str
    t_ms: int
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        return self.signed.cid


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the creditor `by` says of the payment of this CID; `reason` may be empty."""

    by: Did
    to: Did
    payment: bytes
    word: PaymentWord
    reason: str
    t_ms: int
    signed: SignedObject


@dataclass(frozen=True, slots=True)
class Counted:
    """What one side has counted of one grant: so many events, so much money."""

    grant: bytes
    count: int
    amount_minor: int

    def value(self) -> list[Value]:
        return [self.grant, self.count, self.amount_minor]


@dataclass(frozen=True, slots=True)
class Invoice:
    """What `by` says that `to` owes it at `t_ms`: by grant, less what was confirmed as paid.

    `iban` comes with `name`, or both are None: the creditor's own choice.
    """

    by: Did
    to: Did
    currency: str
    counted: tuple[Counted, ...]
    paid_minor: int
    name: str | None
    iban: str | None = field(repr=False)
    t_ms: int
    signed: SignedObject = field(repr=False)

    @property
    def cid(self) -> bytes:
        return self.signed.cid

    @property
    def creditor(self) -> Creditor | None:
        if self.name is None or self.iban is None:
            return None
        return Creditor(self.name, self.iban)

    @property
    def open_minor(self) -> int:
        """What is left to pay; below zero where more was paid."""
        return sum(one.amount_minor for one in self.counted) - self.paid_minor


@dataclass(frozen=True, slots=True)
class Waiver:
    """From `t_ms` on, nothing more becomes owed to `by` under `grants`."""

    by: Did
    to: Did
    grants: tuple[bytes, ...]
    t_ms: int
    signed: SignedObject


def make_payment(
    key: PersonaKey,
    *,
    to: Did,
    amount_minor: int,
    currency: str,
    note: str,
    t_ms: int,
    entropy: Entropy,
) -> Payment:
    """Sign that one has paid.  Raises WireError for what a reader would refuse."""
    body: dict[str, Value] = {
        "v": VERSION,
        "by": did_of(key.public),
        "to": to,
        "amount": amount_value(amount_minor, check_currency(currency, "a payment")),
        "currency": currency,
        "note": note,
        # Two payments of one sum in one moment are two.
        "nonce": entropy.random_bytes(NONCE_BYTES),
        "t_ms": t_ms,
    }
    return parse_payment(sign(Signed.PAYMENT, body, key).raw)


def parse_payment(raw: bytes) -> Payment:
    """Read a payment and verify the signature of `by`.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.PAYMENT, bytes_max=PAYMENT_BYTES_MAX)
    keys = ("v", "by", "to", "amount", "currency", "note", "nonce", "t_ms")
    body = Body.open(signed.body, "a payment", keys)
    currency = check_currency(body.text("currency"), "a payment")
    body.data("nonce", length=NONCE_BYTES)
    found = Payment(
        check_did(body.text("by")),
        check_did(body.text("to")),
        amount_from_value(body.value("amount"), currency, "a payment"),
        currency,
        body.text("note", chars_max=PAYMENT_NOTE_CHARS_MAX),
        body.integer("t_ms"),
        signed,
    )
    signed.verify(public_of(found.by))
    return found


def make_acknowledgement(
    key: PersonaKey, payment: Payment, *, word: PaymentWord, reason: str, t_ms: int
) -> Acknowledgement:
    """Sign, as the creditor, what one says of `payment`.  Raises WireError."""
    body: dict[str, Value] = {
        "v": VERSION,
        "by": did_of(key.public),
        "to": payment.by,
        "payment": payment.cid,
        "word": word.value,
        "reason": reason,
        "t_ms": t_ms,
    }
    return parse_acknowledgement(sign(Signed.PAYMENT_WORD, body, key).raw)


def parse_acknowledgement(raw: bytes) -> Acknowledgement:
    """Read it and verify the signature of `by`.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.PAYMENT_WORD, bytes_max=PAYMENT_BYTES_MAX)
    body = Body.open(
        signed.body, "a word on a payment", ("v", "by", "to", "payment", "word", "reason", "t_ms")
    )
    word = body.text("word")
    if word not in (PaymentWord.CONFIRMED, PaymentWord.DISPUTED):
        raise WireError("a word on a payment is neither confirmed nor disputed")
    found = Acknowledgement(
        check_did(body.text("by")),
        check_did(body.text("to")),
        check_cid(body.data("payment", length=CID_BYTES)),
        PaymentWord(word),
        body.text("reason", chars_max=PAYMENT_NOTE_CHARS_MAX),
        body.integer("t_ms"),
        signed,
    )
    signed.verify(public_of(found.by))
    return found


def make_invoice(
    key: PersonaKey,
    *,
    to: Did,
    currency: str,
    counted: Sequence[Counted],
    paid_minor: int,
    name: str | None,
    iban: str | None,
    t_ms: int,
) -> Invoice:
    """Sign what one says is owed.  Raises WireError for what a reader would refuse."""
    body: dict[str, Value] = {
        "v": VERSION,
        "by": did_of(key.public),
        "to": to,
        "currency": currency,
        "counted": [one.value() for one in counted],
        "paid": paid_minor,
        "name": name,
        "iban": iban,
        "t_ms": t_ms,
    }
    return parse_invoice(sign(Signed.INVOICE, body, key).raw)


def parse_invoice(raw: bytes) -> Invoice:
    """Read an invoice and verify the signature of `by`.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.INVOICE, bytes_max=ACCOUNT_BYTES_MAX)
    keys = ("v", "by", "to", "currency", "counted", "paid", "name", "iban", "t_ms")
    body = Body.open(signed.body, "an invoice", keys)
    name, iban = body.maybe_text("name", chars_max=CREDITOR_CHARS_MAX), body.maybe_text("iban")
    if (name is None) != (iban is None) or name == "":
        raise WireError("an invoice names its creditor and an IBAN, or neither")
    if name is not None and iban is not None:
        _check_named(Creditor(name, iban))
    found = Invoice(
        check_did(body.text("by")),
        check_did(body.text("to")),
        check_currency(body.text("currency"), "an invoice"),
        counted_from_value(body.value("counted"), "an invoice"),
        body.integer("paid"),
        name,
        iban,
        body.integer("t_ms"),
        signed,
    )
    signed.verify(public_of(found.by))
    return found


def _check_named(creditor: Creditor) -> None:
    """A name of two lines would be two fields of a payment code."""
    if check_creditor(creditor.name, creditor.iban) != creditor:
        raise WireError("an invoice: its creditor is not in the one form")


def counted_from_value(value: Value, what: str) -> tuple[Counted, ...]:
    """`[[grant CID, count, minor units]…]`, each grant once.  Raises WireError."""
    if not isinstance(value, list) or len(value) > ACCOUNT_GRANTS_MAX:
        raise WireError(f"{what} counts more than {ACCOUNT_GRANTS_MAX} grants, or is no list")
    found: dict[bytes, Counted] = {}
    for item in value:
        match item:
            case [bytes(grant), int(count), int(amount)] if (
                bool not in (type(count), type(amount)) and count >= 0 and amount >= 0
            ):
                found[check_cid(grant)] = Counted(grant, count, amount)
            case _:
                raise WireError(f"{what}: a line is not a grant, a count and an amount")
    if len(found) != len(value):
        raise WireError(f"{what} counts one grant twice")
    return tuple(found.values())


def make_waiver(key: PersonaKey, *, to: Did, grants: Sequence[bytes], t_ms: int) -> Waiver:
    """Sign that nothing more becomes owed under `grants`.  Raises WireError."""
    body: dict[str, Value] = {
        "v": VERSION,
        "by": did_of(key.public),
        "to": to,
        "grants": sorted(grants),
        "t_ms": t_ms,
    }
    return parse_waiver(sign(Signed.WAIVER, body, key).raw)


def parse_waiver(raw: bytes) -> Waiver:
    """Read a waiver and verify the signature of `by`.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.WAIVER, bytes_max=ACCOUNT_BYTES_MAX)
    body = Body.open(signed.body, "a waiver", ("v", "by", "to", "grants", "t_ms"))
    grants: list[bytes] = []
    for item in body.items("grants", items_min=1, items_max=ACCOUNT_GRANTS_MAX):
        if not isinstance(item, bytes):
            raise WireError("a waiver: a grant is not a CID")
        grants.append(check_cid(item))
    if grants != sorted(set(grants)):
        raise WireError("a waiver: its grants are not each once and in order")
    found = Waiver(
        check_did(body.text("by")),
        check_did(body.text("to")),
        tuple(grants),
        body.integer("t_ms"),
        signed,
    )
    signed.verify(public_of(found.by))
    return found


def check_between(word: Payment | Acknowledgement | Invoice | Waiver, *, by: Did, to: Did) -> None:
    """Accept that `word` is what `by` says to `to`.  Raises CapabilityError(audience)."""
    if (word.by, word.to) != (by, to):
        raise CapabilityError("this word is of or for another persona", Code.AUDIENCE)
