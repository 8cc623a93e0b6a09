"""Accounts between two nodes: both count alike, from their own logs; nothing is counted twice."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.account_info import AccountInfo
from entrenous.node.client import Client
from entrenous.node.errors import NodeError
from entrenous.node.grant_given import GrantGiven
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.store.home import Home
from entrenous.protocol.did import Did
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.request import Request
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    TERMS,
    Party,
    Town,
    a_town,
    both_logs_hold,
    decide,
    meet,
    revoke,
    settle,
)

DAY_MS = DAY_S * 1000
IBAN = "FR7630006000011234567890189"
WEEK = Window(CURVE, DAY, DAY + 6)


def client_of(party: Party) -> Client:
    return Client(DirectChannel(Host(party.node, Home(Path("/nowhere")), True, "test")))


async def ask_paid(
    reader: Party, owner: Party, given: Remuneration | str | None, *windows: Window, days: int = 300
) -> bytes:
    pair = await reader.peer(owner.name)
    terms = replace(TERMS, remuneration=given)
    exp_s = reader.now_ms // 1000 + days * DAY_S
    request = Request(Did(pair.own), windows or (WEEK,), terms.purpose, terms, exp_s, "nothing")
    cid = await reader.write(lambda tx: reader.node.borrowing.ask(tx, pair, request, reader.now_ms))
    await settle()
    return cid


async def lend_paid(
    owner: Party,
    reader: Party,
    given: Remuneration | str,
    *windows: Window,
    days: int = 200,
) -> GrantGiven:
    cid = await ask_paid(reader, owner, given, *windows)
    return await decide(owner, cid, *(windows or (WEEK,)), days=days)


async def two(town: Town) -> tuple[Party, Party]:
    owner, reader = await town.party("alice"), await town.party("volt")
    await meet(owner, reader)
    await owner.fill(CURVE, DAY, 10)
    return owner, reader


async def fetch(reader: Party, owner: Party, window: Window = WEEK) -> None:
    await reader.node.fetcher.fetch(await reader.peer(owner.name), window)
    await settle()


async def both(owner: Party, reader: Party) -> tuple[AccountInfo, AccountInfo]:
    """The one account that there is, as both see it; that they agree is checked here."""
    (mine,) = await client_of(owner).accounts()
    (theirs,) = await client_of(reader).accounts()
    assert (mine.owed, theirs.owed) == ("to-me", "by-me")
    same = ("currency", "accrued", "paid", "open")
    assert [getattr(mine, key) for key in same] == [getattr(theirs, key) for key in same]
    stands = [[(one.t_ms, one.count, one.amount, one.receipt) for one in side.lines]
              for side in (mine, theirs)]  # fmt: skip  # one expression
    assert stands[0] == stands[1]
    return mine, theirs


PER_READ = Remuneration(25, "EUR", Per.READ, 60)


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
        reader.node.borrowing.keep = keep  # type: ignore[method-assign]
        await settle()
        (mine,) = await client_of(owner).accounts()
        assert (mine.accrued, mine.grants[0].unsigned) == ("0.00", 1)
