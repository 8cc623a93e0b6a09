"""Several devices of one person: joining, and keeping together."""

from __future__ import annotations

from trio.testing import MockClock

from entrenous.protocol.window import Window
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    a_town,
    lend,
    meet,
)

FIRST = DAY - 10
TEN = Window(CURVE, FIRST, FIRST + 9)


async def test_a_new_device_holds_what_the_older_one_holds(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, bank = [await town.party(name) for name in ("home", "bank")]
        await meet(home, bank)
        await home.fill(CURVE, FIRST, 10)
        await lend(home, bank, TEN)
        laptop = await another(town, home, "laptop")
        await same(home, laptop)
        mine = (await home.node.vault.read(CURVE, FIRST, FIRST + 9)).batch
        theirs = (await laptop.node.vault.read(CURVE, FIRST, FIRST + 9)).batch
        assert len(mine) == 240
        assert theirs == mine


async def test_a_reader_reads_from_whichever_device_answers(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, bank = [await town.party(name) for name in ("home", "bank")]
        await meet(home, bank)
        await home.fill(CURVE, FIRST, 10)
        await lend(home, bank, TEN)
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        await home.down()
        lent = await bank.node.fetcher.fetch(await bank.peer("home"), TEN)
        assert lent.batch is not None
        assert (len(lent.batch), lent.damaged) == (240, ())
