"""A log that another has followed is closed: whoever writes there still is refused, and it is kept.

The home was restored; its old machine runs on, or somebody runs a copy of it.
"""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from entrenous.crypto.keys import LogSigningKey
from entrenous.crypto.merkle import HASH_BYTES
from entrenous.node.exchange.answering import attempt
from entrenous.node.log.evidence import FORKS_OF_ONE_MAX, Fork
from entrenous.node.log.witnessing import Witnessed
from entrenous.protocol.checkpoint_note import CheckpointNote, sign_checkpoint
from entrenous.protocol.command import LogWitnessArgs
from entrenous.protocol.did import Did
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.witness import Judgement, make_log_succession, parse_log_succession
from entrenous.tests.node.lost_device import client_of
from entrenous.tests.node.test_witnesses import newest, witnessed_pair
from entrenous.tests.node.two_nodes import Party, a_town


async def shows(
    friend: Party, note: CheckpointNote, *successions: bytes, old: int = 0
) -> GrantRefused | None:
    """What the witness says to a checkpoint of its peer's, as its door has it; None if cosigned."""
    pair = await friend.peer("home")
    args = LogWitnessArgs(Did(pair.own), old, (), note.bare.raw, successions)
    done = await friend.write(
        lambda tx: attempt(
            tx, lambda tx: friend.node.witnessing.shown(tx, pair, args, friend.now_ms)
        )
    )
    return done if isinstance(done, GrantRefused) else None


async def kept(friend: Party) -> list[Fork]:
    return await friend.read(friend.node.witnessing.forks)


async def closed_by(home: Party, friend: Party) -> tuple[CheckpointNote, LogSigningKey, bytes]:
    """The home goes on with another log: the last head of the old one, its key, and what closed
    it."""
    first = (await newest(home)).bare
    old = home.node.keystore.log_signing
    fresh = LogSigningKey.generate(home.node.entropy)
    succession = make_log_succession(old, fresh).signed.raw
    begins = sign_checkpoint(fresh, 64, bytes(HASH_BYTES))
    assert await shows(friend, begins, succession) is None
    return first, old, succession


async def test_a_later_head_of_a_closed_log_is_refused_and_kept(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        first, old, succession = await closed_by(home, friend)
        later = sign_checkpoint(old, first.head.size + 64, b"\1" * HASH_BYTES)
        refused = await shows(friend, later)
        assert refused is not None
        assert refused.code is Code.SUSPENDED
        assert "closed" in str(refused)
        (fork,) = await kept(friend)
        assert fork.judgement is Judgement.CLOSED
        assert (fork.kept.bare.raw, fork.shown.raw) == (first.raw, later.bare.raw)
        # It is proof for a stranger: the log itself had signed that it was followed.
        assert fork.succession == succession
        assert parse_log_succession(succession).old == fork.shown.head.log
        # Said again it is kept once; nothing else of the refused word was kept.
        assert await shows(friend, later) is not None
        assert len(await kept(friend)) == 1
        (state,) = await friend.read(friend.node.witnessing.all)
        assert state.logs[-1].note.head.log != old.public
        assert Witnessed.from_row([state.own, state.their], state.value()) == state


async def test_two_roots_of_a_closed_log_are_a_fork(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        first, old, _ = await closed_by(home, friend)
        assert await shows(friend, sign_checkpoint(old, first.head.size, b"\2" * HASH_BYTES))
        (fork,) = await kept(friend)
        assert fork.judgement is Judgement.FORK


@pytest.mark.parametrize("smaller", [0, 64])
async def test_an_old_machine_that_is_switched_on_again_is_no_contradiction(
    autojump_clock: MockClock, smaller: int
) -> None:
    """It asks about the head that it had, or an earlier one: refused, and nobody is accused."""
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        first, old, _ = await closed_by(home, friend)
        size = first.head.size - smaller
        note = first if not smaller else sign_checkpoint(old, size, bytes(HASH_BYTES))
        assert await shows(friend, note) is not None
        assert await kept(friend) == []


async def test_evidence_of_one_peer_is_bounded(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        first, old, _ = await closed_by(home, friend)
        for more in range(1, FORKS_OF_ONE_MAX + 4):
            note = sign_checkpoint(old, first.head.size + 64 * more, bytes(HASH_BYTES))
            assert await shows(friend, note) is not None
        assert len(await kept(friend)) == FORKS_OF_ONE_MAX


async def test_who_did_it_and_when_is_shown(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        first, old, succession = await closed_by(home, friend)
        later = sign_checkpoint(old, first.head.size + 64, b"\1" * HASH_BYTES)
        await shows(friend, later)
        client = client_of(friend)
        (fork,) = await client.log_forks()
        assert (fork.peer, fork.judgement, fork.t_ms) == ("home", "closed", friend.now_ms)
        assert (fork.kept.encode(), fork.shown.encode()) == (first.raw, later.bare.raw)
        assert fork.succession == succession
        (peer,) = await client.peers()
        assert peer.forks == 1
        theirs = [one for one in await client.witnesses() if one.side == "theirs"]
        assert [one.forks for one in theirs] == [1]
        findings = await client.health()
        assert any("contradicted" in one.sentence for one in findings)


async def test_rows_of_earlier_versions_are_read(autojump_clock: MockClock) -> None:
    """Three parts of a head, four of a fork: no succession was kept."""
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        await closed_by(home, friend)
        (state,) = await friend.read(friend.node.witnessing.all)
        value = state.value()
        assert isinstance(value, dict)
        logs = value["logs"]
        assert isinstance(logs, list)
        before = {**value, "logs": [one[:3] for one in logs if isinstance(one, list)]}
        found = Witnessed.from_row([state.own, state.their], before)
        assert [one.closing for one in found.logs] == [None, None]
