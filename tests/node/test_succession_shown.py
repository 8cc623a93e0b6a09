"""What a person is shown of a succession: in `history`, in `peers`, on both sides."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

from entrenous.node.config import Role
from entrenous.tests.node.lost_device import a_theft, came_back, client_of
from entrenous.tests.node.test_succession import lent_to_bank, read
from entrenous.tests.node.two_nodes import meet, settle


async def test_both_sides_have_it_in_their_history(autojump_clock: object, tmp_path: Path) -> None:
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        await lost.stolen()
        back = await came_back(lost)
        mine = [one for one in await client_of(back).history("bank") if one.what == "followed"]
        theirs = [one for one in await client_of(bank).history("alice") if one.what == "followed"]
        assert [(one.way, one.note) for one in mine] == [("given", "a device was left behind")]
        assert [(one.way, one.note) for one in theirs] == [("taken", "a device was left behind")]
        # The same succession, and on each side the row of its log with the answer to it.
        assert mine[0].cids[0] == theirs[0].cids[0]
        assert mine[0].log
        assert theirs[0].log
        # What was before and what came after is one story: the old grant went on into the new.
        events = [one.what for one in await client_of(bank).history("alice")]
        assert events.index("followed") < len(events) - 1 - events[::-1].index("granted")
        assert await read(bank) == 5


async def test_whoever_has_not_heard_is_named(autojump_clock: object, tmp_path: Path) -> None:
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        shop = await lost.town.party("shop", Role.ORGANISATION)
        await meet(lost.alice, shop)
        await shop.down()
        await lost.stolen()
        back = await came_back(lost)
        shown = {one.name: one for one in await client_of(back).peers()}
        assert (shown["bank"].follows, shown["bank"].unheard) == (1, False)
        assert (shown["shop"].follows, shown["shop"].unheard) == (1, True)
        (event,) = [one for one in await client_of(back).history("shop") if one.what == "followed"]
        assert event.note is not None
        assert "not heard" in event.note
        assert event.log == ()
        await shop.up()
        await settle(1300)
        shown = {one.name: one for one in await client_of(back).peers()}
        assert not shown["shop"].unheard
        (seen,) = await client_of(bank).peers()
        assert (seen.followed, seen.follows, seen.forks) == (1, 0, 0)
