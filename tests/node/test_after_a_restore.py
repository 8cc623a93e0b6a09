"""What a node does not know after it was restored, and how it comes to know it; and what stays
known whatever the clock says.

The state machine (`tests/model`) restores whole machines; here it is one row at a time.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.node.errors import NotFound, Refused, UsageError
from entrenous.node.grants.grant_held import GrantHeld
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.protocol.errors import Code
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.test_deletion_duty import TEN as READ
from entrenous.tests.node.test_deletion_duty import home, kept_days, lent, read, said
from entrenous.tests.node.test_lending_on import granted, lend_on, reads
from entrenous.tests.node.test_mandates import family
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    a_town,
    lend,
    meet,
    revoke,
    settle,
)

DAYS = Window(CURVE, DAY, DAY + 4)


async def held_by(reader: Party, cid: bytes) -> GrantHeld:
    return await reader.read(lambda tx: reader.node.borrowing.get(tx, cid))


async def forget(reader: Party, before: GrantHeld) -> None:
    """The reader's rows of a grant are as they were; it is a restored node that starts."""
    now = await held_by(reader, before.cid)

    def unit(tx: Tx) -> int:
        objects = reader.node.store.objects
        for n in set(now.keysets) - set(before.keysets):
            objects.delete(tx, Kind.KEYSET_HELD, [before.cid, n])
        objects.put(tx, Kind.GRANT_HELD, before.cid, before.value())
        return reader.node.borrowing.accept_again(tx, reader.now_ms)

    assert await reader.write(unit)
    reader.node.outgoing.notify()


async def generations(reader: Party, cid: bytes) -> set[bytes]:
    held = await held_by(reader, cid)
    keys = await reader.read(lambda tx: reader.node.borrowing.keys(tx, held))
    return {one.gen for one in keys.sets}


async def present(owner: Party) -> bytes:
    return await owner.read(lambda tx: owner.node.vault.collections.generation(tx, CURVE))


async def test_a_restored_reader_gets_the_keys_that_came_since_its_backup(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        stays, gone = await lend(owner, reader, DAYS), await lend(owner, reader, DAYS)
        before = await held_by(reader, stays.cid)
        await revoke(owner, gone)
        await owner.fill(CURVE, DAY, 5)
        await settle()
        await forget(reader, before)
        assert await present(owner) not in await generations(reader, stays.cid)
        await settle()
        assert await present(owner) in await generations(reader, stays.cid)
        lent = await reader.node.fetcher.fetch(await reader.peer("owner"), DAYS)
        assert (lent.pages, lent.damaged) == (5, ())


async def test_a_restored_reader_hears_that_a_grant_was_taken_back(
    autojump_clock: MockClock,
) -> None:
    """And does what its terms want of it then."""
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, READ)
        await read(bank, READ)
        before = await held_by(bank, given.cid)
        await alice.down()
        await alice.write(lambda tx: alice.node.lending.revoke(tx, given.cid, alice.now_ms))
        await forget(bank, before)
        # The owner's word is lost with the device that it was said to.
        await alice.write(
            lambda tx: [
                alice.node.store.outbox.done(tx, item.id)
                for item in alice.node.store.outbox.all(tx)
            ]
        )
        await alice.up()
        await settle(700)
        assert (await held_by(bank, given.cid)).kept is GrantStatus.REVOKED
        assert await kept_days(bank) == []
        assert await said(alice, given) is not None


async def test_a_restored_reader_hears_that_what_was_renewed_was_taken_back(
    autojump_clock: MockClock,
) -> None:
    """Of the grant that it accepts; the one that renewed it holds, and is another."""
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, READ)
        before = await held_by(bank, given.cid)
        new = await alice.write(
            lambda tx: alice.node.renewals.renew(
                tx, given.cid, given.exp_s + 10 * DAY_S, alice.now_ms
            )
        )
        alice.node.outgoing.notify()
        await settle()
        await alice.write(lambda tx: alice.node.lending.revoke(tx, given.cid, alice.now_ms))
        alice.node.outgoing.notify()
        await settle()
        await forget(bank, before)
        await settle(700)
        assert (await held_by(bank, given.cid)).kept is GrantStatus.REVOKED
        assert (await held_by(bank, new.cid)).kept is GrantStatus.LIVE
        assert await bank.read(lambda tx: list(bank.node.store.outbox.all(tx))) == []


async def test_a_restored_owner_that_forgot_an_acceptance_hears_of_it_again(
    autojump_clock: MockClock,
) -> None:
    """Its backup was made after the grant and before the reader's word: kept, the grant is given
    new keys like any other."""
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        stays, gone = await lend(owner, reader, DAYS), await lend(owner, reader, DAYS)

        def forget_acceptance(tx: Tx) -> None:
            now = owner.node.lending.get(tx, stays.cid)
            then = replace(now, keyset=None, n=0, acknowledged=0, opens=())
            owner.node.store.objects.put(tx, Kind.GRANT_GIVEN, stays.cid, then.value())
            assert owner.node.lending.suspend_all(tx, owner.now_ms) == 2

        await owner.write(forget_acceptance)
        await revoke(owner, gone)
        await owner.fill(CURVE, DAY, 5)
        await settle()
        assert await present(owner) not in await generations(reader, stays.cid)
        await owner.write(lambda tx: owner.node.lending.keep(tx, stays.cid, owner.now_ms))
        owner.node.outgoing.notify()
        await settle()
        assert await present(owner) in await generations(reader, stays.cid)
        lent = await reader.node.fetcher.fetch(await reader.peer("owner"), DAYS)
        assert (lent.pages, lent.damaged) == (5, ())


@pytest.mark.parametrize("which", [0, 1])
async def test_a_reader_goes_on_under_the_grant_that_a_restored_owner_kept(
    which: int, autojump_clock: MockClock
) -> None:
    """Of two grants on the same days the owner keeps one: the reader does not know which."""
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 5)
        both = [await lend(owner, reader, DAYS), await lend(owner, reader, DAYS)]
        await settle()
        await owner.write(lambda tx: owner.node.lending.suspend_all(tx, owner.now_ms))
        at = await reader.peer("owner")
        with pytest.raises(Refused) as refused:
            await reader.node.fetcher.fetch(at, DAYS)
        assert refused.value.code == Code.SUSPENDED
        await owner.write(lambda tx: owner.node.lending.keep(tx, both[which].cid, owner.now_ms))
        lent = await reader.node.fetcher.fetch(at, DAYS)
        assert (lent.pages, lent.damaged) == (5, ())


async def test_who_lent_on_and_is_restored_sends_no_new_keys_until_it_says_so(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        root = await granted(one)
        made = await lend_on(one, root)
        other = await granted(one, Window(CURVE, DAY, DAY + 1), filled=True)
        on = mother.node.lending_on
        assert await mother.write(lambda tx: on.suspend_all(tx, mother.now_ms)) == 1
        lent_on = await mother.read(lambda tx: on.given(tx, made.cid))
        assert lent_on is not None
        assert (
            await mother.read(lambda tx: on.status(tx, lent_on, mother.now_ms))
            is GrantStatus.SUSPENDED
        )
        await bank.write(lambda tx: bank.node.lending.revoke(tx, other, bank.now_ms))
        await settle()
        assert await present(bank) in await generations(mother, root)
        assert await present(bank) not in await generations(son, made.cid)

        def keep(tx: Tx) -> None:
            held = mother.node.borrowing.get(tx, root)
            keys = mother.node.borrowing.keys(tx, held)
            on.keep(tx, held, keys, made.cid, mother.now_ms)

        await mother.write(keep)
        mother.node.outgoing.notify()
        await settle()
        assert await present(bank) in await generations(son, made.cid)
        assert await reads(one) == 7
        with pytest.raises(UsageError, match="live, not suspended"):
            await mother.write(keep)
        held = await held_by(mother, root)
        with pytest.raises(NotFound):
            await mother.write(
                lambda tx: on.keep(
                    tx, held, mother.node.borrowing.keys(tx, held), root, mother.now_ms
                )
            )


async def test_what_ran_out_stays_so_when_a_clock_goes_back(autojump_clock: MockClock) -> None:
    """Its keys were turned: it would be served pages that it cannot open."""
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 5)
        given = await lend(owner, reader, DAYS, days=2)
        town.clock.ahead_ms += 2 * DAY_S * 1000 + 20_000
        await owner.node.keep_house()
        town.clock.ahead_ms -= 40_000
        assert owner.now_ms < given.exp_s * 1000
        with pytest.raises(Refused) as refused:
            await reader.node.fetcher.fetch(await reader.peer("owner"), Window(CURVE, DAY, DAY))
        assert refused.value.code == Code.EXPIRED.value
