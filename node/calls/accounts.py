"""What is owed between this node and its peers, and what was said about paying it."""

from __future__ import annotations

from dataclasses import replace

from .. import results
from ..channel import Caller


class AccountCalls(Caller):
    """Accounts, payments, invoices, and the switch of paid terms."""

    async def accounts(self, peer: str | None = None) -> tuple[results.accounts.AccountInfo, ...]:
        """What is owed, one for each peer, way and currency, each with its lines.

        Raises NotFound.
        """
        found = await self._many(results.accounts.AccountInfo, "accounts", peer=peer)
        lines = await self.account_lines(peer) if found else ()
        return tuple(
            replace(
                one,
                lines=tuple(
                    line
                    for line in lines
                    if (line.peer, line.owed, line.currency) == (one.peer, one.owed, one.currency)
                ),
            )
            for one in found
        )

    async def account_lines(
        self, peer: str | None = None
    ) -> tuple[results.accounts.AccountLine, ...]:
        """Every event that is counted, by peer, way and grant.  Raises NotFound."""
        return await self._many(results.accounts.AccountLine, "account_lines", peer=peer)

    async def account_paid(
        self, peer: str, amount: str, currency: str, note: str = ""
    ) -> results.accounts.PaymentInfo:
        """Say to a peer that it was paid.  Raises NotFound, UsageError."""
        return await self._one(
            results.accounts.PaymentInfo,
            "account_paid",
            peer=peer,
            amount=amount,
            currency=currency,
            note=note,
        )

    async def account_answer(
        self, payment: str | bytes, *, confirm: bool, reason: str = ""
    ) -> results.accounts.PaymentInfo:
        """Say that a payment has come, which is final, or that it has not come like that.

        Raises NotFound, UsageError.
        """
        return await self._one(
            results.accounts.PaymentInfo,
            "account_answer",
            payment=payment,
            confirm=confirm,
            reason=reason,
        )

    async def invoice(
        self, peer: str, currency: str, *, iban: bool
    ) -> results.accounts.InvoiceInfo:
        """Tell a peer what it owes, with this node's IBAN or without.  Raises NotFound,
        UsageError."""
        return await self._one(
            results.accounts.InvoiceInfo, "invoice", peer=peer, currency=currency, iban=iban
        )

    async def transfer(self, peer: str, amount: str | None = None) -> results.accounts.TransferInfo:
        """The SEPA transfer that settles what is open with a peer.  Raises NotFound, UsageError."""
        return await self._one(results.accounts.TransferInfo, "transfer", peer=peer, amount=amount)

    async def creditor(self) -> results.accounts.CreditorInfo:
        """Whom to pay for this node's licences."""
        return await self._one(results.accounts.CreditorInfo, "creditor")

    async def set_creditor(
        self, name: str | None, iban: str | None
    ) -> results.accounts.CreditorInfo:
        """Set whom to pay, or with None forget it.  Raises UsageError."""
        return await self._one(results.accounts.CreditorInfo, "set_creditor", name=name, iban=iban)

    async def paid_terms(self) -> results.accounts.PaidTermsInfo:
        """Whether paid terms are on."""
        return await self._one(results.accounts.PaidTermsInfo, "paid_terms")

    async def set_paid_terms(self, *, on: bool) -> results.accounts.PaidTermsInfo:
        """Switch paid terms on, or off: then nothing more becomes owed to this node."""
        return await self._one(results.accounts.PaidTermsInfo, "set_paid_terms", on=on)
