"""What the operations on accounts answer, as a client sees it.

Amounts are text with the digits of their currency, as in `2.50`; below zero where more was paid
than was owed.  `owed` is `to-me` or `by-me`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...protocol.remuneration import Remuneration


@dataclass(frozen=True, slots=True)
class AccountLine:
    """`count` events under a grant, and what they add; they stand on `receipt`, or on the day of
    `t_ms`."""

    peer: str
    owed: str
    grant: bytes
    t_ms: int
    count: int
    amount: str
    currency: str
    receipt: bytes | None


@dataclass(frozen=True, slots=True)
class GrantOwed:
    """One grant on paid terms.  `unsigned` windows were served and never signed for: not counted.

    `waived_ms`: since when nothing more becomes owed, by the owner's word.
    """

    grant: bytes
    remuneration: Remuneration
    count: int
    amount: str
    unsigned: int
    waived_ms: int | None


@dataclass(frozen=True, slots=True)
class PaymentInfo:
    """A payment that was said; `reason` is the creditor's, or why its node refused."""

    id: bytes
    short: str
    peer: str
    owed: str
    amount: str
    currency: str
    note: str
    state: str
    reason: str
    t_ms: int


@dataclass(frozen=True, slots=True)
class AccountDifference:
    """A grant of which creditor and debtor count differently, until the time of an invoice."""

    grant: bytes
    creditor_count: int
    creditor_amount: str
    debtor_count: int
    debtor_amount: str


@dataclass(frozen=True, slots=True)
class PayeeInfo:
    """Whom to pay, as an invoice of `t_ms` says.

    `left`: its creditor said that by a persona that another has followed since, because a device
    was lost.
    """

    name: str
    iban: str = field(repr=False)
    invoice: bytes
    t_ms: int
    left: bool


@dataclass(frozen=True, slots=True)
class InvoiceInfo:
    """The newest invoice: what its creditor says is open, and where the other side counts
    differently; `answered` once the debtor's count is known.

    `name` and `iban` are its own; `payee` is the last that any gave, `payee_before` the last before
    that with another IBAN.
    """

    id: bytes
    t_ms: int
    open: str
    name: str | None
    iban: str | None = field(repr=False)
    answered: bool
    creditor_paid: str
    debtor_paid: str | None
    differences: tuple[AccountDifference, ...]
    payee: PayeeInfo | None = None
    payee_before: PayeeInfo | None = None


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """All in one currency, one way, with one peer: `open` is `accrued` less `paid` (confirmed);
    `said` waits for a word."""

    peer: str
    owed: str
    currency: str
    accrued: str
    paid: str
    said: str
    open: str
    grants: tuple[GrantOwed, ...]
    payments: tuple[PaymentInfo, ...]
    invoice: InvoiceInfo | None
    lines: tuple[AccountLine, ...] = ()


@dataclass(frozen=True, slots=True)
class CreditorInfo:
    """Whom to pay for this node's licences; None if that was not said."""

    name: str | None
    iban: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransferInfo:
    """A SEPA transfer to be made: `payload` is what stands in its QR code.

    `payee` is who said to whom, for what this node owes, and `payee_before` as in an invoice.
    """

    peer: str
    owed: str
    name: str
    iban: str = field(repr=False)
    amount: str
    currency: str
    reference: str
    payload: str = field(repr=False)
    payee: PayeeInfo | None = None
    payee_before: PayeeInfo | None = None


@dataclass(frozen=True, slots=True)
class PaidTermsInfo:
    """Whether paid terms are on, and of how many grants something was just waived."""

    on: bool
    waived: int
