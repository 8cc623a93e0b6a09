"""Cards and vouches when a device is stolen: of the organisation, of who vouches, of who asks."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.config import Role
from entrenous.node.results.peers import Level, VouchAnswer
from entrenous.tests.node.lost_device import came_back, with_words
from entrenous.tests.node.test_standing import LESS, client_of, show, standing
from entrenous.tests.node.two_nodes import a_town, meet, settle


@pytest.mark.parametrize("who", ["bank", "ben", "ann"])
async def test_a_vouch_and_a_card_go_on_to_who_they_are_now(
    autojump_clock: MockClock, tmp_path: Path, who: str
) -> None:
    """Also for one who has met the organisation since, and knows it by no other persona."""
    async with a_town() as town:
        role = Role.ORGANISATION if who == "bank" else Role.PERSON
        lost = await with_words(town, tmp_path, who, role)
        party = {
            name: lost.alice
            if name == who
            else await town.party(name, Role.ORGANISATION if name == "bank" else Role.PERSON)
            for name in ("bank", "ann", "ben", "cat")
        }
        for one, other in (("bank", "ann"), ("bank", "ben"), ("ann", "ben"), ("cat", "ben")):
            await meet(party[one], party[other])
        await show(party["bank"])
        await client_of(party["ben"]).vouch("bank", ["ann", "cat"])
        party[who] = await came_back(lost)
        await settle(600)
        await meet(party["bank"], party["cat"])
        await settle(60)
        for name in ("ann", "cat"):
            asker = client_of(party[name])
            assert await asker.ask_vouches("bank", ["ben"]) == (VouchAnswer("ben", True, None),)
            known = await standing(party[name], "bank")
            assert (known.level, known.vouchers) == (Level.VOUCHED, ("ben",))
        # What was heard before counts on, and a new card comes as before.
        made = await show(party["bank"], LESS)
        for name in ("ann", "ben", "cat"):
            assert (await client_of(party[name]).card("bank")).cid == made.cid
        assert (await standing(party["ann"], "bank")).vouchers == ("ben",)
        await client_of(party["ben"]).withdraw_vouch("bank")
        answers = await client_of(party["ann"]).ask_vouches("bank", ["ben"])
        assert answers == (VouchAnswer("ben", False, None),)
