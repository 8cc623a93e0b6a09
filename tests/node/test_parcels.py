"""Parcels between two whole nodes that are not on a network; and what a taking does with each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trio.testing import MockClock

from entrenous.node.grant_given import GrantGiven
from entrenous.node.parcel_report import Fate, ParcelTaken
from entrenous.protocol.command import Cmd
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    Town,
    a_town,
    both_logs_hold,
    meet,
    request_of,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)


@dataclass
class Stick:
    """Carries parcels between the parties of a test."""

    folder: Path
    made: int = 0

    async def write(self, sender: Party, to: Party) -> Path:
        self.made += 1
        target = self.folder / f"{self.made}.parcel"
        await sender.node.parcel_writing.write(to.name, target)
        return target

    async def carry(self, sender: Party, to: Party) -> ParcelTaken:
        return await to.node.parcel_taking.take(await self.write(sender, to))


async def apart(town: Town, tmp_path: Path) -> tuple[Party, Party, Stick]:
    """A home with data and a reader; they have met, and are not on a network any more."""
    home, shop = await town.party("home"), await town.party("shop")
    await meet(home, shop)
    await home.fill(CURVE, DAY, 20)
    await settle()
    await home.down()
    await shop.down()
    return home, shop, Stick(tmp_path)


async def ask_by_file(shop: Party, home: Party) -> bytes:
    pair = await shop.peer(home.name)
    request = request_of(pair, [TEN], shop.now_ms)
    return await shop.write(lambda tx: shop.node.borrowing.ask(tx, pair, request, shop.now_ms))


async def grant(home: Party, cid: bytes) -> GrantGiven:
    exp_s = home.now_ms // 1000 + 20 * DAY_S
    return await home.write(lambda tx: home.node.lending.grant(tx, cid, [TEN], exp_s, home.now_ms))


def fates(taken: ParcelTaken, *, answers: bool) -> list[tuple[str | None, Fate]]:
    return [(item.cmd, item.fate) for item in taken.items if item.answer is answers]


async def waiting(party: Party) -> int:
    return await party.read(party.node.store.outbox.count)


async def test_the_main_job_by_files_only(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        cid = await ask_by_file(shop, home)
        assert fates(await stick.carry(shop, home), answers=False) == [(Cmd.REQUEST, Fate.DONE)]
        given = await grant(home, cid)
        taken = await stick.carry(home, shop)
        assert fates(taken, answers=True) == [(Cmd.REQUEST, Fate.DONE)]
        assert fates(taken, answers=False) == [(Cmd.DECIDE, Fate.DONE)]
        taken = await stick.carry(shop, home)
        assert fates(taken, answers=True) == [(Cmd.DECIDE, Fate.DONE)]
        assert fates(taken, answers=False) == [(Cmd.ACCEPT, Fate.DONE)]
        taken = await stick.carry(home, shop)
        assert fates(taken, answers=True) == [(Cmd.ACCEPT, Fate.DONE)]
        held = await shop.read(lambda tx: shop.node.borrowing.get(tx, given.cid))
        keys = await shop.read(lambda tx: shop.node.borrowing.keys(tx, held))
        assert keys is not None
        await home.write(lambda tx: home.node.lending.revoke(tx, given.cid, home.now_ms))
        taken = await stick.carry(home, shop)
        assert fates(taken, answers=False) == [(Cmd.REVOKE, Fate.DONE)]
        held = await shop.read(lambda tx: shop.node.borrowing.get(tx, given.cid))
        assert held.kept is GrantStatus.REVOKED
        await stick.carry(shop, home)
        assert (await waiting(home), await waiting(shop)) == (0, 0)
        await both_logs_hold(home, shop)
