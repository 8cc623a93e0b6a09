"""A reader with two devices: what one of them hears, the other does too."""

from __future__ import annotations

from pathlib import Path

from trio.testing import MockClock

from entrenous.node.grants.grant_held import GrantHeld
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.lost_device import a_theft
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.test_deletion_duty import TEN, home, kept_days, lent, read
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
