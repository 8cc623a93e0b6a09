"""Whom to pay: what an invoice said holds until another says otherwise, and a change is shown."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import PersonaKey
from entrenous.node.devices.money_rows import (
    _invoice,  # pyright: ignore[reportPrivateUsage]  # what is read of another device
)
from entrenous.node.devices.money_rows import invoice as joined
from entrenous.node.money.accounts import Owed
from entrenous.node.money.invoices import InvoiceKept
from entrenous.node.results.accounts import InvoiceInfo, TransferInfo
from entrenous.node.store.objects import Kind
from entrenous.protocol.command import Cmd, InvoiceArgs, InvoiceOut
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import WireError
from entrenous.protocol.payment import Invoice, make_invoice
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.tests.node.paid_town import IBAN, client_of, lend_paid, two
from entrenous.tests.node.test_accounts_succession import after
from entrenous.tests.node.test_accounts_succession import two as two_of_whom_one_loses
from entrenous.tests.node.two_nodes import Party, a_town, settle

OTHER = "DE89370400440532013000"
THIRD = "GB82WEST12345698765432"
ONCE = Remuneration(1000, "EUR", Per.ONCE)
KEY = PersonaKey.generate(SeededEntropy(b"creditor"))
DEBTOR = did_of(PersonaKey.generate(SeededEntropy(b"debtor")).public)


def said(t_ms: int, iban: str | None, currency: str = "EUR") -> Invoice:
    return make_invoice(
        KEY,
        to=DEBTOR,
        currency=currency,
        counted=(),
        paid_minor=0,
        name=None if iban is None else "Ann",
        iban=iban,
        t_ms=t_ms,
    )


# --- which it is, in whatever order ---------------------------------------------------------------

INVOICES = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from((None, IBAN, OTHER, THIRD))),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one[0],
)


def by_definition(invoices: list[Invoice]) -> tuple[Invoice, Invoice | None, Invoice | None]:
    """The newest; the newest with an IBAN; the newest before that with another."""
    ordered = sorted(invoices, key=lambda one: one.t_ms)
    payees = [one for one in ordered if one.iban is not None]
    last = payees[-1] if payees else None
    others = [one for one in payees if last is not None and one.iban != last.iban]
    return ordered[-1], last, others[-1] if others else None


@given(INVOICES, st.data())
def test_in_any_order_and_on_any_device_it_is_the_same(
    drawn: list[tuple[int, str | None]], data: st.DataObject
) -> None:
    invoices = [said(t_ms, iban) for t_ms, iban in drawn]
    order = data.draw(st.permutations(invoices))
    cut = data.draw(st.integers(0, len(order)))
    kept = [InvoiceKept.of(one, None) for one in order]
    halves = [reduce(joined, half) for half in (kept[:cut], kept[cut:]) if half]
    found = reduce(joined, halves)
    assert (found.invoice, found.payee, found.before) == by_definition(invoices)
    assert joined(found, found) == found
    assert joined(halves[-1], halves[0]) == joined(halves[0], halves[-1])
    assert InvoiceKept.from_value(found.value()) == found


def test_of_one_invoice_the_count_that_was_heard_stays() -> None:
    one = said(1, IBAN)
    heard = InvoiceKept.of(one, InvoiceOut(one.cid, (), 0))
    for pair in permutations((heard, InvoiceKept.of(one, None))):
        assert joined(*pair) == heard


def test_what_was_kept_before_is_read_and_written_as_it_was() -> None:
    """A home of an older version, and another device that runs one."""
    for iban in (None, IBAN):
        old = {"invoice": said(1, iban).signed.raw, "theirs": None}
        assert InvoiceKept.from_value(old).value() == old
    both = InvoiceKept.of(said(2, None), None).beside(InvoiceKept.of(said(1, IBAN), None))
    with pytest.raises(WireError):
        InvoiceKept.from_value({**old, "more": b""})
    assert set(dict(both.value())) == {"invoice", "theirs", "payee"}  # type: ignore[arg-type]  # a map


# --- between two nodes ----------------------------------------------------------------------------


async def bill(owner: Party, reader: Party, iban: str | None) -> tuple[InvoiceInfo, TransferInfo]:
    """An invoice, with an IBAN or without; it as its debtor has it, and what it would pay."""
    if iban is not None:
        await client_of(owner).set_creditor("Ann", iban)
    await client_of(owner).invoice(reader.name, "EUR", iban=iban is not None)
    await settle()
    (sheet,) = await client_of(reader).accounts()
    assert sheet.invoice is not None
    assert sheet.invoice.iban == iban
    transfer = await client_of(reader).transfer(owner.name)
    assert (transfer.payee, transfer.payee_before) == (
        sheet.invoice.payee,
        sheet.invoice.payee_before,
    )
    return sheet.invoice, transfer


async def test_an_invoice_without_an_iban_takes_none_away(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        first, transfer = await bill(owner, reader, IBAN)
        newer = first
        for _ in range(2):
            town.clock.ahead_ms += 1000
            newer, transfer = await bill(owner, reader, None)
            assert transfer.iban == IBAN
            assert newer.payee is not None
            assert (newer.payee.invoice, newer.payee.t_ms) == (first.id, first.t_ms)
            assert newer.payee_before is None
        # The creditor sees which of its own its debtor goes by.
        (mine,) = await client_of(owner).accounts()
        assert mine.invoice is not None
        assert mine.invoice.payee == newer.payee
        assert IBAN not in repr(transfer)
        assert IBAN not in repr(newer)


async def test_a_changed_iban_is_shown_as_changed(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        await bill(owner, reader, IBAN)
        # The same again is no change; nor is none.  Another is, and stays one, said twice or not.
        expected: list[tuple[str | None, str, str | None]] = [
            (IBAN, IBAN, None),
            (OTHER, OTHER, IBAN),
            (None, OTHER, IBAN),
            (OTHER, OTHER, IBAN),
            (IBAN, IBAN, OTHER),
        ]
        for iban, now, before in expected:
            town.clock.ahead_ms += 1000
            _, transfer = await bill(owner, reader, iban)
            assert (transfer.iban, transfer.payload.splitlines()[6]) == (now, now)
            assert transfer.payee is not None
            assert not transfer.payee.left
            was = transfer.payee_before
            assert (None if was is None else was.iban) == before
            assert was is None or was.t_ms < transfer.payee.t_ms


async def test_one_that_comes_late_may_still_say_whom_to_pay(autojump_clock: MockClock) -> None:
    """Two devices of a creditor, each with its own outbox: an older invoice comes after a newer."""
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        await bill_only(owner)
        pair = await owner.peer("volt")
        key = (await owner.read(lambda tx: owner.node.peers.persona(tx, pair.own))).key
        late = make_invoice(
            key,
            to=Did(pair.their),
            currency="EUR",
            counted=(),
            paid_minor=0,
            name="Ann",
            iban=IBAN,
            t_ms=owner.now_ms - 60_000,
        )
        args = InvoiceArgs(pair.their, late.signed.raw).value()
        await owner.write(
            lambda tx: owner.node.outgoing.put(tx, pair, Cmd.INVOICE, args, owner.now_ms)
        )
        owner.node.outgoing.notify()
        await settle()
        (sheet,) = await client_of(reader).accounts()
        assert sheet.invoice is not None
        assert (sheet.invoice.iban, sheet.invoice.id == late.cid) == (None, False)
        assert (await client_of(reader).transfer("alice")).iban == IBAN


async def bill_only(owner: Party) -> None:
    await client_of(owner).invoice("volt", "EUR", iban=False)
    await settle()


async def test_what_was_said_before_a_device_was_lost_is_told_as_such(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It may be the thief who said it."""
    async with a_town() as town:
        owner, reader, lost = await two_of_whom_one_loses(town, tmp_path, "owner")
        await lend_paid(owner, reader, ONCE)
        await bill(owner, reader, IBAN)
        owner, reader = await after(owner, reader, lost, "owner")
        _, transfer = await bill(owner, reader, None)
        assert transfer.iban == IBAN
        assert transfer.payee is not None
        assert transfer.payee.left
        town.clock.ahead_ms += 1000
        _, transfer = await bill(owner, reader, OTHER)
        assert transfer.payee is not None
        assert transfer.payee_before is not None
        assert (transfer.payee.left, transfer.payee_before.left) == (False, True)


async def test_a_row_of_another_currency_is_not_taken(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        await bill(owner, reader, IBAN)
        (name, kept), *_ = await reader.read(
            lambda tx: reader.node.store.objects.read_all(tx, Kind.INVOICE, InvoiceKept.from_value)
        )
        pair = await reader.peer("alice")
        assert name == [pair.own, pair.their, Owed.BY_ME.value, "EUR"]
        assert _invoice(name, kept.value()) == kept
        wrong = replace(kept, before=said(0, OTHER, "CHF"))
        with pytest.raises(WireError, match="another name"):
            _invoice(name, wrong.value())
