"""Money: `accounts [PEER]`, `accounts paid`, `confirm`, `dispute`, `invoice`, `qr`, `iban`, `off`,
`on`."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Final

from cyclopts import App, Parameter

from ...protocol.cid import cid_text
from ...protocol.currency import amount_from_text, amount_text, check_currency
from ...protocol.errors import ProtocolError
from ...protocol.remuneration import LICENCE
from ..errors import Exit, NotFound, UsageError
from ..results.accounts import (
    AccountInfo,
    AccountLine,
    InvoiceInfo,
    PayeeInfo,
    PaymentInfo,
    TransferInfo,
)
from .days import moment
from .names import HEAD, SHORT_CHARS, find, short
from .options import USUAL, Options, node_of
from .screen import Screen, columns_of
from .words import counted

accounts_app = App(name="accounts", help="Show what is owed, and say that it was paid.")

Peer = Annotated[str, Parameter(help="With whom.")]
Id = Annotated[str, Parameter(help="The payment, or the first characters of its id.")]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask before doing it.")]
_WAYS = {"to-me": "{peer} owes you", "by-me": "You owe {peer}"}
# Of a long account the newest lines are shown, of payments of one amount too; --json has all.
_LINES_SHOWN = 20
_SAME_SHOWN = 3
_WAITING = ("said", "heard")
_FORGOTTEN = (
    "No IBAN is set any more.  Who was sent it with an invoice may go on paying to it, until an "
    "invoice gives another."
)
# How a payment stands, for who said it and for who is to answer it.
_STANDS: Final[Mapping[str, Mapping[str, str]]] = {
    "by-me": {
        "said": "their node has not heard it yet",
        "heard": "it waits for their word",
        "confirmed": "they confirmed that it came",
        "disputed": "they say that it did not come so",
    },
    "to-me": {
        "heard": "it waits for your word",
        "confirmed": "you confirmed that it came",
        "disputed": "you said that it did not come so",
    },
}


@accounts_app.default
async def accounts(
    peer: Annotated[str | None, Parameter(help="Only with this peer, line by line.")] = None,
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Show what is owed to you and by you, counted from what both sides signed.

    With a peer, each line with the receipt or day that it stands on, the payments, and where the
    other side counts differently.

    Example: entrenous accounts bank
    """
    async with node_of(options) as client:
        found = await client.accounts(peer)
        switch = await client.paid_terms()
    screen = options.screen
    screen.show_lines("accounts", found)
    if screen.json:
        return
    for one in found:
        _show(screen, one, full=peer is not None)
    if not found:
        screen.say("Nothing is lent for money: there is nothing to owe.")
    if not switch.on:
        screen.say("Paid terms are switched off: `entrenous accounts on` allows them again.")
    elif found and peer is None:
        screen.say("`entrenous accounts PEER` shows what it stands on.")


@accounts_app.command
async def paid(
    peer: Annotated[str, Parameter(help="Whom you paid.")],
    amount: Annotated[str, Parameter(help="How much, as in 12.50.")],
    currency: Annotated[str, Parameter(help="In which currency, as in EUR.")],
    /,
    *,
    note: Annotated[str, Parameter(help="What they should know of it; 140 characters.")] = "",
    yes: Yes = False,
    options: Options = USUAL,
) -> int:
    """Say to a peer that you have paid.  It counts once they confirm that it came.

    No money moves by this: pay as you pay, then say so, once for each time.  Where the same amount
    was said before, it says when; while that still waits for their word, it asks first.

    Example: entrenous accounts paid alice 12.50 EUR --note "for March"
    """
    screen, currency = options.screen, currency.upper()
    try:
        minor = amount_from_text(amount, check_currency(currency, "a payment"))
    except ProtocolError as error:
        raise UsageError(str(error)) from error
    paying = amount_text(minor, currency)
    async with node_of(options) as client:
        found = await client.accounts(peer)
        account = next(
            (one for one in found if (one.owed, one.currency) == ("by-me", currency)), None
        )
        same = _same([] if account is None else account.payments, paying)
        _say_same(screen, same)
        if account is not None:
            _say_too_much(screen, account, paying)
        if any(one.state in _WAITING for one in same) and not screen.confirm(
            f"Say that you have paid {paying} {currency} once more?", yes=yes
        ):
            screen.note("Nothing was said.")
            return Exit.FAILED
        said = await client.account_paid(peer, amount, currency, note)
    before = (None, None) if account is None else (account.open, account.said)
    fields = {name: getattr(said, name) for name in type(said).__dataclass_fields__}
    screen.show("accounts paid", {**fields, "same": same, "open": before[0], "said": before[1]})
    screen.say(
        f"Told {peer} that you paid {said.amount} {said.currency} (payment {_id(said)}); "
        "it counts once they confirm it."
    )
    return Exit.DONE


@accounts_app.command
async def confirm(payment: Id, /, *, yes: Yes = False, options: Options = USUAL) -> int:
    """Confirm that a payment came.  It is final, and lessens what is owed on both sides.

    Example: entrenous accounts confirm 5hr7q2ka
    """
    screen = options.screen
    async with node_of(options) as client:
        said = [one for account in await client.accounts() for one in account.payments]
        cid = find(payment, [one.id for one in said], "payment", "entrenous accounts PEER")
        one = next(one for one in said if one.id == cid)
        if one.owed != "to-me":
            raise NotFound("no peer said this payment to you: see `entrenous accounts`")
        if one.state != "confirmed":
            note = f": {one.note}" if one.note else ""
            screen.say(
                f"{one.peer} says: paid {one.amount} {one.currency}, {moment(one.t_ms)}{note}"
            )
            beside = [
                each
                for each in said
                if (each.peer, each.owed, each.currency) == (one.peer, one.owed, one.currency)
                and each.id != cid
            ]
            _say_same(screen, _same(beside, one.amount))
            if not screen.confirm("Confirm that this payment came?  It is final.", yes=yes):
                screen.note("Nothing was said.")
                return Exit.FAILED
        done = await client.account_answer(cid_text(cid), confirm=True)
    screen.show("accounts confirm", done)
    screen.say(f"Confirmed: {done.peer} paid {done.amount} {done.currency}.")
    return Exit.DONE


@accounts_app.command
async def dispute(
    payment: Id,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; it is told to them, 140 characters.")] = "",
    options: Options = USUAL,
) -> None:
    """Say that a payment did not come, or not like that.  You can still confirm it later.

    Example: entrenous accounts dispute 5hr7q2ka --reason "only 10.00 came"
    """
    async with node_of(options) as client:
        done = await client.account_answer(payment, confirm=False, reason=reason)
    options.screen.show("accounts dispute", done)
    options.screen.say(f"{done.peer} is told that {done.amount} {done.currency} did not come so.")


@accounts_app.command
async def invoice(
    peer: Annotated[str, Parameter(help="Who owes you.")],
    currency: Annotated[str, Parameter(help="In which currency.")] = "EUR",
    /,
    *,
    iban: Annotated[
        bool, Parameter(help="With your name and IBAN, so that they can pay.", negative="")
    ] = False,
    options: Options = USUAL,
) -> None:
    """Tell a peer what it owes; its node answers with what it has counted itself.

    Example: entrenous accounts invoice bank --iban
    """
    async with node_of(options) as client:
        sent = await client.invoice(peer, currency.upper(), iban=iban)
    screen = options.screen
    screen.show("accounts invoice", sent)
    screen.say(f"{peer} is told that {sent.open} {currency.upper()} is open.")
    screen.say("Your name and IBAN go with it." if iban else "Your IBAN does not go with it.")
    if not iban and sent.payee is not None:
        screen.say(
            f"They have {sent.payee.name}, {sent.payee.iban} from your invoice of "
            f"{moment(sent.payee.t_ms)}, which holds until one gives another."
        )
    screen.say(f"`entrenous accounts {peer}` tells what their node counted.")


@accounts_app.command
async def qr(
    peer: Peer,
    amount: Annotated[str | None, Parameter(help="How much; without it, what is open.")] = None,
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Draw the code with which a bank's app makes the SEPA transfer for what is open.

    For what you owe, to the IBAN that came with an invoice; else for what is owed to you, to yours.

    Example: entrenous accounts qr alice
    """
    async with node_of(options) as client:
        found = await client.transfer(peer, amount)
    screen = options.screen
    screen.show("accounts qr", found)
    if screen.json:
        return
    _draw(found)
    screen.fact("to", found.name)
    screen.fact("IBAN", found.iban)
    if found.payee is not None:
        said = f"with the invoice of {moment(found.payee.t_ms)} ({short(found.payee.invoice)})"
        screen.fact("", f"they said it {said}")
        _show_changed(screen, found.payee, found.payee_before)
    screen.fact("amount", f"{found.amount} {found.currency}")
    screen.fact("for", found.reference)
    screen.say("Compare them with what your bank's app shows before you pay.")
    if found.owed == "by-me":
        screen.say(f"Once paid: `entrenous accounts paid {peer} {found.amount} EUR`.")


@accounts_app.command
async def iban(
    iban: Annotated[
        str | None,
        Parameter(help="Your IBAN, or - to read it from stdin.", allow_leading_hyphen=True),
    ] = None,
    /,
    *,
    name: Annotated[str | None, Parameter(help="The name that the account is in.")] = None,
    forget: Annotated[bool, Parameter(help="Forget it.", negative="")] = False,
    options: Options = USUAL,
) -> None:
    """Show, set or forget to whom your licences are paid.

    It lies encrypted in your home, and goes only to a peer whom you send an invoice with --iban.

    Example: entrenous accounts iban - --name "Ann Example"
    """
    if forget and (iban is not None or name is not None):
        raise UsageError("an IBAN or --forget, not both")
    if (iban is None) != (name is None):
        raise UsageError("give the IBAN and --name, the name that the account is in")
    if iban == "-":
        iban = sys.stdin.readline(256).strip()
    async with node_of(options) as client:
        if iban is not None or forget:
            found = await client.set_creditor(name, iban)
        else:
            found = await client.creditor()
    screen = options.screen
    screen.show("accounts iban", found)
    if found.iban is None:
        screen.say("No IBAN is set." if not forget else _FORGOTTEN)
    else:
        screen.say(f"{found.name}, {found.iban}")


@accounts_app.command
async def off(*, yes: Yes = False, options: Options = USUAL) -> int:
    """Switch paid terms off: none are asked for, granted or read under, and nothing more is owed
    to you.

    Grants that stand are licences still: `entrenous revoke` takes them back.  Their readers are
    told that nothing more becomes owed.  What is owed by now stays owed, both ways; grants that
    you hold by the month go on costing until they end.

    Example: entrenous accounts off
    """
    screen = options.screen
    question = "Switch paid terms off, and waive what would still become owed to you?"
    if not screen.confirm(question, yes=yes):
        screen.note("Nothing was changed.")
        return Exit.FAILED
    async with node_of(options) as client:
        done = await client.set_paid_terms(on=False)
    screen.show("accounts off", done)
    screen.say("Paid terms are off.")
    if done.waived:
        screen.say(f"Nothing more becomes owed to you under {counted(done.waived, 'grant')}.")
    return Exit.DONE


@accounts_app.command
async def on(*, options: Options = USUAL) -> None:
    """Allow paid terms again.  What was waived stays waived.

    Example: entrenous accounts on
    """
    async with node_of(options) as client:
        done = await client.set_paid_terms(on=True)
    options.screen.show("accounts on", done)
    options.screen.say("Paid terms are allowed.")


# --- said twice -----------------------------------------------------------------------------------


def _same(payments: Sequence[PaymentInfo], amount: str) -> list[PaymentInfo]:
    """Payments of this amount that were said, the newest first; not those that were refused."""
    found = [one for one in payments if one.amount == amount and one.state != "refused"]
    return sorted(found, key=lambda one: one.t_ms, reverse=True)


def _say_same(screen: Screen, same: Sequence[PaymentInfo]) -> None:
    """That the same was said before, and what came of it: it may be the same money."""
    for one in same[:_SAME_SHOWN]:
        who = "You" if one.owed == "by-me" else one.peer
        note = f" ({one.note})" if one.note else ""
        screen.say(
            f"{who} said the same amount before: {one.amount} {one.currency}, {moment(one.t_ms)}"
            f"{note}, payment {_id(one)}: {_STANDS[one.owed][one.state]}."
        )
    if len(same) > _SAME_SHOWN:
        screen.say(f"… and {counted(len(same) - _SAME_SHOWN, 'time')} before that.")


def _say_too_much(screen: Screen, account: AccountInfo, amount: str) -> None:
    """That more would be said to be paid than is owed, if it is so."""
    if Decimal(amount) <= Decimal(account.open) - Decimal(account.said):
        return
    said = Decimal(account.said)
    waits = f", and {account.said} {account.currency} of it is said to be paid" if said else ""
    screen.say(
        f"That is more than is left to pay: {account.open} {account.currency} is open{waits}."
    )


# --- in words -------------------------------------------------------------------------------------


def _show(screen: Screen, one: AccountInfo, *, full: bool) -> None:
    way = _WAYS[one.owed].format(peer=one.peer)
    screen.say(f"{way} {one.open} {one.currency}: {one.accrued} became owed, {one.paid} is paid")
    if one.said.strip("0.") and not full:
        screen.fact("", f"{one.said} {one.currency} is said to be paid, and waits for a word")
    if not full:
        if one.owed == "by-me" and one.invoice is not None and one.invoice.payee_before is not None:
            screen.fact(
                "", f"the IBAN to pay it to has changed: see `entrenous accounts {one.peer}`"
            )
        return
    for grant in one.grants:
        screen.fact("grant", f"{short(grant.grant)}: {grant.remuneration.words()}")
        screen.fact("", f"({LICENCE})")
        if grant.waived_ms is not None:
            screen.fact("", f"nothing more becomes owed since {moment(grant.waived_ms)}")
        if grant.unsigned:
            windows = counted(grant.unsigned, "window")
            screen.fact("", f"{windows} went out and were never signed for: not counted")
        _show_lines(screen, [line for line in one.lines if line.grant == grant.grant])
    for payment in one.payments:
        said = f"{payment.amount} {payment.currency}, {payment.state}, {moment(payment.t_ms)}"
        told = "; ".join(text for text in (payment.note, payment.reason) if text)
        screen.fact("payment", f"{_id(payment)}: {said}{': ' if told else ''}{told}")
        if payment.owed == "to-me" and payment.state in ("heard", "disputed"):
            screen.fact("", f"`entrenous accounts confirm {_id(payment)}` or `dispute` answers it")
    if one.invoice is not None:
        _show_invoice(screen, one.invoice, one)
    screen.say()


def _show_lines(screen: Screen, lines: Sequence[AccountLine]) -> None:
    if len(lines) > _LINES_SHOWN:
        screen.fact("", f"… {counted(len(lines) - _LINES_SHOWN, 'line')} before; --json has all")
    for line in lines[-_LINES_SHOWN:]:
        stands = "this day" if line.receipt is None else f"receipt {short(line.receipt)}"
        times = "" if line.count == 1 else f" for {line.count:,} days"
        screen.fact("", f"{moment(line.t_ms)}  {line.amount}{times}, by {stands}")


def _show_invoice(screen: Screen, one: InvoiceInfo, account: AccountInfo) -> None:
    whose = "They say" if account.owed == "by-me" else "You said"
    screen.fact("invoice", f"{moment(one.t_ms)}: {whose} {one.open} {account.currency} is open")
    if one.payee is not None:
        _show_payee(screen, one, one.payee, account)
    if not one.answered:
        screen.fact("", "what their node has counted is not known yet")
        return
    for each in one.differences:
        screen.fact(
            "DIFFERS",
            f"grant {short(each.grant)}: creditor {each.creditor_amount} "
            f"({each.creditor_count:,}), debtor {each.debtor_amount} ({each.debtor_count:,})",
        )
    if one.debtor_paid != one.creditor_paid:
        screen.fact(
            "DIFFERS", f"paid: creditor {one.creditor_paid}, debtor {one.debtor_paid or 'unknown'}"
        )
    elif not one.differences:
        screen.fact("", "both sides count the same")


def _show_payee(screen: Screen, one: InvoiceInfo, payee: PayeeInfo, account: AccountInfo) -> None:
    """Whom to pay; where the newest invoice does not say it, which one did."""
    mine = account.owed == "by-me"
    hint = f"; `entrenous accounts qr {account.peer}`" if mine else ""
    if payee.invoice == one.id:
        screen.fact("", f"to {payee.name}, {payee.iban}{hint}")
    else:
        whose = "the invoice" if mine else "your invoice"
        screen.fact(
            "",
            f"it gives no IBAN: still to {payee.name}, {payee.iban}, as {whose} of "
            f"{moment(payee.t_ms)} says ({short(payee.invoice)}){hint}",
        )
    if mine:
        _show_changed(screen, payee, one.payee_before)


def _show_changed(screen: Screen, payee: PayeeInfo, before: PayeeInfo | None) -> None:
    """What speaks for asking the creditor before paying: a changed IBAN is how money is stolen."""
    if before is not None:
        screen.fact(
            "CHANGED",
            f"until {moment(payee.t_ms)} it was {before.iban} ({before.name}), as their invoice of "
            f"{moment(before.t_ms)} says",
        )
    if payee.left:
        screen.fact("BEFORE", "they lost a device they said this: it may be the thief's")
    if before is not None or payee.left:
        screen.fact("", "before you pay, ask them in person or by a number that you had before")


def _id(payment: PaymentInfo) -> str:
    enough = payment.short.removeprefix(HEAD)
    return enough if SHORT_CHARS < len(enough) < 2 * SHORT_CHARS else short(payment.id)


def _draw(found: TransferInfo) -> None:
    """The code, if the terminal is wide enough for it; else the text that stands in it."""
    import segno

    drawn = io.StringIO()
    # EPC069-12: error correction M, version 13 at most, which the payload's size keeps.
    code = segno.make_qr(found.payload, error="m", boost_error=False, encoding="utf-8", mode="byte")
    code.terminal(out=drawn, compact=True, border=2)
    if code.symbol_size(border=2)[0] <= columns_of(sys.stdout):
        print(drawn.getvalue())
    else:
        print(found.payload)
