"""A processor, and an owner of data, with two devices each: one shows or is shown, both read on."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.node.devices.reading_rows import processing, reading_pair
from entrenous.protocol.wire import Value
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.test_devices_joins import in_any_order
from entrenous.tests.node.test_processors import lent, owner_of, reads, trade
from entrenous.tests.node.two_nodes import a_town, settle


async def test_each_device_of_a_processor_reads_whichever_was_lent_to(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        branch = await another(town, one.processor, "branch")
        await lent(one)
        await in_step(one.processor, branch)
        await same(one.processor, branch)
        assert await reads(replace(one, processor=branch)) == 7
        # The one that was lent to has shown nothing yet; then it reads as before, and so on.
        await settle()
        assert await reads(one) == 7
        await in_step(one.processor, branch)
        assert await reads(replace(one, processor=branch)) == 7
        await in_step(one.processor, branch)
        await same(one.processor, branch)
        # One key, which is the owner's too.
        known = await one.ada.read(one.ada.node.peers.reading)
        keys = {(await owner_of(replace(one, processor=it))).key for it in (one.processor, branch)}
        assert {pair.key for pair in known} == keys


async def test_another_device_of_the_owner_lets_in_by_the_same_chain(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        await lent(one)
        laptop = await another(town, one.ada, "laptop")
        assert await reads(one) == 7
        await in_step(one.ada, laptop)
        await same(one.ada, laptop)
        (known,) = await laptop.read(laptop.node.peers.reading)
        assert known.reads_only
        assert [pair.name for pair in await laptop.read(laptop.node.peers.all)] == ["utility"]
        assert await reads(one) == 7


async def test_who_is_processed_for_no_more_does_not_come_back(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        one = await trade(town)
        first, branch = one.processor, await another(town, one.processor, "branch")
        for device in (first, branch):
            (found,) = await device.read(device.node.processors.processing_for)
            assert found[0].name == "utility"
        customer = await branch.peer("utility")
        await branch.write(lambda tx: branch.node.processors.stop_for(tx, customer, branch.now_ms))
        await in_step(first, branch)
        for device in (first, branch):
            assert await device.read(device.node.processors.processing_for) == []
        await settle()
        await first.write(
            lambda tx: first.node.processors.process_for(tx, customer, first.now_ms + 1)
        )
        await in_step(first, branch)
        assert len(await branch.read(branch.node.processors.processing_for)) == 1
        await same(first, branch)


def test_what_was_said_last_of_processing_holds() -> None:
    said: list[Value] = [5, [5], 4, [3], [7]]
    for some in ([5, [5], 4], [[3], 4, 5], said[2:]):
        in_any_order(some, processing)
    assert processing(5, [5]) == [5]
    assert processing([5], 6) == 6


@pytest.mark.parametrize("later", [0, 1])
async def test_of_two_keys_the_one_that_was_agreed_last(
    autojump_clock: MockClock, later: int
) -> None:
    async with a_town() as town:
        one = await trade(town)
        await lent(one)
        pair = await owner_of(one)
        other = replace(pair, paired_ms=pair.paired_ms + later, name="elsewhere")
        in_any_order([pair, other], reading_pair, lambda it: replace(it, name=""))
