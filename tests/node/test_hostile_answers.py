"""Peers whose answers are none, and a disk that refuses: each comes to an end that can be seen."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import pytest
import trio
import trio.testing

from entrenous.crypto.keys import DeviceKey
from entrenous.node.exchange.post import FAULTS_MAX
from entrenous.node.results.parcels import SaidAgain
from entrenous.node.store.errors import StoreError
from entrenous.protocol.command import Cmd, RequestArgs
from entrenous.protocol.errors import Code
from entrenous.protocol.receipt import Answer
from entrenous.protocol.session_event import RefuseReceived
from entrenous.protocol.window import Window
from entrenous.tests.hostile.peer import HungUp, Line, Peer
from entrenous.tests.node.shared_town import client_of
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, Town, a_town, settle

TEN = Window(CURVE, DAY, DAY + 9)


async def _hostile(town: Town, party: Party) -> Peer:
    rogue = await town.rogue("mallory")
    peer = Peer(
        rogue.network, rogue.device, rogue.entropy, town.clock.now_ms, party.node.addresses()
    )
    await peer.meet(
        await party.write(
            lambda tx: party.node.meeting.invite(
                tx, party.node.addresses(), "mallory", party.now_ms
            )
        )
    )
    return peer


async def _listen(line: Line) -> None:
    try:
        while True:
            await line.event()
    except HungUp:
        return


async def test_an_item_whose_answers_never_verify_is_given_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        await home.fill(CURVE, DAY, 10)
        peer = await _hostile(town, home)
        assert peer.to is not None
        line = await peer.greet()
        args = RequestArgs(peer.to, peer.request([TEN])).value()
        assert isinstance(await line.say(peer.own(Cmd.REQUEST, args)), Answer)
        # From now on it signs with a key that is not its own.
        line.device = DeviceKey.generate(peer.entropy)
        ((cid, _),) = await home.read(home.node.inbox.all)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, line)
            await home.write(lambda tx: home.node.lending.refuse(tx, cid, "no", home.now_ms))
            await settle(3_600 * 6)
            (item,) = await home.read(home.node.store.outbox.all)
            assert (item.given_up, item.faults) == (True, FAULTS_MAX)
            said = line.answered
            assert said == FAULTS_MAX
            # Neither time nor a new link makes the node say it again.
            await settle(86_400)
            assert line.answered == said
            assert await home.read(home.node.store.outbox.next_due_ms) is None
            # Its owner does, and is told how many there are; the peer has come to its senses.
            line = await peer.greet()
            nursery.start_soon(_listen, line)
            ((name, _),) = [(one.peer, one.given_up) for one in await client_of(home).outbox()]
            assert await client_of(home).outbox_again(name) == SaidAgain(name, 1)
            await settle(60)
            assert line.answered == 1
            assert await home.read(home.node.store.outbox.count) == 0
            assert await client_of(home).outbox_again(name) == SaidAgain(name, 0)
            nursery.cancel_scope.cancel()


async def test_a_disk_that_refuses_is_said_as_busy(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        peer = await _hostile(town, home)
        assert peer.to is not None
        line = await peer.greet()
        args = RequestArgs(peer.to, peer.request([TEN])).value()

        def full(*_: object) -> object:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(home.node.receipts, "add", full)
            said = await line.say(peer.own(Cmd.REQUEST, args))
        assert isinstance(said, RefuseReceived)
        assert said.code is Code.BUSY
        with pytest.raises(HungUp):
            await line.event()
        # Nothing was half done: the same call on a new link is answered.
        again = await peer.greet()
        answer = await again.say(peer.own(Cmd.REQUEST, args))
        assert isinstance(answer, Answer)
        assert answer.code is Code.OK


async def test_a_stranger_tries_a_few_links_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        peer = await _hostile(town, home)
        line = await peer.stranger()
        refused, hung_up = 0, False
        while not hung_up and refused < 100:
            try:
                said = await line.say(peer.pair_open(peer.entropy.random_bytes(16)))
            except HungUp:
                hung_up = True
            else:
                assert isinstance(said, RefuseReceived)
                refused += 1
        assert hung_up
        assert 1 <= refused <= 4
