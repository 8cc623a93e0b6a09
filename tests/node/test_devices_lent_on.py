"""What is lent on, where who lends it on, or the owner of the data, has two devices."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.node.devices.lent_on_rows import LentOnRow, LentOnSpace, joined
from entrenous.node.devices.space import Taking
from entrenous.node.errors import NodeError
from entrenous.node.grants.lent_on import LentOn, LentOnSide
from entrenous.node.store.database import Tx
from entrenous.protocol.errors import WireError
from entrenous.protocol.trust import GrantStatus
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.test_lending_on import granted, kept, lend_on, reads
from entrenous.tests.node.test_mandates import family
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, settle


async def status(device: Party, made: LentOn) -> GrantStatus:
    found = await kept(device, made.side, made.cid)
    node = device.node
    return await device.read(lambda tx: node.lending_on.status(tx, found, device.now_ms))


async def test_an_acceptance_is_taken_by_whichever_device_it_comes_to(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        laptop = await another(town, one.mother, "laptop")
        root = await granted(one)
        await in_step(one.mother, laptop)
        made = await lend_on(one, root)
        await settle(200)
        await in_step(one.mother, laptop)
        await same(one.mother, laptop)
        for device in (one.mother, laptop):
            assert (await kept(device, LentOnSide.GIVEN, made.cid)).accepted
        assert await reads(one) == 7


async def test_what_is_lent_on_by_one_device_is_taken_back_by_the_other(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        laptop = await another(town, one.mother, "laptop")
        root = await granted(one)
        await in_step(one.mother, laptop)
        made = await lend_on(one, root)
        await settle(200)
        await in_step(one.mother, laptop)
        await one.mother.down()
        node = laptop.node
        await laptop.write(lambda tx: node.lending_on.revoke(tx, made.cid, laptop.now_ms))
        node.outgoing.notify()
        await settle(200)
        with pytest.raises(NodeError):
            await reads(one)
        await one.mother.up()
        await in_step(one.mother, laptop)
        assert await status(one.mother, made) is GrantStatus.REVOKED
        await same(one.mother, laptop)


async def test_new_keys_reach_the_proxy_whichever_device_had_them_first(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        laptop = await another(town, one.mother, "laptop")
        root = await granted(one)
        other = await granted(one, filled=True)
        await in_step(one.mother, laptop)
        await lend_on(one, root)
        await settle(200)
        await in_step(one.mother, laptop)
        await one.mother.down()
        bank = one.bank
        await bank.write(lambda tx: bank.node.lending.revoke(tx, other, bank.now_ms))
        bank.node.outgoing.notify()
        await settle(700)
        await bank.fill(CURVE, DAY + 2, 1)
        assert await reads(one) == 7
        await one.mother.up()
        await in_step(one.mother, laptop)
        await same(one.mother, laptop)
        assert await reads(one) == 7


async def test_the_owners_other_device_serves_what_was_lent_on(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        root = await granted(one)
        made = await lend_on(one, root)
        branch = await another(town, one.bank, "branch")
        await in_step(one.bank, branch)
        await settle(200)
        await one.bank.down()
        assert await reads(one) == 7
        node = branch.node
        await branch.write(lambda tx: node.lending_on.revoke(tx, made.cid, branch.now_ms))
        with pytest.raises(NodeError):
            await reads(one)


async def test_what_a_restore_suspended_is_suspended_on_a_device_that_joins(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        root = await granted(one)
        made = await lend_on(one, root)
        mother = one.mother
        on = mother.node.lending_on
        await mother.write(lambda tx: on.suspend_all(tx, mother.now_ms))
        laptop = await another(town, mother, "laptop")
        await in_step(mother, laptop)
        assert await status(laptop, made) is GrantStatus.SUSPENDED
        node = laptop.node

        def keep(tx: Tx) -> None:
            held = node.borrowing.get(tx, root)
            keys = node.borrowing.keys(tx, held)
            node.lending_on.keep(tx, held, keys, made.cid, laptop.now_ms)

        await laptop.write(keep)
        await in_step(mother, laptop)
        assert await status(mother, made) is GrantStatus.LIVE
        await same(mother, laptop)


async def test_a_row_that_is_none_of_what_is_lent_on_is_refused(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        root = await granted(one)
        made = await lend_on(one, root)
        held = await kept(one.mother, LentOnSide.GIVEN, made.cid)
        row = LentOnRow(held, suspended=False)
        here = await kept(one.bank, LentOnSide.HERE, made.cid)
        space = LentOnSpace(one.mother.node.lending_on)
        taking = Taking(one.mother.now_ms)
        wrong = (
            ["here", made.cid],
            replace(held, keyset=None),
            replace(held, n=held.n + 1),
            replace(here, n=1),
        )
        for one_wrong in wrong:
            bad = LentOnRow(one_wrong, suspended=False) if isinstance(one_wrong, LentOn) else row
            name = bad.name if isinstance(one_wrong, LentOn) else one_wrong
            with pytest.raises(WireError):
                await one.mother.write(
                    lambda tx, name=name, bad=bad: space.take(tx, [[name, bad.value()]], taking)
                )
        assert await kept(one.mother, LentOnSide.GIVEN, made.cid) == held
        await _joins(held)


async def _joins(held: LentOn) -> None:
    """Whatever two devices hold of one that is lent on, the order does not matter."""
    moments = st.none() | st.integers(0, 3)

    @st.composite
    def rows(draw: st.DrawFn) -> LentOnRow:
        n = draw(st.integers(0, 3))
        one = replace(
            held,
            ended_ms=draw(moments),
            asked_ms=draw(moments),
            n=n,
            keyset=bytes([n]),
            acknowledged=n,
            accepted=draw(st.booleans()),
        )
        return LentOnRow(one, draw(st.booleans()))

    @settings(max_examples=40)
    @given(st.lists(rows(), min_size=3, max_size=3))
    def in_any_order(some: list[LentOnRow]) -> None:
        one, two, three = some
        met = joined(one, joined(two, three))
        assert all(joined(joined(a, b), c).value() == met.value() for a, b, c in permutations(some))
        assert all(joined(met, row).value() == met.value() for row in some)

    in_any_order()
