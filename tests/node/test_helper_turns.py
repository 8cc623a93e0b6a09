"""What turns while a helper serves: personas and devices, grants, leases, clocks; and who plays one
of the three against another."""

# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright; a
# hostile peer is an honest one of which a part was changed.

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from trio.testing import MockClock

from entrenous.crypto.labels import Signed
from entrenous.crypto.shares import recovery_secret
from entrenous.node.config import Role
from entrenous.node.errors import Away, NodeError, Refused
from entrenous.node.helping.helper import Helper
from entrenous.node.helping.leasing import PUT_DAYS, _Look
from entrenous.node.peers.peers import Pair
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.command import (
    HelperAskArgs,
    HelperDecideArgs,
    HelperOverArgs,
    HelperReceiptArgs,
)
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, Code, GrantRefused
from entrenous.protocol.helped import Kept, Shelf, check_lease
from entrenous.protocol.limits import INVOCATION_AHEAD_S_MAX
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.session_event import RefuseReceived
from entrenous.protocol.signed import assemble
from entrenous.protocol.window import Window
from entrenous.tests.node.helping_town import HelpingTown, a_helping_town
from entrenous.tests.node.lost_device import with_words
from entrenous.tests.node.several_devices import another, in_step
from entrenous.tests.node.test_devices_removed import Family
from entrenous.tests.node.test_helper_attacks import _returned, rows_of_helper
from entrenous.tests.node.test_helpers_devices import HOUR_MS, leases
from entrenous.tests.node.test_views import (
    JANUARY,
    MARCH,
    MONTHLY,
    fill,
    go_to,
    grant_view,
    in_town,
)
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    GAS,
    Party,
    Town,
    a_town,
    lend,
    meet,
    readings,
    revoke,
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


# --- grants that end ------------------------------------------------------------------------------


async def test_a_grant_that_ends_while_its_first_lease_is_made_goes_to_no_helper(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the lease: no end of it is told to a helper that has no lease yet."""
    async with a_helping_town(helping=False) as t:
        leasing = t.owner.node.leasing
        due, give = leasing._due, leasing._give
        given: list[Kept] = []

        async def meanwhile(helper: Helper, look: _Look) -> list[bool]:
            monkeypatch.setattr(leasing, "_due", due)
            await revoke(t.owner, t.given)
            return await due(helper, look)

        async def told(helper: Helper, pair: Pair, kept: Kept) -> bytes:
            given.append(kept)
            return await give(helper, pair, kept)

        monkeypatch.setattr(leasing, "_due", meanwhile)
        monkeypatch.setattr(leasing, "_give", told)
        await t.help()
        assert given
        assert not [one for one in given if isinstance(one, Shelf)]
        assert (await t.kept())[0] == 0


async def test_ends_that_a_helper_is_told_fill_no_disk(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of grants that it never saw an owner can name as many as it likes: the newest are kept."""
    monkeypatch.setattr("entrenous.node.helping.shelves.OVERS_MAX", 3)
    async with a_helping_town() as t:
        shelves, pair = t.helper.node.shelves, await t.helper.peer("owner")
        cids = [t.given.cid[:4] + bytes([n]) * 32 for n in range(6)]
        for cid in (*cids, cids[4]):
            args = HelperOverArgs(pair.own, cid)
            await t.helper.write(lambda tx, a=args: shelves.over(tx, pair, a, t.helper.now_ms))
        objects = t.helper.node.store.objects
        kept = await t.helper.read(lambda tx: objects.all(tx, Kind.HELPED_OVER))
        assert [over for _, over in kept] == [[cids[3], cids[5], cids[4]]]


async def test_an_end_is_said_not_to_be_heard_by_a_helper_that_is_asked_anew(
    autojump_clock: object,
) -> None:
    """Removed and asked again while it is away, it knows neither, and serves what it keeps."""
    async with a_helping_town() as t:
        owner, pair = t.owner.node, await t.owner.peer("helper")
        await t.helper.down()
        await t.owner.write(lambda tx: owner.helpers.remove(tx, pair, t.owner.now_ms))
        await t.owner.write(lambda tx: owner.helpers.add(tx, pair, (), t.owner.now_ms))
        await revoke(t.owner, t.given)
        told = await t.owner.read(
            lambda tx: owner.helpers.not_heard(tx, [t.given.cid], t.owner.now_ms)
        )
        assert [name for name, _ in told] == ["helper"]


# --- devices and personas -------------------------------------------------------------------------


async def test_a_helper_that_serves_with_another_device_is_not_looked_for_at_the_one_before(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        second = await another(t.town, t.helper, "second")
        await in_step(t.helper, second)
        asking = await second.peer("owner")
        shelves, addresses = second.node.shelves, tuple(second.node.addresses())
        args = HelperAskArgs(asking.own, helps=True)
        await second.write(lambda tx: shelves.asked(tx, asking, args, second.now_ms))
        await second.write(lambda tx: shelves.allow(tx, asking, addresses, second.now_ms))
        second.node.outgoing.notify()
        await settle()
        await t.in_step()
        await settle(30)
        owner = await t.reader.peer("owner")
        known = await t.reader.read(lambda tx: t.reader.node.served_by.of(tx, owner))
        assert [one.device for one in known] == [second.node.keystore.device.public]
        await t.owner.down()
        assert (await t.fetch()).batch is not None


async def test_a_device_that_its_helper_removed_is_leased_to_no_more(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Lost or stolen, it serves under what it has until that ends; it gets no other lease, readers
    are told, and what is taken back now is said not to be heard there."""
    async with a_town() as town:
        lost = await with_words(town, tmp_path, "helper")
        helper, owner = lost.alice, await town.party("owner")
        reader = await town.party("reader", Role.ORGANISATION)
        await owner.fill(CURVE, DAY - 5, 6)
        await meet(owner, reader)
        await meet(owner, helper)
        given = await lend(owner, reader, Window(CURVE, DAY - 5, DAY + 10))
        t = HelpingTown(town, owner, reader, helper, given)
        await t.help()
        (before,) = await leases(owner)
        laptop = await another(town, helper, "laptop")
        await in_step(helper, laptop)
        await helper.down()
        await laptop.down()
        family = Family(town, laptop, laptop, laptop, reader, recovery_secret(lost.words))
        fresh = await family.removes(laptop, helper)
        await fresh.up()
        await settle(90)
        town.clock.ahead_ms += 5 * HOUR_MS
        await t.in_step()
        await settle(30)
        assert [one.lease for one in await leases(owner)] == [before.lease]
        there = await reader.peer("owner")
        assert await reader.read(lambda tx: reader.node.served_by.of(tx, there)) == []
        await revoke(owner, given)
        await settle(30)
        told = await owner.read(
            lambda tx: owner.node.helpers.not_heard(tx, [given.cid], owner.now_ms)
        )
        assert [until_s for _, until_s in told] == [before.lease.exp_s]


async def test_who_refused_to_help_is_no_helper_until_it_is_asked_again(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        helper, pair = t.helper.node, await t.helper.peer("owner")
        await t.helper.write(lambda tx: helper.shelves.refuse(tx, pair, None, t.helper.now_ms))
        await settle(3)
        owner, there = t.owner.node, await t.owner.peer("helper")
        device = did_of(helper.keystore.device.public)
        yes = HelperDecideArgs(there.own, device, tuple(helper.addresses()), None)
        with pytest.raises(GrantRefused, match="not asked again"):
            await t.owner.write(lambda tx: owner.helpers.decided(tx, there, yes, t.owner.now_ms))
        await t.help()
        assert (await t.kept())[0] == 6


# --- clocks ---------------------------------------------------------------------------------------


async def test_a_lease_holds_at_a_helper_whose_clock_is_behind_as_far_as_two_nodes_can_talk(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        (leased,) = await leases(t.owner)
        for behind_s in (0, INVOCATION_AHEAD_S_MAX):
            check_lease(leased.lease, t.owner.now_ms - behind_s * 1000)
        with pytest.raises(CapabilityError):
            check_lease(leased.lease, t.owner.now_ms - 3 * INVOCATION_AHEAD_S_MAX * 1000)


# --- what is in the way ---------------------------------------------------------------------------


async def test_a_day_of_too_many_pages_keeps_no_other_collection_from_a_helper(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source can deliver as often as it likes; what it fills is served by the owner alone."""
    monkeypatch.setattr("entrenous.node.helping.leasing.HELP_IDS_MAX", 2)
    async with a_helping_town(helping=False) as t:
        await t.owner.fill(GAS, DAY, 1)
        await lend(t.owner, t.reader, Window(GAS, DAY, DAY))
        assert CURVE < GAS
        vault = t.owner.node.vault
        for number in range(3):
            pieces = pieces_of(readings(DAY, 1, value=number))
            await vault.write(CURVE, METER_READING, pieces, origin=bytes([number]))
        stored = await t.owner.read(lambda tx: t.owner.node.vault.stored(tx, CURVE, DAY, DAY))
        assert len(stored) > 2
        await t.help()
        pair = await t.helper.peer("owner")
        pages = t.helper.node.shelves.pages
        kept = await t.helper.read(lambda tx: pages.stored(tx, pair.their, GAS, DAY, DAY))
        assert len(kept) == 1


async def test_days_that_are_gone_are_as_few_in_one_call_as_it_can_hold(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that signs a year every day leaves a year of statements with a year of days gone."""
    async with a_helping_town(helping=False) as t:
        leasing, vault = t.owner.node.leasing, t.owner.node.vault
        stored = await t.owner.read(lambda tx: vault.stored(tx, CURVE, DAY - 5, DAY))
        some = [replace(one, statement=bytes([n]) * 36) for n, one in enumerate(stored)]
        year = SimpleNamespace(leaves=(), gone=tuple(range(PUT_DAYS // 2 + 1)))

        def statement(_tx: Tx, _cid: bytes) -> SimpleNamespace:
            return year

        monkeypatch.setattr(leasing, "_statement", statement)
        kept, taken = await t.owner.read(lambda tx: leasing._gathered(CURVE, some, tx))
        assert (len(kept.statements), taken) == (2, 2)
        _, rest = await t.owner.read(lambda tx: leasing._gathered(CURVE, some[taken:], tx))
        assert rest == 2


async def test_a_device_that_its_reader_removed_is_served_by_no_helper_that_has_heard(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Its shelf goes when the owner has heard who follows the reader; who does is told where else
    it may read, and reads there."""
    async with a_town() as town:
        lost = await with_words(town, tmp_path, "reader", Role.ORGANISATION)
        reader = lost.alice
        owner, helper = await town.party("owner"), await town.party("helper")
        await owner.fill(CURVE, DAY - 5, 6)
        await meet(owner, reader)
        await meet(owner, helper)
        given = await lend(owner, reader, Window(CURVE, DAY - 5, DAY + 10))
        t = HelpingTown(town, owner, reader, helper, given)
        await t.help()
        laptop = await another(town, reader, "laptop")
        await in_step(reader, laptop)
        await reader.down()
        await laptop.down()
        family = Family(town, laptop, laptop, laptop, owner, recovery_secret(lost.words))
        fresh = await family.removes(laptop, reader)
        await fresh.up()
        await settle(90)
        await t.in_step()
        await settle(30)
        await owner.down()
        shelves = await helper.read(helper.node.shelves._shelves)
        assert given.their not in {one.reader for one in shelves}
        # The one that was lost, as it was.
        await reader.up()
        with pytest.raises((Away, Refused)):
            await t.fetch()
        pair = await fresh.peer("owner")
        lent = await fresh.node.fetcher.fetch(pair, Window(CURVE, DAY - 5, DAY))
        assert lent.batch is not None


async def test_a_receipt_of_before_a_succession_is_taken_after_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """What was read under a lease of the persona that was followed was read."""
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
        laptop = await another(town, owner, "laptop")
        await in_step(owner, laptop)
        await owner.down()
        await laptop.down()
        await t.fetch()
        await settle()
        family = Family(town, laptop, laptop, laptop, reader, recovery_secret(lost.words))
        fresh = await family.removes(laptop, owner)
        await fresh.up()
        await settle(120)
        (row,) = await rows_of_helper(fresh)
        assert row.body.dlg == given.cid
        assert not row.one_sided


# --- what is granted ------------------------------------------------------------------------------


@in_town
async def test_a_helper_serves_a_view_and_not_what_it_was_made_of(town: Town, alice: Party) -> None:
    go_to(town, MARCH + 20)
    reader = await town.party("reader", Role.ORGANISATION)
    helper = await town.party("helper")
    await meet(alice, reader)
    await meet(alice, helper)
    await fill(alice, JANUARY, 70)
    await alice.node.views.add(MONTHLY)
    given = await grant_view(alice, reader, MONTHLY, CURVE, JANUARY, MARCH - 1)
    t = HelpingTown(town, alice, reader, helper, given)
    await t.help()
    assert (await t.kept())[0] == 2
    await alice.down()
    lent = await t.fetch(Window(MONTHLY.path, JANUARY, MARCH - 1))
    assert lent.batch is not None
    assert [row["id"] for row in lent.batch.rows()] == ["2026-01/001", "2026-02/001"]
    with pytest.raises(NodeError):
        await t.fetch(Window(CURVE, JANUARY, JANUARY))


async def test_a_grant_that_runs_out_is_served_no_more_under_a_lease_that_holds(
    autojump_clock: object,
) -> None:
    """By the helper's clock, and by what was signed before; another grant is served on."""
    async with a_helping_town(helping=False) as t:
        short = await lend(t.owner, t.reader, Window(CURVE, DAY - 5, DAY - 4), days=1)
        t.town.clock.ahead_ms += 20 * HOUR_MS
        await t.help()
        await t.owner.down()
        t.town.clock.ahead_ms += short.exp_s * 1000 - t.reader.now_ms - 30_000
        pair, window = await t.reader.peer("owner"), Window(CURVE, DAY - 5, DAY - 4)
        link = await t.reader.node.links.link_for_read(pair)
        others = [t.given.cid]
        fetching, invocation = await t.reader.read(
            lambda tx: t.reader.node.borrowing.begin(
                tx, pair, window, link.server.device, t.reader.now_ms, None, others
            )
        )
        assert fetching.grant.cid == short.cid
        t.town.clock.ahead_ms += 60_000
        with await link.ask(invocation.raw, fetching.proofs) as asking:
            arrived = await asking.reply()
        assert isinstance(arrived.event, RefuseReceived)
        assert arrived.event.code is Code.EXPIRED
        assert (await t.fetch()).batch is not None


async def test_a_grant_that_was_renewed_is_served_where_the_one_before_it_was(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        renewals = t.owner.node.renewals
        exp_s = t.owner.now_ms // 1000 + 29 * 86_400
        new = await t.owner.write(lambda tx: renewals.renew(tx, t.given.cid, exp_s, t.owner.now_ms))
        await settle(5)
        await t.in_step()
        await t.owner.down()
        assert (await t.fetch()).batch is not None
        await t.owner.up()
        await settle(90)
        assert {one.body.dlg for one in await rows_of_helper(t.owner)} <= {t.given.cid, new.cid}
        assert len(await rows_of_helper(t.owner)) == 1


# --- receipts -------------------------------------------------------------------------------------


async def test_a_read_that_two_helpers_bring_or_one_brings_twice_is_one_read(
    autojump_clock: object,
) -> None:
    """Also where the second time it is without its reader's signature."""
    async with a_helping_town() as t:
        args, receipt = await _returned(t)
        await t.owner.up()
        await settle(90)
        other = await t.town.party("other")
        await meet(t.owner, other)
        second = await t.owner.peer("other")
        owner, now_ms = t.owner.node, t.owner.now_ms
        await t.owner.write(lambda tx: owner.helpers.add(tx, second, (), now_ms))
        first = await t.owner.peer("helper")
        signature = receipt.signed.signatures[0]
        alone = assemble(Signed.RECEIPT, receipt.body.value(), signature)
        for pair in (first, second):
            for raw in (args.receipt, alone.raw):
                again = HelperReceiptArgs(pair.own, args.lease, args.call, raw)
                await t.owner.write(
                    lambda tx, p=pair, a=again: owner.returned.told(tx, p, a, now_ms)
                )
        (row,) = await rows_of_helper(t.owner)
        assert not row.one_sided
        stranger = await t.owner.peer("reader")
        with pytest.raises(GrantRefused, match="not asked to help"):
            await t.owner.write(lambda tx: owner.returned.told(tx, stranger, args, now_ms))
