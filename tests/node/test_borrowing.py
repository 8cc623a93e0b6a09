"""A lender that cheats: what a reader does not store, does not sign, and does not take for true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.crypto.errors import CryptoError
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.node.config import Role
from entrenous.node.errors import Away
from entrenous.node.reads.serving import Evidence, ReadPlan, Slice
from entrenous.node.store.database import Tx
from entrenous.protocol.command import DecideArgs
from entrenous.protocol.errors import GrantRefused, ProtocolError
from entrenous.protocol.grant import issue_grant, make_bundle
from entrenous.protocol.segment import parse_segment_head
from entrenous.protocol.signed import sign
from entrenous.protocol.statement import parse_statement
from entrenous.protocol.trust import VerifiedRead
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    Town,
    a_town,
    ask,
    both_logs_hold,
    decide,
    lend,
    meet,
    readings,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)
Spoil = Callable[[Town, Party], None]


async def with_a_delivery(town: Town) -> tuple[Party, Party, Party]:
    """A source has handed forty days to an owner; a reader knows the owner."""
    source = await town.party("volt", Role.ORGANISATION)
    owner, reader = await town.party("home"), await town.party("shop")
    await meet(owner, source)
    await meet(owner, reader)
    await source.node.deliveries.deliver("home", CURVE, readings(DAY, 40), source.now_ms)
    await settle(5)
    return source, owner, reader


def _altered_pages(_town: Town, owner: Party) -> None:
    pages = owner.node.serving.pages

    def altered(tx: Tx, window: object) -> list[bytes]:
        first, *rest = pages(tx, window)  # type: ignore[arg-type]  # handed through
        return [first[:-1] + bytes([first[-1] ^ 1]), *rest]

    owner.node.serving.pages = altered  # the lender cheats


def _other_days(_town: Town, owner: Party) -> None:
    plan = owner.node.serving.plan

    def other(tx: Tx, read: VerifiedRead, *, alone: bool = True) -> ReadPlan:
        honest = plan(tx, read, alone=alone)
        stored = owner.node.vault.stored(tx, CURVE, DAY + 20, DAY + 29)
        return replace(honest, slices=(replace(honest.slices[0], pages=tuple(stored)),))

    owner.node.serving.plan = other  # the lender cheats


def _one_page_twice(_town: Town, owner: Party) -> None:
    plan = owner.node.serving.plan

    def twice(tx: Tx, read: VerifiedRead, *, alone: bool = True) -> ReadPlan:
        honest = plan(tx, read, alone=alone)
        (whole,) = honest.slices
        return replace(honest, slices=(replace(whole, pages=(*whole.pages, whole.pages[-1])),))

    owner.node.serving.plan = twice  # the lender cheats


def _fewer_days_claimed_whole(_town: Town, owner: Party) -> None:
    plan = owner.node.serving.plan

    def fewer(tx: Tx, read: VerifiedRead, *, alone: bool = True) -> ReadPlan:
        honest = plan(tx, read, alone=alone)
        return replace(honest, slices=(replace(honest.slices[0], last=honest.slices[0].last - 1),))

    owner.node.serving.plan = fewer  # the lender cheats


def _evidence(owner: Party, change: Callable[[Evidence], Evidence]) -> None:
    evidence = owner.node.serving.evidence

    def changed(tx: Tx, asked: Window, window: Slice) -> Evidence:
        return change(evidence(tx, asked, window))

    owner.node.serving.evidence = changed  # the lender cheats


def _foreign_segment(town: Town, owner: Party) -> None:
    device = DeviceKey.generate(town.entropy)

    def foreign(honest: Evidence) -> Evidence:
        body = parse_segment_head(honest.heads[0])
        signed = sign(Signed.SEGMENT, body.signed.body, device)
        return replace(honest, heads=(signed.raw,))

    _evidence(owner, foreign)


def _no_segment(_town: Town, owner: Party) -> None:
    _evidence(owner, lambda honest: replace(honest, heads=()))


def _unvouched(_town: Town, owner: Party) -> None:
    _evidence(owner, lambda honest: replace(honest, proofs=()))


def _forged_statement(town: Town, owner: Party) -> None:
    other = PersonaKey.generate(town.entropy)

    def forged(honest: Evidence) -> Evidence:
        (found,) = honest.statements
        assert isinstance(found, list)
        raw = found[0]
        assert isinstance(raw, bytes)
        body = parse_statement(raw).signed.body
        return replace(honest, statements=([sign(Signed.STATEMENT, body, other).raw, *found[1:]],))

    _evidence(owner, forged)


def _days_outside_the_statement_proof(_town: Town, owner: Party) -> None:
    def wider(honest: Evidence) -> Evidence:
        (found,) = honest.statements
        assert isinstance(found, list)
        return replace(honest, statements=([found[0], DAY, DAY + 39, found[3]],))

    _evidence(owner, wider)


CHEATS: Sequence[Spoil] = (
    _altered_pages,
    _other_days,
    _one_page_twice,
    _fewer_days_claimed_whole,
    _foreign_segment,
    _no_segment,
    _unvouched,
    _forged_statement,
    _days_outside_the_statement_proof,
)


@pytest.mark.parametrize("spoil", CHEATS, ids=[spoil.__name__ for spoil in CHEATS])
async def test_a_window_that_is_not_what_it_claims_is_neither_kept_nor_signed(
    autojump_clock: MockClock, spoil: Spoil
) -> None:
    async with a_town() as town:
        _, owner, reader = await with_a_delivery(town)
        await lend(owner, reader, TEN)
        pair = await reader.peer("home")
        spoil(town, owner)
        with pytest.raises((ProtocolError, CryptoError, Away)):
            await reader.node.fetcher.fetch(pair, TEN)
        kept = await reader.read(
            lambda tx: reader.node.vault.stored(tx, CURVE, 0, 65_534, pair.their)
        )
        assert kept == []
        reports = [await party.read(party.node.receipts.verify) for party in (owner, reader)]
        assert [report.receipts for report in reports] == [0, 0]
        assert reports[0].one_sided == 1
        # Both nodes go on, and say what else they have to say.
        await ask(reader, owner, Window(CURVE, DAY, DAY))
        assert len(await owner.read(owner.node.inbox.all)) == 2


async def test_the_keys_of_another_grant_are_not_taken(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        _, owner, reader = await with_a_delivery(town)
        first = await lend(owner, reader, TEN)
        second = await lend(owner, reader, Window(CURVE, DAY + 20, DAY + 29))
        other = await owner.read(lambda tx: owner.node.lending.get(tx, second.cid))
        assert other.keyset is not None
        keyset = other.keyset
        owner.node.lending.unacknowledged = (  # type: ignore[method-assign]  # the lender cheats
            lambda _: (keyset,)
        )
        with pytest.raises(ProtocolError, match="another grant"):
            await reader.node.fetcher.fetch(await reader.peer("home"), TEN)
        held = await reader.read(lambda tx: reader.node.borrowing.get(tx, first.cid))
        assert len(held.keysets) == 1


async def test_a_source_signs_about_the_persona_that_it_knows(autojump_clock: MockClock) -> None:
    """The provenance holds, and is said to be about another persona than the lender's."""
    async with a_town() as town:
        source, owner, reader = await with_a_delivery(town)
        await lend(owner, reader, TEN)
        lent = await reader.node.fetcher.fetch(await reader.peer("home"), TEN)
        (found,) = lent.provenance
        assert (found.first, found.last, found.reason) == (DAY, DAY + 9, None)
        assert not found.about_lender
        assert found.statement.src == (await source.peer("home")).own
        assert found.statement.sub == (await owner.peer("volt")).own


async def test_a_bundle_must_be_what_was_asked(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        _, owner, reader = await with_a_delivery(town)
        cid = await ask(reader, owner, TEN)
        given = await decide(owner, cid, Window(CURVE, DAY, DAY + 4))
        assert (await reader.read(reader.node.borrowing.all))[0].cid == given.cid
        pair = await reader.peer("home")
        again = given.bundle.signed.raw

        # The same bundle again changes nothing; another one for the same request is refused.
        args = DecideArgs(pair.own, cid, again, None)
        await reader.write(lambda tx: reader.node.borrowing.decided(tx, pair, args, reader.now_ms))
        owner_pair = await owner.peer("shop")
        persona = await owner.read(lambda tx: owner.node.peers.persona(tx, owner_pair.own))
        fresh = await ask(reader, owner, Window(CURVE, DAY, DAY + 5))

        def bundle_of(*windows: Window) -> bytes:
            issued = issue_grant(
                persona.key,
                aud=owner_pair.their,
                windows=windows,
                terms=given.bundle.terms,
                exp_s=given.exp_s,
                nonce=b"n" * 16,
            )
            return make_bundle(
                persona.key,
                issued,
                terms=given.bundle.terms,
                reader_key=owner_pair.inception.reader_key,
            ).signed.raw

        for request, windows, sentence in (
            (cid, (TEN,), "decided already"),
            (fresh, (TEN,), "not asked for"),
            (fresh, (Window(CURVE, DAY, DAY), Window("health/steps", DAY, DAY)), "not asked for"),
        ):
            other = DecideArgs(pair.own, request, bundle_of(*windows), None)
            with pytest.raises(GrantRefused, match=sentence):
                await reader.write(
                    lambda tx, o=other: reader.node.borrowing.decided(tx, pair, o, reader.now_ms)
                )
        assert len(await reader.read(reader.node.borrowing.all)) == 1
        await both_logs_hold(owner, reader)


async def test_a_delivery_is_taken_once_and_in_its_collection(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        source, owner, _ = await with_a_delivery(town)
        (received,) = await owner.read(owner.node.deliveries.received)
        assert received.records == 40 * 24
        (made,) = await source.read(source.node.deliveries.made)
        assert made.state == "stored"
        reading = await owner.node.vault.read(CURVE, DAY, DAY + 39)
        assert (len(reading.batch), reading.pages, reading.damaged) == (960, 40, ())
        assert await source.read(source.node.store.outbox.count) == 0
        await both_logs_hold(source, owner)


async def test_a_delivery_outlives_a_peer_that_is_away(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        source, owner, _ = await with_a_delivery(town)
        await owner.down()
        for number in range(3):
            await source.node.deliveries.deliver(
                "home", CURVE, readings(DAY + 40 + number, 1), source.now_ms
            )
        await settle(60)
        assert await source.read(source.node.store.outbox.count) == 3
        await owner.up()
        await settle(700)
        taken = await owner.read(owner.node.deliveries.received)
        assert [one.first for one in taken] == [DAY, DAY + 40, DAY + 41, DAY + 42]
