"""Helpers that lie, that are set back, and readers and peers that try them."""

# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright; a
# hostile helper is an honest one of which a part was changed.

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from entrenous.crypto.digest import sha256
from entrenous.crypto.errors import CryptoError
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.node.errors import Away, NodeError, Refused
from entrenous.node.helping.helped_source import HelpedServing
from entrenous.node.helping.helper import Leased
from entrenous.node.reads.serving import Evidence, Slice
from entrenous.node.store.database import Tx
from entrenous.node.vault.stored import Stored, entry_of
from entrenous.protocol.command import (
    Cmd,
    HelperAskArgs,
    HelperKeepArgs,
    HelperOverArgs,
    HelperReceiptArgs,
    HelperServesArgs,
    PairDeviceArgs,
    parse_args,
)
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import CapabilityError, Code, ProtocolError, RemoteProtocolError
from entrenous.protocol.helped import Shelf, make_lease, parts_of
from entrenous.protocol.receipt import (
    Receipt,
    parse_receipt,
    sign_receipt,
    with_countersignature,
)
from entrenous.protocol.segment import make_segment
from entrenous.protocol.session_event import Opened, RefuseReceived
from entrenous.protocol.signed import assemble
from entrenous.protocol.window import Window
from entrenous.tests.node.helping_town import HelpingTown, a_helping_town
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    GAS,
    Party,
    both_logs_hold,
    lend,
    meet,
    readings,
    revoke,
    settle,
)

DAY_MS = 86_400_000


async def rows_of_helper(party: Party) -> list[Receipt]:
    """What the owner's log has of reads that a helper served."""
    rows = await party.read(party.node.receipts.all)
    return [one.word for one in rows if one.way.value == "helper" and isinstance(one.word, Receipt)]


# --- the lease ------------------------------------------------------------------------------------


async def test_a_helper_serves_no_longer_than_its_lease(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        await t.owner.down()
        assert (await t.fetch()).batch is not None
        t.town.clock.ahead_ms += DAY_MS
        with pytest.raises(Away):
            await t.fetch()


async def test_a_lease_that_ends_in_the_middle_of_a_read_ends_it_at_the_next_window(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_helping_town() as t:
        await t.owner.down()
        _small_windows(t)
        _at_window(monkeypatch, 2, lambda: _ahead(t, DAY_MS))
        with pytest.raises((NodeError, ProtocolError)):
            await t.fetch()
        await settle()
        served = await t.helper.read(t.helper.node.receipts.all)
        windows = [one.word.body.window for one in served if isinstance(one.word, Receipt)]
        assert windows == [0, 1, 2]  # the third was signed before the clock went on


async def test_a_helper_whose_clock_is_back_is_refused_by_its_reader(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        await t.owner.down()

        class Behind:
            def now_ms(self) -> int:
                return t.town.clock.now_ms() - 3 * DAY_MS

        t.town.clock.ahead_ms += 3 * DAY_MS
        node = t.helper.node
        # All that tells this helper the time tells it three days ago.
        for part in (node._door, node.links, node._door.helping):
            assert part is not None
            part._clock = Behind()  # type: ignore[assignment]  # a clock of another kind
        with pytest.raises((Away, Refused)):
            await t.fetch()
        assert await t.helper.read(t.helper.node.receipts.all) is not None
        rows = await t.reader.read(t.reader.node.receipts.all)
        assert not [one for one in rows if isinstance(one.word, Receipt)]


async def test_a_lease_on_another_device_is_no_lease(autojump_clock: object) -> None:
    """A shelf with a lease for somebody else's device is not kept; a device that shows the lease of
    another is not greeted."""
    async with a_helping_town() as t:
        thief = await t.town.party("thief")
        await meet(t.owner, thief)
        owner_at_thief = await thief.peer("owner")
        (leased,) = await _leases(t)
        await thief.write(
            lambda tx: thief.node.shelves.asked(
                tx, owner_at_thief, _asks(owner_at_thief.own), thief.now_ms
            )
        )
        await thief.write(lambda tx: thief.node.shelves.allow(tx, owner_at_thief, (), thief.now_ms))
        shelf = await t.helper.read(
            lambda tx: t.helper.node.shelves.shelf(tx, t.given.own, t.given.their)
        )
        assert shelf is not None
        stolen = Shelf(shelf.reader, leased.lease, shelf.grants)
        with pytest.raises(CapabilityError) as refused:
            await thief.write(
                lambda tx: thief.node.shelves.keep(tx, owner_at_thief, stolen, thief.now_ms)
            )
        assert refused.value.code is Code.AUDIENCE


async def test_a_lease_serves_and_never_dials(autojump_clock: object) -> None:
    """With a lease a device cannot greet a reader, nor say anything in the owner's name."""
    async with a_helping_town() as t:
        rogue = await t.town.rogue("rogue")
        pair = await t.reader.peer("owner")
        owner = await t.owner.read(lambda tx: t.owner.node.peers.persona(tx, t.given.own))
        lease = make_lease(
            owner.key,
            device=did_of(rogue.device.public),
            exp_s=rogue.now_ms // 1000 + 3_600,
            now_ms=rogue.now_ms,
        )
        link = await rogue.dial(t.reader)
        link.session.hello(lease, pair.own, None)
        with pytest.raises(AssertionError, match="and not dial"):
            await link.until(Opened)


async def test_a_lease_is_no_device_of_the_owners(autojump_clock: object) -> None:
    """`/pair/device` with a lease is refused, and a certificate for all is no lease."""
    async with a_helping_town() as t:
        pair = await t.reader.peer("owner")
        (leased,) = await _leases(t)
        told = PairDeviceArgs(pair.own, leased.lease.signed.raw, ("/ip4/10.0.0.1/tcp/1",))
        with pytest.raises(ProtocolError, match="told otherwise"):
            await t.reader.write(
                lambda tx: t.reader.node.peer_devices.told(tx, pair, told, t.reader.now_ms)
            )
        whole = HelperServesArgs(
            pair.own, pair.certificate.signed.raw, ("/ip4/10.0.0.1/tcp/1",), "x"
        )
        with pytest.raises(ProtocolError, match="this is none"):
            await t.reader.write(
                lambda tx: t.reader.node.served_by.told(tx, pair, whole, t.reader.now_ms)
            )


async def test_a_reader_that_reads_from_a_helper_still_knows_its_owner_away(
    autojump_clock: object,
) -> None:
    """What is for the owner is not said to the helper, however well that answers."""
    async with a_helping_town() as t:
        await t.owner.down()
        await t.fetch()
        pair = await t.reader.peer("owner")
        assert (pair.own, pair.their) not in t.reader.node.links.connected
        with pytest.raises((Away, Refused)):
            await t.reader.node.exchange.say(pair, Cmd.STANDING, {"v": 1, "to": pair.their})
        assert (await t.reader.peer("owner")).device == t.owner.node.keystore.device.public


# --- who may read here ----------------------------------------------------------------------------


async def test_a_helper_admits_only_readers_that_have_a_shelf(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        rogue = await t.town.rogue("rogue")
        link = await rogue.dial(t.helper)
        link.session.hello(rogue.certificate(), t.given.bundle.root.delegation.iss, None)
        with pytest.raises(AssertionError, match="not paired here"):
            await link.until(Opened)


async def test_a_helper_does_nothing_for_a_reader_but_serve_reads(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        await t.owner.down()
        pair = await t.reader.peer("owner")
        link = await t.reader.node.links.link_for_read(pair)
        assert link.leased
        persona = await t.reader.read(lambda tx: t.reader.node.peers.persona(tx, pair.own))
        invocation, _ = t.reader.node.exchange._sign(
            link, pair, persona, None, Cmd.STANDING, {"v": 1, "to": pair.their}
        )
        with await link.ask(invocation.raw) as asking:
            arrived = await asking.reply()
        assert isinstance(arrived.event, RefuseReceived)
        assert arrived.event.code is Code.COMMAND


async def test_days_that_were_not_granted_are_neither_kept_nor_served_by_a_helper(
    autojump_clock: object,
) -> None:
    async with a_helping_town(days=20) as t:
        assert (await t.kept())[0] == 6
        # The grant is for days of electricity; of gas there is no page at the helper at all.
        await t.owner.fill(GAS, DAY, 2)
        await t.in_step()
        assert (await t.kept())[0] == 6


async def test_a_page_that_no_grant_opens_is_not_kept(autojump_clock: object) -> None:
    async with a_helping_town(days=20) as t:
        owner, helper = t.owner.node, t.helper.node
        pair = await t.owner.peer("helper")
        stored = await t.owner.read(lambda tx: owner.vault.stored(tx, CURVE, DAY - 19, DAY - 19))
        kept, _ = await t.owner.read(lambda tx: owner.leasing._gathered(CURVE, stored, tx))
        parts = parts_of(kept)
        args = HelperKeepArgs(pair.their, tuple((sha256(one), len(one)) for one in parts))
        said = await owner.exchange.say(pair, Cmd.HELPER_KEEP, args.value(), parts=parts)
        assert said.answer.code is Code.DAYS
        assert helper is not None
        assert (await t.kept())[0] == 6


async def test_a_peer_that_is_not_helped_brings_nothing(autojump_clock: object) -> None:
    async with a_helping_town(helping=False) as t:
        owner = t.owner.node
        pair = await t.owner.peer("helper")
        stored = await t.owner.read(lambda tx: owner.vault.stored(tx, CURVE, DAY, DAY))
        kept, _ = await t.owner.read(lambda tx: owner.leasing._gathered(CURVE, stored, tx))
        parts = parts_of(kept)
        args = HelperKeepArgs(pair.their, tuple((sha256(one), len(one)) for one in parts))
        said = await owner.exchange.say(pair, Cmd.HELPER_KEEP, args.value(), parts=parts)
        assert said.answer.code is Code.UNKNOWN_GRANT
        assert (await t.kept())[0] == 0


async def test_a_helper_keeps_no_more_than_its_owners_quota(autojump_clock: object) -> None:
    async with a_helping_town(helping=False) as t:
        helper = t.helper.node
        pair = await t.helper.peer("owner")
        await t.helper.write(lambda tx: helper.quotas.allow(tx, pair, 10_000))
        await t.help()
        assert (await t.kept())[0] == 0
        await t.helper.write(lambda tx: helper.quotas.allow(tx, pair, None))
        await t.in_step()
        assert (await t.kept())[0] == 6
        used = (await t.helper.read(lambda tx: helper.quotas.of(tx, pair))).used
        assert used > 0
        await t.helper.write(lambda tx: helper.shelves.refuse(tx, pair, None, t.helper.now_ms))
        assert (await t.helper.read(lambda tx: helper.quotas.of(tx, pair))).used == 0


# --- after a revocation ---------------------------------------------------------------------------


async def test_what_is_taken_back_is_served_by_a_helper_no_more_once_it_has_heard(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        pair = await t.reader.peer("owner")
        link = await t.reader.node.links.link_for_read(pair)
        assert not link.leased
        await revoke(t.owner, t.given)
        await settle(3)
        await t.owner.down()
        assert (await t.kept())[0] == 0
        with pytest.raises((Away, Refused)):
            await t.fetch()


async def test_what_is_taken_back_in_the_middle_of_a_read_ends_it_at_the_next_window(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_helping_town() as t:
        await t.owner.down()
        _small_windows(t)
        told = await t.helper.peer("owner")

        def over() -> None:
            async def tell() -> None:
                def unit(tx: Tx) -> None:
                    args = HelperOverArgs(told.own, t.given.cid)
                    t.helper.node.shelves.over(tx, told, args, t.helper.now_ms)

                await t.helper.write(unit)

            t.town.nursery.start_soon(tell)

        _at_window(monkeypatch, 1, over)
        with pytest.raises(Refused, match="taken back"):
            await t.fetch()


async def test_a_helper_that_hears_nothing_serves_until_its_lease_ends(
    autojump_clock: object,
) -> None:
    """Promised, not enforced: it may serve what it has, for a day at most, and what was written
    after the revocation opens with no key that the reader has."""
    async with a_helping_town() as t:
        await t.helper.down()
        await revoke(t.owner, t.given)
        not_heard = await t.owner.read(
            lambda tx: t.owner.node.helpers.not_heard(tx, [t.given.cid], t.owner.now_ms)
        )
        (leased,) = await _leases(t)
        assert not_heard == [("helper", leased.lease.exp_s)]
        assert leased.lease.exp_s * 1000 <= t.owner.now_ms + DAY_MS
        await t.owner.down()
        await t.helper.up()
        await settle()
        assert (await t.fetch()).batch is not None
        await settle()
        # When it has heard, it tells what it served meanwhile, and serves no more.
        await t.owner.up()
        await settle(90)
        (late,) = await rows_of_helper(t.owner)
        given = await t.owner.read(lambda tx: t.owner.node.lending.get(tx, t.given.cid))
        assert given.ended_ms is not None
        assert late.body.t_ms > given.ended_ms
        await t.owner.down()
        with pytest.raises(NodeError):
            await t.fetch()


async def test_a_helper_that_keeps_silent_cannot_serve_after_its_lease(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        await t.helper.down()
        await revoke(t.owner, t.given)
        await t.owner.down()
        await t.helper.up()
        t.town.clock.ahead_ms += DAY_MS
        with pytest.raises(NodeError):
            await t.fetch()


async def test_a_grant_on_its_way_to_a_shelf_when_it_was_taken_back_is_over_there_too(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        shelf = await t.helper.read(
            lambda tx: t.helper.node.shelves.shelf(tx, t.given.own, t.given.their)
        )
        assert shelf is not None
        await revoke(t.owner, t.given)
        await settle(3)
        # What was sent before, and comes only now.
        pair = await t.helper.peer("owner")
        late = Shelf(shelf.reader, shelf.lease, shelf.grants)
        await t.helper.write(lambda tx: t.helper.node.shelves.keep(tx, pair, late, t.helper.now_ms))
        kept = await t.helper.read(
            lambda tx: t.helper.node.shelves.shelf(tx, t.given.own, t.given.their)
        )
        assert kept is not None
        assert kept.standing == ()


async def test_what_was_erased_or_written_again_goes_to_the_helper(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        before = await _ids(t)
        await t.owner.node.erasing.erase_collection(CURVE)
        await t.in_step()
        assert (await t.kept())[0] == 0
        await t.owner.fill(CURVE, DAY - 3, 2, value=9)
        await t.in_step()
        assert not before & await _ids(t)


# --- helpers that lie about pages -----------------------------------------------------------------


async def test_a_page_that_a_helper_forged_is_refused(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vouched for by the helper's own device, under a key that it does not even have."""
    async with a_helping_town() as t:
        await t.owner.down()
        device = t.helper.node.keystore.device
        real = HelpedServing.evidence

        def forged(self: HelpedServing, tx: Tx, asked: Window, window: Slice) -> Evidence:
            evidence = real(self, tx, asked, window)
            entries = [
                replace(entry_of(page.raw), writer=did_of(device.public)) for page in window.pages
            ]
            segment = make_segment(entries, device=device, seq=0, prev=None, entropy=t.town.entropy)
            return replace(evidence, heads=(segment.head.raw,))

        monkeypatch.setattr(HelpedServing, "evidence", forged)
        with pytest.raises(RemoteProtocolError, match="no device of the owner"):
            await t.fetch()


async def test_a_page_that_a_helper_altered_is_refused(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_helping_town() as t:
        await t.owner.down()
        real = HelpedServing.pages

        def altered(self: HelpedServing, tx: Tx, window: Slice) -> list[bytes]:
            pages = real(self, tx, window)
            return [bytes([pages[0][0] ^ 1]) + pages[0][1:], *pages[1:]]

        monkeypatch.setattr(HelpedServing, "pages", altered)
        with pytest.raises((NodeError, ProtocolError)):
            await t.fetch()


async def test_pages_that_a_helper_drops_are_missed_where_a_source_signed_them(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count of a statement's days tells; of what no source signed, nothing does."""
    async with a_helping_town(helping=False) as t:
        source = await t.town.party("source")
        await meet(source, t.owner)
        await _deliver(source, t.owner)
        await t.help()
        await t.owner.down()
        whole = await t.fetch(_DELIVERED)
        assert [one.reason for one in whole.provenance] == [None]
        real = HelpedServing.stored

        def fewer(self: HelpedServing, tx: Tx, path: str, first: int, last: int) -> list[Stored]:
            found = real(self, tx, path, first, last)
            return [one for one in found if one.day != DAY - 4]

        monkeypatch.setattr(HelpedServing, "stored", fewer)
        less = await t.fetch(_DELIVERED)
        assert [one.reason is None for one in less.provenance] == [False]


async def test_a_helper_that_serves_pages_of_an_old_generation_opens_nothing_more(
    autojump_clock: object,
) -> None:
    """What it kept since before a rotation its reader had the keys of; and what was written after
    the reader's grant was taken back opens with none of them."""
    async with a_helping_town() as t:
        other = await t.town.party("other")
        await meet(t.owner, other)
        second = await lend(t.owner, other, Window(CURVE, DAY - 5, DAY + 10))
        await t.in_step()
        await revoke(t.owner, t.given)
        await settle(3)
        await t.owner.fill(CURVE, DAY + 1, 2)
        await t.in_step()
        pair = await t.helper.peer("owner")
        stored = await t.helper.read(
            lambda tx: t.helper.node.shelves.pages.stored(tx, pair.their, CURVE, DAY + 1, DAY + 2)
        )
        assert len(stored) == 2
        held = await t.reader.read(lambda tx: t.reader.node.borrowing.get(tx, t.given.cid))
        keys = await t.reader.read(lambda tx: t.reader.node.borrowing.keys(tx, held))
        for one in stored:
            entry = entry_of(one.raw)
            with pytest.raises((CryptoError, ProtocolError)):
                keys.day_key(entry.path, entry.epoch, entry.gen, entry.day)
        assert second.cid != t.given.cid


# --- helpers that were set back -------------------------------------------------------------------


async def test_a_helper_restored_from_an_old_disk_is_noticed_by_its_reader(
    autojump_clock: object,
) -> None:
    """A word of its own that it does not know: it serves that reader nothing."""
    async with a_helping_town() as t:
        await t.owner.down()
        await t.fetch()
        await settle()
        for link in list(t.helper.node.links._helped.links.values()):
            link.close("the disk is put back")
        await settle()
        words = await t.helper.read(t.helper.node.receipts.all)
        helped = [one.index for one in words if one.way.value == "helped"]
        assert helped

        def forget(tx: Tx) -> None:
            for index in helped:
                tx.execute("DELETE FROM receipt WHERE idx = ?", (index,))

        await t.helper.write(forget)
        with pytest.raises((Away, Refused)):
            await t.fetch()
        # Its reader reads on from the owner herself.
        await t.owner.up()
        assert (await t.fetch()).batch is not None


async def test_pages_that_a_helper_has_lost_come_again_with_the_next_lease(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        pair = await t.helper.peer("owner")
        await t.helper.write(
            lambda tx: t.helper.node.shelves.pages.clear(tx, pair, lambda _: False)
        )
        await t.in_step()
        assert (await t.kept())[0] == 0
        t.town.clock.ahead_ms += 5 * 3_600_000
        await t.in_step()
        assert (await t.kept())[0] == 6


# --- helpers that lie about reads -----------------------------------------------------------------


async def test_a_receipt_that_a_helper_made_up_is_refused(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        args, receipt = await _returned(t)
        device, t_ms = t.helper.node.keystore.device, receipt.body.t_ms
        await t.owner.up()
        await settle(90)
        assert len(await rows_of_helper(t.owner)) == 1
        pair = await t.owner.peer("helper")
        lies: Sequence[tuple[str, HelperReceiptArgs]] = (
            # The reader's signature is for something else.
            ("changed", replace(args, receipt=_with_another_signature(receipt))),
            # For a call that was never made.
            ("no call", replace(args, receipt=_signed(receipt, device, inv=t.given.cid))),
            # By another reader.
            ("reader", replace(args, receipt=_signed(receipt, device, reader=pair.own))),
            # After the lease had ended, or before it began.
            ("late", replace(args, receipt=_signed(receipt, device, t_ms=t_ms + DAY_MS))),
            ("early", replace(args, receipt=_signed(receipt, device, t_ms=t_ms - DAY_MS))),
            # Under a certificate that is none of ours.
            ("lease", replace(args, lease=_foreign(t))),
        )
        for what, lie in lies:
            with pytest.raises((ProtocolError, CryptoError)):
                await t.owner.write(
                    lambda tx, lie=lie: t.owner.node.returned.told(tx, pair, lie, t.owner.now_ms)
                )
            assert len(await rows_of_helper(t.owner)) == 1, what
        assert len(await rows_of_helper(t.owner)) == 1
        await both_logs_hold(t.owner)


async def test_a_receipt_that_a_helper_hides_is_missed_where_another_follows(
    autojump_clock: object,
) -> None:
    """Each receipt names the one before it, and the reader's log has all of them."""
    async with a_helping_town() as t:
        await t.owner.down()
        await t.fetch()
        await settle()
        pair = await t.helper.peer("owner")

        def hide(tx: Tx) -> int:
            waiting = t.helper.node.outgoing.waiting(tx, pair)
            hidden = [id for id, one in waiting if one.cmd is Cmd.HELPER_RECEIPT]
            for id in hidden:
                t.helper.node.outgoing.drop(tx, id)
            return len(hidden)

        assert await t.helper.write(hide) == 1
        await t.fetch()
        await t.owner.up()
        await settle(90)
        report = await t.owner.read(t.owner.node.receipts.verify)
        assert report.gaps == 1
        assert len(await rows_of_helper(t.owner)) == 1
        rows = await t.reader.read(t.reader.node.receipts.all)
        assert len([one for one in rows if isinstance(one.word, Receipt)]) == 2


async def test_a_shelf_belongs_to_the_peer_that_brought_it(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        other = await t.town.party("other")
        await meet(t.helper, other)
        pair = await t.helper.peer("other")
        shelf = await t.helper.read(
            lambda tx: t.helper.node.shelves.shelf(tx, t.given.own, t.given.their)
        )
        assert shelf is not None
        helper = t.helper.node
        await t.helper.write(
            lambda tx: helper.shelves.asked(tx, pair, _asks(pair.own), t.helper.now_ms)
        )
        await t.helper.write(lambda tx: helper.shelves.allow(tx, pair, (), t.helper.now_ms))
        taken = Shelf(shelf.reader, shelf.lease, shelf.grants)
        with pytest.raises(ProtocolError, match="another peer"):
            await t.helper.write(lambda tx: helper.shelves.keep(tx, pair, taken, t.helper.now_ms))


# --- what a test needs ----------------------------------------------------------------------------

_DELIVERED = Window(CURVE, DAY - 5, DAY - 3)


def _ahead(t: HelpingTown, ms: int) -> None:
    t.town.clock.ahead_ms += ms


def _small_windows(t: HelpingTown) -> None:
    """The helper serves one page a window."""
    helping = t.helper.node._door.helping
    assert helping is not None
    helping._source._window_pages_max = 1  # type: ignore[attr-defined]  # of the helper's kind


def _at_window(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> None:
    """Do `act` once the pages of window `number` are gathered."""
    real = HelpedServing.evidence
    served = 0

    def evidence(self: HelpedServing, tx: Tx, asked: Window, window: Slice) -> Evidence:
        nonlocal served
        found = real(self, tx, asked, window)
        if served == number:
            act()
        served += 1
        return found

    monkeypatch.setattr(HelpedServing, "evidence", evidence)


def _asks(to: str) -> HelperAskArgs:
    return HelperAskArgs(Did(to), helps=True)


async def _leases(t: HelpingTown) -> list[Leased]:
    pair = await t.owner.peer("helper")

    def unit(tx: Tx) -> list[Leased]:
        helper = t.owner.node.helpers.find(tx, pair)
        assert helper is not None
        return t.owner.node.helpers.leases(tx, helper)

    return await t.owner.read(unit)


async def _ids(t: HelpingTown) -> set[bytes]:
    """The ids of the pages that the helper keeps."""
    pair = await t.helper.peer("owner")
    stored = await t.helper.read(
        lambda tx: t.helper.node.shelves.pages.stored(tx, pair.their, CURVE, 0, 65_535)
    )
    return {entry_of(one.raw).page_id for one in stored}


async def _returned(t: HelpingTown) -> tuple[HelperReceiptArgs, Receipt]:
    """What the helper says of one read, while the owner is away."""
    await t.owner.down()
    await t.fetch()
    await settle()
    pair = await t.helper.peer("owner")
    waiting = await t.helper.read(lambda tx: t.helper.node.outgoing.waiting(tx, pair))
    (found,) = [one for _, one in waiting if one.cmd is Cmd.HELPER_RECEIPT]
    args = parse_args(found.cmd, found.args)
    assert isinstance(args, HelperReceiptArgs)
    receipt = parse_receipt(args.receipt)
    assert not receipt.one_sided
    return args, receipt


def _signed(receipt: Receipt, device: DeviceKey, **changed: object) -> bytes:
    body = replace(receipt.body, **changed)  # type: ignore[arg-type]  # a test names the fields
    return sign_receipt(body, device).signed.raw


def _with_another_signature(receipt: Receipt) -> bytes:
    """With a signature in the reader's place that is not the reader's."""
    wrong = PersonaKey(bytes(32)).sign(b"something else")
    alone = parse_receipt(receipt.signed.raw)
    one_sided = assemble(Signed.RECEIPT, alone.body.value(), alone.signed.signatures[0])
    return with_countersignature(Receipt(alone.body, one_sided), wrong).signed.raw


def _foreign(t: HelpingTown) -> bytes:
    """A lease for the helper by a persona of nobody here."""
    key = PersonaKey.generate(t.town.entropy)
    device = did_of(t.helper.node.keystore.device.public)
    now_ms = t.owner.now_ms
    lease = make_lease(key, device=device, exp_s=now_ms // 1000 + 3_600, now_ms=now_ms)
    return lease.signed.raw


async def _deliver(source: Party, owner: Party) -> None:
    await source.node.deliveries.deliver(
        owner.name, CURVE, readings(DAY - 5, 3, value=30), source.now_ms
    )
    source.node.outgoing.notify()
    await settle()
    assert await owner.read(owner.node.deliveries.received)
