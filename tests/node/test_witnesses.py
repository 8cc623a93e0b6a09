"""Witnesses of a log, between whole nodes: asked, allowed, shown, and what an old copy meets."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from entrenous.node.log.head import HeadState
from entrenous.node.log.witnesses import WitnessState
from entrenous.node.log.witnessing import Consent
from entrenous.protocol.checkpoint_note import CheckpointNote
from entrenous.protocol.did import public_of
from entrenous.tests.node.two_nodes import Party, Town, a_town, both_logs_hold, meet, settle

DAY_MS = 86_400_000


async def next_day(town: Town) -> None:
    """A day passes, and houses are kept."""
    town.clock.ahead_ms += DAY_MS
    await trio.sleep(130)


async def ask(party: Party, witness: str) -> None:
    pair = await party.peer(witness)
    await party.write(lambda tx: party.node.witnesses.add(tx, pair, party.now_ms))
    await settle()


async def allow(witness: Party, name: str) -> None:
    pair = await witness.peer(name)
    await witness.write(lambda tx: witness.node.witnessing.allow(tx, pair, witness.now_ms))
    await settle()


async def newest(party: Party) -> CheckpointNote:
    note = await party.read(party.node.witnesses.newest)
    assert note is not None
    return note


async def witnessed_pair(town: Town) -> tuple[Party, Party]:
    home, friend = await town.party("home"), await town.party("friend")
    await meet(home, friend)
    await ask(home, "friend")
    await allow(friend, "home")
    return home, friend


async def test_nobody_witnesses_before_the_owner_has_allowed_it(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await town.party("home"), await town.party("friend")
        await meet(home, friend)
        await ask(home, "friend")
        (asked,) = await home.read(home.node.witnesses.all)
        (asks,) = await friend.read(friend.node.witnessing.all)
        assert (asked.state, asks.consent) == (WitnessState.ASKED, Consent.ASKED)
        await next_day(town)
        assert await home.read(home.node.witnesses.newest) is None
        await allow(friend, "home")
        (asked,) = await home.read(home.node.witnesses.all)
        assert asked.state is WitnessState.WITNESS
        note = await newest(home)
        pair = await home.peer("friend")
        assert [one.witness for one in note.cosignatures] == [public_of(pair.their)]
        assert note.head.size == 64
        await both_logs_hold(home, friend)


async def test_a_checkpoint_leaves_once_a_day_padded(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        sizes = [(await newest(home)).head.size]
        for _ in range(3):
            await next_day(town)
            note = await newest(home)
            assert len(note.cosignatures) == 1
            sizes.append(note.head.size)
        assert sizes == [64, 128, 192, 256]
        (kept,) = await friend.read(friend.node.witnessing.all)
        assert kept.logs[-1].note.head == (await newest(home)).head
        assert await home.read(home.node.store.outbox.count) == 0
        await both_logs_hold(home, friend)


async def test_a_start_waits_for_a_witness(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        await friend.down()
        await home.down()
        await home.up()
        await trio.sleep(600)
        assert home.node.log_head.state is HeadState.WAITING
        await friend.up()
        await trio.sleep(120)
        assert home.node.log_head.state is HeadState.CONFIRMED
        assert home.node.log_head.by == "friend"


async def test_two_that_witness_each_other_start_together(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        await ask(friend, "home")
        await allow(home, "friend")
        for party in (home, friend):
            await party.down()
        for party in (home, friend):
            await party.up()
        await trio.sleep(120)
        assert {one.node.log_head.state for one in (home, friend)} == {HeadState.CONFIRMED}


@pytest.mark.parametrize("who", ["home", "friend"])
async def test_either_side_ends_it(autojump_clock: MockClock, who: str) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        if who == "home":
            pair = await home.peer("friend")
            await home.write(lambda tx: home.node.witnesses.remove(tx, pair, home.now_ms))
        else:
            pair = await friend.peer("home")
            await friend.write(
                lambda tx: friend.node.witnessing.refuse(tx, pair, "I move", friend.now_ms)
            )
        await settle()
        assert await home.read(home.node.witnesses.willing) == []
        (kept,) = await friend.read(friend.node.witnessing.all)
        assert kept.consent is Consent.ENDED
        before = await newest(home)
        await next_day(town)
        assert await newest(home) == before
        await home.down()
        await home.up()
        assert home.node.log_head.state is HeadState.ALONE
