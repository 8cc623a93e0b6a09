"""A device is stolen from one of two with an account: what was agreed is owed once, and goes on."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.config import Role
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.window import Window
from entrenous.tests.node.lost_device import Lost, came_back, with_words
from entrenous.tests.node.paid_town import both, client_of, fetch, lend_paid
from entrenous.tests.node.two_nodes import CURVE, DAY, DAY_S, Party, Town, a_town, meet, settle

DAY_MS = DAY_S * 1000
WEEK = Window(CURVE, DAY - 8, DAY - 2)
SOME = Window(CURVE, DAY - 8, DAY - 6)
WHO = pytest.mark.parametrize("who", ["owner", "reader"])


async def two(town: Town, tmp_path: Path, who: str) -> tuple[Party, Party, Lost]:
    """The owner of the data, and who pays for reading it; one of them is to lose a device."""
    name, other = ("alice", "volt") if who == "owner" else ("volt", "alice")
    lost = await with_words(town, tmp_path, name, Role.PERSON)
    party = await town.party(other)
    owner, reader = (lost.alice, party) if who == "owner" else (party, lost.alice)
    await meet(owner, reader)
    await owner.fill(CURVE, DAY - 8, 10)
    return owner, reader, lost


async def accrued(owner: Party, reader: Party, *, paid: bool = False) -> int:
    """Cents that are owed, as both see it; with `paid`, that are open."""
    (mine, _) = await both(owner, reader)
    return round(float(mine.open if paid else mine.accrued) * 100)


async def after(owner: Party, reader: Party, lost: Lost, who: str) -> tuple[Party, Party]:
    back = await came_back(lost)
    await settle(600)
    return (back, reader) if who == "owner" else (owner, back)


@WHO
@pytest.mark.parametrize(
    ("per", "owed"),
    [(Per.ONCE, [30, 30, 30]), (Per.READ, [30, 60, 60]), (Per.WINDOW_DAY, [90, 210, 210])],
)
async def test_what_is_owed_is_counted_on(
    autojump_clock: MockClock, tmp_path: Path, who: str, per: Per, owed: list[int]
) -> None:
    """Once is once; a day that was read before costs nothing again; another read costs."""
    async with a_town() as town:
        owner, reader, lost = await two(town, tmp_path, who)
        await lend_paid(owner, reader, Remuneration(30, "EUR", per), WEEK)
        await fetch(reader, owner, SOME)
        assert await accrued(owner, reader) == owed[0]
        owner, reader = await after(owner, reader, lost, who)
        assert await accrued(owner, reader) == owed[0]
        await fetch(reader, owner, WEEK)
        assert await accrued(owner, reader) == owed[1]
        # And once more, when the other device of the thief has nothing to say.
        town.clock.ahead_ms += 40 * DAY_MS
        assert await accrued(owner, reader) == owed[2]


@WHO
async def test_months_go_on_from_the_first_and_a_cap_holds_for_all(
    autojump_clock: MockClock, tmp_path: Path, who: str
) -> None:
    async with a_town() as town:
        owner, reader, lost = await two(town, tmp_path, who)
        await lend_paid(owner, reader, Remuneration(10, "EUR", Per.MONTH, 35))
        town.clock.ahead_ms += 40 * DAY_MS
        assert await accrued(owner, reader) == 20
        owner, reader = await after(owner, reader, lost, who)
        assert await accrued(owner, reader) == 20
        town.clock.ahead_ms += 31 * DAY_MS
        assert await accrued(owner, reader) == 30
        town.clock.ahead_ms += 62 * DAY_MS
        assert await accrued(owner, reader) == 35


@WHO
async def test_payments_before_and_after_count(
    autojump_clock: MockClock, tmp_path: Path, who: str
) -> None:
    async with a_town() as town:
        owner, reader, lost = await two(town, tmp_path, who)
        await lend_paid(owner, reader, Remuneration(100, "EUR", Per.ONCE))
        first = await client_of(reader).account_paid("alice", "0.40", "EUR")
        await settle()
        await client_of(owner).account_answer(first.id, confirm=True)
        await settle()
        assert await accrued(owner, reader, paid=True) == 60
        owner, reader = await after(owner, reader, lost, who)
        assert await accrued(owner, reader, paid=True) == 60
        second = await client_of(reader).account_paid("alice", "0.35", "EUR")
        await settle()
        await client_of(owner).account_answer(second.id, confirm=True)
        await settle()
        assert await accrued(owner, reader, paid=True) == 25


async def test_a_payment_that_was_said_before_is_heard_after(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It waited in the outbox while its debtor became somebody else."""
    async with a_town() as town:
        owner, reader, lost = await two(town, tmp_path, "reader")
        await lend_paid(owner, reader, Remuneration(100, "EUR", Per.ONCE))
        await owner.down()
        said = await client_of(reader).account_paid("alice", "0.40", "EUR")
        await settle()
        back = await came_back(lost)
        await owner.up()
        await settle(1200)
        await client_of(owner).account_answer(said.id, confirm=True)
        await settle()
        assert await accrued(owner, back, paid=True) == 60
