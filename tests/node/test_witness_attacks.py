"""Old copies of a home, forked logs, forged witnesses: noticed, refused, kept as evidence."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from entrenous.crypto.errors import BadSignature, CryptoError
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.merkle import EMPTY_ROOT, HASH_BYTES
from entrenous.node.errors import NodeError, NotAllowed
from entrenous.node.log.head import HeadState
from entrenous.node.log.witnesses import Witnesses
from entrenous.node.log.witnessing import COSIGNED_A_DAY_MAX, Consent
from entrenous.node.network.memory import MemoryNetwork
from entrenous.node.node import Ground, Node
from entrenous.node.offload import InlineOffload
from entrenous.node.peers.peers import Pair
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import LogBroken
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.store.objects import Kind
from entrenous.protocol.checkpoint_note import (
    CheckpointNote,
    cosign,
    parse_checkpoint,
    sign_checkpoint,
)
from entrenous.protocol.command import Cmd, LogDecideArgs, LogWitnessArgs, WitnessOut, parse_out
from entrenous.protocol.did import Did
from entrenous.protocol.errors import CapabilityError, Code, GrantRefused, ProtocolError
from entrenous.protocol.receipt import Answer, make_answer
from entrenous.protocol.window import Window
from entrenous.protocol.witness import Judgement
from entrenous.tests.node.test_witnesses import allow, ask, newest, next_day, witnessed_pair
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    settle,
)

# Whom a command is for is looked at by the checks, which these tests go round.
TO = Did("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp")


async def copied(party: Party, to: Path) -> Path:
    """The whole store as it is now, as somebody who copies the disk has it."""
    await party.node.store.database.copy_to(to)
    return to


async def started_from(town: Town, party: Party, copy: Path) -> Party:
    """The same home, started from a copy of its store."""
    await party.down()
    database = await town.stack.enter_async_context(InlineDatabase(copy))
    keystore = party.node.keystore
    network = MemoryNetwork(keystore.device, town.world)
    ground = Ground(database, network, town.clock, town.entropy.fork("copy"), InlineOffload())
    again = Party(party.name, Node(ground, keystore, party.node.config), party.nursery)
    await again.up()
    return again


async def shown(to: Party, by: str, args: LogWitnessArgs) -> WitnessOut:
    """What the witness makes of a checkpoint of its peer's."""
    pair = await to.peer(by)
    out = await to.write(lambda tx: to.node.witnessing.shown(tx, pair, args, to.now_ms))
    found = parse_out(Cmd.LOG_WITNESS, out)
    assert isinstance(found, WitnessOut)
    return found


# --- old copies -----------------------------------------------------------------------------------


async def test_a_rolled_back_log_is_noticed_and_nothing_is_served(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        shop = await town.party("shop")
        await meet(home, shop)
        await home.fill(CURVE, DAY, 2)
        await lend(home, shop, Window(CURVE, DAY, DAY + 1))
        old = await copied(home, tmp_path / "old.db")
        await next_day(town)
        again = await started_from(town, home, old)
        await trio.sleep(60)
        assert again.node.log_head.state is HeadState.BEHIND
        assert again.node.log_head.by == "friend"
        before = await again.read(again.node.store.log.size)
        await again.node.links.link_to(await again.peer("shop"))
        peer = await shop.peer("home")
        with pytest.raises(NodeError, match="set back to an older state"):
            await shop.node.fetcher.fetch(peer, Window(CURVE, DAY, DAY + 1))
        assert await again.read(again.node.store.log.size) == before, "nothing was signed"
        with pytest.raises(NotAllowed, match="old copy"):
            await again.write(lambda tx: again.node.log_proving.publish(tx, again.now_ms))
        # It is proof, so it needs nobody to be seen again.
        await friend.down()
        await again.down()
        await again.up()
        assert again.node.log_head.state is HeadState.BEHIND


async def test_an_old_copy_says_nothing_that_waited(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, _ = await witnessed_pair(town)
        shop = await town.party("shop")
        await meet(home, shop)
        await shop.down()
        peer = await home.peer("shop")
        await home.write(
            lambda tx: home.node.outgoing.put(
                tx,
                peer,
                Cmd.LOG_DECIDE,
                LogDecideArgs(peer.their, False, None).value(),
                home.now_ms,
            )
        )
        old = await copied(home, tmp_path / "old.db")
        await next_day(town)
        again = await started_from(town, home, old)
        await shop.up()
        await trio.sleep(2_000)
        assert again.node.log_head.state is HeadState.BEHIND
        assert await again.read(again.node.store.outbox.count) > 0


async def test_the_newest_copy_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        await next_day(town)
        again = await started_from(town, home, await copied(home, tmp_path / "new.db"))
        await trio.sleep(60)
        assert again.node.log_head.state is HeadState.CONFIRMED
        await next_day(town)
        assert len((await newest(again)).cosignatures) == 1
        assert await friend.read(friend.node.witnessing.forks) == []


# --- forks ----------------------------------------------------------------------------------------


async def test_a_forked_log_is_refused_and_both_heads_are_kept(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        old = await copied(home, tmp_path / "old.db")
        await next_day(town)
        honest = (await newest(home)).bare
        again = await started_from(town, home, old)
        forked = await again.write(lambda tx: again.node.witnesses.publish(tx, again.now_ms))
        assert forked.head.size == honest.head.size
        assert forked.head.root != honest.head.root
        for _ in range(3):
            out = await shown(friend, "home", LogWitnessArgs(TO, 64, (), forked.bare.raw))
            assert out == WitnessOut(None, honest.raw)
        (fork,) = await friend.read(friend.node.witnessing.forks)
        assert fork.judgement is Judgement.FORK
        assert {fork.kept.head, fork.shown.head} == {honest.head, forked.head}
        for one in (fork.kept, fork.shown):
            assert parse_checkpoint(one.raw) == one, "each is proof by itself"
        (kept,) = await friend.read(friend.node.witnessing.all)
        assert kept.logs[-1].note == honest


async def test_a_truncated_log_that_grows_again_is_refused(autojump_clock: MockClock) -> None:
    """The last leaves are cut off and others put in their place: the proof leads nowhere."""
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        note = (await newest(home)).bare
        key = home.node.keystore.log_signing
        longer = sign_checkpoint(key, 128, b"x" * HASH_BYTES)
        out = await shown(friend, "home", LogWitnessArgs(TO, 64, (b"y" * HASH_BYTES,), longer.raw))
        assert out == WitnessOut(None, note.raw)
        (fork,) = await friend.read(friend.node.witnessing.forks)
        assert fork.judgement is Judgement.UNPROVEN


async def test_a_checkpoint_that_does_not_fit_the_leaves_breaks_the_log(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, _ = await witnessed_pair(town)
        assert await home.read(home.node.witnesses.verify) == (1, 64)
        other = sign_checkpoint(home.node.keystore.log_signing, 64, bytes(HASH_BYTES))
        await home.write(
            lambda tx: home.node.store.objects.put(
                tx, Kind.CHECKPOINT, [0, 64], [home.now_ms, other.raw]
            )
        )
        with pytest.raises(LogBroken, match="checkpoint of 64 leaves"):
            await home.read(home.node.witnesses.verify)


@pytest.mark.parametrize("size", [1, 63, 65, 100])
async def test_a_size_that_tells_how_much_is_signed_is_not_taken(
    autojump_clock: MockClock, size: int
) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        note = sign_checkpoint(home.node.keystore.log_signing, size, bytes(HASH_BYTES))
        with pytest.raises(GrantRefused, match="multiple of 64"):
            await shown(friend, "home", LogWitnessArgs(TO, 64, (), note.raw))


async def test_a_witness_cosigns_so_many_a_day(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        for _ in range(COSIGNED_A_DAY_MAX - 1):
            await home.write(lambda tx: _grown(home, tx))
            await settle(3)
        assert (await newest(home)).cosignatures
        await home.write(lambda tx: _grown(home, tx))
        await settle(3)
        assert not (await newest(home)).cosignatures
        await next_day(town)
        assert (await newest(home)).cosignatures
        assert await friend.read(friend.node.witnessing.forks) == []


def _grown(party: Party, tx: Tx) -> None:
    size = party.node.store.log.size(tx)
    party.node.store.log.append(tx, b"grown %d" % size, bytes(HASH_BYTES), None)
    party.node.witnesses.publish(tx, party.now_ms)


# --- forged witnesses -----------------------------------------------------------------------------


def answer_of(party: Party, out: WitnessOut, code: Code = Code.OK) -> Answer:
    value = out.value() if code is Code.OK else "no"
    return make_answer(
        party.node.keystore.device,
        inv=b"\x01\x71\x12\x20" + bytes(32),
        code=code,
        out=value,
        t_ms=party.now_ms,
        prev=None,
    )


async def heard(party: Party, pair: Pair, args: LogWitnessArgs, answer: Answer) -> None:
    await party.write(lambda tx: party.node.witnesses.answered(tx, pair, args, answer))


async def test_a_forged_witness_confirms_nothing(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        await friend.down()
        await home.down()
        await home.up()
        pair = await home.peer("friend")
        witness = await home.read(lambda tx: home.node.witnesses.find(tx, pair))
        assert witness is not None
        args = await home.read(lambda tx: home.node.witnesses.question(tx, witness))
        before = await newest(home)
        thief = PersonaKey.generate(town.entropy)
        persona = await friend.read(lambda tx: friend.node.peers.persona(tx, pair.their))
        head = before.head
        elsewhere = replace(head, root=bytes(HASH_BYTES))
        honest = cosign(persona.key, head, 5)
        for forged in (
            cosign(thief, head, 5).raw,
            cosign(persona.key, elsewhere, 5).raw,
            replace(honest, time_s=6).raw,
            replace(cosign(thief, head, 5), witness=honest.witness).raw,
            b"no line of a note\n",
        ):
            answer = answer_of(friend, WitnessOut(forged, None))
            with pytest.raises((ProtocolError, CryptoError)):
                await heard(home, pair, args, answer)
        assert await newest(home) == before
        assert home.node.log_head.state is HeadState.WAITING


async def test_a_witness_cannot_stop_a_node_with_another_log(autojump_clock: MockClock) -> None:
    """Only a head that this log's own key has signed shows that the home is an old copy."""
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        pair = await home.peer("friend")
        note = (await newest(home)).bare
        args = LogWitnessArgs(pair.their, 64, (), note.raw)
        other = sign_checkpoint(friend.node.keystore.log_signing, 640, bytes(HASH_BYTES))
        forged = note.raw.replace(b"\n64\n", b"\n6400\n")
        for kept, error in ((other.raw, CapabilityError), (forged, BadSignature)):
            answer = answer_of(friend, WitnessOut(None, kept))
            with pytest.raises(error):
                await heard(home, pair, args, answer)
        assert home.node.log_head.serves
        assert await home.read(home.node.witnesses.behind) is None


async def test_a_witness_that_disagrees_for_ever_is_not_asked_for_ever(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        pair = await home.peer("friend")
        note = (await newest(home)).bare
        args = LogWitnessArgs(pair.their, 0, (), note.raw)
        await friend.down()
        waiting = [await home.read(home.node.store.outbox.count)]
        for _ in range(8):
            answer = answer_of(friend, WitnessOut(None, note.raw))
            await heard(home, pair, args, answer)
            waiting.append(await home.read(home.node.store.outbox.count))
        assert waiting[-1] == waiting[-2] <= 3


async def test_nobody_decides_who_was_not_asked(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await town.party("home"), await town.party("friend")
        await meet(home, friend)
        pair = await home.peer("friend")
        with pytest.raises(GrantRefused, match="not asked"):
            await home.write(
                lambda tx: home.node.witnesses.decided(
                    tx, pair, LogDecideArgs(pair.own, witness=True, reason=None), home.now_ms
                )
            )
        note = sign_checkpoint(home.node.keystore.log_signing, 0, EMPTY_ROOT)
        with pytest.raises(GrantRefused, match="does not witness"):
            await shown(friend, "home", LogWitnessArgs(TO, 0, (), note.raw))


# --- what a witness learns ------------------------------------------------------------------------


async def test_a_common_witness_cannot_link_two_logs(autojump_clock: MockClock) -> None:
    """Two who exchange receipts have one witness: nothing that it keeps of the one is of the
    other, and no leaf is among it."""
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        shop = await town.party("shop")
        await meet(shop, friend)
        await meet(home, shop)
        await ask(shop, "friend")
        await allow(friend, "shop")
        await home.fill(CURVE, DAY, 2)
        await lend(home, shop, Window(CURVE, DAY, DAY + 1))
        peer = await shop.peer("home")
        await shop.node.fetcher.fetch(peer, Window(CURVE, DAY, DAY + 1))
        await next_day(town)
        kept = await friend.read(friend.node.witnessing.all)
        notes = [one.logs[-1].note.raw for one in kept]
        lines = [set(raw.decode().splitlines()[:3]) - {"128", "64"} for raw in notes]
        assert not lines[0] & lines[1]
        ours = set(await home.read(home.node.store.log.leaves))
        theirs = set(await shop.read(shop.node.store.log.leaves))
        assert not ours & theirs, "one receipt is two leaves"
        for party in (home, shop):
            words = await party.read(party.node.receipts.all)
            assert not any(one.word.cid in raw for one in words for raw in notes)
        await both_logs_hold(home, shop, friend)


# --- restored homes -------------------------------------------------------------------------------


async def test_a_restored_witness_waits_for_its_owner(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        assert await friend.write(friend.node.witnessing.suspend_all) == 1
        await next_day(town)
        assert not (await newest(home)).cosignatures
        await allow(friend, "home")
        await trio.sleep(1_200)
        assert (await newest(home)).cosignatures


async def test_a_log_that_follows_is_witnessed_and_closes_the_one_before(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, friend = await witnessed_pair(town)
        first = (await newest(home)).bare
        entropy = town.entropy.fork("restored")
        old = home.node.keystore.log_signing
        fresh = type(old).generate(entropy)
        node = home.node
        follower = Witnesses(
            store=node.store,
            peers=node.peers,
            outgoing=node.outgoing,
            keystore=replace(node.keystore, log_signing=fresh, past_logs=(node.keystore.log,)),
            entropy=entropy,
            head=node.log_head,
        )
        pair = await home.peer("friend")
        witness = await home.read(lambda tx: follower.find(tx, pair))
        assert witness is not None
        assert witness.size == 0, "of the new log it has seen nothing"
        stranger = await home.read(lambda tx: follower.question(tx, witness))
        with pytest.raises(GrantRefused, match="does not follow"):
            await shown(friend, "home", stranger)
        await home.write(lambda tx: follower.begin_new_log(tx, old))
        question = await home.read(lambda tx: follower.question(tx, witness))
        assert (await shown(friend, "home", question)).cosignature is not None
        with pytest.raises(GrantRefused, match="closed"):
            await shown(friend, "home", LogWitnessArgs(TO, 64, (), first.raw))
        (kept,) = await friend.read(friend.node.witnessing.all)
        assert [one.note.head.log for one in kept.logs] == [old.public, fresh.public]
        assert kept.consent is Consent.ALLOWED
        # A copy of the restored home, from before its log was shown, asks about an empty log.
        later = sign_checkpoint(fresh, 128, bytes(HASH_BYTES))
        assert (await shown(friend, "home", LogWitnessArgs(pair.own, 0, (), later.raw))).cosignature
        seen = await shown(friend, "home", question)
        assert seen.kept == later.raw
        answer = answer_of(friend, seen)
        await home.write(lambda tx: follower.answered(tx, pair, question, answer))
        assert home.node.log_head.state is HeadState.BEHIND


# --- interrupted ----------------------------------------------------------------------------------


class Stops:
    """Takes a node off the network at one step, as if its process ended there."""

    def __init__(self, party: Party, step: str) -> None:
        self._party = party
        self._step = step
        self.done = False

    def reached(self, step: str) -> None:
        if step == self._step and not self.done:
            self.done = True
            self._party.scope.cancel()


STEPS = [
    ("home", f"{Cmd.LOG_WITNESS} sending"),
    ("home", f"{Cmd.LOG_WITNESS} answered"),
    ("home", f"{Cmd.LOG_WITNESS} kept"),
    ("friend", f"{Cmd.LOG_WITNESS} served"),
    ("friend", f"{Cmd.LOG_ASK} served"),
    ("friend", f"{Cmd.LOG_DECIDE} sending"),
    ("friend", f"{Cmd.LOG_DECIDE} answered"),
    ("home", f"{Cmd.LOG_DECIDE} served"),
]


@pytest.mark.parametrize(("who", "step"), STEPS)
async def test_a_node_that_ends_at_any_step_goes_on(
    autojump_clock: MockClock, who: str, step: str
) -> None:
    async with a_town() as town:
        parties = {name: await town.party(name) for name in ("home", "friend")}
        home, friend = parties["home"], parties["friend"]
        await meet(home, friend)
        stops = Stops(parties[who], step)
        for part in ("_post", "_door"):
            target = cast("Any", parties[who].node)
            holder = target._post if part == "_post" else target.links._door
            holder._checkpoint = stops
        await ask(home, "friend")
        await trio.sleep(5)
        if stops.done:
            await parties[who].down()
            await parties[who].up()
        await trio.sleep(60)
        await allow(friend, "home")
        await trio.sleep(60)
        assert stops.done
        if parties[who].scope.cancel_called:
            await parties[who].down()
            await parties[who].up()
        await trio.sleep(1_500)
        note: CheckpointNote = await newest(home)
        assert len(note.cosignatures) == 1
        assert await home.read(home.node.store.outbox.count) == 0
        assert await friend.read(friend.node.store.outbox.count) == 0
        assert await friend.read(friend.node.witnessing.forks) == []
        await both_logs_hold(home, friend)
