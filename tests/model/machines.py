"""Three real nodes and what they stand on: power, clocks, the air between them, backups.

People are patient: an act that a power cut interrupted is done again until it is done, and what a
node confirmed must be so ever after.  Everything here is an order of a `LedWorld`.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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
from entrenous.node.grants.grant_lines import Side
from entrenous.node.node import Node
from entrenous.node.offload import InlineOffload
from entrenous.node.opening import make_key_file, open_home
from entrenous.node.peers.outgoing import Message, message_of
from entrenous.node.peers.peers import Pair
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
# Ana has another device, at times.
OTHER = "ana's other"
TWO = ("ana", OTHER)
# Nobody waits longer than this for a peer that is there.
PATIENCE_S = 900
# Two devices that are on and hear of each other are in step within this.
STEP_S = 120
NOT_SHARED = "of two devices"
SILENT = "serves nothing yet"
# Devices are told to fetch no more often.
HURRY_S = 10
# Or than this, if what must come may be known only to a device that is apart.
APART_S = 90


class Difference(AssertionError):
    """The nodes and the model disagree."""


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
        self._astray: dict[str, int] = dict.fromkeys((*NAMES, OTHER), 0)
        # Whether the two devices of one person hear nothing of each other.
        self.apart = False

    async def stand_up(self) -> None:
        """Everybody is there, and on."""
        for name in NAMES:
            role = Role.ORGANISATION if name == "volt" else Role.PERSON
            machine = await self.world.add(name, role)
            machine.hazard = self.one_blow(name)
            self.machines[name] = machine
            self.world.power_on(machine)

    # whose they are

    def of(self, person: str) -> tuple[str, ...]:
        """The devices of a person; the first is called as the person is."""
        return TWO if person == "ana" and OTHER in self.machines else (person,)

    @staticmethod
    def person(device: str) -> str:
        return "ana" if device == OTHER else device

    @property
    def together(self) -> bool:
        """Whether there are two devices of one person that hear of each other."""
        return OTHER in self.machines and not self.apart

    # how people are

    async def insist(self, name: str, act: Callable[[Node], Awaitable[T]]) -> T:
        """Do `act` until it is done, switching the machine on as often as need be."""
        return await self.insist_on(self.machines[name], act)

    async def insist_on(self, machine: Machine, act: Callable[[Node], Awaitable[T]]) -> T:
        """As `insist`, at a machine that may be anybody's."""
        with trio.move_on_after(PATIENCE_S):
            while True:
                await self._power(machine)
                with suppress(DownError, Away, NotYet):
                    return await self.world.do(machine, act)
                await trio.sleep(1)
        raise Impatient(f"{machine.name} waited {PATIENCE_S} s")

    async def somewhere(
        self, names: Sequence[str], act: Callable[[Node], Awaitable[T]]
    ) -> tuple[str, T]:
        """Do `act` on the first of these machines that can, until one has; which, and what came."""
        with trio.move_on_after(PATIENCE_S):
            while True:
                for name in dict.fromkeys(names):
                    await self.switch_on(name)
                    with suppress(DownError, Away, NotYet):
                        return name, await self.world.do(self.machines[name], act)
                await trio.sleep(1)
        raise Impatient(f"{names[0]} waited {PATIENCE_S} s")

    async def switch_on(self, name: str) -> None:
        await self._power(self.machines[name])

    async def _power(self, machine: Machine) -> None:
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

    def forget_rest(self) -> None:
        """What was over the disks is of no use: a keystore has changed."""
        self._rest.clear()

    def one_blow(self, name: str) -> Hazard:
        return OneBlow(self.world.dice.fork(f"blow at {name}"))

    async def waiting(self) -> int:
        """How much is to be said or done yet: words in the outboxes, and what is to be deleted.

        The acceptance of a grant that is suspended waits for its owner's decision, and is not
        counted.
        """
        return len(await self._unsaid())

    async def _unsaid(self) -> list[str]:
        suspended = {cid for name in self.machines for cid in await self._suspended(name)}

        def look(tx: Tx, node: Node) -> list[str]:
            among = node.peers.device_persona(tx)
            words = [message_of(word) for word in node.store.outbox.all(tx)]
            # What devices say to each other waits until they meet.
            words = [word for word in words if not self.apart or word.own != among]
            said = [word.cmd for word in words if accepts(word) not in suspended]
            said += [f"introduction to {pair.name}" for pair in node.introductions.owed(tx)]
            return [*said, *("deletion" for _ in node.deletion_duty.waiting(tx))]

        said = [
            f"{name}: {what}"
            for name, machine in self.machines.items()
            for what in await machine.disk.read(partial(look, node=self.at_rest(name)))
        ]
        return said + await self._to_be_shared()

    async def _to_be_shared(self) -> list[str]:
        """What two devices that hear of each other have still to do about that."""
        if not self.together:
            return []
        waiting = [name for name in TWO if self.silent(name)]
        first, other = [await self.machines[name].disk.read(self._shared(name)) for name in TWO]
        differ = sorted(name for name in first | other if first.get(name) != other.get(name))
        return [f"{name}: {SILENT}" for name in waiting] + [
            f"{name} {NOT_SHARED}" for name in differ
        ]

    def _shared(self, name: str) -> Callable[[Tx], dict[str, object]]:
        node = self.at_rest(name)

        def look(tx: Tx) -> dict[str, object]:
            # To give readers new keys is done last, and stands in no space.
            keyed = node.keeping.to_rekey(tx)
            return {**dict(node.handing_over.digests(tx)), **dict.fromkeys(keyed, name)}

        return look

    def silent(self, name: str) -> bool:
        """Whether a machine that is on serves nothing: it waits for a witness, or was alone for
        longer than it may be."""
        node = self.machines[name].node
        return node is not None and not node.log_head.serves

    async def speaks(self, *people: str) -> bool:
        """Whether each of these can say and hear something: a device that starts while it is apart
        waits for the other one, which is its witness."""
        for name in people:
            await self.switch_on(name)
        return not (self.apart and any(map(self.silent, people)))

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
            waiting = [cid for cid, status in given + lent_on if status is GrantStatus.SUSPENDED]
            # So is the acceptance of one that was given again, and waits as the one that follows.
            for cid in waiting:
                line = node.lending.lines.find(tx, Side.GIVEN, cid)
                if line is not None and line.renews is not None:
                    waiting.append(line.renews)
            return waiting

        return await self.machines[name].disk.read(look)

    async def until_quiet(self) -> None:
        """Until everything has been said; of two devices that are apart, some may have to wait
        until they meet.  Raises Impatient."""
        turn = differ = 0
        with trio.move_on_after(APART_S if self.apart else PATIENCE_S):
            while True:
                for name in list(self.machines):
                    await self.switch_on(name)
                if turn % HURRY_S == 0:
                    self.hurry()
                turn += 1
                unsaid = await self._unsaid()
                if not unsaid:
                    await trio.testing.wait_all_tasks_blocked()
                    if not await self.waiting():
                        return
                # What comes late to one of two devices gives them as long again.
                differ = differ + 1 if any(map(_is_shared, unsaid)) else 0
                if differ > STEP_S:
                    break
                await trio.sleep(1)
        if self.apart:
            return
        raise Impatient(f"after {PATIENCE_S} s there still wait {await self._unsaid()}")

    def hurry(self) -> None:
        """As whoever says `devices sync` on both."""
        for name in TWO:
            machine = self.machines.get(name)
            if machine is not None and machine.node is not None and self.together:
                machine.node.keeping.hurry()

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
        for name in list(self.machines):
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
        for device in self.of(name):
            await self.switch_off(device)
        if name == TWO[0]:
            # A home that is restored stands alone.
            self.machines.pop(OTHER, None)
            self.apart = False
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
        """Everything reaches everything again; but two devices that are apart stay so."""
        self.world.air.heal()
        if self.apart:
            one, other = (self.machines[name].device for name in TWO)
            self.world.air.cut([one], [other])


def _is_shared(unsaid: str) -> bool:
    """Whether it is between two devices of one person: see `Machines._to_be_shared`."""
    return unsaid.endswith((NOT_SHARED, SILENT))


async def pair_of(node: Node, name: str) -> Pair:
    return await node.store.database.read(lambda tx: node.peers.named(tx, name))


def accepts(word: Message) -> bytes | None:
    """The grant that a word of an outbox accepts, if it does."""
    if word.cmd is not Cmd.ACCEPT:
        return None
    args = parse_args(word.cmd, word.args)
    assert isinstance(args, AcceptArgs)
    return args.grant
