"""Payments and invoices: said, answered, kept by both; and what a hostile peer can say of them."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import pytest
from trio.testing import MockClock

from entrenous.crypto.keys import PersonaKey
from entrenous.node.errors import NotFound, Refused, UsageError
from entrenous.node.exchange.visit import LEAVE_MAX, LEAVE_OF_INVOICE
from entrenous.node.log import mentioned
from entrenous.node.log.receipts import Logged, Way, logged_of
from entrenous.node.money.payments import PAYMENTS_WAITING_MAX
from entrenous.node.results.accounts import PaymentInfo
from entrenous.node.store.log import LogEntry
from entrenous.protocol.cid import cid_of
from entrenous.protocol.command import AcknowledgeArgs, Cmd, InvoiceArgs, PaidArgs
from entrenous.protocol.did import Did
from entrenous.protocol.errors import Code
from entrenous.protocol.payment import (
    Counted,
    Payment,
    PaymentWord,
    make_acknowledgement,
    make_invoice,
    make_payment,
    parse_acknowledgement,
)
from entrenous.protocol.receipt import Answer
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.wire import Value
from entrenous.tests.node.paid_town import (
    IBAN,
    PER_READ,
    both,
    client_of,
    fetch,
    lend_paid,
    two,
)
from entrenous.tests.node.two_nodes import (
    Party,
    RawLink,
    Rogue,
    Town,
    a_town,
    both_logs_hold,
    settle,
)

ONCE = Remuneration(1000, "EUR", Per.ONCE)


async def payments(party: Party) -> list[PaymentInfo]:
    return [one for sheet in await client_of(party).accounts() for one in sheet.payments]


async def outs(party: Party, way: Way) -> list[Value]:
    words = [one for one in await party.read(party.node.receipts.all) if one.way is way]
    return [one.word.out for one in words if isinstance(one.word, Answer)]


async def test_a_payment_counts_on_both_sides_once_it_is_confirmed_and_both_logs_name_it(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        said = await client_of(reader).account_paid("alice", "4.00", "EUR", "for March")
        assert said.state == "said"
        await settle()
        (here,), (there,) = await payments(owner), await payments(reader)
        assert (here.state, there.state, here.note) == ("heard", "heard", "for March")
        mine, theirs = await both(owner, reader)
        assert (mine.open, mine.said, theirs.said) == ("10.00", "4.00", "4.00")

        await client_of(owner).account_answer(said.id, confirm=True)
        await client_of(owner).account_answer(said.id, confirm=True)  # again changes nothing
        await settle()
        mine, theirs = await both(owner, reader)
        assert (mine.open, mine.paid, mine.said, theirs.said) == ("6.00", "4.00", "0.00", "0.00")
        assert [one.state for one in theirs.payments] == ["confirmed"]

        # The payment is named in the creditor's signed answer, the confirmation in the debtor's.
        (kept,) = await reader.read(reader.node.payments.all)
        assert kept.word is not None
        for party, way in ((owner, Way.GIVEN), (reader, Way.TAKEN)):
            assert (await outs(party, way)).count(said.id) == 1
        word = parse_acknowledgement(kept.word).signed.cid
        for party, way in ((owner, Way.TAKEN), (reader, Way.GIVEN)):
            assert (await outs(party, way)).count(word) == 1
        await both_logs_hold(owner, reader)


async def test_a_dispute_says_why_and_may_become_a_confirmation_and_never_the_other_way(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        said = await client_of(reader).account_paid("alice", "10.00", "EUR")
        await settle()
        mine = client_of(owner)
        await mine.account_answer(said.id, confirm=False, reason="nothing came")
        await settle()
        (there,) = await payments(reader)
        assert (there.state, there.reason) == ("disputed", "nothing came")
        # Said again without a word it changes nothing; what is said otherwise is told.
        for reason in ("", "only 5.00 came"):
            await mine.account_answer(said.id, confirm=False, reason=reason)
            await settle()
            (there,) = await payments(reader)
            assert (there.state, there.reason) == ("disputed", reason or "nothing came")
        assert (await both(owner, reader))[0].open == "10.00"
        await mine.account_answer(said.id, confirm=True)
        await settle()
        assert (await both(owner, reader))[0].open == "0.00"
        with pytest.raises(UsageError, match="final"):
            await mine.account_answer(said.id, confirm=False)


async def test_payments_wait_for_a_peer_that_is_away_and_two_of_one_sum_are_two(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        await owner.down()
        await settle()
        for _ in range(2):
            await client_of(reader).account_paid("alice", "1.00", "EUR")
        assert [one.state for one in await payments(reader)] == ["said", "said"]
        await owner.up()
        await settle(600)
        assert [one.state for one in await payments(owner)] == ["heard", "heard"]
        assert len({one.id for one in await payments(owner)}) == 2


async def test_nobody_pays_for_what_was_not_lent(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        with pytest.raises(UsageError, match="nothing to pay"):
            await client_of(reader).account_paid("alice", "1.00", "EUR")
        await lend_paid(owner, reader, ONCE)
        with pytest.raises(UsageError, match="nothing to pay"):
            await client_of(reader).account_paid("alice", "1.00", "CHF")
        for amount, currency in (("1.005", "EUR"), ("0", "EUR"), ("1", "euro"), ("1", "XXX")):
            with pytest.raises(UsageError):
                await client_of(reader).account_paid("alice", amount, currency)
        with pytest.raises(NotFound):
            await client_of(reader).account_paid("nobody", "1.00", "EUR")
        with pytest.raises(NotFound):
            await client_of(owner).account_answer("aaaaaaaa", confirm=True)
        said = await client_of(reader).account_paid("alice", "1.00", "EUR")
        with pytest.raises(NotFound, match="no peer said this payment"):
            await client_of(reader).account_answer(said.id, confirm=True)


# --- invoices -------------------------------------------------------------------------------------


async def test_an_invoice_is_answered_with_the_debtors_own_count(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, PER_READ)
        await fetch(reader, owner)
        await client_of(owner).invoice("volt", "EUR", iban=False)
        await settle()
        mine, theirs = await both(owner, reader)
        for side in (mine, theirs):
            assert side.invoice is not None
            assert (side.invoice.open, side.invoice.answered) == ("0.25", True)
            assert side.invoice.differences == ()
            assert side.invoice.iban is None
        await fetch(reader, owner)  # what comes later is no difference
        (theirs,) = await client_of(reader).accounts()
        assert theirs.invoice is not None
        assert theirs.invoice.differences == ()


async def test_a_difference_is_shown_to_both(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        given = await lend_paid(owner, reader, PER_READ)
        await fetch(reader, owner)
        reads = owner.node.accounts._reads  # pyright: ignore[reportPrivateUsage]  # an owner that counts twice

        def twice(*args: object) -> object:
            found = reads(*args)  # type: ignore[arg-type]  # handed through
            for one in found.values():
                one.signed = [*one.signed, *(type(w)(w.receipt + b"", cid_of(b"x"), w.t_ms, w.first,
                                                     w.last) for w in one.signed)]  # fmt: skip
            return found

        owner.node.accounts._reads = twice  # type: ignore[method-assign,assignment]  # it counts twice
        await client_of(owner).invoice("volt", "EUR", iban=False)
        await settle()
        for party in (owner, reader):
            (sheet,) = await client_of(party).accounts()
            assert sheet.invoice is not None
            (differs,) = sheet.invoice.differences
            assert differs.grant == given.cid
            assert (differs.creditor_amount, differs.debtor_amount) == ("0.50", "0.25")


async def test_an_iban_goes_only_where_the_person_sends_it(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        mine, theirs = client_of(owner), client_of(reader)
        with pytest.raises(UsageError, match="no IBAN is set"):
            await mine.invoice("volt", "EUR", iban=True)
        with pytest.raises(UsageError, match="no IBAN") as wrong:
            await mine.set_creditor("Ann", IBAN.replace("7630", "7631"))
        assert "7631" not in str(wrong.value)
        spaced = " ".join(IBAN[at : at + 4] for at in range(0, len(IBAN), 4))
        await mine.set_creditor("  Ann   Example ", spaced.lower())
        assert await mine.creditor() == (await mine.set_creditor("Ann Example", IBAN))

        await mine.invoice("volt", "EUR", iban=False)
        await settle()
        with pytest.raises(NotFound, match="nobody's IBAN is known here"):
            await theirs.transfer("alice")
        town.clock.ahead_ms += 1000
        await mine.invoice("volt", "EUR", iban=True)
        await settle()
        found = await theirs.transfer("alice")
        assert (found.name, found.iban, found.amount) == ("Ann Example", IBAN, "10.00")
        assert found.payload.splitlines()[6:8] == [IBAN, "EUR10.00"]
        assert (await mine.transfer("volt", "2.50")).amount == "2.50"
        assert IBAN not in repr(found)
        assert IBAN not in repr(await mine.creditor())
        await mine.set_creditor(None, None)
        assert (await mine.creditor()).iban is None


async def test_a_transfer_code_is_for_euros_only(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, Remuneration(990, "CHF", Per.ONCE))
        await client_of(owner).set_creditor("Ann", IBAN)
        with pytest.raises(UsageError, match="in CHF: the code of a SEPA transfer is for EUR only"):
            await client_of(owner).transfer("volt")


# --- peers that play by no rules ------------------------------------------------------------------


async def rogue_reader(town: Town) -> tuple[Party, Party, Rogue, RawLink]:
    owner, reader = await two(town)
    await lend_paid(owner, reader, ONCE)
    rogue = await town.rogue("mallory")
    await rogue.meet(owner)
    return owner, reader, rogue, await rogue.greet(owner)


def payment_of(key: PersonaKey, to: Did, rogue: Rogue) -> Payment:
    return make_payment(
        key, to=to, amount_minor=1, currency="EUR", note="", t_ms=1, entropy=rogue.entropy
    )


async def code(link: RawLink, rogue: Rogue, party: Party, cmd: Cmd, args: object) -> Code:
    answer = await link.say(rogue.own(party, cmd, args.value()))  # type: ignore[attr-defined]  # args of a command
    assert isinstance(answer, Answer), answer
    return answer.code


async def test_a_forged_payment_or_word_changes_nothing(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader, rogue, link = await rogue_reader(town)
        await client_of(reader).account_paid("alice", "10.00", "EUR")
        await settle()
        own = rogue.persona_of(owner)
        honest = await reader.peer("alice")
        raw = (await owner.read(owner.node.payments.all))[0].payment

        # nothing was lent to it; another's payment; one for another; a word on what is not its own
        mallorys = payment_of(rogue.persona, own, rogue)
        assert (
            await code(link, rogue, owner, Cmd.PAID, PaidArgs(own, mallorys.signed.raw))
            is Code.UNKNOWN_GRANT
        )
        stolen = PaidArgs(own, raw.signed.raw)
        assert await code(link, rogue, owner, Cmd.PAID, stolen) is Code.AUDIENCE
        elsewhere = payment_of(rogue.persona, honest.their, rogue)
        forged = PaidArgs(own, elsewhere.signed.raw)
        assert await code(link, rogue, owner, Cmd.PAID, forged) is Code.AUDIENCE
        word = make_acknowledgement(
            rogue.persona, raw, word=PaymentWord.CONFIRMED, reason="", t_ms=1
        )
        args = AcknowledgeArgs(own, word.signed.raw)
        assert await code(link, rogue, owner, Cmd.ACKNOWLEDGE, args) is Code.AUDIENCE
        invoice = make_invoice(
            rogue.persona, to=own, currency="EUR", counted=[Counted(cid_of(b"g"), 1, 10**9)],
            paid_minor=0, name="Mallory", iban=IBAN, t_ms=rogue.now_ms,
        )  # fmt: skip  # a table
        bill = InvoiceArgs(own, invoice.signed.raw)
        assert await code(link, rogue, owner, Cmd.INVOICE, bill) is Code.UNKNOWN_GRANT
        cut = PaidArgs(own, mallorys.signed.raw[:-1])
        assert await code(link, rogue, owner, Cmd.PAID, cut) is Code.MALFORMED
        assert [one.state for one in await payments(owner)] == ["heard"]


async def test_a_debtor_cannot_confirm_its_own_payment_nor_pester(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, ONCE)
        pair = await reader.peer("alice")
        await client_of(reader).account_paid("alice", "10.00", "EUR")
        await settle()
        key = (await reader.read(lambda tx: reader.node.peers.persona(tx, pair.own))).key
        (kept,) = await reader.read(reader.node.payments.all)
        word = make_acknowledgement(
            key, kept.payment, word=PaymentWord.CONFIRMED, reason="", t_ms=1
        )
        args = AcknowledgeArgs(pair.their, word.signed.raw)
        answer = (await reader.node.exchange.say(pair, Cmd.ACKNOWLEDGE, args.value())).answer
        assert answer.code is Code.AUDIENCE
        assert (await payments(owner))[0].state == "heard"
        for _ in range(PAYMENTS_WAITING_MAX + 3):
            await client_of(reader).account_paid("alice", "0.01", "EUR")
        await settle(30)
        assert len(await payments(owner)) == PAYMENTS_WAITING_MAX
        refused = [one for one in await payments(reader) if one.state == "refused"]
        assert len(refused) == 4
        assert all("too many payments wait" in one.reason for one in refused)


async def test_an_invoice_costs_its_debtor_what_it_is_about(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its debtor counts anew before it answers: the reads under grants of the two, not its whole
    log; and not as often as a creditor likes."""
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, PER_READ)
        await fetch(reader, owner)
        for _ in range(12):
            await client_of(reader).account_paid("alice", "0.01", "EUR")
        await settle(30)
        await reader.node.rows.catch_up()

        opened: list[LogEntry] = []

        def watched(entry: LogEntry) -> Logged:
            opened.append(entry)
            return logged_of(entry)

        monkeypatch.setattr(mentioned, "logged_of", watched)
        pair = await owner.peer("volt")
        persona = await owner.read(lambda tx: owner.node.peers.persona(tx, pair.own))

        async def bill() -> Answer:
            invoice = make_invoice(
                persona.key, to=pair.their, currency="EUR", counted=[], paid_minor=0, name=None,
                iban=None, t_ms=owner.now_ms,
            )  # fmt: skip  # a table
            args = InvoiceArgs(pair.their, invoice.signed.raw)
            return (await owner.node.exchange.say(pair, Cmd.INVOICE, args.value())).answer

        assert await reader.read(reader.node.store.log.size) > 12
        assert (await bill()).code is Code.OK
        assert 0 < len(opened) < 10
        answered = 1
        refused: Refused | None = None
        while refused is None and answered < 100:
            try:
                await bill()
                answered += 1
            except Refused as error:
                refused = error
        assert refused is not None
        assert refused.code == Code.BUSY.value
        assert answered * LEAVE_OF_INVOICE <= LEAVE_MAX
