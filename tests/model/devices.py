"""The two devices of one person: joining, being apart, meeting; and one that is stolen."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from entrenous.node.config import Config, Role
from entrenous.node.devices.left_devices import OtherDevice, Was
from entrenous.node.errors import Refused
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.grant_lines import Side
from entrenous.node.joining import NewDevice, ask_to_join, settle
from entrenous.node.leaving_behind import list_of, stepped, succeed
from entrenous.node.node import Node
from entrenous.node.store.database import Tx
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.joining import Given, join_link
from entrenous.simulations.machine import Machine

from .machines import NAMES, OTHER, TWO, Difference, Machines, NotYet, pair_of

# How long the other device may serve without having spoken with the first.
ALONE_S = 30 * 3_600
# Clocks step by less.
SLACK_MS = 60_000


@dataclass(frozen=True, slots=True)
class Stolen:
    """A device in other hands, with all that was on it at moment `tick`."""

    machine: Machine
    tick: int


class Devices(Machines):
    """What happens to devices."""

    # Devices that ever joined; those that were stolen.
    _joined = 0
    stolen: tuple[Stolen, ...] = ()
    # When the two were parted, by the other's clock.
    _parted_ms = 0

    async def join(self) -> None:
        """Another device of Ana's, in step with the first."""
        older = self.machines["ana"]
        self._joined += 1
        entropy = older.entropy.fork(f"device {self._joined}")

        async def invite(node: Node) -> str:
            if not node.addresses():
                raise NotYet
            now_ms = node.clock.now_ms()
            made = await node.store.database.write(
                lambda tx: node.enrolling.invite(tx, node.addresses(), ALONE_S, now_ms)
            )
            return join_link(made)

        new = NewDevice.create(await self.insist("ana", invite), OTHER, entropy)
        network = self.world.place_for(new.device, OTHER)

        async def confirm(code: str) -> None:
            async def type_in(node: Node) -> None:
                now_ms = node.clock.now_ms()
                await node.store.database.write(lambda tx: node.enrolling.confirm(tx, code, now_ms))
                node.keeping.hurry()

            await self.insist("ana", type_in)

        given: Given | None = None
        async with network, trio.open_nursery() as nursery:
            given = await ask_to_join(
                new, network, older.clock, entropy, lambda code: nursery.start_soon(confirm, code)
            )

        assert given is not None
        await self._settle(new, given)

    async def _settle(self, new: NewDevice, given: Given) -> None:
        """The new home, as `init --join` makes it."""
        older = self.machines["ana"]
        config = Config(name=given.name, role=Role(given.role))
        network = self.world.place_for(new.device, OTHER)
        entropy = older.entropy.fork(f"life {self._joined}")
        machine = await self.world.stand(OTHER, config, new.keystore(given), network, entropy)
        machine.hazard = self.one_blow(OTHER)
        machine.clock.skew_ms = older.clock.skew_ms - self._astray["ana"]
        self._astray[OTHER] = 0
        node = machine.at_rest()
        now_ms = machine.clock.now_ms()
        await machine.disk.write(lambda tx: settle(node, new, given, now_ms, tx))
        self.machines[OTHER] = machine
        self.apart = False
        await self.until_quiet()

    def part(self) -> None:
        """The two devices hear nothing more of each other."""
        self.apart = True
        self._parted_ms = self.now_ms(OTHER)
        self.heal()

    def alone_too_long(self, device: str) -> bool:
        """Whether a device was apart for longer than it may serve alone, whatever it thinks."""
        away_ms = self.now_ms(device) - self._parted_ms
        return self.apart and device == OTHER and away_ms > ALONE_S * 1000 + SLACK_MS

    def meet(self) -> None:
        """They hear of each other again."""
        self.apart = False
        self.heal()
        self.hurry()

    async def leave_behind(self, gone: str, tick: int) -> None:
        """The device `gone` is stolen; on the other, its person leaves it behind."""
        for name in TWO:
            await self.switch_off(name)
        thief = self.machines[gone]
        (stays,) = (self.machines[name] for name in TWO if name != gone)
        recovery = self.machines["ana"].recovery
        assert recovery is not None
        stays.recovery = recovery
        node, now_ms = stays.at_rest(), stays.clock.now_ms()

        def begin(tx: Tx) -> int:
            node.epochs.load(tx)
            node.lending.begin_epoch(tx, now_ms)
            return list_of(tx, node)

        number = await stays.disk.write(begin)
        stays.keystore = stepped(stays.keystore, number, recovery, stays.entropy)
        after = stays.at_rest()
        left = OtherDevice(did_of(thief.device), Was.SIBLING, now_ms)
        await stays.disk.write(lambda tx: succeed(tx, after, recovery, left, now_ms))
        self.machines = {name: self.machines[name] for name in NAMES} | {"ana": stays}
        self._astray["ana"] = self._astray[OTHER if gone == "ana" else "ana"]
        self.forget_rest()
        self.stolen += (Stolen(thief, tick),)
        await self.until_quiet()

    async def given_again(self, owner: str, known: set[bytes]) -> list[tuple[bytes, GrantGiven]]:
        """What an owner gave that was not `known`, and in place of what."""
        node = self.at_rest(owner)

        def look(tx: Tx) -> list[tuple[bytes, GrantGiven]]:
            found: list[tuple[bytes, GrantGiven]] = []
            for given in node.lending.all(tx):
                line = node.lending.lines.find(tx, Side.GIVEN, given.cid)
                if given.cid not in known:
                    found.append((b"" if line is None or not line.renews else line.renews, given))
            return found

        return await self.machines[owner].disk.read(look)

    async def greets(self, thief: Machine) -> None:
        """Whoever has the stolen device starts it, and tries every peer.  Raises Difference."""
        self.world.power_on(thief)
        for peer in NAMES[1:]:

            async def dial(node: Node, peer: str = peer) -> str:
                try:
                    await node.links.link_to(await pair_of(node, peer))
                except Refused as refused:
                    return refused.code
                return "come in"

            if (said := await self.insist_on(thief, dial)) != Code.UNPAIRED.value:
                raise Difference(f"{peer} says to a device that was left behind: {said}")
        life = thief.life
        assert life is not None
        life.cut_power()
        await life.ended.wait()
