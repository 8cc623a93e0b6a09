"""An owner that is an older copy of itself, and what a helper missed while it was away."""

# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace

import pytest

from entrenous.node.errors import NodeError
from entrenous.node.log.head import LogHead
from entrenous.node.vault.stored import entry_of
from entrenous.protocol.trust import GrantStatus
from entrenous.tests.node.helping_town import HelpingTown, a_helping_town
from entrenous.tests.node.test_helpers_devices import HOUR_MS, leases
from entrenous.tests.node.two_nodes import CURVE, DAY, revoke, settle


async def ids(t: HelpingTown) -> set[bytes]:
    """Of the pages that the helper keeps."""
    pair, pages = await t.helper.peer("owner"), t.helper.node.shelves.pages
    stored = await t.helper.read(lambda tx: pages.stored(tx, pair.their, CURVE, 0, 65_535))
    return {entry_of(one.raw).page_id for one in stored}


async def test_a_grant_that_waits_since_a_restore_is_served_by_no_helper_until_it_is_kept(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        lending = t.owner.node.lending
        await t.owner.write(lambda tx: lending.suspend_all(tx, t.owner.now_ms))
        await t.in_step()
        assert (await t.kept())[0] == 0
        await t.owner.down()
        with pytest.raises(NodeError):
            await t.fetch()
        await t.owner.up()
        await t.owner.write(lambda tx: lending.keep(tx, t.given.cid, t.owner.now_ms))
        await t.in_step()
        await settle(30)
        await t.owner.down()
        assert (await t.fetch()).batch is not None


async def test_an_old_copy_of_an_owner_makes_no_lease(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would lease what was taken back since; the leases that there are run out."""
    async with a_helping_town() as t:
        before = await leases(t.owner)
        monkeypatch.setattr(LogHead, "serves", property(lambda _: False))
        t.town.clock.ahead_ms += 25 * HOUR_MS
        await t.in_step()
        assert await leases(t.owner) == before
        await t.owner.down()
        with pytest.raises(NodeError):
            await t.fetch()


async def test_a_grant_that_an_old_copy_of_an_owner_leases_again_stays_over_at_its_helper(
    autojump_clock: object,
) -> None:
    """A helper forgets no end that it has heard, whoever brings the grant again."""
    async with a_helping_town() as t:
        pair = await t.helper.peer("owner")
        shelves = t.helper.node.shelves
        await revoke(t.owner, t.given)
        await settle(3)
        await t.helper.write(lambda tx: shelves.refuse(tx, pair, None, t.helper.now_ms))
        await settle(3)
        await t.help()
        owner = t.owner.node
        forgot = await t.owner.read(lambda tx: owner.lending.get(tx, t.given.cid))
        live = replace(forgot, kept=GrantStatus.LIVE, ended_ms=None)
        await t.owner.write(lambda tx: owner.lending._save(tx, live))
        await t.in_step()
        kept = await t.helper.read(lambda tx: shelves.shelf(tx, t.given.own, t.given.their))
        assert kept is not None
        assert kept.standing == ()
        assert (await t.kept())[0] == 0


async def test_what_was_erased_while_a_helper_was_away_goes_when_it_is_back(
    autojump_clock: object,
) -> None:
    """And does not come back, though the helper kept it meanwhile: nobody takes a page from it."""
    async with a_helping_town() as t:
        before = await ids(t)
        await t.helper.down()
        await t.owner.node.erasing.erase_collection(CURVE)
        await t.owner.fill(CURVE, DAY - 1, 1, value=9)
        await t.in_step()
        await t.helper.up()
        assert await ids(t) == before
        await settle(90)
        await t.in_step()
        after = await ids(t)
        assert len(after) == 1
        assert not before & after
        await t.owner.down()
        lent = await t.fetch()
        assert lent.batch is not None
        assert len(lent.batch) == 24
