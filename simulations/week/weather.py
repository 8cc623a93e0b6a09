"""What a week brings on machines, disks and lines: crashes, partitions, a day without a network.

Everything of `Faults`, in the rhythm of a week, and besides: disks that are full or whose commits
fail for some minutes, clocks that step while a node runs, and a day on which the person's node
reaches nobody, so that what must be said goes by stick.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import trio

from ..faults import Climate, Faults
from ..machine import DiskTrouble, Machine
from ..world import World

HOUR_S = 3600.0
WEEK_CLIMATE = Climate(
    delay_s=0.05,
    jitter_s=0.4,
    reset_chance=0.004,
    cut_every_s=8 * HOUR_S,
    cut_s=HOUR_S,
    crash_every_s=4 * HOUR_S,
    down_s=600.0,
    step_crash_chance=0.01,
    disk_crash_chance=0.0005,
    skew_s=20.0,
)
TROUBLE_EVERY_S = 10 * HOUR_S
TROUBLE_S = 900.0
CLOCK_EVERY_S = 12 * HOUR_S


class WeekWeather(Faults):
    """Faults of a week.  `away` is when the person's node reaches nobody, in seconds."""

    def __init__(self, world: World, home: Machine, away: tuple[float, float]) -> None:
        super().__init__(world, WEEK_CLIMATE)
        self._home = home
        self._away = away

    @property
    def is_away(self) -> bool:
        return self._away[0] <= trio.current_time() < self._away[1]

    @property
    def away_s(self) -> float:
        return self._away[0]

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(super().run)
            nursery.start_soon(self._disks)
            nursery.start_soon(self._clocks)

    async def _cut(self) -> None:
        """Partitions, one after the other; the day away is one of them, and the longest."""
        dice = self._dice.fork("cuts")
        been_away = False
        while not self._clear.is_set():
            now = trio.current_time()
            wait_s = dice.wait(self._climate.cut_every_s)
            if not been_away and self._away[0] < now + wait_s + self._climate.cut_s:
                if await self._until_clear(max(self._away[0] - now, 0)):
                    return
                await self._parted([self._home], self._away[1] - trio.current_time(), "away")
                been_away = True
                continue
            if await self._until_clear(wait_s):
                return
            machines = list(self._world.machines.values())
            some = dice.shuffled(machines)[: dice.between(1, len(machines) // 2)]
            length_s = min(dice.wait(self._climate.cut_s), 3 * self._climate.cut_s)
            if not been_away:
                length_s = min(length_s, max(self._away[0] - trio.current_time(), 0))
            await self._parted(some, length_s, "cut")

    async def _parted(self, some: list[Machine], length_s: float, what: str) -> None:
        world = self._world
        names = {machine.name for machine in some}
        others = [one for one in world.machines.values() if one.name not in names]
        world.trace.event(what, *sorted(names))
        world.faults["a day without a network" if what == "away" else "network cut in two"] += 1
        world.air.cut((m.device for m in some), (m.device for m in others))
        await self._until_clear(length_s)
        world.trace.event("heal")
        world.air.heal()

    async def _disks(self) -> None:
        dice = self._dice.fork("disks")
        while not await self._until_clear(dice.wait(TROUBLE_EVERY_S)):
            machine = dice.pick(list(self._world.machines.values()))
            trouble = dice.pick(tuple(DiskTrouble))
            machine.hazard.disk_trouble = trouble
            self._world.faults[trouble.value] += 1
            self._world.trace.event("disk trouble", machine.name, trouble.value)
            await self._until_clear(dice.wait(TROUBLE_S))
            machine.hazard.disk_trouble = None
            self._world.trace.event("disk well", machine.name)

    async def _clocks(self) -> None:
        dice = self._dice.fork("clock steps")
        while not await self._until_clear(dice.wait(CLOCK_EVERY_S)):
            machine = dice.pick(list(self._world.machines.values()))
            self._set_clock(machine, dice)
            self._world.faults["clock stepped"] += 1
            self._world.trace.event("clock", machine.name, str(machine.clock.skew_ms))
