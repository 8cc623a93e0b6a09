"""What one device of an organisation was lent, its other device reads, and hears the end of."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from entrenous.node.config import Role
from entrenous.node.errors import Refused
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.several_devices import another, in_step
from entrenous.tests.node.two_nodes import CURVE, DAY, a_town, lend, meet, revoke, settle

FIRST = Window(CURVE, DAY - 10, DAY - 6)
NEXT = Window(CURVE, DAY - 5, DAY - 1)


async def test_a_device_reads_under_what_another_was_lent(autojump_clock: MockClock) -> None:
    """Also where it holds grants of its own by then: those that came from the other are found by
    their pair and collection like them, and what takes them back is heard."""
    async with a_town() as town:
        alice, bank = await town.party("alice"), await town.party("bank", Role.ORGANISATION)
        await alice.fill(CURVE, DAY - 10, 10)
        await meet(alice, bank)
        branch = await another(town, bank, "branch")
        await settle()

        await bank.down()
        own = await lend(alice, branch, FIRST)
        await bank.up()
        await branch.down()
        other = await lend(alice, bank, NEXT)
        await branch.up()
        await in_step(bank, branch)
        await bank.down()

        pair = await branch.peer("alice")
        for window in (FIRST, NEXT):
            lent = await branch.node.fetcher.fetch(pair, window)
            assert lent.batch is not None
            assert len(lent.batch)
        await revoke(alice, other)
        await settle()
        held = {
            one.cid: one.status(branch.now_ms)
            for one in await branch.read(branch.node.borrowing.all)
        }
        assert held == {own.cid: GrantStatus.LIVE, other.cid: GrantStatus.REVOKED}
        with pytest.raises(Refused):
            await branch.node.fetcher.fetch(pair, NEXT)
