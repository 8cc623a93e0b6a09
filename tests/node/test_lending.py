"""What is lent opens what was granted, until it is taken back or has run out; nothing else."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from entrenous.crypto.key_tree import NoKey
from entrenous.node.errors import NotAllowed, Refused, UsageError
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.store.database import Tx
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.page import parse_entry
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    GAS,
    Party,
    Town,
    a_town,
    ask,
    both_logs_hold,
    decide,
    lend,
    meet,
    revoke,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)


async def household(town: Town) -> tuple[Party, Party]:
    """An owner with forty days of readings, and a reader that it knows."""
    owner, reader = await town.party("home"), await town.party("shop")
    await meet(owner, reader)
    await owner.fill(CURVE, DAY, 40)
    return owner, reader


async def fetched_days(owner: Party, reader: Party, window: Window) -> list[int]:
    pair = await reader.peer(owner.name)
    lent = await reader.node.fetcher.fetch(pair, window)
    assert lent.damaged == ()
    assert lent.batch is not None
    return sorted({day for day, _ in lent.batch.by_day()})


async def opened_on_disk(owner: Party, reader: Party, given: GrantGiven) -> set[int]:
    """The days of the owner's own pages that the keys of the reader open: all keys, all pages."""

    grant = await reader.read(lambda tx: reader.node.borrowing.get(tx, given.cid))
    keys = await reader.read(lambda tx: reader.node.borrowing.keys(tx, grant))
    days: set[int] = set()
    for path in (CURVE, GAS):
        for stored in await owner.read(
            lambda tx, p=path: owner.node.vault.stored(tx, p, 0, 65_534)
        ):
            entry = parse_entry(stored.raw)
            try:
                keys.day_key(entry.path, entry.epoch, entry.gen, entry.day)
            except NoKey:
                continue
            days.add(entry.day)
    return days


async def test_a_grant_opens_its_days_and_no_other(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        given = await lend(owner, reader, TEN)
        assert await fetched_days(owner, reader, TEN) == list(range(DAY, DAY + 10))
        assert await opened_on_disk(owner, reader, given) == set(range(DAY, DAY + 10))
        pair = await reader.peer("home")
        for window in (Window(CURVE, DAY, DAY + 10), Window(GAS, DAY, DAY)):
            with pytest.raises(Refused):
                await reader.node.fetcher.fetch(pair, window)
        await both_logs_hold(owner, reader)


async def test_no_day_after_the_end_of_a_grant_is_granted(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        given = await lend(owner, reader, Window(CURVE, DAY, DAY + 39), days=3)
        assert given.windows == (Window(CURVE, DAY, DAY + 3),)
        assert await fetched_days(owner, reader, given.windows[0]) == list(range(DAY, DAY + 4))
        cid = await ask(reader, owner, Window(CURVE, DAY, DAY + 39))
        with pytest.raises(UsageError, match="would end before"):
            await decide(owner, cid, Window(CURVE, DAY + 4, DAY + 39), days=3)


async def test_an_outbox_that_cannot_be_read_stops_nothing_else(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        await lend(owner, reader, TEN)
        other = await ask(reader, owner, Window(CURVE, DAY, DAY))
        spoil = "UPDATE outbox SET sealed = zeroblob(length(sealed))"

        def refuse_and_spoil(tx: Tx) -> None:
            owner.node.lending.refuse(tx, other, None, owner.now_ms)
            tx.execute(spoil)

        await owner.write(refuse_and_spoil)
        await settle()
        assert await owner.read(owner.node.store.outbox.count) == 1
        assert await fetched_days(owner, reader, TEN) == list(range(DAY, DAY + 10))


async def test_what_was_read_before_is_kept_once(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        await lend(owner, reader, TEN)
        for window in (TEN, TEN, Window(CURVE, DAY + 3, DAY + 5)):
            await fetched_days(owner, reader, window)
        their = (await reader.peer("home")).their
        kept = await reader.read(
            lambda tx: reader.node.vault.stored(tx, CURVE, DAY, DAY + 9, their)
        )
        assert [one.day for one in kept] == list(range(DAY, DAY + 10))


async def test_one_grant_over_several_paths(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        await owner.fill(GAS, DAY, 5)
        windows = (TEN, Window(GAS, DAY + 1, DAY + 2))
        given = await lend(owner, reader, *windows)
        assert await fetched_days(owner, reader, windows[1]) == [DAY + 1, DAY + 2]
        assert await fetched_days(owner, reader, windows[0]) == list(range(DAY, DAY + 10))
        await revoke(owner, given)
        generations = {
            await owner.read(lambda tx, p=path: owner.node.vault.collections.generation(tx, p))
            for path in (CURVE, GAS)
        }
        assert bytes(16) not in generations


async def test_a_category_is_granted_as_collections(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        cid = await ask(reader, owner, Window("energy", DAY, DAY + 20))
        given = await decide(owner, cid, Window(CURVE, DAY, DAY + 4))
        assert given.windows == (Window(CURVE, DAY, DAY + 4),)
        assert await fetched_days(owner, reader, Window(CURVE, DAY, DAY + 4)) == list(
            range(DAY, DAY + 5)
        )


@pytest.mark.parametrize(
    "wider",
    [
        Window(CURVE, DAY - 1, DAY),
        Window(CURVE, DAY, DAY + 10),
        Window(GAS, DAY, DAY),
        Window("energy/electricity", DAY, DAY),
    ],
)
async def test_nothing_is_granted_that_was_not_asked(
    autojump_clock: MockClock, wider: Window
) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        cid = await ask(reader, owner, TEN)
        with pytest.raises(GrantRefused) as refused:
            await decide(owner, cid, wider)
        assert refused.value.code is Code.DAYS
        with pytest.raises(GrantRefused, match="longer than was asked"):
            await decide(owner, cid, TEN, days=31)
        with pytest.raises(UsageError, match="future"):
            await decide(owner, cid, TEN, days=0)
        (only,) = await owner.read(owner.node.inbox.all)
        assert only[1].state.value == "waiting"


async def test_a_path_that_is_no_category_stands_for_itself_only(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        cid = await ask(reader, owner, Window("energy/electricity", DAY, DAY + 9))
        with pytest.raises(GrantRefused):
            await decide(owner, cid, TEN)


async def test_taken_back_serves_nothing_more_and_opens_nothing_new(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        given = await lend(owner, reader, TEN)
        await fetched_days(owner, reader, TEN)
        await revoke(owner, given)
        with pytest.raises(Refused) as refused:
            await fetched_days(owner, reader, TEN)
        assert refused.value.code == Code.REVOKED.value
        await owner.fill(CURVE, DAY, 10, value=900)  # to the very days of the grant
        old = {
            parse_entry(one.raw).gen
            for one in await owner.read(lambda tx: owner.node.vault.stored(tx, CURVE, DAY, DAY))
        }
        assert len(old) == 2
        grant = await reader.read(lambda tx: reader.node.borrowing.get(tx, given.cid))
        assert grant.kept is GrantStatus.REVOKED
        keys = await reader.read(lambda tx: reader.node.borrowing.keys(tx, grant))
        assert len({one.gen for one in keys.sets}) == 1
        with pytest.raises(UsageError, match="already"):
            await revoke(owner, given)
        await both_logs_hold(owner, reader)


async def test_survivors_get_new_keys_and_keep_the_old(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        other = await town.party("other")
        await meet(owner, other)
        gone = await lend(owner, other, TEN)
        stays = await lend(owner, reader, TEN)
        await revoke(owner, gone)
        await settle()
        fresh = await owner.read(lambda tx: owner.node.lending.get(tx, stays.cid))
        assert fresh.acknowledged == fresh.n > 0
        assert await owner.read(owner.node.store.outbox.count) == 0
        await owner.fill(CURVE, DAY, 10, value=900)
        pair = await reader.peer("home")
        lent = await reader.node.fetcher.fetch(pair, TEN)
        assert (lent.pages, lent.damaged) == (20, ())
        assert await opened_on_disk(owner, other, gone) == set(range(DAY, DAY + 10))
        grant = await other.read(lambda tx: other.node.borrowing.get(tx, gone.cid))
        keys = await other.read(lambda tx: other.node.borrowing.keys(tx, grant))
        assert {one.gen for one in keys.sets} == {bytes(16)}


async def test_a_read_carries_keys_that_the_push_could_not(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        other = await town.party("other")
        await meet(owner, other)
        gone = await lend(owner, other, TEN)
        stays = await lend(owner, reader, TEN)
        # One unit of work and no notice to the post: the push is still waiting when the read comes.
        await owner.node.store.database.write(
            lambda tx: owner.node.lending.revoke(tx, gone.cid, owner.now_ms)
        )
        await owner.fill(CURVE, DAY, 10, value=900)
        lent = await reader.node.fetcher.fetch(await reader.peer("home"), TEN)
        assert (lent.pages, lent.damaged) == (20, ())
        await settle()
        fresh = await owner.read(lambda tx: owner.node.lending.get(tx, stays.cid))
        assert fresh.acknowledged == fresh.n


async def test_a_reader_with_two_grants_goes_on_under_the_other(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        first = await lend(owner, reader, TEN)
        await settle(DAY_S / 24)
        second = await lend(owner, reader, Window(CURVE, DAY + 5, DAY + 20))
        told = await owner.write(lambda tx: owner.node.lending.revoke(tx, first.cid, owner.now_ms))
        assert told.still == (second.cid,)
        await settle()
        assert await fetched_days(owner, reader, Window(CURVE, DAY + 5, DAY + 9)) == list(
            range(DAY + 5, DAY + 10)
        )
        with pytest.raises(Refused):
            await fetched_days(owner, reader, Window(CURVE, DAY, DAY + 4))


async def test_the_first_write_after_the_end_is_under_new_keys(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        given = await lend(owner, reader, Window(CURVE, DAY, DAY + 30), days=20)
        await owner.down()  # so that no housekeeping is in time
        town.clock.ahead_ms += (20 * DAY_S + 1) * 1000
        await owner.fill(CURVE, DAY + 2, 1, value=900)
        opened = await opened_on_disk(owner, reader, given)
        entries = [
            parse_entry(one.raw)
            for one in await owner.read(
                lambda tx: owner.node.vault.stored(tx, CURVE, DAY + 2, DAY + 2)
            )
        ]
        assert [entry.gen == bytes(16) for entry in entries] == [True, False]
        # The cover never passed the day of the end: it opens days 0 to 20 of the 31 granted.
        assert opened == set(range(DAY, DAY + 21))
        ended = await owner.read(lambda tx: owner.node.lending.get(tx, given.cid))
        assert ended.ended_ms == given.exp_s * 1000


async def test_a_second_before_the_end_the_keys_are_the_same(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        given = await lend(owner, reader, TEN)
        await owner.down()
        town.clock.ahead_ms = given.exp_s * 1000 - owner.now_ms + town.clock.ahead_ms
        await owner.fill(CURVE, DAY, 1, value=900)
        assert await owner.read(
            lambda tx: owner.node.vault.collections.generation(tx, CURVE)
        ) == bytes(16)
        town.clock.ahead_ms += 1
        await owner.fill(CURVE, DAY, 1, value=901)
        assert await owner.read(
            lambda tx: owner.node.vault.collections.generation(tx, CURVE)
        ) != bytes(16)


async def test_housekeeping_ends_what_has_run_out_once(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        await lend(owner, reader, TEN, days=1)
        long = await lend(owner, reader, Window(CURVE, DAY, DAY + 5), days=10)
        town.clock.ahead_ms += 2 * DAY_S * 1000
        now_ms = owner.now_ms
        assert await owner.write(lambda tx: owner.node.lending.expire(tx, now_ms)) == 1
        assert await owner.write(lambda tx: owner.node.lending.expire(tx, now_ms)) == 0
        assert [
            one.cid
            for one in await owner.read(lambda tx: owner.node.lending.live_on(tx, CURVE, now_ms))
        ] == [long.cid]
        await settle()
        assert await fetched_days(owner, reader, Window(CURVE, DAY, DAY + 5))


async def test_taken_back_while_the_reader_is_away(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        given = await lend(owner, reader, TEN)
        await reader.down()
        await revoke(owner, given)
        await settle(300)
        assert await owner.read(owner.node.store.outbox.count) == 1
        await reader.up()
        await settle(700)
        assert await owner.read(owner.node.store.outbox.count) == 0
        grant = await reader.read(lambda tx: reader.node.borrowing.get(tx, given.cid))
        assert grant.kept is GrantStatus.REVOKED


@pytest.mark.parametrize("taken_back", [False, True])
async def test_a_grant_that_began_and_ended_while_its_reader_was_away_is_told_all_the_same(
    taken_back: bool, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        request = await ask(reader, owner, TEN)
        await reader.down()
        exp_s = owner.now_ms // 1000 + DAY_S
        given = await owner.write(
            lambda tx: owner.node.lending.grant(tx, request, [TEN], exp_s, owner.now_ms)
        )
        if taken_back:
            await revoke(owner, given)
        town.clock.ahead_ms += 2 * DAY_S * 1000
        await reader.up()
        await settle(700)
        assert await owner.read(owner.node.store.outbox.count) == 0
        asked = await reader.read(lambda tx: reader.node.asked.get(tx, request))
        assert (asked.state.value, asked.grant) == ("granted", given.cid)
        held = await reader.read(lambda tx: reader.node.borrowing.get(tx, given.cid))
        over = GrantStatus.REVOKED if taken_back else GrantStatus.EXPIRED
        assert held.status(reader.now_ms) is over
        assert held.keysets == ()
        with pytest.raises((NotAllowed, Refused)):
            await fetched_days(owner, reader, TEN)


async def test_a_suspended_grant_gives_neither_pages_nor_keys(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        given = await lend(owner, reader, TEN)
        other = await lend(owner, reader, Window(CURVE, DAY, DAY + 1))
        await owner.write(lambda tx: owner.node.lending.suspend_all(tx, owner.now_ms))
        await owner.write(lambda tx: owner.node.lending.revoke(tx, other.cid, owner.now_ms))
        await settle()
        held = await reader.read(lambda tx: reader.node.borrowing.get(tx, given.cid))
        assert len(held.keysets) == 1
        with pytest.raises(Refused) as refused:
            await fetched_days(owner, reader, Window(CURVE, DAY + 4, DAY + 5))
        assert refused.value.code == Code.SUSPENDED.value
        await owner.write(lambda tx: owner.node.lending.keep(tx, given.cid, owner.now_ms))
        await settle()
        assert await fetched_days(owner, reader, TEN) == list(range(DAY, DAY + 10))


async def test_nothing_asked_nothing_granted(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await household(town)
        with pytest.raises(NotAllowed, match="ask first"):
            await fetched_days(owner, reader, TEN)
        cid = await ask(reader, owner, TEN)
        await owner.write(lambda tx: owner.node.lending.refuse(tx, cid, "not now", owner.now_ms))
        await settle()
        ((_, asked),) = await reader.read(reader.node.asked.all)
        assert (asked.state.value, asked.reason) == ("refused", "not now")
        with pytest.raises(UsageError, match="already"):
            await decide(owner, cid, TEN)


@pytest.mark.parametrize("pages_a_day", [4])
async def test_taken_back_in_the_middle_of_a_read(
    autojump_clock: MockClock, pages_a_day: int
) -> None:
    """It stops within one window; both sides can show every window that was given."""
    async with a_town() as town:
        owner, reader = await town.party("home"), await town.party("shop")
        await meet(owner, reader)
        for number in range(pages_a_day):
            await owner.fill(CURVE, DAY - 399, 400, value=100 * number)
        window = Window(CURVE, DAY - 399, DAY)
        given = await lend(owner, reader, window, days=25)
        pair = await reader.peer("home")
        taken, first = 0, trio.Event()
        keep = reader.node.borrowing.keep

        def counting(*args: object) -> int | None:
            nonlocal taken
            taken += 1
            first.set()
            return keep(*args)  # type: ignore[arg-type]  # handed through

        reader.node.borrowing.keep = counting  # type: ignore[method-assign]  # counts windows

        async def take_back_after_the_first() -> None:
            await first.wait()
            await revoke(owner, given)

        town.nursery.start_soon(take_back_after_the_first)
        with pytest.raises(Refused) as refused:
            await reader.node.fetcher.fetch(pair, window)
        assert refused.value.code == Code.REVOKED.value
        assert 1 <= taken <= 3
        reports = [await p.read(p.node.receipts.verify) for p in (owner, reader)]
        assert reports[0].receipts == reports[1].receipts == taken
