"""Faults: the bad days of a simulated world, drawn from its seed.

A world has a climate.  While its weather is bad, links are slow and uneven (so streams overtake one
another), lose so much that they break, and are cut in two; machines lose power at any moment, at
any step that a node names, and just before or after a commit.  Their clocks are some seconds apart
and jump when they come back.  Then it clears up, and everything that was promised must be there.

There is no loss of single pieces: under TCP a loss is a delay, or the end of the connection.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import dataclass

import trio

from ..node.network.memory import Weather
from .dice import Dice
from .machine import Machine
from .world import World


@dataclass(frozen=True, slots=True)
class Climate:
    """How bad the days are.  Times in seconds, chances in 0…1; 0 s: it does not happen."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    reset_chance: float = 0.0
    cut_every_s: float = 0.0
    cut_s: float = 0.0
    crash_every_s: float = 0.0
    down_s: float = 0.0
    step_crash_chance: float = 0.0
    disk_crash_chance: float = 0.0
    skew_s: float = 0.0


CALM = Climate(delay_s=0.01)
ROUGH = Climate(
    delay_s=0.05,
    jitter_s=0.2,
    reset_chance=0.004,
    cut_every_s=60.0,
    cut_s=30.0,
    crash_every_s=30.0,
    down_s=15.0,
    step_crash_chance=0.01,
    disk_crash_chance=0.002,
    skew_s=5.0,
)
STORMY = Climate(
    delay_s=0.1,
    jitter_s=1.5,
    reset_chance=0.02,
    cut_every_s=25.0,
    cut_s=90.0,
    crash_every_s=10.0,
    down_s=30.0,
    step_crash_chance=0.04,
    disk_crash_chance=0.01,
    skew_s=20.0,
)


class Faults:
    """Brings a climate over a world until `clear_up`."""

    def __init__(self, world: World, climate: Climate) -> None:
        self._world = world
        self._climate = climate
        self._dice = world.dice.fork("faults")
        self._clear = trio.Event()
        self._slowness: dict[tuple[str, str], float] = {}
        self.crashes = 0

    def begin(self) -> None:
        """Set weather, hazards and clocks; `run` brings the rest."""
        self._world.weather = self._weather
        dice = self._dice.fork("clocks")
        for machine in self._world.machines.values():
            machine.hazard.step_chance = self._climate.step_crash_chance
            machine.hazard.disk_chance = self._climate.disk_crash_chance
            self._set_clock(machine, dice)

    async def run(self) -> None:
        """Cut, crash and bring back; returns after `clear_up` when every machine is on."""
        async with trio.open_nursery() as nursery:
            if self._climate.cut_every_s:
                nursery.start_soon(self._cut)
            if self._climate.crash_every_s:
                nursery.start_soon(self._crash)
            for machine in self._world.machines.values():
                nursery.start_soon(self._keep_alive, machine)

    def clear_up(self) -> None:
        """No more faults: what is cut heals, what is off comes back, clocks stay as they are."""
        self._world.trace.event("clear")
        calm = Weather(self._climate.delay_s)
        self._world.weather = lambda sender, receiver: calm
        for machine in self._world.machines.values():
            machine.hazard.step_chance = machine.hazard.disk_chance = 0.0
            machine.hazard.disk_trouble = None
        self._world.air.heal()
        self._clear.set()

    def _weather(self, sender: str, receiver: str) -> Weather:
        climate, link = self._climate, (sender, receiver)
        if link not in self._slowness:
            self._slowness[link] = self._dice.fork(f"link {sender} {receiver}").span(0.2, 2.0)
        slow = self._slowness[link]
        return Weather(climate.delay_s * slow, climate.jitter_s * slow, climate.reset_chance)

    def _set_clock(self, machine: Machine, dice: Dice) -> None:
        machine.clock.skew_ms = round(1000 * dice.span(-1, 1) * self._climate.skew_s)

    async def _until_clear(self, wait_s: float) -> bool:
        """Wait; whether it has cleared up."""
        with trio.move_on_after(wait_s):
            await self._clear.wait()
        return self._clear.is_set()

    async def _cut(self) -> None:
        dice = self._dice.fork("cuts")
        machines = list(self._world.machines.values())
        while not await self._until_clear(dice.wait(self._climate.cut_every_s)):
            some = dice.shuffled(machines)[: dice.between(1, len(machines) // 2)]
            others = [machine for machine in machines if machine not in some]
            self._world.trace.event("cut", *sorted(machine.name for machine in some))
            self._world.air.cut((m.device for m in some), (m.device for m in others))
            self._world.faults["network cut in two"] += 1
            clear = await self._until_clear(dice.wait(self._climate.cut_s))
            self._world.trace.event("heal")
            self._world.air.heal()
            if clear:
                return

    async def _crash(self) -> None:
        dice = self._dice.fork("crashes")
        machines = list(self._world.machines.values())
        while not await self._until_clear(dice.wait(self._climate.crash_every_s)):
            machine = dice.pick(machines)
            if machine.life is not None:
                self._world.trace.event("crash", machine.name)
                self._world.faults["power cut at any moment"] += 1
                machine.life.cut_power()

    async def _keep_alive(self, machine: Machine) -> None:
        """Bring a machine back after each crash, its clock set anew, until it has cleared up."""
        dice = self._dice.fork(f"repairs of {machine.name}")
        while not self._clear.is_set():
            await machine.found.wait()
            life = machine.life
            if life is None:
                self._world.power_on(machine)
                continue
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_when_clear, nursery)
                await life.ended.wait()
                nursery.cancel_scope.cancel()
            if machine.life is None:
                self.crashes += 1
                await self._until_clear(dice.wait(self._climate.down_s))
                self._set_clock(machine, dice)
        if machine.life is not None and not machine.life.on:
            await machine.life.ended.wait()
        await machine.found.wait()
        if machine.life is None:
            self._world.power_on(machine)

    async def _cancel_when_clear(self, nursery: trio.Nursery) -> None:
        await self._clear.wait()
        nursery.cancel_scope.cancel()
