"""Accounts between two nodes: both count alike, from their own logs; nothing is counted twice."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.node.errors import NodeError
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.store.database import Tx
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
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    a_town,
    both_logs_hold,
    revoke,
    settle,
)

# --- counting -------------------------------------------------------------------------------------


async def test_reads_are_counted_alike_on_both_sides_until_the_cap(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        given = await lend_paid(owner, reader, PER_READ)
        mine, _ = await both(owner, reader)
        assert (mine.accrued, mine.lines) == ("0.00", ())
        for owed in ("0.25", "0.50", "0.60", "0.60"):
            await fetch(reader, owner)
            mine, _ = await both(owner, reader)
            assert mine.accrued == mine.open == owed
        assert [line.amount for line in mine.lines] == ["0.25", "0.25", "0.10"]
        assert {line.grant for line in mine.lines} == {given.cid}
        logged = {one.word.cid for one in await owner.read(owner.node.receipts.all)}
        assert {line.receipt for line in mine.lines} < logged
        await both_logs_hold(owner, reader)


async def test_a_day_is_counted_when_it_is_read_first(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        town.clock.ahead_ms += 8 * DAY_MS
        await lend_paid(owner, reader, Remuneration(1, "EUR", Per.WINDOW_DAY))
        for first, last, owed in ((0, 2, "0.03"), (1, 4, "0.05"), (0, 4, "0.05")):
            await fetch(reader, owner, Window(CURVE, DAY + first, DAY + last))
            mine, _ = await both(owner, reader)
            assert mine.accrued == owed


async def test_months_are_counted_while_the_grant_holds_and_a_paid_grant_is_taken_back_like_any(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        given = await lend_paid(owner, reader, Remuneration(250, "EUR", Per.MONTH))
        mine, _ = await both(owner, reader)
        assert mine.accrued == "2.50"
        town.clock.ahead_ms += 70 * DAY_MS
        mine, _ = await both(owner, reader)
        assert mine.accrued == "7.50"
        assert all(line.receipt is None for line in mine.lines)
        await revoke(owner, given)
        await settle(90)
        with pytest.raises(NodeError):
            await fetch(reader, owner)
        town.clock.ahead_ms += 70 * DAY_MS
        mine, _ = await both(owner, reader)
        assert mine.accrued == "7.50"


async def test_once_is_once_and_what_ends_by_itself_costs_no_more(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, Remuneration(990, "JPY", Per.ONCE))
        town.clock.ahead_ms += 400 * DAY_MS
        await owner.node.keep_house()
        mine, _ = await both(owner, reader)
        assert (mine.accrued, mine.currency) == ("990", "JPY")


async def test_text_is_terms_and_no_account(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, "a discount of 2.50 EUR")
        await fetch(reader, owner)
        assert await client_of(owner).accounts() == await client_of(reader).accounts() == ()


async def test_what_was_never_signed_for_is_shown_and_not_counted(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, PER_READ)
        pair = await reader.peer("alice")

        class Cut(Exception):
            pass

        def dies(*_: object) -> object:
            raise Cut

        keep = reader.node.borrowing.keep
        reader.node.borrowing.keep = dies  # type: ignore[method-assign,assignment]  # a reader that never signs
        with pytest.raises(Cut):
            await reader.node.fetcher.fetch(pair, WEEK)
        reader.node.borrowing.keep = keep
        await settle()
        (mine,) = await client_of(owner).accounts()
        assert (mine.accrued, mine.grants[0].unsigned) == ("0.00", 1)


async def test_of_two_grants_on_the_same_days_the_one_that_costs_nothing_is_read_under(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        await lend_paid(owner, reader, PER_READ)
        await lend_paid(owner, reader, Remuneration(1, "CHF", Per.ONCE))
        await fetch(reader, owner)
        sheets = {one.currency: one for one in await client_of(owner).accounts()}
        assert (sheets["EUR"].accrued, sheets["CHF"].accrued) == ("0.00", "0.01")
        await revoke(owner, (await owner.read(owner.node.lending.all))[1])
        await settle(90)
        await fetch(reader, owner)
        sheets = {one.currency: one for one in await client_of(owner).accounts()}
        assert sheets["EUR"].accrued == "0.25"


async def test_an_owner_that_dates_the_acceptance_back_is_owed_no_month_for_it(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        with_keyset = owner.node.lending._with_keyset  # pyright: ignore[reportPrivateUsage]  # the owner that lies

        def dated_back(tx: Tx, grant: GrantGiven, now_ms: int) -> GrantGiven:
            return with_keyset(tx, grant, now_ms - 365 * DAY_MS)

        owner.node.lending._with_keyset = dated_back  # type: ignore[method-assign]  # it lies
        given = await lend_paid(owner, reader, Remuneration(250, "EUR", Per.MONTH))
        kept = await owner.read(lambda tx: owner.node.lending.get(tx, given.cid))
        assert 0 < kept.n < reader.now_ms - 364 * DAY_MS
        (theirs,) = await client_of(reader).accounts()
        assert theirs.accrued == "2.50"


async def test_what_was_offered_and_never_agreed_to_is_no_account(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await two(town)
        mine, theirs = client_of(owner), client_of(reader)
        request = await ask_paid(reader, owner, PER_READ)
        grant = await mine.grant(request, retention_days=1)
        await settle()
        assert await mine.accounts() == await theirs.accounts() == ()
        await theirs.accept_offer(request)
        await settle()
        (account,) = await mine.accounts()
        assert [one.grant for one in account.grants] == [grant]
        another = await ask_paid(reader, owner, PER_READ, replace(WEEK, last=WEEK.last - 1))
        await mine.grant(another, retention_days=1)
        await settle()
        await theirs.decline_offer(another)
        await settle(5)
        (account,) = await mine.accounts()
        assert [one.grant for one in account.grants] == [grant]
