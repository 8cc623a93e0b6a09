"""What turns while a helper serves: personas and devices, grants, leases, clocks; and who plays one
of the three against another."""

# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright; a
# hostile peer is an honest one of which a part was changed.

from __future__ import annotations

from entrenous.protocol.window import Window
from entrenous.tests.node.helping_town import a_helping_town
from entrenous.tests.node.test_helper_attacks import rows_of_helper
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    settle,
)


async def test_a_reader_that_was_refused_by_a_helper_does_not_make_it_look_as_if_it_hid_a_read(
    autojump_clock: object,
) -> None:
    """A refusal is no read that the owner would be told of: no receipt that follows names it."""
    async with a_helping_town() as t:
        await t.owner.down()
        await t.fetch()
        borrowing = t.reader.node.borrowing
        pair = await t.reader.peer("owner")
        link = await t.reader.node.links.link_for_read(pair)
        assert link.leased
        fetching, invocation = await t.reader.read(
            lambda tx: borrowing.begin(
                tx, pair, Window(CURVE, DAY - 5, DAY), link.server.device, t.reader.now_ms
            )
        )
        for _ in range(2):  # once is a read that is not signed for, twice a replay
            with await link.ask(invocation.raw, fetching.proofs) as asking:
                await asking.reply()
        await settle()
        await t.fetch()
        await t.owner.up()
        await settle(90)
        assert len(await rows_of_helper(t.owner)) >= 2
        report = await t.owner.read(t.owner.node.receipts.verify)
        assert report.gaps == 0
