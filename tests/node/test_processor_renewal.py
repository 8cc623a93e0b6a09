"""A grant goes on, or its owner or reader becomes somebody else: what was lent on of it goes on."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import given as drawn
from hypothesis import strategies as st

from entrenous.node.config import Role
from entrenous.node.errors import NodeError, NotAllowed
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.lent_on import LentOn, LentOnSide
from entrenous.node.grants.lent_on_again import windows_after
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window, within
from entrenous.tests.node.lost_device import came_back, with_words
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.test_operations import client_of
from entrenous.tests.node.test_processors import (
    ALL,
    PART,
    Trade,
    granted,
    lend_on,
    named,
    reads,
    trade,
)
from entrenous.tests.node.two_nodes import CURVE, DAY, DAY_S, Party, a_town, meet, settle

# A grant of ten days on fourteen that were asked for, lent on whole until its end.
DAYS = 10
FIRST = Window(CURVE, DAY, DAY + 3)


async def lent_on_by(party: Party, side: LentOnSide = LentOnSide.GIVEN) -> list[LentOn]:
    return [one for one in await party.read(party.node.lending_on.all) if one.side is side]


async def live(party: Party, side: LentOnSide) -> list[bytes]:
    now_ms = party.now_ms
    status = party.node.lending_on.status
    found = await lent_on_by(party, side)
    return [
        one.cid
        for one in found
        if await party.read(lambda tx, one=one: status(tx, one, now_ms)) is GrantStatus.LIVE
    ]


async def lent_to_the_end(one: Trade, given: GrantGiven) -> LentOn:
    """All of a grant is lent on, until it ends."""
    windows = [
        replace(it, last=min(it.last, given.exp_s // DAY_S + 25_567)) for it in given.windows
    ]
    return await lend_on(one, given.cid, *windows, exp_s=given.exp_s)


async def renewed(one: Trade, old: GrantGiven, days: int) -> GrantGiven:
    ada = one.ada
    exp_s = ada.now_ms // 1000 + days * DAY_S
    new = await ada.write(lambda tx: ada.node.renewals.renew(tx, old.cid, exp_s, ada.now_ms))
    await settle(5)
    return new


async def test_a_renewed_grant_is_lent_on_by_itself(autojump_clock: trio.testing.MockClock) -> None:
    """Under the same terms, which its owner has seen; the processor reads when the first has
    ended, and who takes back one takes back what goes on from it."""
    async with a_town() as town:
        one = await trade(town)
        given = await granted(one, await named(one), days=DAYS)
        made = await lent_to_the_end(one, given)
        assert await reads(one, FIRST) == 4
        new = await renewed(one, given, 3 * DAYS)
        for party, side in ((one.utility, LentOnSide.GIVEN), (one.ada, LentOnSide.HERE)):
            found = await lent_on_by(party, side)
            assert {it.root for it in found} == {given.cid, new.cid}
            (fresh,) = [it for it in found if it.root == new.cid]
            assert fresh.reader == made.reader
            assert fresh.bundle.terms == made.bundle.terms
            assert fresh.bundle.grant.exp_s == new.exp_s
            assert within(fresh.windows, new.windows)
        town.clock.ahead_ms += (DAYS + 1) * DAY_S * 1000
        await settle(5)
        assert await reads(one, ALL) == 14
        # Renewed twice, and taken back by the newest.
        newest = await renewed(one, new, 5 * DAYS)
        assert await reads(one, ALL) == 14
        (last,) = [it for it in await lent_on_by(one.ada, LentOnSide.HERE) if it.root == newest.cid]
        done = await client_of(one.ada).revoke(last.cid)
        assert len(done.revocations) == 3
        with pytest.raises(NodeError, match="taken back"):
            await reads(one, FIRST)
        await settle(5)
        assert await live(one.utility, LentOnSide.GIVEN) == []


async def test_the_one_who_lends_on_takes_back_all_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        given = await granted(one, await named(one), days=DAYS)
        made = await lent_to_the_end(one, given)
        beside = await lend_on(one, given.cid, PART, days=2)
        await renewed(one, given, 3 * DAYS)
        await client_of(one.utility).revoke(made.cid)
        await settle(5)
        # Not what was lent on beside it.
        assert await live(one.utility, LentOnSide.GIVEN) == [beside.cid]
        assert await live(one.ada, LentOnSide.HERE) == [beside.cid]


@pytest.mark.parametrize("why", ["taken back", "shorter"])
async def test_what_has_ended_or_was_for_less_does_not_go_on(
    why: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with a_town() as town:
        one = await trade(town)
        given = await granted(one, await named(one), days=DAYS)
        shorter = why == "shorter"
        made = await (lend_on(one, given.cid, days=3) if shorter else lent_to_the_end(one, given))
        utility = one.utility
        if why == "taken back":
            await utility.write(
                lambda tx: utility.node.lending_on.revoke(tx, made.cid, utility.now_ms)
            )
        await renewed(one, given, 3 * DAYS)
        assert [it.cid for it in await lent_on_by(utility)] == [made.cid]
        # The grant itself has gone on, with its keys.
        newest = (await utility.read(utility.node.borrowing.all))[-1]
        assert newest.keysets


async def test_two_devices_of_a_reader_lend_on_the_very_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Each of them got the keys of the renewed grant from its owner, while they were apart."""
    async with a_town() as town:
        one = await trade(town)
        branch = await another(town, one.utility, "branch")
        given = await granted(one, await named(one), days=DAYS)
        await in_step(one.utility, branch)
        await lent_to_the_end(one, given)
        await in_step(one.utility, branch)
        new = await renewed(one, given, 3 * DAYS)
        await in_step(one.utility, branch)
        await same(one.utility, branch)
        (mine,) = [it for it in await lent_on_by(one.utility) if it.root == new.cid]
        (theirs,) = [it for it in await lent_on_by(branch) if it.root == new.cid]
        assert mine.cid == theirs.cid
        assert len(await lent_on_by(one.ada, LentOnSide.HERE)) == 2


@pytest.mark.parametrize("who", ["owner", "reader"])
async def test_lent_on_again_when_one_of_the_two_is_somebody_else(
    who: str, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """The device of one was stolen: the grant is given again between who they are now."""
    async with a_town() as town:
        lost = await with_words(
            town, tmp_path, "lost", Role.PERSON if who == "owner" else Role.ORGANISATION
        )
        other = await town.party("other", Role.PERSON if who == "reader" else Role.ORGANISATION)
        ada, utility = (lost.alice, other) if who == "owner" else (other, lost.alice)
        processor = await town.party("processor", Role.ORGANISATION)
        ada.name, utility.name = "ada", "utility"
        await meet(ada, utility)
        await meet(utility, processor)
        await ada.fill(CURVE, DAY, 14)
        customer = await processor.peer("utility")
        await processor.write(
            lambda tx: processor.node.processors.process_for(tx, customer, processor.now_ms)
        )
        await settle()
        one = Trade(town, ada, utility, processor)
        given = await granted(one, await named(one))
        made = await lent_to_the_end(one, given)
        assert await reads(one, FIRST) == 4
        back = await came_back(lost)
        if who == "reader":
            # What it lends on waits for it too, and goes on in what was given again meanwhile.
            assert len(await lent_on_by(back)) == 1
            await client_of(back).keep(made.cid)
        one = replace(one, ada=back) if who == "owner" else replace(one, utility=back)
        await settle(600)
        found = await lent_on_by(one.utility)
        assert len(found) == 2
        assert found[0].cid == made.cid
        assert found[0].ended_ms is not None
        assert await live(one.utility, LentOnSide.GIVEN) == [found[1].cid]
        assert found[1].cid in await live(one.ada, LentOnSide.HERE)
        known = {
            pair.their_now: pair for pair in await processor.read(processor.node.peers.reading)
        }
        lent = await processor.node.fetcher.fetch(
            known[found[1].owner], ALL, principal=await processor.peer("utility")
        )
        assert lent.batch is not None
        assert len(lent.batch) // 24 == 14


async def test_a_processor_that_lost_a_device_is_named_anew(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Its owner agreed to a persona, and sees the next one before it reads: a sentence says so, to
    the one who lends on and to the processor."""
    async with a_town() as town:
        lost = await with_words(town, tmp_path, "processor", Role.ORGANISATION)
        lost.alice.name = "processor"
        ada = await town.party("ada")
        utility = await town.party("utility", Role.ORGANISATION)
        await meet(ada, utility)
        await meet(utility, lost.alice)
        await ada.fill(CURVE, DAY, 14)
        customer = await lost.alice.peer("utility")
        process_for = lost.alice.node.processors.process_for
        await lost.alice.write(lambda tx: process_for(tx, customer, lost.alice.now_ms))
        one = Trade(town, ada, utility, lost.alice)
        given = await granted(one, await named(one), days=DAYS)
        made = await lent_to_the_end(one, given)
        assert await reads(one, FIRST) == 4
        one = replace(one, processor=await came_back(lost))
        await settle(600)
        await renewed(one, given, 3 * DAYS)
        # Not by itself, and not by hand either.
        assert [it.cid for it in await lent_on_by(utility)] == [made.cid]
        with pytest.raises(NotAllowed, match="name who processor was before it lost a device"):
            await client_of(utility).lend_on("processor", "ada", [FIRST], given.exp_s)
        with pytest.raises(NotAllowed, match="lent on to who this node was before"):
            await reads(one, FIRST)
        # She agrees to who it is now.
        again = await granted(one, await named(one), days=DAYS)
        await lent_to_the_end(one, again)
        owner = await one.processor.read(one.processor.node.peers.reading)
        lent = await one.processor.node.fetcher.fetch(
            owner[-1], FIRST, principal=await one.processor.peer("utility")
        )
        assert lent.batch is not None


def window(first: int, more: int) -> Window:
    return Window(CURVE, first, first + more)


WINDOWS = st.builds(window, st.integers(0, 6), st.integers(0, 6))


@drawn(
    st.lists(WINDOWS, max_size=3),
    st.lists(WINDOWS, max_size=3),
    st.lists(WINDOWS, min_size=1, max_size=3),
)
def test_never_more_days_than_the_grant_goes_on_on(
    lent: list[Window], before: list[Window], after: list[Window]
) -> None:
    windows = [one for one in lent if any(one in above for above in before)]
    found = windows_after(windows, before, after)
    assert all(any(one in above for above in after) for one in found)
    assert {one.first for one in found} <= {one.first for one in windows}
