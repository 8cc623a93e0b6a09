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


class _CutError(Exception):
    """The device ends here."""


class _Cuts:
    """Ends a fetch after as many steps as it is told."""

    def __init__(self) -> None:
        self.left: int | None = None

    def reached(self, step: str) -> None:
        if self.left is None or not step.startswith("devices"):
            return
        self.left -= 1
        if self.left < 0:
            raise _CutError(step)


async def test_a_fetch_that_is_cut_after_any_unit_goes_on(autojump_clock: MockClock) -> None:
    """What was kept before the end stays, and the next fetch brings the rest."""
    cuts = _Cuts()
    async with a_town() as town:
        home, bank, shop = [await town.party(name) for name in ("home", "bank", "shop")]
        for reader in (bank, shop):
            await meet(home, reader)
        given = await lend(home, bank, TEN)
        await lend(home, shop, TEN)
        laptop = await another(town, home, "laptop", checkpoint=cuts)
        await home.fill(CURVE, FIRST, 10)
        await home.write(lambda tx: home.node.lending.revoke(tx, given.cid, home.now_ms))
        times = 0
        while True:
            # One step further each time, until nothing is left to be cut.
            cuts.left = times % 3
            try:
                await laptop.node.keeping.fetch_all()
            except _CutError:
                times += 1
                assert times < 100
                continue
            finally:
                cuts.left = None
            break
        assert times >= 4
        await in_step(home, laptop)
        await same(home, laptop)
        lent = await shop.node.fetcher.fetch(await shop.peer("home"), TEN)
        assert lent.batch is not None
        assert (len(lent.batch), lent.damaged) == (240, ())
