"""The attackers that speak the protocol, in a simulated world: the same code against the same node
without sockets, so that what it does is the same each time."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from entrenous.node.network.memory import Weather
from entrenous.protocol.window import Window
from entrenous.tests.hostile.attacker import LET_DOWN, Attacker, Target
from entrenous.tests.hostile.peer import Peer
from entrenous.tests.hostile.session import SESSION
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    Rogue,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)
# Of the world's time: an attack without end is as long as it is let.
SECONDS = 1.0
# Those that make megabytes need a thread and real time.
HERE = [
    name for name in SESSION if name not in ("deliveries", "rubbish", "pairings", "not-reading")
]


@dataclass
class TownAttacker(Attacker):
    """Attacks a party of the town; all its peers are personas of one device."""

    rogue: Rogue = field(kw_only=True)
    party: Party = field(kw_only=True)

    def __post_init__(self) -> None:
        self.node = self.party.node.keystore.device.public

    def peer(self, *, one: bool = False) -> Peer:
        town = self.rogue.town
        peer = Peer(
            self.rogue.network,
            self.rogue.device,
            self.rogue.entropy,
            town.clock.now_ms,
            self.party.node.addresses(),
        )
        peer.node = self.node
        return peer

    async def paired(self, *, one: bool = False) -> Peer:
        peer, party = self.peer(), self.party
        invite = await party.write(
            lambda tx: party.node.meeting.invite(tx, party.node.addresses(), None, party.now_ms)
        )
        await peer.meet(invite)
        return peer


def _far(_sender: bytes, _receiver: bytes) -> Weather:
    return Weather(delay_s=0.05)


async def _grant_all(party: Party) -> None:
    while True:
        for cid, asked in await party.read(party.node.inbox.all):
            if asked.state.value == "waiting":
                exp_s = party.now_ms // 1000 + 86_400
                await party.write(
                    lambda tx, cid=cid, exp_s=exp_s: party.node.lending.grant(
                        tx, cid, (TEN,), exp_s, party.now_ms
                    )
                )
        await trio.sleep(0.1)


async def _attack(town: Town, home: Party, name: str, nursery: trio.Nursery) -> TownAttacker:
    target = Target("", "", (), CURVE, DAY, DAY + 9, "")
    at = TownAttacker(target, nursery, rogue=await town.rogue("mallory"), party=home)

    async def go() -> None:
        try:
            await SESSION[name](at)
        except LET_DOWN as error:
            at.note(error)

    nursery.start_soon(go)
    return at


@pytest.mark.parametrize("attack", HERE)
async def test_an_honest_reader_is_served(
    attack: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with a_town() as town:
        town.world.weather = _far
        home, reader = await town.party("home"), await town.party("reader")
        await home.fill(CURVE, DAY, 10)
        await meet(home, reader)
        await lend(home, reader, TEN)
        pair = await reader.peer("home")
        before = await home.read(lambda tx: home.node.vault.stored(tx, CURVE, 0, 65_535))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_grant_all, home)
            await _attack(town, home, attack, nursery)
            with trio.move_on_after(SECONDS):
                while True:
                    lent = await reader.node.fetcher.fetch(pair, TEN)
                    assert (lent.pages, lent.damaged) == (10, ())
            nursery.cancel_scope.cancel()
        await settle(30)
        after = await home.read(lambda tx: home.node.vault.stored(tx, CURVE, 0, 65_535))
        assert after == before
        await both_logs_hold(home, reader)
        assert (await reader.node.fetcher.fetch(pair, TEN)).pages == 10
