"""What an owner, or a helper, can make the other hold and do; and what is said of an end."""

# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright; a
# hostile peer is an honest one of which a part was changed.

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from entrenous.node.config import Role
from entrenous.node.peers.peers import Pair
from entrenous.node.store.database import Tx
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.helped import Kept, KeptPages, Shelf, Stands
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.helping_town import a_helping_town
from entrenous.tests.node.two_nodes import CURVE, DAY, lend, meet, revoke, settle


async def test_pages_without_a_page_are_taken_and_nothing_comes_of_them(
    autojump_clock: object,
) -> None:
    """That days of a statement are gone is said without a page."""
    async with a_helping_town() as t:
        before = await t.kept()
        pair = await t.helper.peer("owner")
        kept = KeptPages(CURVE, (), (), ())
        shelves, now_ms = t.helper.node.shelves, t.helper.now_ms
        await t.helper.write(lambda tx: shelves.keep(tx, pair, kept, now_ms))
        assert await t.kept() == before


async def test_an_end_that_a_helper_has_not_heard_is_told_though_a_newer_lease_was_made(
    autojump_clock: object,
) -> None:
    """The reader has another grant: the helper, who is away, is to be given a shelf without the one
    that was taken back, and may serve the one that it has meanwhile."""
    async with a_helping_town() as t:
        await lend(t.owner, t.reader, Window(CURVE, DAY - 3, DAY))
        await t.in_step()
        await t.helper.down()
        await revoke(t.owner, t.given)
        await t.in_step()
        helpers, now_ms = t.owner.node.helpers, t.owner.now_ms
        told = await t.owner.read(lambda tx: helpers.not_heard(tx, [t.given.cid], now_ms))
        assert [name for name, _ in told] == ["helper"]
        await settle()


async def test_shelves_are_charged_to_who_brings_them_and_given_back(
    autojump_clock: object,
) -> None:
    """An owner can name as many personas and readers as it likes: none is free."""
    async with a_helping_town() as t:
        helper = t.helper.node
        pair = await t.helper.peer("owner")
        shelf = await t.helper.read(lambda tx: helper.shelves.shelf(tx, t.given.own, t.given.their))
        assert shelf is not None
        again = Shelf(shelf.reader, shelf.lease, shelf.grants)
        before = (await t.helper.read(lambda tx: helper.quotas.of(tx, pair))).used
        now_ms = t.helper.now_ms
        # The same once more costs nothing; when it goes, what it took is free.
        await t.helper.write(lambda tx: helper.shelves.keep(tx, pair, again, now_ms))
        assert (await t.helper.read(lambda tx: helper.quotas.of(tx, pair))).used == before
        await t.helper.write(lambda tx: helper.shelves.keep(tx, pair, Stands(()), now_ms))
        assert (await t.helper.read(lambda tx: helper.quotas.of(tx, pair))).used == 0
        assert (await t.kept())[0] == 0
        # Nor is one kept where nothing more is.
        await t.helper.write(lambda tx: helper.quotas.allow(tx, pair, shelf.size - 1))
        with pytest.raises(GrantRefused) as refused:
            await t.helper.write(lambda tx: helper.shelves.keep(tx, pair, again, now_ms))
        assert refused.value.code is Code.TOO_MUCH


async def test_no_more_shelves_are_kept_than_can_be_named(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_helping_town(helping=False) as t:
        monkeypatch.setattr("entrenous.node.helping.shelves.HELP_SHELVES_MAX", 0)
        await t.help()
        helper = t.helper.node
        kept = await t.helper.read(lambda tx: helper.shelves.shelf(tx, t.given.own, t.given.their))
        assert kept is None


async def test_a_reader_that_brings_its_own_shelf_keeps_no_other_reader_from_its(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader holds its lease and its grants, and may be helped by the same node: what the owner
    brings for it then is refused, and only that."""
    async with a_helping_town(helping=False) as t:
        other = await t.town.party("other", Role.ORGANISATION)
        await meet(t.owner, other)
        given = await lend(t.owner, other, Window(CURVE, DAY - 3, DAY))
        shelves = t.helper.node.shelves
        real = shelves.keep

        def keep(tx: Tx, pair: Pair, kept: Kept, now_ms: int) -> Value:
            if isinstance(kept, Shelf) and kept.reader == t.given.their:
                raise GrantRefused("another peer has brought this shelf", Code.AUDIENCE)
            return real(tx, pair, kept, now_ms)

        monkeypatch.setattr(shelves, "keep", keep)
        await t.help()
        kept = await t.helper.read(lambda tx: shelves.shelf(tx, given.own, given.their))
        assert kept is not None
        assert (await t.kept())[0] == 4
        assert await t.helper.read(lambda tx: shelves.shelf(tx, t.given.own, t.given.their)) is None


async def test_a_day_that_is_gone_is_told_of_each_statement(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrenous.node.helping.leasing.GONE_STATEMENTS", 1)
    async with a_helping_town(helping=False) as t:
        leasing = t.owner.node.leasing
        cids = [bytes([n]) * 36 for n in range(3)]
        stored = await t.owner.read(lambda tx: t.owner.node.vault.stored(tx, CURVE, DAY - 2, DAY))
        some = [replace(one, statement=cid) for one, cid in zip(stored, cids, strict=True)]
        gone = SimpleNamespace(gone=(DAY,))
        whole = SimpleNamespace(gone=())

        def statement(_tx: Tx, cid: bytes) -> SimpleNamespace:
            return whole if cid == cids[1] else gone

        monkeypatch.setattr(leasing, "_statement", statement)
        told = await t.owner.read(lambda tx: leasing._gone(CURVE, some, tx))
        assert [len(one.statements) for one in told] == [1, 1]
