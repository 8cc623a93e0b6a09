"""An answer with terms that bind the reader harder: it waits until the reader's operator agrees."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from entrenous.node.config import Config
from entrenous.node.errors import NotAllowed, NotFound, UsageError
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.inbox import RequestState
from entrenous.node.grants.offered import Offered
from entrenous.protocol.cid import cid_of
from entrenous.protocol.command import DecideArgs, DeclineArgs
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.grant import issue_grant, make_bundle
from entrenous.protocol.revocation import make_revocation
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.terms_narrowing import narrowed
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    TERMS,
    Party,
    Town,
    a_town,
    ask,
    meet,
    settle,
)

pytestmark = pytest.mark.trio

WANTED = Window(CURVE, DAY, DAY + 9)
HARDER = narrowed(
    TERMS, retention_days=7, recipients=[], clauses=[Clause("no profiling", Force.PROMISED)]
)


@asynccontextmanager
async def two(autojump_clock: trio.abc.Clock) -> AsyncGenerator[tuple[Town, Party, Party]]:
    async with a_town() as town:
        alice, shop = await town.party("alice"), await town.party("shop")
        await meet(alice, shop)
        await alice.fill(CURVE, DAY, 10)
        yield town, alice, shop


async def offer(alice: Party, shop: Party, terms: Terms = HARDER) -> tuple[bytes, GrantGiven]:
    """Ask, and answer with `terms`."""
    cid = await ask(shop, alice, WANTED)
    exp_s = alice.now_ms // 1000 + 20 * 86_400
    given = await alice.write(
        lambda tx: alice.node.lending.grant(tx, cid, [WANTED], exp_s, alice.now_ms, terms=terms)
    )
    await settle()
    return cid, given


async def state(party: Party, cid: bytes) -> RequestState:
    return (await party.read(lambda tx: party.node.asked.get(tx, cid))).state


async def held(party: Party) -> int:
    return len(await party.read(party.node.borrowing.all))


async def test_harder_terms_wait_and_open_nothing_until_they_are_agreed_to(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(autojump_clock) as (_, alice, shop):
        cid, given = await offer(alice, shop)
        assert given.bundle.terms == HARDER
        assert await state(shop, cid) is RequestState.OFFERED
        assert await held(shop) == 0
        pair = await shop.peer("alice")
        with pytest.raises(NotAllowed):
            await shop.node.fetcher.fetch(pair, WANTED)
        kept = await alice.read(lambda tx: alice.node.lending.get(tx, given.cid))
        assert kept.keyset is None, "no key was made for terms that nobody agreed to"
        agreed = await shop.write(lambda tx: shop.node.offers.accept(tx, cid, shop.now_ms))
        assert agreed == given.cid
        await settle()
        assert await state(shop, cid) is RequestState.GRANTED
        fetched = await shop.node.fetcher.fetch(pair, WANTED)
        assert fetched.pages == 10
        with pytest.raises(UsageError, match="granted already"):
            await shop.write(lambda tx: shop.node.offers.accept(tx, cid, shop.now_ms))


async def test_what_is_declined_ends_at_its_owner_who_is_told_why(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(autojump_clock) as (_, alice, shop):
        cid, given = await offer(alice, shop)
        await shop.write(lambda tx: shop.node.offers.decline(tx, cid, "too short", shop.now_ms))
        await settle(5)
        assert await state(shop, cid) is RequestState.DECLINED
        kept = await alice.read(lambda tx: alice.node.lending.get(tx, given.cid))
        assert kept.status(alice.now_ms) is GrantStatus.REVOKED
        why = await alice.read(lambda tx: alice.node.offers.why_declined(tx, given.cid))
        assert why is not None
        assert why[1] == "too short"
        for party in (alice, shop):
            assert not await party.read(party.node.store.outbox.all), "everything was said"
        with pytest.raises(UsageError, match="declined already"):
            await shop.write(lambda tx: shop.node.offers.accept(tx, cid, shop.now_ms))
        # Said again, it changes nothing.
        pair, args = await alice.peer("shop"), DeclineArgs(kept.own, given.cid, "other words")
        await alice.write(lambda tx: alice.node.offers.declined(tx, pair, args, alice.now_ms))
        assert await alice.read(lambda tx: alice.node.offers.why_declined(tx, given.cid)) == why


async def test_only_the_reader_of_a_grant_that_nobody_accepted_can_decline_it(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(autojump_clock) as (town, alice, shop):
        press = await town.party("press")
        await meet(alice, press)
        cid, given = await offer(alice, shop)
        other = await alice.peer("press")
        args = DeclineArgs(other.own, given.cid, None)
        with pytest.raises(GrantRefused) as refused:
            await alice.write(lambda tx: alice.node.offers.declined(tx, other, args, alice.now_ms))
        assert refused.value.code is Code.UNKNOWN_GRANT
        await shop.write(lambda tx: shop.node.offers.accept(tx, cid, shop.now_ms))
        await settle()
        pair = await alice.peer("shop")
        args = DeclineArgs(pair.own, given.cid, None)
        with pytest.raises(GrantRefused) as refused:
            await alice.write(lambda tx: alice.node.offers.declined(tx, pair, args, alice.now_ms))
        assert refused.value.code is Code.REPLAY
        kept = await alice.read(lambda tx: alice.node.lending.get(tx, given.cid))
        assert kept.status(alice.now_ms) is GrantStatus.LIVE


async def test_an_offer_that_was_taken_back_or_has_run_out_cannot_be_agreed_to(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(autojump_clock) as (town, alice, shop):
        cid, given = await offer(alice, shop)
        await alice.write(lambda tx: alice.node.lending.revoke(tx, given.cid, alice.now_ms))
        await settle(5)
        asked = await shop.read(lambda tx: shop.node.asked.get(tx, cid))
        assert (asked.state, asked.reason) == (RequestState.REFUSED, "the offer was taken back")
        with pytest.raises(UsageError, match="refused already"):
            await shop.write(lambda tx: shop.node.offers.accept(tx, cid, shop.now_ms))
        town.clock.ahead_ms += 1_000  # another request, not the same once more
        late, _ = await offer(alice, shop)
        town.clock.ahead_ms += 21 * 86_400_000
        with pytest.raises(NotAllowed, match="does not hold any more"):
            await shop.write(lambda tx: shop.node.offers.accept(tx, late, shop.now_ms))
        assert await held(shop) == 0
        with pytest.raises(NotFound):
            await shop.write(lambda tx: shop.node.offers.accept(tx, b"\1" * 36, shop.now_ms))


async def test_a_revocation_of_something_else_opens_no_offer(
    autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes back what is no offer does not make this node look at each that there is."""
    async with two(autojump_clock) as (_, alice, shop):
        offers = [await offer(alice, shop) for _ in range(3)]
        pair = await alice.peer("shop")
        key = (await alice.read(lambda tx: alice.node.peers.persona(tx, pair.own))).key
        opened: list[Value] = []
        read = Offered.from_value

        def watched(_cls: type[Offered], value: Value) -> Offered:
            opened.append(value)
            return read(value)

        monkeypatch.setattr(Offered, "from_value", classmethod(watched))
        theirs = await shop.peer("alice")

        async def taken_back(cid: bytes) -> bool:
            raw = make_revocation(key, dlg=cid, paths=[CURVE], t_ms=alice.now_ms).signed.raw
            return await shop.write(lambda tx: shop.node.offers.taken_back(tx, theirs, raw))

        assert not await taken_back(cid_of(b"something else"))
        assert not opened
        assert await taken_back(offers[1][1].cid)
        states = [await state(shop, cid) for cid, _ in offers]
        waits, gone = RequestState.OFFERED, RequestState.REFUSED
        assert states == [waits, gone, waits]


async def test_an_operator_may_say_that_harder_terms_are_taken(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(autojump_clock) as (_, alice, shop):
        shop.node.borrowing.offered = None  # what `[terms] accept_narrower = true` leaves
        cid, _ = await offer(alice, shop)
        assert await state(shop, cid) is RequestState.GRANTED
        fetched = await shop.node.fetcher.fetch(await shop.peer("alice"), WANTED)
        assert fetched.pages == 10


@pytest.mark.parametrize(
    "looser",
    [
        replace(TERMS, retention_days=31),
        replace(TERMS, recipients=("everybody",)),
        replace(TERMS, clauses=()),
        replace(TERMS, remuneration="a bottle of wine"),
    ],
)
async def test_an_answer_with_other_terms_is_refused_and_changes_nothing(
    autojump_clock: trio.abc.Clock, looser: Terms
) -> None:
    """An owner cannot make a reader take terms that it never asked for, nor a node by mistake."""
    async with two(autojump_clock) as (_, alice, shop):
        cid = await ask(shop, alice, WANTED)
        exp_s = alice.now_ms // 1000 + 86_400
        with pytest.raises(GrantRefused) as refused:
            await alice.write(
                lambda tx: alice.node.lending.grant(
                    tx, cid, [WANTED], exp_s, alice.now_ms, terms=looser
                )
            )
        assert refused.value.code is Code.TERMS
        # … and one that has made up its mind to
        pair, back = await alice.peer("shop"), await shop.peer("alice")
        persona = await alice.read(lambda tx: alice.node.peers.persona(tx, pair.own))
        grant = issue_grant(
            persona.key,
            aud=pair.their,
            windows=[WANTED],
            terms=looser,
            exp_s=exp_s,
            nonce=bytes(16),
        )
        bundle = make_bundle(persona.key, grant, terms=looser, reader_key=pair.inception.reader_key)
        args = DecideArgs(back.own, cid, bundle.signed.raw, None)
        with pytest.raises(GrantRefused) as refused:
            await shop.write(lambda tx: shop.node.borrowing.decided(tx, back, args, shop.now_ms))
        assert refused.value.code is Code.TERMS
        assert await state(shop, cid) is RequestState.WAITING


async def test_the_setting_stands_in_the_file_that_init_writes() -> None:
    assert "[terms]" in Config().text()
    assert "accept_narrower = false" in Config().text()


async def test_the_same_answer_twice_is_one_offer_and_another_is_refused(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(autojump_clock) as (_, alice, shop):
        cid, given = await offer(alice, shop)
        back = await shop.peer("alice")
        again = DecideArgs(back.own, cid, given.bundle.signed.raw, None)
        await shop.write(lambda tx: shop.node.borrowing.decided(tx, back, again, shop.now_ms))
        assert await state(shop, cid) is RequestState.OFFERED
        pair = await alice.peer("shop")
        other = await alice.write(
            lambda tx: alice.node.lending.give(
                tx, pair, [WANTED], TERMS, alice.now_ms // 1000 + 86_400, None, alice.now_ms
            )
        )
        args = DecideArgs(back.own, cid, other.bundle.signed.raw, None)
        with pytest.raises(GrantRefused) as refused:
            await shop.write(lambda tx: shop.node.borrowing.decided(tx, back, args, shop.now_ms))
        assert refused.value.code is Code.REPLAY
