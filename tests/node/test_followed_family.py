"""One of three was followed by another, since a device was stolen: the others still act, and are
acted for, at the same bank.  What is signed names who each of them is by now.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrenous.node.config import Role
from entrenous.node.grants.lent_on import LentOnSide
from entrenous.node.household.mandate_kept import Side
from entrenous.protocol.trust import GrantStatus
from entrenous.tests.node.lost_device import came_back, with_words
from entrenous.tests.node.test_lending_on import granted, kept, lend_on, reads
from entrenous.tests.node.test_mandates import Family, ask_for_her
from entrenous.tests.node.two_nodes import a_town, meet, settle

ROLES = {"mother": Role.PERSON, "son": Role.PERSON, "bank": Role.ORGANISATION}


@asynccontextmanager
async def followed(who: str, folder: Path) -> AsyncGenerator[Family]:
    """Everybody met everybody; then a device of `who` was stolen."""
    async with a_town() as town:
        lost = await with_words(town, folder, who, ROLES[who])
        others = {name: role for name, role in ROLES.items() if name != who}
        there = {name: await town.party(name, role) for name, role in others.items()}
        there[who] = lost.alice
        for inviter, scanner in (("bank", "mother"), ("bank", "son"), ("mother", "son")):
            await meet(there[inviter], there[scanner])
        await lost.stolen()
        there[who] = await came_back(lost)
        yield Family(town, **there)


@pytest.mark.parametrize("who", ROLES)
async def test_who_lent_on_hears_that_it_was_taken_back(
    who: str, autojump_clock: object, tmp_path: Path
) -> None:
    async with followed(who, tmp_path) as one:
        made = await lend_on(one, await granted(one))
        assert await reads(one) == 7
        bank, son = one.bank, one.son
        await bank.write(lambda tx: bank.node.lending_on.revoke(tx, made.cid, bank.now_ms))
        await settle()
        assert (await kept(one.mother, LentOnSide.GIVEN, made.cid)).ended_ms is not None
        held = await son.read(lambda tx: son.node.borrowing.get(tx, made.cid))
        assert held.status(son.now_ms) is GrantStatus.REVOKED


@pytest.mark.parametrize("who", ROLES)
async def test_a_mandate_is_given_and_used(
    who: str, autojump_clock: object, tmp_path: Path
) -> None:
    async with followed(who, tmp_path) as one:
        son, bank = one.son, one.bank
        given = await one.mandate()
        assert await son.read(lambda tx: son.node.mandates.find(tx, Side.HELD, given.cid))
        asked = await ask_for_her(one, given)
        assert await bank.read(lambda tx: bank.node.inbox.find(tx, asked))
