"""A helper serves a reader while the owner is away, under a lease, and tells what it served."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import pytest

from entrenous.node.errors import Away, Refused
from entrenous.node.exchange.link import Link
from entrenous.node.helping.helped_source import HelpedServing
from entrenous.node.helping.helper import HelperState
from entrenous.node.log.receipts import Way
from entrenous.node.reads.serving import Evidence, Serving, Slice
from entrenous.node.store.database import Tx
from entrenous.protocol.cid import cid_text
from entrenous.protocol.helped import is_lease
from entrenous.protocol.log_proof import parse_log_proof
from entrenous.protocol.window import Window
from entrenous.tests.node.helping_town import a_helping_town
from entrenous.tests.node.shared_town import client_of
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    both_logs_hold,
    lend,
    meet,
    revoke,
    settle,
)


async def test_a_reader_reads_from_the_helper_while_the_owner_is_away(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        assert (await t.kept())[0] == 6
        await t.owner.down()
        lent = await t.fetch()
        assert lent.batch is not None
        assert len(lent.batch) == 6 * 24
        assert lent.damaged == ()
        await settle()
        await t.owner.up()
        await settle(90)
        rows = await t.owner.read(t.owner.node.receipts.all)
        helped = [one for one in rows if one.way.value == "helper"]
        assert [one.two_sided for one in helped] == [True]
        assert helped[0].own == t.given.own
        await both_logs_hold(t.owner, t.reader, t.helper)


async def test_a_reader_turns_to_the_helper_when_the_owner_goes_away_in_the_middle(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_helping_town() as t:
        pair = await t.reader.peer("owner")
        assert not (await t.reader.node.links.link_for_read(pair)).leased
        real = Serving.evidence

        def gone(self: Serving, tx: Tx, asked: Window, window: Slice) -> Evidence:
            if not isinstance(self, HelpedServing):
                t.owner.scope.cancel()
            return real(self, tx, asked, window)

        monkeypatch.setattr(Serving, "evidence", gone)
        lent = await t.fetch()
        assert lent.batch is not None
        assert len(lent.batch) == 6 * 24


async def test_a_read_that_its_reader_never_signs_for_comes_back_one_sided(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_helping_town() as t:
        await t.owner.down()

        def unsigned(*_: object) -> bool:
            return False

        monkeypatch.setattr(Link, "countersign", unsigned)
        await t.fetch()
        await t.owner.up()
        await settle(90)
        rows = await t.owner.read(t.owner.node.receipts.all)
        (helped,) = [one for one in rows if one.way is Way.HELPER]
        assert not helped.two_sided
        assert helped.call is not None  # the reader's own signed call stands for it
        await both_logs_hold(t.owner, t.helper)


async def test_a_helper_for_one_reader_serves_that_one_alone(autojump_clock: object) -> None:
    async with a_helping_town(helping=False) as t:
        other = await t.town.party("other")
        await meet(t.owner, other)
        await lend(t.owner, other, Window(CURVE, DAY - 1, DAY))
        there, only = await t.owner.peer("helper"), await t.owner.peer("other")
        await t.owner.write(lambda tx: t.owner.node.helpers.add(tx, there, (only,), t.owner.now_ms))
        await settle()
        await t.agree()
        await t.in_step()
        assert (await t.kept())[0] == 2
        await t.owner.down()
        with pytest.raises((Away, Refused)):
            await t.fetch()
        pair = await other.peer("owner")
        lent = await other.node.fetcher.fetch(pair, Window(CURVE, DAY - 1, DAY))
        assert lent.batch is not None


async def test_a_helper_that_is_removed_keeps_nothing_and_its_readers_know(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        pair = await t.owner.peer("helper")
        until_s = await t.owner.write(
            lambda tx: t.owner.node.helpers.remove(tx, pair, t.owner.now_ms)
        )
        assert until_s is not None
        await settle(3)
        assert (await t.kept())[0] == 0
        owner = await t.reader.peer("owner")
        assert await t.reader.read(lambda tx: t.reader.node.served_by.of(tx, owner)) == []
        assert await t.owner.read(t.owner.node.helpers.all) == []
        await t.owner.down()
        with pytest.raises(Away):
            await t.fetch()


async def test_a_helper_that_wants_no_more_says_so(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        pair = await t.helper.peer("owner")
        await t.helper.write(
            lambda tx: t.helper.node.shelves.refuse(tx, pair, "I move", t.helper.now_ms)
        )
        await settle(3)
        (refused,) = await t.owner.read(t.owner.node.helpers.all)
        assert (refused.state, refused.reason) == (HelperState.REFUSED, "I move")
        assert (await t.kept())[0] == 0


async def test_new_pages_and_keys_come_to_the_helper_by_themselves(
    autojump_clock: object,
) -> None:
    async with a_helping_town() as t:
        await t.owner.fill(CURVE, DAY + 1, 2)
        await settle(60)
        assert (await t.kept())[0] == 8
        # Keys are turned for somebody else's sake while the reader hears nothing.
        other = await t.town.party("other")
        await meet(t.owner, other)
        second = await lend(t.owner, other, Window(CURVE, DAY - 1, DAY))
        await t.reader.down()
        await revoke(t.owner, second)
        await t.owner.fill(CURVE, DAY + 3, 1)
        await settle(60)
        await t.owner.down()
        await t.reader.up()
        lent = await t.fetch(Window(CURVE, DAY, DAY + 3))
        assert lent.batch is not None
        assert lent.damaged == ()
        assert len(lent.batch) == 4 * 24


async def test_leases_are_made_anew_while_the_owner_is_on(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        for _ in range(3):
            t.town.clock.ahead_ms += 12 * 3_600_000
            await settle(60)
        await t.owner.down()
        assert (await t.fetch()).batch is not None


async def test_both_sides_see_who_may_serve_and_who_has(autojump_clock: object) -> None:
    async with a_helping_town() as t:
        for party in (t.owner, t.reader):
            (grant,) = await client_of(party).grants()
            assert grant.helpers == ("helper",)
        await t.owner.down()
        await t.fetch()
        await t.owner.up()
        await settle(90)
        for party in (t.owner, t.reader):
            (read,) = [one for one in await client_of(party).who(CURVE) if one.what == "read"]
            assert "served by helper" in (read.note or "")
            assert read.within is True
            rows = [one for one in await client_of(party).log() if one.kind == "receipt"]
            assert [one.helper for one in rows] == ["helper"]
        helped = [one for one in await client_of(t.helper).log() if one.kind == "receipt"]
        assert [one.helped for one in helped] == ["owner"]
        assert [one.what for one in await client_of(t.owner).history("reader")].count("read") == 1


async def test_both_prove_what_a_helper_served(autojump_clock: object) -> None:
    """From the helper's own log, and from that of the owner to whom the receipt came back."""
    async with a_helping_town() as t:
        await t.owner.down()
        await t.fetch()
        await t.owner.up()
        await settle(90)
        words = set[str]()
        for party in (t.owner, t.reader, t.helper):
            (row,) = [one for one in await client_of(party).log() if one.kind == "receipt"]
            made = await client_of(party).log_prove(str(row.index))
            proof = parse_log_proof(made.proof)
            assert is_lease(proof.certificate)
            assert proof.served is (party is t.helper)
            words.add(cid_text(proof.word.cid))
        assert len(words) == 1
