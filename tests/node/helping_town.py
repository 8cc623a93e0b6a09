"""An owner, a reader and a helper, who know each other as far as they need to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from entrenous.node.config import Role
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.reads.lent_windows import Lent
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, Town, a_town, lend, meet, settle

WINDOW = Window(CURVE, DAY - 5, DAY)


@dataclass
class HelpingTown:
    """`helper` keeps what `owner` lends to `reader`; the two have never met."""

    town: Town
    owner: Party
    reader: Party
    helper: Party
    given: GrantGiven

    async def help(self) -> None:
        """The owner asks, the helper agrees, and is given what it may serve."""
        owner, helper = self.owner, self.helper
        there = await owner.peer(helper.name)
        await owner.write(lambda tx: owner.node.helpers.add(tx, there, (), owner.now_ms))
        await settle()
        await self.agree()
        await self.in_step()

    async def agree(self) -> None:
        helper = self.helper
        asking = await helper.peer(self.owner.name)
        await helper.write(
            lambda tx: helper.node.shelves.allow(
                tx, asking, tuple(helper.node.addresses()), helper.now_ms
            )
        )
        await settle()

    async def in_step(self) -> None:
        """The helper has what it should."""
        self.owner.node.leasing.soon()
        await self.owner.node.leasing.keep_in_step()
        await settle()

    async def fetch(self, window: Window = WINDOW) -> Lent:
        pair = await self.reader.peer(self.owner.name)
        return await self.reader.node.fetcher.fetch(pair, window)

    async def kept(self) -> tuple[int, int]:
        """How many pages the helper keeps, and their bytes."""
        pair = await self.helper.peer(self.owner.name)
        return await self.helper.read(
            lambda tx: self.helper.node.shelves.pages.count(tx, pair.their)
        )


@asynccontextmanager
async def a_helping_town(
    seed: bytes = b"helping", *, days: int = 6, helping: bool = True
) -> AsyncGenerator[HelpingTown]:
    async with a_town(seed) as town:
        owner = await town.party("owner")
        reader = await town.party("reader", Role.ORGANISATION)
        helper = await town.party("helper")
        await owner.fill(CURVE, DAY - days + 1, days)
        await meet(owner, reader)
        await meet(owner, helper)
        given = await lend(owner, reader, Window(CURVE, DAY - 5, DAY + 10))
        found = HelpingTown(town, owner, reader, helper, given)
        if helping:
            await found.help()
        yield found
