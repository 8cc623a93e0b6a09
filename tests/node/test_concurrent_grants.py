"""Grants that are given, taken back and used at one moment."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from entrenous.node.errors import Refused
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    Town,
    a_town,
    ask,
    both_logs_hold,
    lend,
    meet,
    settle,
)

TEN = Window(CURVE, DAY - 10, DAY - 1)


async def home(town: Town, *readers: str) -> tuple[Party, list[Party]]:
    owner = await town.party("home")
    found = [await town.party(name) for name in readers]
    for reader in found:
        await meet(owner, reader)
    await owner.fill(CURVE, DAY - 10, 10)
    return owner, found


async def generations_opened(reader: Party, given: GrantGiven) -> set[bytes]:
    held = await reader.read(lambda tx: reader.node.borrowing.get(tx, given.cid))
    keys = await reader.read(lambda tx: reader.node.borrowing.keys(tx, held))
    return {one.gen for one in keys.sets}


@pytest.mark.parametrize("first", ["revoke", "grant"])
async def test_taken_back_and_granted_again_at_once(autojump_clock: MockClock, first: str) -> None:
    """Whichever comes first, the reader goes on under the new grant, and the old is over."""
    async with a_town() as town:
        owner, (shop,) = await home(town, "shop")
        old = await lend(owner, shop, TEN)
        request = await ask(shop, owner, TEN)
        exp_s = owner.now_ms // 1000 + 10 * DAY_S
        lending, given = owner.node.lending, list[GrantGiven]()

        async def take_back() -> None:
            await owner.write(lambda tx: lending.revoke(tx, old.cid, owner.now_ms))

        async def give() -> None:
            given.append(
                await owner.write(lambda tx: lending.grant(tx, request, [TEN], exp_s, owner.now_ms))
            )

        steps = [take_back, give] if first == "revoke" else [give, take_back]
        async with trio.open_nursery() as nursery:
            for step in steps:
                nursery.start_soon(step)
        await settle()
        await owner.fill(CURVE, DAY - 10, 10, value=9)
        await settle()
        lent = await shop.node.fetcher.fetch(await shop.peer("home"), TEN)
        assert (lent.pages, lent.damaged) == (20, ())
        present = await owner.read(lambda tx: owner.node.vault.collections.generation(tx, CURVE))
        assert present in await generations_opened(shop, given[0])
        assert present not in await generations_opened(shop, old)
        await both_logs_hold(owner, shop)


async def test_two_taken_back_at_once_and_neither_learns_the_new_keys(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, (bank, shop, school) = await home(town, "bank", "shop", "school")
        gone = [(reader, await lend(owner, reader, TEN)) for reader in (bank, shop)]
        stays = await lend(owner, school, TEN)

        async def take_back(given: GrantGiven) -> None:
            await owner.write(lambda tx: owner.node.lending.revoke(tx, given.cid, owner.now_ms))

        async with trio.open_nursery() as nursery:
            for _, given in gone:
                nursery.start_soon(take_back, given)
        await settle()
        present = await owner.read(lambda tx: owner.node.vault.collections.generation(tx, CURVE))
        for reader, given in gone:
            assert present not in await generations_opened(reader, given)
            with pytest.raises(Refused):
                await reader.node.fetcher.fetch(await reader.peer("home"), TEN)
        assert present in await generations_opened(school, stays)
        lent = await school.node.fetcher.fetch(await school.peer("home"), TEN)
        assert lent.damaged == ()
