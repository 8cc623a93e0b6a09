"""A licence for money, read at a helper: counted as if it was read from the owner, and once."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from entrenous.protocol.window import Window
from entrenous.tests.node.helping_town import a_helping_town
from entrenous.tests.node.paid_town import PER_READ, both, lend_paid
from entrenous.tests.node.two_nodes import DAY, GAS, both_logs_hold, settle

DAYS = Window(GAS, DAY - 2, DAY)


async def test_a_read_at_a_helper_is_owed_like_one_at_the_owner_and_both_count_the_same(
    autojump_clock: object,
) -> None:
    """A reader that asks both, or the one in place of the other, reads nothing for nothing."""
    async with a_helping_town(helping=False) as t:
        await t.owner.fill(GAS, DAY - 2, 3)
        await lend_paid(t.owner, t.reader, PER_READ, DAYS)
        await t.help()
        await t.owner.down()
        assert (await t.fetch(DAYS)).batch is not None
        assert (await t.fetch(DAYS)).batch is not None
        await settle()
        await t.owner.up()
        await settle(90)
        mine, _ = await both(t.owner, t.reader)
        assert sum(one.count for one in mine.lines) == 2
        assert (await t.fetch(DAYS)).batch is not None
        await settle()
        mine, _ = await both(t.owner, t.reader)
        assert sum(one.count for one in mine.lines) == 3
        await both_logs_hold(t.owner, t.reader, t.helper)
