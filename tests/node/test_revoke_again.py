"""A grant that was taken back, named once more: when it ended is told, and nothing changes."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.errors import Refused
from entrenous.node.grants.lent_on import LentOnSide
from entrenous.node.results.grants import Revoked, RevokedBefore
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.lost_device import a_theft, came_back, client_of
from entrenous.tests.node.test_processor_followed import chain
from entrenous.tests.node.test_processor_renewal import DAYS as TEN_DAYS
from entrenous.tests.node.test_processor_renewal import lent_on_by, live
from entrenous.tests.node.test_processor_renewal import renewed as renewed_grant
from entrenous.tests.node.test_processors import lent, trade
from entrenous.tests.node.test_renewal import renewed
from entrenous.tests.node.test_succession import lent_to_bank, read
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, lend, meet, settle

DAYS = Window(CURVE, DAY, DAY + 4)


async def _traces(party: Party) -> object:
    """What would show that something was signed, or is to be said, or has new keys."""
    status = await client_of(party).status()
    gen = await party.read(lambda tx: party.node.vault.collections.generation(tx, CURVE))
    lines = await party.read(party.node.lending.lines.all)
    return status.log_size, status.outbox, gen, lines


async def test_it_is_told_when_and_nothing_changes(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank, shop = [await town.party(name) for name in ("alice", "bank", "shop")]
        for reader in (bank, shop):
            await meet(alice, reader)
        await alice.fill(CURVE, DAY, 5)
        given = await lend(alice, bank, DAYS)
        other = await lend(alice, bank, Window(CURVE, DAY + 4, DAY + 4))
        await lend(alice, shop, DAYS)
        await settle()
        owner = client_of(alice)
        at_ms = alice.now_ms
        done = await owner.revoke(given.cid)
        assert (done.grants, done.before, done.survivors) == ((given.cid,), (), 2)
        town.clock.ahead_ms += 60_000
        await settle()
        before = await _traces(alice)
        again = await owner.revoke(given.cid)
        # What the same reader reads all the same is told again: that may be what they wonder about.
        assert again == Revoked((), 0, (other.cid,), before=(RevokedBefore(given.cid, at_ms),))
        assert await _traces(alice) == before
        # Of all that a peer has, only what holds is meant.
        assert (await owner.revoke_peer("bank")).grants == (other.cid,)
        assert await owner.revoke_peer("bank") == Revoked((), 0, ())


async def test_what_goes_on_from_it_is_taken_back(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Its owner's device was stolen: the grant that they wrote down ended, and goes on in another.
    Who takes it back means both."""
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        await lost.stolen()
        back = await came_back(lost)
        old, new = await back.read(back.node.lending.all)
        assert await read(bank) == 5
        done = await client_of(back).revoke(old.cid)
        assert done.grants == (new.cid,)
        assert done.before == (RevokedBefore(old.cid, old.ended_ms),)
        with pytest.raises(Refused, match="taken back"):
            await read(bank)


@pytest.mark.parametrize("which", range(4))
async def test_one_that_was_renewed_and_then_given_again_is_one(
    which: int, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It goes on in two: in what renewed it, and in what was given in its place.  Whichever of the
    four a person names, they mean all that still stand."""
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        (old,) = await lost.alice.read(lost.alice.node.lending.all)
        await renewed(lost.alice, old, 40)
        await settle()
        await lost.stolen()
        back = await came_back(lost)
        all_four = await back.read(back.node.lending.all)
        standing = {one.cid for one in all_four if one.status(back.now_ms) is GrantStatus.LIVE}
        assert (len(all_four), len(standing)) == (4, 2)
        done = await client_of(back).revoke(all_four[which].cid)
        assert (set(done.grants), done.still) == (standing, ())
        with pytest.raises(Refused, match="taken back"):
            await read(bank)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("side", LentOnSide)
async def test_what_was_lent_on_of_such_a_grant_is_one(
    side: LentOnSide, which: int, autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with chain("ada", tmp_path) as followed:
        (given,) = await followed.one.ada.read(followed.one.ada.node.lending.all)
        await renewed_grant(followed.one, given, 3 * TEN_DAYS)
        one = await followed.comes_back()
        who = one.utility if side is LentOnSide.GIVEN else one.ada
        all_four = await lent_on_by(who, side)
        standing = set(await live(who, side))
        assert (len(all_four), len(standing)) == (4, 2)
        done = await client_of(who).revoke(all_four[which].cid)
        assert set(done.grants) == standing
        assert {one.grant for one in done.before}.isdisjoint(standing)
        assert all(one.ended_ms is not None for one in done.before)
        assert await live(who, side) == []


@pytest.mark.parametrize("side", LentOnSide)
async def test_what_was_lent_on_too(side: LentOnSide, autojump_clock: MockClock) -> None:
    async with a_town() as town:
        one = await trade(town)
        _, made = await lent(one)
        who = one.utility if side is LentOnSide.GIVEN else one.ada
        at_ms = who.now_ms
        assert (await client_of(who).revoke(made.cid)).grants == (made.cid,)
        town.clock.ahead_ms += 60_000
        await settle()
        before = await _traces(who)
        expected = Revoked((), 0, (), before=(RevokedBefore(made.cid, at_ms),))
        assert await client_of(who).revoke(made.cid) == expected
        assert await _traces(who) == before
        assert [it.ended_ms for it in await lent_on_by(who, side)] == [at_ms]
