"""Three real nodes, and what people do with them.

Ana and Ben are persons, Volt is a supplier: Ana lends to both, Ben to Volt.  People are patient: an
act that a power cut interrupted is done again until it is done, once, and what a node confirmed
must be so ever after.
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
from entrenous.node.errors import Away, NodeError, NotAllowed, NotFound, Refused, UsageError
from entrenous.node.node import Node
from entrenous.node.offload import InlineOffload
from entrenous.node.opening import make_key_file, open_home
from entrenous.node.peers.peers import Pair
from entrenous.node.restoring import restore_home
from entrenous.node.store.home import Home as HomeFolder
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.day import start_ms
from entrenous.protocol.errors import Code
from entrenous.protocol.record import Batch
from entrenous.protocol.request import Request
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.simulations.dice import Dice
from entrenous.simulations.invariants import waiting_of
from entrenous.simulations.machine import DownError, Hazard, Machine
from entrenous.simulations.world import World

T = TypeVar("T")

OWNERS = ("ana", "ben")
NAMES = ("ana", "ben", "volt")
LENDS = (("ana", "ben"), ("ana", "volt"), ("ben", "volt"))
PATHS = ("energy/electricity/load-curve", "energy/gas/load-curve")
HOUR_S = 3_600
DAY_S = 86_400
# Nobody waits longer than this for a peer that is there.
PATIENCE_S = 900
# A busy node is asked again so often.
TRIES = 12
SERVED = "served"


class Impatient(Exception):
    """What must come did not come."""


class _NotYet(Exception):
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


class Town:
    """What people do.  Everything here is an order of a `LedWorld`."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self._folder = folder
        self.machines: dict[str, Machine] = {}
        self._rest: dict[str, tuple[object, Node]] = {}
        self._restored = 0

    async def begin(self) -> None:
        """Everybody is on and has met everybody."""
        for name in NAMES:
            role = Role.ORGANISATION if name == "volt" else Role.PERSON
            machine = await self.world.add(name, role)
            machine.hazard = OneBlow(self.world.dice.fork(f"blow at {name}"))
            self.machines[name] = machine
            self.world.power_on(machine)
        for inviter, scanner in LENDS:
            await self._meet(self.machines[inviter], self.machines[scanner])
        await self.until_quiet()

    # how people are

    async def insist(self, name: str, act: Callable[[Node], Awaitable[T]]) -> T:
        """Do `act` until it is done, switching the machine on as often as need be."""
        machine = self.machines[name]
        with trio.move_on_after(PATIENCE_S):
            while True:
                await self.switch_on(name)
                with suppress(DownError, Away, _NotYet):
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

    def now_ms(self, name: str) -> int:
        return self.machines[name].clock.now_ms()

    async def waiting(self) -> int:
        """How many words wait in the outboxes."""
        count = 0
        for name, machine in self.machines.items():
            node = self.at_rest(name)
            found = await machine.disk.read(partial(waiting_of, node))
            count += found.total()
        return count

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
        raise Impatient(f"{await self.waiting()} words still wait after {PATIENCE_S} s")

    # meeting

    async def _meet(self, inviter: Machine, scanner: Machine) -> None:
        async def invite(node: Node) -> object:
            if not node.addresses():
                raise _NotYet
            return await node.store.database.write(
                lambda tx: node.meeting.invite(
                    tx, node.addresses(), scanner.name, node.clock.now_ms()
                )
            )

        link = await self.insist(inviter.name, invite)

        async def scan(node: Node) -> None:
            try:
                await pair_of(node, inviter.name)
            except NotFound:
                await node.exchange.pair(link, inviter.name)  # type: ignore[arg-type]  # an Invite

        await self.insist(scanner.name, scan)

    # writing

    async def write(self, owner: str, path: str, days: range, slot: int) -> None:
        batch = readings(days, slot)

        async def write(node: Node) -> None:
            if not await _has(node, path, days[0], slot):
                await node.vault.write(
                    path, METER_READING, pieces_of(batch), origin=b"model", atomic=True
                )

        await self.insist(owner, write)

    async def hand_back(self, source: str, owner: str, path: str, days: range, slot: int) -> None:
        """A delivery, until the owner has it."""
        batch = readings(days, slot)

        async def made(node: Node) -> set[bytes]:
            return {one.statement for one in await node.store.database.read(node.deliveries.made)}

        before = await self.insist(source, made)

        async def send(node: Node) -> None:
            if await made(node) == before:  # else it was kept just before the machine went off
                await node.deliveries.deliver(owner, path, batch, node.clock.now_ms())

        await self.insist(source, send)

        async def came(node: Node) -> None:
            if not await _has(node, path, days[0], slot):
                await self.switch_on(source)
                raise _NotYet

        await self.insist(owner, came)

    # lending

    async def lend(self, owner: str, reader: str, window: Window, exp_s: int) -> bytes:
        """Ask, and grant it all; the CID once it is kept."""
        pair = await self.insist(reader, partial(pair_of, name=owner))
        terms = Terms(
            "dpv:ServiceProvision", 30, (reader,), None, (Clause("not sold on", Force.PROMISED),)
        )
        request = Request(pair.own, (window,), terms.purpose, terms, exp_s, "nothing changes")

        async def ask(node: Node) -> bytes:
            now_ms = node.clock.now_ms()
            cid = await node.store.database.write(
                lambda tx: node.borrowing.ask(tx, pair, request, now_ms)
            )
            node.outgoing.notify()
            return cid

        cid = await self.insist(reader, ask)

        async def decide(node: Node) -> bytes:
            now_ms = node.clock.now_ms()
            asked = await node.store.database.read(lambda tx: node.inbox.find(tx, cid))
            if asked is None:
                await self.switch_on(reader)
                raise _NotYet
            if asked.grant is not None:
                return asked.grant
            given = await node.store.database.write(
                lambda tx: node.lending.grant(tx, cid, [window], exp_s, now_ms)
            )
            node.outgoing.notify()
            return given.cid

        return await self.insist(owner, decide)

    async def take_back(self, owner: str, cid: bytes) -> None:
        async def revoke(node: Node) -> None:
            now_ms = node.clock.now_ms()
            with suppress(UsageError):  # it was kept just before the machine went off
                await node.store.database.write(lambda tx: node.lending.revoke(tx, cid, now_ms))
            node.outgoing.notify()

        await self.insist(owner, revoke)

    async def keep(self, owner: str, cid: bytes) -> None:
        """Go on with a grant that a restore has suspended."""

        async def keep(node: Node) -> None:
            now_ms = node.clock.now_ms()
            with suppress(UsageError):
                await node.store.database.write(lambda tx: node.lending.keep(tx, cid, now_ms))
            node.outgoing.notify()

        await self.insist(owner, keep)

    # reading

    async def probe(self, reader: str, owner: str, cid: bytes, window: Window) -> str | None:
        """What the owner's door says to a read under one grant, whatever the reader knows of it:
        a code, `served`, or None if the reader has not heard of the grant or nobody answers."""

        async def ask(node: Node) -> str | None:
            pair = await pair_of(node, owner)
            try:
                held = await node.store.database.read(lambda tx: node.borrowing.get(tx, cid))
                link = await node.exchange.link_to(pair)
            except (NotFound, Away, Refused):
                return None
            exp_s = node.clock.now_ms() // 1000 + 120
            invocation = await node.store.database.read(
                lambda tx: node.borrowing.sign_read(tx, held, window, link.server.device, exp_s)
            )
            proofs = [one.delegation.raw for one in held.bundle.links]
            try:
                said = await node.exchange.invoke(pair, invocation, proofs)
            except Refused as refused:
                return SERVED if refused.code == Code.OK.value else refused.code
            except Away:
                return None
            return said.answer.code.value

        return await self._asked(reader, ask)

    async def read(
        self, reader: str, owner: str, window: Window
    ) -> frozenset[tuple[int, int]] | str | None:
        """What the reader's own node fetches: (day, slot) of each record, a code, or None."""

        async def fetch(node: Node) -> frozenset[tuple[int, int]] | str | None:
            try:
                lent = await node.fetcher.fetch(await pair_of(node, owner), window)
            except Away:
                return None
            except Refused as refused:
                return refused.code
            except NotAllowed:
                return "not allowed"
            if lent.damaged:
                return f"{len(lent.damaged)} pages do not open"
            bad = [proof.reason for proof in lent.provenance if proof.reason is not None]
            if bad:
                return f"a statement does not hold: {bad[0]}"
            return frozenset(slots_of(lent.batch)) if lent.batch is not None else frozenset()

        return await self._asked(reader, fetch)

    async def _asked(self, reader: str, act: Callable[[Node], Awaitable[T]]) -> T | None:
        for _ in range(TRIES):
            try:
                said = await self.world.do(self.machines[reader], act)
            except (DownError, Impatient):
                return None
            if said != Code.BUSY.value:
                return said
            await trio.sleep(5)
        raise Impatient("a node was busy without end")

    # time and loss

    async def pass_time(self, hours: int) -> None:
        """All clocks go on; then everybody keeps house."""
        for machine in self.machines.values():
            machine.clock.skew_ms += hours * HOUR_S * 1000
        for name in NAMES:
            if self.is_on(name):
                with suppress(DownError):
                    await self.world.do(self.machines[name], lambda node: node.keep_house())

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


# small things


async def pair_of(node: Node, name: str) -> Pair:
    return await node.store.database.read(lambda tx: node.peers.named(tx, name))


async def _has(node: Node, path: str, day: int, slot: int) -> bool:
    try:
        reading = await node.vault.read(path, day, day)
    except NodeError:
        return False
    return (day, slot) in slots_of(reading.batch)


def readings(days: range, slot: int) -> Batch:
    """One reading a day, of hour `slot`."""
    count = len(days)
    return Batch(
        METER_READING,
        {
            "time": [start_ms(day) + slot * HOUR_S * 1000 for day in days],
            "offset_min": [60] * count,
            "duration_s": [HOUR_S] * count,
            "value": [(100 + slot, 1)] * count,
            "unit": ["Wh"] * count,
            "quality": [None] * count,
        },
    ).check()


def slots_of(batch: Batch) -> list[tuple[int, int]]:
    """(day, hour) of each reading."""
    return [
        (day, (t_ms - start_ms(day)) // (HOUR_S * 1000))
        for day, records in batch.sorted().by_day()
        for t_ms in records.times
    ]
