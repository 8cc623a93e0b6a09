"""Reads that go by file, between two whole nodes that are not on a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from entrenous.crypto.keys import DeviceKey
from entrenous.node.errors import NotFound, UsageError
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.log.receipts import Logged, Way
from entrenous.node.parcels import lending
from entrenous.node.parcels.reads_by_file import PATIENCE_MS, READS_MAX, ReadsByFile
from entrenous.node.peers.peers import Pair
from entrenous.node.reads.serving import Slice
from entrenous.node.results.parcels import Fate, ParcelTaken, ParcelWindow
from entrenous.node.store.database import Tx
from entrenous.protocol.command import Cmd
from entrenous.protocol.day import month_of
from entrenous.protocol.persona import make_certificate
from entrenous.protocol.reading import Decimal
from entrenous.protocol.receipt import Receipt, ReceiptBody
from entrenous.protocol.record import Batch
from entrenous.protocol.trust import VerifiedRead
from entrenous.protocol.window import Window
from entrenous.tests.node.test_parcels import Stick
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    revoke,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)


async def lent_apart(
    town: Town,
    folder: Path,
    *,
    path: str = CURVE,
    first: int = DAY,
    days: int = 20,
    filled: int | None = None,
    pages: int | None = None,
) -> tuple[Party, Party, Stick, GrantGiven]:
    """A home that has lent `days` days to a shop, and from now on neither is on a network."""
    home, shop = await town.party("home"), await town.party("shop")
    if pages is not None:
        home.node.serving._window_pages_max = pages  # pyright: ignore[reportPrivateUsage]  # as a simulated node is made
    await meet(home, shop)
    await home.fill(path, first, days if filled is None else filled)
    given = await lend(home, shop, Window(path, first, first + days - 1))
    await settle()
    await home.down()
    await shop.down()
    return home, shop, Stick(folder), given


async def want(shop: Party, window: Window = TEN) -> int:
    pair = await shop.peer("home")
    return await shop.write(lambda tx: shop.node.parcel_fetching.ask(tx, pair, window, shop.now_ms))


async def reads(one: Party, other: Party) -> ReadsByFile:
    pair = await one.peer(other.name)
    return await one.read(lambda tx: one.node.reads_by_file.of(tx, pair))


async def receipts(party: Party) -> list[Logged]:
    return [
        one for one in await party.read(party.node.receipts.all) if isinstance(one.word, Receipt)
    ]


def windows(taken: ParcelTaken) -> list[ParcelWindow]:
    return [item.window for item in taken.items if item.window is not None]


def fates(taken: ParcelTaken) -> list[Fate]:
    return [item.fate for item in taken.items if item.cmd == Cmd.READ]


async def test_a_read_by_file(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        assert await want(shop) == 1
        assert fates(await stick.carry(shop, home)) == [Fate.DONE]
        assert await receipts(home) == []
        taken = await stick.carry(home, shop)
        assert windows(taken) == [ParcelWindow(CURVE, DAY, DAY + 9, 0, final=True, pages=10)]
        assert [(one.way, one.two_sided) for one in await receipts(shop)] == [(Way.TAKEN, True)]
        assert [(one.way, one.two_sided) for one in await receipts(home)] == [(Way.GIVEN, False)]
        taken = await stick.carry(shop, home)
        assert fates(taken) == [Fate.DONE]
        assert [one.two_sided for one in await receipts(home)] == [True]
        assert (await reads(shop, home)).asked == ()
        assert (await reads(home, shop)).served == ()
        await both_logs_hold(home, shop)


async def test_a_read_of_several_windows(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=4)
        await want(shop)
        came: list[ParcelWindow] = []
        for _ in range(3):
            await stick.carry(shop, home)
            came += windows(await stick.carry(home, shop))
        await stick.carry(shop, home)
        assert [(one.first, one.last, one.final, one.pages) for one in came] == [
            (DAY, DAY + 3, False, 4),
            (DAY + 4, DAY + 7, False, 4),
            (DAY + 8, DAY + 9, True, 2),
        ]
        for party in (home, shop):
            assert [one.two_sided for one in await receipts(party)] == [True] * 3
        await both_logs_hold(home, shop)


# --- lost, late, twice ----------------------------------------------------------------------------


async def test_pages_that_were_lost_come_again_with_the_same_receipt(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        await want(shop)
        await stick.carry(shop, home)
        lost = await stick.write(home, shop)
        taken = await stick.carry(home, shop)
        assert [one.pages for one in windows(taken)] == [10]
        assert len(await receipts(home)) == 1
        # The lost one turns up: nothing new.
        assert fates(await shop.node.parcel_taking.take(lost)) == [Fate.BEFORE]
        assert len(await receipts(shop)) == 1
        await stick.carry(shop, home)
        await both_logs_hold(home, shop)


async def test_a_read_that_is_signed_anew_is_read_once(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        await want(shop)
        sticks = [await stick.write(shop, home) for _ in range(3)]
        assert fates(await home.node.parcel_taking.take(sticks[1])) == [Fate.DONE]
        assert fates(await home.node.parcel_taking.take(sticks[0])) == [Fate.BEFORE]
        await stick.carry(home, shop)
        await stick.carry(shop, home)
        # Now the read is over, and the last of the three turns up.
        assert fates(await home.node.parcel_taking.take(sticks[2])) == [Fate.BEFORE]
        assert [one.two_sided for one in await receipts(home)] == [True]
        assert (await reads(home, shop)).served == ()
        with pytest.raises(NotFound, match="nothing waits for"):
            await stick.carry(home, shop)
        await both_logs_hold(home, shop)


async def test_a_signature_is_sent_until_it_has_been_seen(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=5)
        await want(shop)
        await stick.carry(shop, home)
        await stick.carry(home, shop)
        await stick.write(shop, home)  # lost
        await stick.carry(shop, home)
        taken = await stick.carry(home, shop)
        assert [one.number for one in windows(taken)] == [1]
        assert len((await reads(shop, home)).signatures) == 1
        late = await stick.write(shop, home)
        assert fates(await home.node.parcel_taking.take(late)) == [Fate.DONE]
        assert [one.two_sided for one in await receipts(home)] == [True, True]
        await both_logs_hold(home, shop)


async def test_a_window_that_arrived_is_not_sent_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        await want(shop)
        await stick.carry(shop, home)
        await stick.carry(home, shop)
        pair = await home.peer("shop")
        written = await home.node.parcel_writing.write("shop", tmp_path / "again")
        assert written.windows == 1  # nothing is known of the first
        kept = await shop.read(lambda tx: shop.node.reads_by_file.of(tx, pair))
        assert kept == ReadsByFile()
        await stick.carry(shop, home)
        with pytest.raises(NotFound):
            await home.node.parcel_writing.write("shop", tmp_path / "third")


# --- what ends a read -----------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before it is heard", "before pages", "pages lost", "between"])
async def test_what_was_taken_back_is_refused_and_not_read(
    autojump_clock: MockClock, tmp_path: Path, when: str
) -> None:
    async with a_town() as town:
        home, shop, stick, given = await lent_apart(town, tmp_path, pages=5)
        await want(shop)
        if when == "before it is heard":
            await revoke(home, given)
        taken = await stick.carry(shop, home)
        assert fates(taken) == [Fate.REFUSED if when == "before it is heard" else Fate.DONE]
        if when == "before pages":
            await revoke(home, given)
        if when == "pages lost":
            await stick.write(home, shop)
            await revoke(home, given)
        if when == "between":
            await stick.carry(home, shop)
            await stick.carry(shop, home)
            await revoke(home, given)
        taken = await stick.carry(home, shop)
        assert windows(taken) == []
        refused = [item for item in taken.items if item.cmd == Cmd.READ]
        assert [item.fate for item in refused] == [Fate.REFUSED]
        assert "taken back" in (refused[0].reason or "")
        assert (await reads(shop, home)).asked == ()
        assert (await reads(home, shop)).served == ()
        signed = {"before it is heard": 0, "before pages": 0, "pages lost": 1, "between": 1}[when]
        assert len(await receipts(home)) == signed
        assert len(await receipts(shop)) == (1 if when == "between" else 0)
        await stick.carry(shop, home)
        await both_logs_hold(home, shop)


async def test_a_grant_that_runs_out_on_the_way(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        await want(shop)
        await stick.carry(shop, home)
        town.clock.ahead_ms += 25 * DAY_S * 1000
        taken = await stick.carry(home, shop)
        assert [item.reason for item in taken.items if item.fate is Fate.REFUSED] != []
        assert windows(taken) == []
        await both_logs_hold(home, shop)


async def test_pages_that_changed_before_they_are_sent_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        await want(shop)
        await stick.carry(shop, home)
        await stick.write(home, shop)  # lost
        book = await reads(home, shop)
        offered = book.served[0].offered
        assert offered is not None
        fewer = replace(book.served[0], offered=replace(offered, seqs=offered.seqs[:-1]))
        pair = await home.peer("shop")
        await home.write(lambda tx: home.node.reads_by_file.save(tx, pair, book.with_served(fewer)))
        taken = await stick.carry(home, shop)
        assert [(item.fate, item.reason) for item in taken.items if item.cmd == Cmd.READ] == [
            (Fate.LATER, "these days have changed since they were offered: read them again")
        ]
        # It is asked for again by itself.
        assert fates(await stick.carry(shop, home)) == [Fate.DONE]
        assert [one.pages for one in windows(await stick.carry(home, shop))] == [10]
        await stick.carry(shop, home)
        assert [one.two_sided for one in await receipts(home)] == [False, True]
        await both_logs_hold(home, shop)


async def test_a_read_that_nobody_answers_is_given_up(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        await want(shop)
        await stick.carry(shop, home)
        await stick.write(home, shop)
        town.clock.ahead_ms += PATIENCE_MS + 1
        with pytest.raises(NotFound, match="nothing came from home for two months"):
            await stick.write(shop, home)
        assert (await reads(shop, home)).asked == ()
        with pytest.raises(NotFound, match="shop did not sign for what it reads"):
            await stick.write(home, shop)
        assert (await reads(home, shop)).served == ()


async def test_an_owner_that_was_restored(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=5)
        await want(shop)
        await stick.carry(shop, home)
        await stick.carry(home, shop)
        pair = await shop.peer("home")
        own = await home.read(lambda tx: home.node.peers.persona(tx, pair.their))
        other = DeviceKey.generate(town.entropy.fork("other device"))
        newer = make_certificate(
            own.key,
            device=other,
            cmds=("/",),
            exp_s=home.now_ms // 1000 + DAY_S,
            now_ms=home.now_ms,
        )
        await shop.write(lambda tx: shop.node.peers.save(tx, replace(pair, certificate=newer)))
        written = await shop.node.parcel_writing.write("home", tmp_path / "x")
        assert written.notes == (
            f"the read of {CURVE} by file is given up: home has another device now; what came is "
            "kept, ask for the rest again",
        )
        theirs = await home.peer("shop")
        await home.write(lambda tx: _restored(home, tx, theirs))
        assert (await reads(home, shop)).served == ()


def _restored(party: Party, tx: Tx, pair: Pair) -> None:
    party.node.parcel_books.begin_anew(tx, pair)
    party.node.reads_by_file.begin_anew(tx, pair, party.node.entropy)


async def test_a_reader_that_was_restored_begins_anew(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=5)
        await want(shop)
        await stick.carry(shop, home)
        await stick.carry(home, shop)
        pair = await shop.peer("home")
        await shop.write(lambda tx: _restored(shop, tx, pair))
        for _ in range(2):
            await stick.carry(shop, home)
            await stick.carry(home, shop)
        await stick.carry(shop, home)
        book = await reads(home, shop)
        # The first one goes on being offered until it is given up.
        assert [one.next for one in book.served] == [1]
        await both_logs_hold(home, shop)


# --- keys, and links in between -------------------------------------------------------------------


# --- keys, other days, links in between -----------------------------------------------------------


async def test_new_keys_between_two_windows(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=5, filled=10)
        other = await lend_to_another(town, home)
        await want(shop, Window(CURVE, DAY, DAY + 14))
        await stick.carry(shop, home)
        await stick.carry(home, shop)
        # Another reader loses its grant: new keys for the one that is left, new days under them.
        await revoke(home, other)
        await home.fill(CURVE, DAY + 10, 5, value=1_000)
        await stick.carry(shop, home)
        before = (await shop.read(shop.node.borrowing.all))[0].keysets
        taken = await stick.carry(home, shop)
        assert [one.number for one in windows(taken)] == [1]
        assert len((await shop.read(shop.node.borrowing.all))[0].keysets) == len(before) + 1
        while (await reads(shop, home)).asked:
            await stick.carry(shop, home)
            await stick.carry(home, shop)
        await stick.carry(shop, home)
        assert all(one.two_sided for one in await receipts(home))
        lent = await shop.node.kept_reads.read(
            await shop.peer("home"), Window(CURVE, DAY, DAY + 14)
        )
        assert lent.damaged == ()
        assert lent.batch is not None
        values = mantissas(lent.batch)
        assert max(values) >= 1_000
        given = await home.read(home.node.lending.all)
        assert [one.n == one.acknowledged for one in given if one.ended_ms is None] == [True]
        await both_logs_hold(home, shop)


def mantissas(batch: Batch) -> list[int]:
    return [mantissa for mantissa, _ in cast("list[Decimal]", batch.columns["value"])]


async def lend_to_another(town: Town, home: Party) -> GrantGiven:
    other = await town.party("other")
    await home.up()
    await meet(home, other)
    given = await lend(home, other, TEN)
    await settle()
    await home.down()
    await other.down()
    return given


async def test_reading_over_a_link_meanwhile(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=5)
        await want(shop)
        await stick.carry(shop, home)
        await stick.carry(home, shop)
        await home.up()
        await shop.up()
        lent = await shop.node.fetcher.fetch(await shop.peer("home"), TEN)
        assert (lent.pages, lent.windows) == (10, 2)
        await settle()
        await home.down()
        await shop.down()
        # What goes by file goes on by file.
        await stick.carry(shop, home)
        assert [one.number for one in windows(await stick.carry(home, shop))] == [1]
        await stick.carry(shop, home)
        assert [one.two_sided for one in await receipts(home)] == [True] * 4
        assert not home.node.links.contradicted | shop.node.links.contradicted
        await both_logs_hold(home, shop)


async def test_years_go_in_one_parcel(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, first=DAY - 799, days=800)
        whole = Window(CURVE, DAY - 799, DAY)
        assert await want(shop, whole) == 3
        assert await want(shop, whole) == 0
        await stick.carry(shop, home)
        taken = await stick.carry(home, shop)
        assert [(one.number, one.final, one.pages) for one in windows(taken)] == [
            (0, True, 366),
            (0, True, 366),
            (0, True, 68),
        ]
        await stick.carry(shop, home)
        lent = await shop.node.kept_reads.read(await shop.peer("home"), whole)
        assert lent.batch is not None
        assert len(lent.batch) == 800 * 24
        assert [one.two_sided for one in await receipts(home)] == [True] * 3
        await both_logs_hold(home, shop)


async def test_a_day_that_is_larger_than_a_window(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, days=3, pages=2)
        for value in (100, 200, 300):
            await home.fill(CURVE, DAY, 1, value=value)
        await want(shop, Window(CURVE, DAY, DAY + 2))
        came: list[ParcelWindow] = []
        while (await reads(shop, home)).asked:
            await stick.carry(shop, home)
            came += windows(await stick.carry(home, shop))
        assert [(one.first - DAY, one.last - DAY, one.pages) for one in came] == [
            (0, 0, 2),
            (0, 0, 2),
            (1, 2, 2),
        ]
        await stick.carry(shop, home)
        await both_logs_hold(home, shop)


async def test_days_without_a_page(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, days=20)
        pair = await shop.peer("home")
        await shop.write(
            lambda tx: shop.node.parcel_fetching.ask(
                tx, pair, Window(CURVE, DAY, DAY + 9), shop.now_ms
            )
        )
        for month in {month_of(DAY + day) for day in range(10)}:
            await home.write(
                lambda tx, month=month: home.node.store.catalogue.delete(tx, "", CURVE, (month,))
            )
        await stick.carry(shop, home)
        taken = await stick.carry(home, shop)
        assert [(one.final, one.pages) for one in windows(taken)] == [(True, 0)]
        await stick.carry(shop, home)
        assert [one.two_sided for one in await receipts(home)] == [True]
        with pytest.raises(NotFound, match="was read here yet"):
            await shop.node.kept_reads.read(pair, TEN)


async def test_no_more_reads_than_there_may_be(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        _, shop, _, _ = await lent_apart(town, tmp_path)
        with pytest.raises(UsageError, match=f"at most {READS_MAX} reads"):
            await want(shop, Window(CURVE, 0, 366 * READS_MAX))
        assert await want(shop, Window(CURVE, 0, 366 * READS_MAX - 1)) == READS_MAX
        with pytest.raises(UsageError):
            await want(shop, TEN)


# --- what is kept ---------------------------------------------------------------------------------


async def test_what_was_corrected_since_counts_as_it_was_last_read(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, days=5)
        five = Window(CURVE, DAY, DAY + 4)

        async def read() -> list[int]:
            await want(shop, five)
            await stick.carry(shop, home)
            await stick.carry(home, shop)
            await stick.carry(shop, home)
            lent = await shop.node.kept_reads.read(await shop.peer("home"), five)
            assert lent.batch is not None
            return sorted(set(mantissas(lent.batch)))

        first = await read()
        months = sorted({month_of(DAY + day) for day in range(5)})
        await home.write(lambda tx: home.node.store.catalogue.delete(tx, "", CURVE, months))
        await home.fill(CURVE, DAY, 3, value=5_000)
        second = await read()
        assert min(second) == 5_000
        assert len(second) == 3 * 24
        assert len(first) == 5 * 24


@pytest.mark.parametrize(
    "off_ms", [-86_400_000, 3_600_000], ids=["before it was asked for", "after it came"]
)
async def test_a_window_that_is_dated_at_another_time_is_refused(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off_ms: int
) -> None:
    """The reader signs for no time that its own clock does not bear out, and keeps nothing."""
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        honest = lending.receipt_body

        def lying(
            read: VerifiedRead, n: int, window: Slice, last: bool, t_ms: int, prev: bytes | None
        ) -> ReceiptBody:
            return honest(read, n, window, last, t_ms + off_ms, prev)

        monkeypatch.setattr(lending, "receipt_body", lying)
        await trio.sleep(2 * DAY_S)  # a certificate that was made now does not hold yesterday
        await want(shop)
        await stick.carry(shop, home)
        taken = await stick.carry(home, shop)
        (told,) = [one for one in taken.items if one.cmd is Cmd.READ]
        assert told.fate is Fate.REFUSED
        assert "dated at another time" in (told.reason or "")
        assert await receipts(shop) == []
