"""A helper of a person with two devices: who makes its leases, and what a succession ends."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

from trio.testing import MockClock

from entrenous.crypto.shares import recovery_secret
from entrenous.node.exchange.link import Link
from entrenous.node.helping.helper import Leased
from entrenous.node.log.receipts import Way
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.helping_town import WINDOW, HelpingTown, a_helping_town
from entrenous.tests.node.lost_device import with_words
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.test_devices_removed import Family
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    a_town,
    both_logs_hold,
    lend,
    meet,
    settle,
)

HOUR_MS = 3_600_000


async def leases(party: Party) -> list[Leased]:
    pair = await party.peer("helper")

    def unit(tx: Tx) -> list[Leased]:
        helper = party.node.helpers.find(tx, pair)
        return [] if helper is None else party.node.helpers.leases(tx, helper)

    return await party.read(unit)


async def test_either_device_makes_the_next_lease_and_both_know_of_it(
    autojump_clock: MockClock,
) -> None:
    async with a_helping_town() as t:
        laptop = await another(t.town, t.owner, "laptop")
        await in_step(t.owner, laptop)
        await same(t.owner, laptop)
        (first,) = await leases(laptop)
        assert first.lease == (await leases(t.owner))[0].lease
        # The first device is off: the other goes on, and revokes.
        await t.owner.down()
        t.town.clock.ahead_ms += 5 * HOUR_MS
        laptop.node.leasing.soon()
        await laptop.node.leasing.keep_in_step()
        await settle()
        (second,) = await leases(laptop)
        assert second.lease.exp_s > first.lease.exp_s
        await laptop.write(lambda tx: laptop.node.lending.revoke(tx, t.given.cid, laptop.now_ms))
        await settle(3)
        assert (await t.kept())[0] == 0
        await t.owner.up()
        await in_step(t.owner, laptop)
        await same(t.owner, laptop)


async def test_a_lease_of_one_device_is_known_to_the_other_when_that_takes_back(
    autojump_clock: MockClock,
) -> None:
    async with a_helping_town() as t:
        laptop = await another(t.town, t.owner, "laptop")
        await in_step(t.owner, laptop)
        (leased,) = await leases(t.owner)
        await t.helper.down()
        await laptop.write(lambda tx: laptop.node.lending.revoke(tx, t.given.cid, laptop.now_ms))
        not_heard = await laptop.read(
            lambda tx: laptop.node.helpers.not_heard(tx, [t.given.cid], laptop.now_ms)
        )
        assert not_heard == [("helper", leased.lease.exp_s)]


async def test_a_succession_ends_the_leases_of_before(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The persona that is followed leases no more; its shelves are cleared, and the reader is
    served under the one that follows."""
    async with a_town() as town:
        lost = await with_words(town, tmp_path, "owner")
        owner = lost.alice
        reader, helper = await town.party("reader"), await town.party("helper")
        await owner.fill(CURVE, DAY - 5, 6)
        await meet(owner, reader)
        await meet(owner, helper)
        given = await lend(owner, reader, Window(CURVE, DAY - 5, DAY + 10))
        t = HelpingTown(town, owner, reader, helper, given)
        await t.help()
        (before,) = await leases(owner)
        tablet = await another(town, owner, "tablet")
        await in_step(owner, tablet)
        await owner.down()
        await tablet.down()
        family = Family(town, owner, owner, tablet, reader, recovery_secret(lost.words))
        fresh = await family.removes(owner, tablet)
        await fresh.up()
        await settle(70)
        t.owner = fresh
        await t.in_step()
        await settle(70)
        await t.in_step()
        (after,) = await leases(fresh)
        assert after.lease.persona != before.lease.persona
        pair = await helper.peer("owner")
        shelves = await helper.read(lambda tx: helper.node.shelves.of(tx, pair))
        assert [one.owner for one in shelves] == [after.lease.persona]
        await fresh.down()
        lent = await t.fetch()
        assert lent.batch is not None
        rows = await helper.read(helper.node.receipts.all)
        assert [one.own for one in rows if one.way.value == "helped"] == [after.lease.persona]


async def test_two_devices_of_a_reader_read_from_one_helper(autojump_clock: MockClock) -> None:
    """Neither ends the link of the other, and each goes on from its own words."""
    async with a_helping_town() as t:
        desk = await another(t.town, t.reader, "desk")
        await in_step(t.reader, desk)
        owner = await t.reader.peer("owner")
        name: Value = [owner.own, owner.their]
        # As if the owner had told this device too who serves while she is away.
        told = await t.reader.read(
            lambda tx: t.reader.node.store.objects.get(tx, Kind.SERVED_BY, name)
        )
        await desk.write(lambda tx: desk.node.store.objects.put(tx, Kind.SERVED_BY, name, told))
        await t.owner.down()
        links: list[Link] = []
        for device in (t.reader, desk, t.reader, desk):
            pair = await device.peer("owner")
            links.append(await device.node.links.link_for_read(pair))
            lent = await device.node.fetcher.fetch(pair, WINDOW)
            assert lent.batch is not None
            assert len(lent.batch) == 6 * 24
        assert links[0] is links[2]
        assert links[1] is links[3]
        assert not any(link.ended for link in links)
        await t.owner.up()
        await settle(90)
        rows = await t.owner.read(t.owner.node.receipts.all)
        assert [one.two_sided for one in rows if one.way is Way.HELPER] == [True] * 4
        await both_logs_hold(t.owner, t.reader, desk, t.helper)
