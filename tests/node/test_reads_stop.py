"""A read that is being served stops with the node that serves it."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from entrenous.node.errors import Refused
from entrenous.node.log.head import LAPSED
from entrenous.node.log.receipts import Way
from entrenous.node.steps import ReadStep
from entrenous.protocol.errors import Code
from entrenous.protocol.receipt import Receipt
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, lend, meet, settle

DAYS = Window(CURVE, DAY - 10, DAY - 1)


class _After:
    """Silences a node when its reader has stored the first window of a read."""

    def __init__(self, owner: Party, how: str) -> None:
        self._owner = owner
        self._how = how

    def reached(self, step: str) -> None:
        head = self._owner.node.log_head
        if step != ReadStep.STORED:
            return
        if self._how == "set back":
            head.contradicted("a witness")
        else:
            head.serves_until_ms = self._owner.now_ms


@pytest.mark.parametrize("how", ["set back", "not in step with the others"])
async def test_a_read_under_way_stops_when_its_node_serves_nothing_any_more(
    autojump_clock: MockClock, how: str
) -> None:
    """A reader that takes its time over its windows is not served what others are refused."""
    async with a_town() as town:
        alice, bank = await town.party("alice"), await town.party("bank")
        await meet(alice, bank)
        await alice.fill(CURVE, DAY - 10, 10)
        serving = alice.node.serving
        serving._window_pages_max = 2  # pyright: ignore[reportPrivateUsage]  # a read of five windows
        await lend(alice, bank, DAYS)
        bank.node.fetcher._checkpoint = _After(alice, how)  # pyright: ignore[reportPrivateUsage]  # between windows
        with pytest.raises(Refused) as refused:
            await bank.node.fetcher.fetch(await bank.peer("alice"), DAYS)
        assert refused.value.code == Code.SUSPENDED.value
        if how != "set back":
            assert LAPSED in str(refused.value)
        await settle()
        words = await alice.read(alice.node.receipts.all)
        served = [one for one in words if one.way is Way.GIVEN and isinstance(one.word, Receipt)]
        assert [one.two_sided for one in served] == [True], "what it signed for is kept"
        logged = len(words)
        with pytest.raises(Refused):
            await bank.node.fetcher.fetch(await bank.peer("alice"), DAYS)
        assert len(await alice.read(alice.node.receipts.all)) == logged, (
            "and nothing more is signed"
        )
