"""Paid terms switched off: nothing asked, granted or read for money, and nothing more owed."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import pytest
from trio.testing import MockClock

from entrenous.node.errors import Exit
from entrenous.node.money.paid_terms import PaidTermsOff
from entrenous.protocol.command import Cmd, WaiveArgs
from entrenous.protocol.errors import Code
from entrenous.protocol.payment import make_waiver
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.window import Window
from entrenous.tests.node.paid_town import (
    DAY_MS,
    PER_READ,
    WEEK,
    ask_paid,
    both,
    client_of,
    fetch,
    lend_paid,
    two,
)
from entrenous.tests.node.two_nodes import CURVE, DAY, a_town, decide, settle

MONTHLY = Remuneration(250, "EUR", Per.MONTH)


@pytest.mark.parametrize("given", [PER_READ, "a discount"])
async def test_requests_with_paid_terms_are_refused_in_one_sentence_and_others_are_not(
    autojump_clock: MockClock, given: Remuneration | str
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        before = await ask_paid(reader, owner, given)
        assert (await client_of(owner).set_paid_terms(on=False)).waived == 0
        await ask_paid(reader, owner, given, days=301)
        refused = (await client_of(reader).asked())[1]
        assert refused.state == "refused"
        assert refused.reason == "paid terms are switched off here: ask without anything in return"
        assert [one.id for one in await client_of(owner).inbox()] == [before]
        with pytest.raises(PaidTermsOff) as raised:
            await decide(owner, before, WEEK)
        assert raised.value.exit is Exit.NOT_ALLOWED
        free = await ask_paid(reader, owner, None)
        await decide(owner, free, WEEK)
        await client_of(owner).set_paid_terms(on=True)
        await decide(owner, before, WEEK)
        assert len(await client_of(reader).grants()) == 2


async def test_standing_licences_stand_and_cost_nothing_more_once_their_reader_can_be_told(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, MONTHLY, Window(CURVE, DAY + 8, DAY + 9))
        await lend_paid(owner, reader, PER_READ)
        await fetch(reader, owner)
        assert (await both(owner, reader))[0].accrued == "2.75"
        await reader.down()
        await settle()
        town.clock.ahead_ms += 40 * DAY_MS
        assert (await client_of(owner).set_paid_terms(on=False)).waived == 2
        assert (await client_of(owner).set_paid_terms(on=False)).waived == 0
        town.clock.ahead_ms += 40 * DAY_MS
        # not told yet, its reader counts on
        assert (await client_of(reader).accounts())[0].accrued == "7.75"
        await reader.up()
        await settle(3600)
        await fetch(reader, owner)  # the licence stands
        mine, theirs = await both(owner, reader)
        assert mine.accrued == "5.25"
        assert all(one.waived_ms is not None for one in (*mine.grants, *theirs.grants))
        # switched on again, what was waived stays so
        await client_of(owner).set_paid_terms(on=True)
        town.clock.ahead_ms += 40 * DAY_MS
        for party in (owner, reader):
            await party.down()
            await party.up()  # with certificates of today
        await fetch(reader, owner)
        assert (await both(owner, reader))[0].accrued == "5.25"


async def test_a_reader_that_switches_off_reads_and_asks_no_more_and_owes_what_it_signed(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        pending = await ask_paid(reader, owner, PER_READ, days=299)
        await lend_paid(owner, reader, MONTHLY)
        await client_of(reader).set_paid_terms(on=False)
        with pytest.raises(PaidTermsOff):
            await ask_paid(reader, owner, PER_READ)
        with pytest.raises(PaidTermsOff):
            await fetch(reader, owner)
        given = await decide(owner, pending, WEEK)
        kept = await owner.read(lambda tx: owner.node.lending.get(tx, given.cid))
        assert kept.keyset is None, "its reader accepted a grant on paid terms"
        town.clock.ahead_ms += 40 * DAY_MS
        assert (await client_of(reader).accounts())[0].accrued == "5.00"
        said = await client_of(reader).account_paid("alice", "5.00", "EUR")
        await settle(60)
        await client_of(owner).account_answer(said.id, confirm=True)


async def test_a_waiver_of_another_persona_waives_nothing(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        given = await lend_paid(owner, reader, PER_READ)
        rogue = await town.rogue("mallory")
        await rogue.meet(reader)
        link = await rogue.greet(reader)
        to = rogue.persona_of(reader)
        waiver = make_waiver(rogue.persona, to=to, grants=[given.cid], t_ms=1)
        answer = await link.say(
            rogue.own(reader, Cmd.WAIVE, WaiveArgs(to, waiver.signed.raw).value())
        )
        assert getattr(answer, "code", None) is Code.OK
        await fetch(reader, owner)
        (theirs,) = await client_of(reader).accounts()
        assert (theirs.accrued, theirs.grants[0].waived_ms) == ("0.25", None)
