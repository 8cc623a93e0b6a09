"""Three real nodes and what they stand on: power, clocks, the air between them, backups.

People are patient: an act that a power cut interrupted is done again until it is done, and what a
node confirmed must be so ever after.  Everything here is an order of a `LedWorld`.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.shares import recovery_words
from entrenous.node.backup import write_backup
from entrenous.node.config import Config, Role
from entrenous.node.errors import Away
from entrenous.node.node import Node
from entrenous.node.offload import InlineOffload
from entrenous.node.opening import make_key_file, open_home
from entrenous.node.peers.outgoing import Message, message_of
from entrenous.node.restoring import restore_home
from entrenous.node.store.database import Tx
from entrenous.node.store.home import Home as HomeFolder
from entrenous.protocol.command import AcceptArgs, Cmd, parse_args
from entrenous.protocol.trust import GrantStatus
from entrenous.simulations.dice import Dice
from entrenous.simulations.machine import DownError, Hazard, Machine
from entrenous.simulations.world import World

from .readings import HOUR_S

T = TypeVar("T")

NAMES = ("ana", "ben", "volt")
# Nobody waits longer than this for a peer that is there.
PATIENCE_S = 900


class Impatient(Exception):
    """What must come did not come."""


class NotYet(Exception):
    """What is waited for has not come."""


class OneBlow(Hazard):
    """Power goes once, at the step of this name that is `after` others of it from now."""

    def __init__(self, dice: Dice) -> None:
        super().__init__(dice)
        self._step: str | None = None
        self._after = 0

    def arm(self, step: str, after: int) -> None:
        self._step, self._after = step, after

    def strikes(self, step: str, chance: float) -> bool:
        if step != self._step:
            return False
        if self._after:
            self._after -= 1
            return False
        self._step = None
        return super().strikes(step, 1.0)


class Machines:
    """The machines of a town."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self._folder = folder
        self.machines: dict[str, Machine] = {}
        self._rest: dict[str, tuple[object, Node]] = {}
        self._restored = 0
        # What each clock is ahead of the right time, in ms.
        self._astray: dict[str, int] = dict.fromkeys(NAMES, 0)

    async def stand_up(self) -> None:
        """Everybody is there, and on."""
        for name in NAMES:
            role = Role.ORGANISATION if name == "volt" else Role.PERSON
            machine = await self.world.add(name, role)
            machine.hazard = OneBlow(self.world.dice.fork(f"blow at {name}"))
            self.machines[name] = machine
            self.world.power_on(machine)

    # how people are

    async def insist(self, name: str, act: Callable[[Node], Awaitable[T]]) -> T:
        """Do `act` until it is done, switching the machine on as often as need be."""
        machine = self.machines[name]
        with trio.move_on_after(PATIENCE_S):
            while True:
                await self.switch_on(name)
                with suppress(DownError, Away, NotYet):
                    return await self.world.do(machine, act)
                await trio.sleep(1)
        raise Impatient(f"{name} waited {PATIENCE_S} s")

    async def switch_on(self, name: str) -> None:
        machine = self.machines[name]
        if machine.life is not None and not machine.life.on:
            await machine.life.ended.wait()
        if machine.life is None:
            self.world.power_on(machine)
            await trio.testing.wait_all_tasks_blocked()

    async def switch_off(self, name: str) -> None:
        life = self.machines[name].life
        if life is not None:
            life.cut_power()
            await life.ended.wait()

    def doom(self, name: str, step: str, after: int) -> None:
        """Let the power of a machine go at a step; at none if there is no such step."""
        hazard = self.machines[name].hazard
        assert isinstance(hazard, OneBlow)
        hazard.arm(step, after)

    def is_on(self, name: str) -> bool:
        return self.machines[name].on

    def at_rest(self, name: str) -> Node:
        """A node over the bare disk."""
        machine = self.machines[name]
        kept = self._rest.get(name)
        if kept is None or kept[0] is not machine.disk:
            kept = self._rest[name] = (machine.disk, machine.at_rest())
        return kept[1]

    async def waiting(self) -> int:
        """How much is to be said or done yet: words in the outboxes, and what is to be deleted.

        The acceptance of a grant that is suspended waits for its owner's decision, and is not
        counted.
        """
        return len(await self._unsaid())

    async def _unsaid(self) -> list[str]:
        suspended = {cid for name in NAMES for cid in await self._suspended(name)}

        def look(tx: Tx, node: Node) -> list[str]:
            words = map(message_of, node.store.outbox.all(tx))
            said = [word.cmd for word in words if accepts(word) not in suspended]
            said += [f"introduction to {pair.name}" for pair in node.introductions.owed(tx)]
            return [*said, *("deletion" for _ in node.deletion_duty.waiting(tx))]

        return [
            f"{name}: {what}"
            for name, machine in self.machines.items()
            for what in await machine.disk.read(partial(look, node=self.at_rest(name)))
        ]

    async def strangers(self) -> bool:
        """Whether a new device is not known yet to everybody."""
        owed = [
            await machine.disk.read(self.at_rest(name).introductions.owed)
            for name, machine in self.machines.items()
        ]
        return any(owed)

    async def _suspended(self, name: str) -> list[bytes]:
        node, now_ms = self.at_rest(name), self.now_ms(name)

        def look(tx: Tx) -> list[bytes]:
            given = [(one.cid, one.status(now_ms)) for one in node.lending.all(tx)]
            lent_on = [
                (one.cid, node.lending_on.status(tx, one, now_ms))
                for one in node.lending_on.all(tx)
            ]
            return [cid for cid, status in given + lent_on if status is GrantStatus.SUSPENDED]

        return await self.machines[name].disk.read(look)

    async def until_quiet(self) -> None:
        """Until everything has been said.  Raises Impatient."""
        with trio.move_on_after(PATIENCE_S):
            while True:
                for name in NAMES:
                    await self.switch_on(name)
                if not await self.waiting():
                    await trio.testing.wait_all_tasks_blocked()
                    if not await self.waiting():
                        return
                await trio.sleep(1)
        raise Impatient(f"after {PATIENCE_S} s there still wait {await self._unsaid()}")

    # time

    def now_ms(self, name: str) -> int:
        return self.machines[name].clock.now_ms()

    async def pass_time(self, hours: int) -> list[str]:
        """All clocks go on; then everybody keeps house.  Who has."""
        for machine in self.machines.values():
            machine.clock.skew_ms += hours * HOUR_S * 1000
        return await self._keep_house()

    async def set_clock(self, name: str, astray_s: int) -> None:
        """The clock of a machine is now so many seconds ahead of the right time, or behind."""
        step_ms = astray_s * 1000 - self._astray[name]
        self._astray[name] += step_ms
        self.machines[name].clock.skew_ms += step_ms

    async def _keep_house(self) -> list[str]:
        kept: list[str] = []
        for name in NAMES:
            if self.is_on(name):
                with suppress(DownError):
                    await self.world.do(self.machines[name], lambda node: node.keep_house())
                    kept.append(name)
        return kept

    # loss

    async def back_up(self, name: str) -> Path:
        """The machine's newest backup; the one before it is gone."""
        path = self._folder / f"{name}.backup"
        home = HomeFolder(self._folder)

        async def write(node: Node) -> None:
            path.unlink(missing_ok=True)
            await write_backup(
                path,
                database=node.store.database,
                home=home,
                keystore=node.keystore,
                config=node.config,
                entropy=node.entropy,
                offload=node.offload,
                program="model",
                now_ms=node.clock.now_ms(),
            )

        await self.insist(name, write)
        return path

    async def restore(self, name: str, backup: Path) -> None:
        """The machine is lost; another one stands in its place, made from a backup."""
        machine = self.machines[name]
        await self.switch_off(name)
        self._restored += 1
        entropy = machine.entropy.fork(f"restore {self._restored}")
        folder = self._folder / f"restored-{self._restored}"
        key = make_key_file(self._folder / f"key-{self._restored}", entropy)
        words = self._words(machine, entropy)
        await restore_home(
            folder,
            backup,
            words,
            key,
            entropy=entropy,
            clock=machine.clock,
            offload=InlineOffload(),
        )
        disk = await self.world.open_disk(HomeFolder(folder).database)
        self.world.replace(machine, open_home(folder, key), disk, Config.read(folder, {}))
        machine.entropy = entropy.fork("life")
        await self.switch_on(name)

    @staticmethod
    def _words(machine: Machine, entropy: SeededEntropy) -> str:
        assert machine.recovery is not None
        return recovery_words(machine.recovery, entropy=entropy)

    def isolate(self, name: str) -> None:
        others = [m.device for other, m in self.machines.items() if other != name]
        self.world.air.cut([self.machines[name].device], others)

    def heal(self) -> None:
        self.world.air.heal()


def accepts(word: Message) -> bytes | None:
    """The grant that a word of an outbox accepts, if it does."""
    if word.cmd is not Cmd.ACCEPT:
        return None
    args = parse_args(word.cmd, word.args)
    assert isinstance(args, AcceptArgs)
    return args.grant
