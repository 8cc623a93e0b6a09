"""Reads that go by file, between two whole nodes that are not on a network."""

from __future__ import annotations

from pathlib import Path

from trio.testing import MockClock

from entrenous.node.grant_given import GrantGiven
from entrenous.node.parcel_report import Fate, ParcelTaken, ParcelWindow
from entrenous.node.reads_by_file import ReadsByFile
from entrenous.node.receipts import Logged, Way
from entrenous.protocol.command import Cmd
from entrenous.protocol.receipt import Receipt
from entrenous.protocol.window import Window
from entrenous.tests.node.test_parcels import Stick
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)


async def lent_apart(
    town: Town, folder: Path, *, days: int = 20, pages: int | None = None
) -> tuple[Party, Party, Stick, GrantGiven]:
    """A home that has lent `days` days to a shop, and from now on neither is on a network."""
    home, shop = await town.party("home"), await town.party("shop")
    if pages is not None:
        home.node.serving._window_pages_max = pages  # pyright: ignore[reportPrivateUsage]  # as a simulated node is made
    await meet(home, shop)
    await home.fill(CURVE, DAY, days)
    given = await lend(home, shop, Window(CURVE, DAY, DAY + days - 1))
    await settle()
    await home.down()
    await shop.down()
    return home, shop, Stick(folder), given


async def want(shop: Party, window: Window = TEN) -> int:
    pair = await shop.peer("home")
    return await shop.write(lambda tx: shop.node.parcel_fetching.ask(tx, pair, window, shop.now_ms))


async def reads(one: Party, other: Party) -> ReadsByFile:
    pair = await one.peer(other.name)
    return await one.read(lambda tx: one.node.reads_by_file.of(tx, pair))


async def receipts(party: Party) -> list[Logged]:
    return [
        one for one in await party.read(party.node.receipts.all) if isinstance(one.word, Receipt)
    ]


def windows(taken: ParcelTaken) -> list[ParcelWindow]:
    return [item.window for item in taken.items if item.window is not None]


def fates(taken: ParcelTaken) -> list[Fate]:
    return [item.fate for item in taken.items if item.cmd == Cmd.READ]


async def test_a_read_by_file(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        assert await want(shop) == 1
        assert fates(await stick.carry(shop, home)) == [Fate.DONE]
        assert await receipts(home) == []
        taken = await stick.carry(home, shop)
        assert windows(taken) == [ParcelWindow(CURVE, DAY, DAY + 9, 0, final=True, pages=10)]
        assert [(one.way, one.two_sided) for one in await receipts(shop)] == [(Way.TAKEN, True)]
        assert [(one.way, one.two_sided) for one in await receipts(home)] == [(Way.GIVEN, False)]
        taken = await stick.carry(shop, home)
        assert fates(taken) == [Fate.DONE]
        assert [one.two_sided for one in await receipts(home)] == [True]
        assert (await reads(shop, home)).asked == ()
        assert (await reads(home, shop)).served == ()
        await both_logs_hold(home, shop)


async def test_a_read_of_several_windows(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=4)
        await want(shop)
        came: list[ParcelWindow] = []
        for _ in range(3):
            await stick.carry(shop, home)
            came += windows(await stick.carry(home, shop))
        await stick.carry(shop, home)
        assert [(one.first, one.last, one.final, one.pages) for one in came] == [
            (DAY, DAY + 3, False, 4),
            (DAY + 4, DAY + 7, False, 4),
            (DAY + 8, DAY + 9, True, 2),
        ]
        for party in (home, shop):
            assert [one.two_sided for one in await receipts(party)] == [True] * 3
        await both_logs_hold(home, shop)
