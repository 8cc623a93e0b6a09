"""A device is stolen: every persona is followed, what was lent goes on, the thief stays behind."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.key_tree import NoKey
from entrenous.crypto.keys import PersonaKey, RecoverySecret
from entrenous.crypto.shares import recovery_words
from entrenous.node.config import Role
from entrenous.node.errors import NodeError, NotFound, Refused, UsageError
from entrenous.node.exchange.post import RETRY_LAST_MS
from entrenous.node.steps import SuccessionStep
from entrenous.node.vault.stored import Stored, entry_of
from entrenous.protocol.command import Cmd, SucceedArgs
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.persona import make_certificate
from entrenous.protocol.succession import make_step
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.lost_device import Lost, a_theft, came_back
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    both_logs_hold,
    lend,
    meet,
    request_of,
    revoke,
    settle,
)

WINDOW = Window(CURVE, DAY, DAY + 4)


async def read(reader: Party, window: Window = WINDOW) -> int:
    """How many pages `reader` gets of alice; all of them open."""
    lent = await reader.node.fetcher.fetch(await reader.peer("alice"), window)
    assert lent.damaged == ()
    return lent.pages


async def lent_to_bank(lost: Lost) -> Party:
    """Alice lends the bank five days of her curve, and the bank has read them."""
    bank = await lost.town.party("bank", Role.ORGANISATION)
    await meet(lost.alice, bank)
    await lost.alice.fill(CURVE, DAY, 5)
    await lend(lost.alice, bank, WINDOW)
    assert await read(bank) == 5
    return bank


async def test_a_reader_reads_on_without_asking(autojump_clock: object, tmp_path: Path) -> None:
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        before = await bank.peer("alice")
        await lost.stolen()
        back = await came_back(lost)
        after = await bank.peer("alice")
        assert (after.own, after.their, after.name) == (before.own, before.their, "alice")
        assert after.their_before == (before.their_now,)
        assert after.key != before.key
        assert after.device == back.node.keystore.device.public
        mine = await back.peer("bank")
        assert (mine.own_now, mine.key) == (after.their_now, after.key)
        # Not asked for again, and not wider: the same days, terms and end, by who she is now.
        assert await read(bank) == 5
        held = await bank.read(bank.node.borrowing.all)
        old, new = held
        assert (old.kept, new.kept) == (GrantStatus.REVOKED, GrantStatus.LIVE)
        assert (new.windows, new.bundle.terms) == (old.windows, old.bundle.terms)
        assert new.bundle.grant.exp_s == old.bundle.grant.exp_s
        assert new.bundle.grant.delegation.iss == after.their_now
        # What is written from now on is under keys that the stolen device never had.
        await back.fill(CURVE, DAY, 1, value=9)
        assert await read(bank) == 6
        kept = await bank.node.kept_reads.read(after, WINDOW)
        assert kept.damaged == ()
        await both_logs_hold(back, bank)
        assert not await back.read(back.node.store.outbox.all)


async def test_the_old_device_is_refused_by_whoever_heard(
    autojump_clock: object, tmp_path: Path
) -> None:
    """Attack: a thief with the device and all its keys comes first, and comes again."""
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        thief = await lost.stolen()
        # Before anybody was told, the thief is alice.
        await thief.up()
        await thief.node.links.link_to(await thief.peer("bank"))
        await thief.down()
        back = await came_back(lost)
        await thief.up()
        with pytest.raises(Refused) as refused:
            await thief.node.links.link_to(await thief.peer("bank"))
        assert refused.value.code == Code.UNPAIRED
        # Nor does the bank read of it, or tell it anything: it asks who alice is now.
        assert await read(bank) == 5
        await back.down()
        with pytest.raises(NodeError):
            await read(bank)
        assert (await bank.peer("alice")).device == back.node.keystore.device.public


async def test_a_thief_that_stays_on_its_line_is_refused_at_its_next_word(
    autojump_clock: object, tmp_path: Path
) -> None:
    """Attack: the link of the stolen device was open when the peer heard."""
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        thief = await lost.stolen()
        await thief.up()
        pair = await thief.peer("bank")
        await thief.node.links.link_to(pair)
        await lost.restored()
        await settle(5)
        assert (await bank.peer("alice")).their_before
        request = request_of(pair, [WINDOW], thief.now_ms)
        await thief.write(lambda tx: thief.node.borrowing.ask(tx, pair, request, thief.now_ms))
        await settle(RETRY_LAST_MS / 1000)
        waiting = await bank.read(bank.node.inbox.all)
        assert request.cid not in {cid for cid, _ in waiting}


async def test_a_thief_cannot_say_who_follows(autojump_clock: object, tmp_path: Path) -> None:
    """Attack: a succession by a key of the thief's own, said with the stolen persona."""
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        thief = await lost.stolen()
        await thief.up()
        pair = await thief.peer("bank")
        key = PersonaKey.generate(SeededEntropy(b"thief"))
        step = make_step(
            pair.own_now, key, reader_key=b"r" * 32, next_digest=b"n" * 32, k=b"k" * 32
        )
        certificate = make_certificate(
            key,
            device=thief.node.keystore.device,
            cmds=("/",),
            exp_s=thief.now_ms // 1000 + 60,
            now_ms=thief.now_ms,
        )
        args = SucceedArgs(pair.their_now, (step,), certificate)
        before = await bank.peer("alice")
        said = await thief.node.exchange.say(pair, Cmd.SUCCEED, args.value())
        assert (said.answer.code, await bank.peer("alice")) == (Code.AUDIENCE, before)
        # The person, with the words, is heard all the same.
        await thief.down()
        await came_back(lost)
        assert (await bank.peer("alice")).their_before == (before.their_now,)


async def test_a_thief_opens_nothing_that_is_written_after(
    autojump_clock: object, tmp_path: Path
) -> None:
    """Attack: every key of the stolen device on every page that was written since."""
    async with a_theft(tmp_path) as lost:
        await lent_to_bank(lost)
        thief = await lost.stolen()
        back = await came_back(lost)
        old = {one.raw for one in await _entries(back)}
        await back.fill(CURVE, DAY, 2, value=20)
        new = [one for one in await _entries(back) if one.raw not in old]
        assert len(new) == 2
        for stored in new:
            with pytest.raises(NoKey):
                thief.node.vault.keys_of(entry_of(stored.raw))
        for stored in old:
            thief.node.vault.keys_of(entry_of(stored))


async def _entries(party: Party) -> list[Stored]:
    return list(await party.read(lambda tx: party.node.vault.stored(tx, CURVE, DAY, DAY + 9)))


async def test_what_was_borrowed_is_given_again_by_its_owner(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_theft(tmp_path) as lost:
        alice = lost.alice
        neighbour = await lost.town.party("neighbour")
        other = await lost.town.party("other")
        await meet(alice, neighbour)
        await meet(neighbour, other)
        await neighbour.fill(CURVE, DAY, 5)
        await lend(neighbour, alice, WINDOW)
        await lend(neighbour, other, WINDOW)
        peer = await alice.peer("neighbour")
        assert (await alice.node.fetcher.fetch(peer, WINDOW)).pages == 5
        thief = await lost.stolen()
        back = await came_back(lost)
        peer = await back.peer("neighbour")
        # What was read under the old persona's keys still opens, and reading goes on.
        assert (await back.node.kept_reads.read(peer, WINDOW)).damaged == ()
        await neighbour.fill(CURVE, DAY + 1, 1, value=50)
        lent = await back.node.fetcher.fetch(peer, WINDOW)
        assert (lent.pages, lent.damaged) == (6, ())
        # Who reads beside her has no gap, and the thief's keys open none of the new page.
        pair = await other.peer("neighbour")
        assert (await other.node.fetcher.fetch(pair, WINDOW)).damaged == ()
        (held,) = await thief.read(thief.node.borrowing.all)
        keys = await thief.read(lambda tx: thief.node.borrowing.keys(tx, held))
        stored = await neighbour.read(
            lambda tx: neighbour.node.vault.stored(tx, CURVE, DAY + 1, DAY + 1)
        )
        entry = entry_of(max(stored, key=lambda one: one.seq).raw)
        with pytest.raises(NoKey):
            keys.day_key(entry.path, entry.epoch, entry.gen, entry.day)


async def test_what_was_taken_back_stays_so(autojump_clock: object, tmp_path: Path) -> None:
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        (given,) = await lost.alice.read(lost.alice.node.lending.all)
        await revoke(lost.alice, given)
        await settle()
        await lost.stolen()
        back = await came_back(lost)
        assert len(await back.read(back.node.lending.all)) == 1
        with pytest.raises(Refused):
            await read(bank)


async def test_suspended_grants_wait_for_their_owner(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        await lost.stolen()
        back = await came_back(lost, keep=False)
        old, new = await back.read(back.node.lending.all)
        assert (old.kept, new.kept) == (GrantStatus.REVOKED, GrantStatus.SUSPENDED)
        with pytest.raises((Refused, NodeError)):
            await read(bank)
        await back.write(lambda tx: back.node.lending.keep(tx, new.cid, back.now_ms))
        await settle(5)
        assert await read(bank) == 5


async def test_a_device_is_left_behind_later(autojump_clock: object, tmp_path: Path) -> None:
    """Restored first; that the old machine was stolen turns out afterwards."""
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        thief = await lost.stolen()
        back, done, folder = await lost.restored(stolen=False)
        assert done.left is None
        (given,) = await back.read(back.node.lending.all)
        await back.write(lambda tx: back.node.lending.keep(tx, given.cid, back.now_ms))
        await settle(5)
        assert await read(bank) == 5
        await back.down()
        with pytest.raises(UsageError, match="words"):
            await _with_other_words(lost, folder)
        with pytest.raises(NotFound, match="no such device: it has had only did:key:"):
            await lost.leave_behind(folder, "tablet")
        left = await lost.leave_behind(folder)
        assert left.succeeded.given == 1
        with pytest.raises(UsageError, match="already"):
            await lost.leave_behind(folder, left.device[:16])
        again = await lost.open(folder)
        await again.up()
        await settle(5)
        assert len(again.node.keystore.epochs) == 3
        assert await read(bank) == 5
        await thief.up()
        with pytest.raises(Refused):
            await thief.node.links.link_to(await thief.peer("bank"))


class DiesAt:
    """Dies when a step is reached."""

    def __init__(self, step: SuccessionStep) -> None:
        self._step = step

    def reached(self, step: str) -> None:
        if step == self._step:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "step", [SuccessionStep.STEPPED, SuccessionStep.GIVEN_AGAIN, SuccessionStep.COMMITTED]
)
async def test_killed_at_a_step_it_happened_or_goes_on(
    autojump_clock: object, tmp_path: Path, step: SuccessionStep
) -> None:
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        await lost.stolen()
        back, _, folder = await lost.restored(stolen=False)
        (given,) = await back.read(back.node.lending.all)
        await back.write(lambda tx: back.node.lending.keep(tx, given.cid, back.now_ms))
        await settle(5)
        await back.down()
        with pytest.raises(KeyboardInterrupt):
            await lost.leave_behind(folder, checkpoint=DiesAt(step))
        # Started in between, it is who it was, or who it is now, and its reader has every key.
        between = await lost.open(folder)
        await between.up()
        await settle(5)
        await between.fill(CURVE, DAY, 1, value=9)
        assert await read(bank) == 6
        await between.down()
        happened = step is SuccessionStep.COMMITTED
        assert bool((await bank.peer("alice")).their_before) is happened
        if happened:
            with pytest.raises(UsageError, match="already"):
                await lost.leave_behind(folder, did_of(lost.alice.node.keystore.device.public))
            return
        await lost.leave_behind(folder)
        again = await lost.open(folder)
        await again.up()
        await settle(5)
        assert (await bank.peer("alice")).their_before
        assert await read(bank) == 6


async def _with_other_words(lost: Lost, folder: Path) -> None:
    entropy = SeededEntropy(b"another person")
    mine, lost.words = lost.words, recovery_words(RecoverySecret.generate(entropy), entropy=entropy)
    try:
        await lost.leave_behind(folder)
    finally:
        lost.words = mine


async def test_a_peer_that_is_away_is_told_when_it_comes(
    autojump_clock: object, tmp_path: Path
) -> None:
    """And after two devices were lost meanwhile: the whole line is said."""
    async with a_theft(tmp_path) as lost:
        bank = await lent_to_bank(lost)
        await bank.down()
        await lost.stolen()
        back, _, folder = await lost.restored()
        await settle(5)
        (given,) = [
            one
            for one in await back.read(back.node.lending.all)
            if one.kept is GrantStatus.SUSPENDED
        ]
        await back.write(lambda tx: back.node.lending.keep(tx, given.cid, back.now_ms))
        await settle(5)
        await back.down()
        lost.alice = back
        await lost.stolen()
        back, _, folder = await lost.restored()
        del folder
        await bank.up()
        await settle(RETRY_LAST_MS / 1000 * 3)
        pair = await bank.peer("alice")
        assert len(pair.their_before) == 2
        assert (await back.peer("bank")).key == pair.key
        (given,) = [
            one
            for one in await back.read(back.node.lending.all)
            if one.kept is GrantStatus.SUSPENDED
        ]
        await back.write(lambda tx: back.node.lending.keep(tx, given.cid, back.now_ms))
        await settle(10)
        assert await read(bank) == 5


async def test_an_organisation_is_followed_too(autojump_clock: object, tmp_path: Path) -> None:
    async with a_theft(tmp_path, Role.ORGANISATION) as lost:
        ann, bob = await lost.town.party("ann"), await lost.town.party("bob")
        for one in (ann, bob):
            await meet(lost.alice, one)
            await one.fill(CURVE, DAY, 5)
            await lend(one, lost.alice, WINDOW)
        await lost.stolen()
        back = await came_back(lost)
        new = {(await one.peer("alice")).their_now for one in (ann, bob)}
        assert len(new) == 1
        for one in (ann, bob):
            assert (await one.peer("alice")).their_before
            peer = await back.peer(one.name)
            assert (await back.node.fetcher.fetch(peer, WINDOW)).pages == 5
