"""A reader with two devices: what one of them hears, the other does too."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given as given_some
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.node.grants.deletion_duty import Due
from entrenous.node.grants.erased_asked import (
    SPANS_MAX,
    ErasedAsked,
    asked_from_value,
    asked_value,
    joined_asked,
    with_asked,
)
from entrenous.node.grants.grant_held import GrantHeld
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.protocol.command import Cmd, DeleteArgs
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.lost_device import a_theft
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.test_deletion_duty import TEN, home, kept_days, lent, read
from entrenous.tests.node.test_devices_joins import in_any_order
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, Town, a_town, lend, revoke, settle

DAYS = Window(CURVE, DAY, DAY + 4)


async def two_readers(town: Town) -> tuple[Party, Party, Party]:
    """Alice, and the two devices of her bank."""
    alice, bank = await home(town)
    laptop = await another(town, bank, "laptop")
    return alice, bank, laptop


async def held_by(reader: Party, cid: bytes) -> GrantHeld:
    return await reader.read(lambda tx: reader.node.borrowing.get(tx, cid))


async def test_each_device_deletes_what_it_read_whichever_heard_of_the_end(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, bank, laptop = await two_readers(town)
        given = await lent(alice, bank, TEN)
        await in_step(bank, laptop)
        for device in (bank, laptop):
            await read(device, TEN)
            assert await kept_days(device)
        await laptop.down()
        await alice.write(lambda tx: alice.node.lending.revoke(tx, given.cid, alice.now_ms))
        alice.node.outgoing.notify()
        await settle(5)
        assert await kept_days(bank) == []
        await alice.down()
        await laptop.up()
        await settle(70)
        await in_step(bank, laptop)
        assert (await held_by(laptop, given.cid)).kept is GrantStatus.REVOKED
        assert await kept_days(laptop) == []
        # The keys are gone from both, and none brings them back.
        await in_step(bank, laptop)
        await same(bank, laptop)
        for device in (bank, laptop):
            assert (await held_by(device, given.cid)).keysets == ()


async def test_a_device_that_heard_by_another_of_a_grant_hears_of_its_end_itself(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, bank, laptop = await two_readers(town)
        first = await lend(alice, bank, DAYS)
        await in_step(bank, laptop)
        second = await lend(alice, laptop, DAYS)
        await in_step(bank, laptop)
        await bank.down()
        for given in (first, second):
            await revoke(alice, given)
        await settle(700)
        for given in (first, second):
            assert (await held_by(laptop, given.cid)).kept is GrantStatus.REVOKED


async def test_a_word_is_put_off_until_it_was_fetched_for_and_each_word_by_itself(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, bank, laptop = await two_readers(town)
        peer = await laptop.peer(alice.name)

        async def may_know(said: bytes) -> bool:
            return await laptop.read(lambda tx: laptop.node.keeping.may_know(tx, peer, said))

        assert await may_know(b"first")
        assert await may_know(b"first")
        await settle(1)
        await in_step(bank, laptop)
        # Another word, that the other device may have heard of since: the fetch was not for it.
        assert await may_know(b"second")
        assert not await may_know(b"first")


async def test_what_waits_for_a_device_that_is_none_any_more_is_said_no_more(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_theft(tmp_path) as lost:
        laptop = await another(lost.town, lost.alice, "laptop")
        await laptop.down()
        await lost.alice.write(lambda tx: lost.alice.node.witnesses.publish(tx, lost.alice.now_ms))
        assert await lost.alice.read(lost.alice.node.store.outbox.all)
        await lost.stolen()
        back, _, _ = await lost.restored(stolen=False)
        assert await back.read(back.node.store.outbox.all) == []


async def test_what_its_owner_erased_goes_from_every_device_of_its_reader(
    autojump_clock: MockClock,
) -> None:
    """The owner says it once, to whichever device it reaches; the grant goes on, and so do its
    keys."""
    async with a_town() as town:
        alice, bank, laptop = await two_readers(town)
        given = await lent(alice, bank, TEN)
        await in_step(bank, laptop)
        for device in (bank, laptop):
            await read(device, TEN)
        everything = await kept_days(bank)
        assert await kept_days(laptop) == everything
        await laptop.down()
        two = Window(CURVE, everything[2], everything[3])
        pair = await alice.peer("bank")
        args = DeleteArgs(pair.their, given.cid, (two,), erased=True)
        await alice.write(
            lambda tx: alice.node.outgoing.put(tx, pair, Cmd.DELETE, args.value(), alice.now_ms)
        )
        alice.node.outgoing.notify()
        await settle(5)
        rest = [day for day in everything if not two.first <= day <= two.last]
        assert await kept_days(bank) == rest
        assert await kept_days(laptop) == everything
        await laptop.up()
        await settle(70)
        await in_step(bank, laptop)
        await settle(5)
        assert await kept_days(laptop) == rest
        # Each says that of its own copies.
        said = await alice.read(lambda tx: alice.node.store.objects.count(tx, Kind.DELETION))
        assert said == 2
        # What is read of those days later stays: nobody asked for it again.
        for device in (bank, laptop):
            await read(device, TEN)
            assert await kept_days(device) == everything
        await in_step(bank, laptop)
        await settle(5)
        for device in (bank, laptop):
            assert await kept_days(device) == everything
        await same(bank, laptop)
        # New keys reach the one by the other, as before.
        other = await lend(alice, bank, DAYS)
        await laptop.down()
        await revoke(alice, other)
        await settle(5)
        await alice.down()
        await laptop.up()
        await settle(70)
        await in_step(bank, laptop)
        held = [await held_by(device, given.cid) for device in (bank, laptop)]
        assert held[0].keysets == held[1].keysets
        assert len(held[0].keysets) > 1


def span(first: int, more: int) -> Window:
    return Window(CURVE, first, first + more)


SPANS = st.builds(span, st.integers(0, 5), st.integers(0, 3))
ASKED = st.dictionaries(SPANS, st.integers(0, 4), max_size=4)


@given_some(st.lists(ASKED, min_size=1, max_size=3))
def test_what_devices_were_asked_to_delete_is_joined_in_any_order(rows: list[ErasedAsked]) -> None:
    in_any_order(rows, joined_asked)
    for row in rows:
        assert asked_from_value(asked_value(row)) == row


def test_of_more_spans_than_are_kept_one_stands_for_all() -> None:
    known: ErasedAsked = {Window(CURVE, day, day): 1 for day in range(0, 2 * SPANS_MAX, 2)}
    whole = (Window(CURVE, 0, 4 * SPANS_MAX),)
    more = with_asked(known, (Window(CURVE, 1, 1),), whole, 2)
    assert more == {whole[0]: 2}
    # Nor does what another device has yet push it out.
    assert joined_asked(known, more)[whole[0]] == 2
    assert len(joined_asked(known, more)) == SPANS_MAX


async def test_a_hundred_erased_days_that_come_at_once_are_one_duty(
    autojump_clock: MockClock,
) -> None:
    """More spans than a duty holds, before its reader has done any of them."""
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, Window(CURVE, DAY - 600, DAY))
        many = [Window(CURVE, day, day) for day in range(DAY - 600, DAY, 2)]
        duty = bank.node.deletion_duty

        def unit(tx: Tx) -> list[tuple[Value, Due]]:
            for place in range(0, len(many), 50):
                duty.asked_elsewhere(tx, given.cid, many[place : place + 50], bank.now_ms)
            return duty.waiting(tx)

        [(_, due)] = await bank.write(unit)
        assert due.windows == (Window(CURVE, DAY - 600, DAY - 2),)
