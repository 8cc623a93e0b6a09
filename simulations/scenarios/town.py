"""A town: many nodes, a story between random pairs of them, bad weather, then peace.

What the weather broke must come right by itself once it has cleared up: every story comes to its
end, every outbox empties, and the invariants hold.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import dataclass

import trio

from ...node.config import Role
from ..faults import Climate, Faults
from ..invariants import check_world
from ..machine import Machine
from ..world import World
from .story import Story

# How long the weather is bad, at most; stories may be over before.
BAD_S = 600.0
# Retries are ten minutes apart at worst, and one story has several words to say one by one.
PEACE_S = 3_600.0
LOOK_EVERY_S = 5.0


@dataclass(slots=True)
class Figures:
    """What a town went through."""

    stories: int = 0
    crashes: int = 0
    seconds: float = 0.0
    cut_at: dict[str, int] | None = None


class Town:
    """One world with its people."""

    def __init__(self, climate: Climate, stories: int) -> None:
        self._climate = climate
        self._count = stories
        self.figures = Figures()

    async def live(self, world: World) -> None:
        """Everything, from the first power on to the last check."""
        for number in range(world.setting.nodes):
            role = Role.ORGANISATION if number % 2 else Role.PERSON
            await world.add(f"node-{number:02}", role)
        stories = self._stories(world)
        faults = Faults(world, self._climate)
        faults.begin()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(faults.run)
            async with trio.open_nursery() as telling:
                for story in stories:
                    telling.start_soon(story.run)
                telling.start_soon(self._wait_for_peace, telling, faults, stories)
            for story in stories:
                if not story.over.is_set():
                    world.complain(f"{story.name} hangs at: {story.stage}")
        await self._until_said(world)
        await check_world(world, stories)
        await world.trace_disks()
        self._count_up(world, stories, faults)

    def _stories(self, world: World) -> list[Story]:
        """Stories between pairs of different machines, no pair twice."""
        dice = world.dice.fork("pairs")
        machines: list[Machine] = list(world.machines.values())
        pairs = [(a, b) for a in machines for b in machines if a.name < b.name]
        chosen = dice.shuffled(pairs)[: self._count]
        return [Story(world, number, *dice.shuffled(pair)) for number, pair in enumerate(chosen)]

    async def _wait_for_peace(
        self, telling: trio.Nursery, faults: Faults, stories: list[Story]
    ) -> None:
        """Let it clear up, and give the stories the time to end."""
        with trio.move_on_after(BAD_S):
            await _until_told(stories)
        faults.clear_up()
        with trio.move_on_after(PEACE_S):
            await _until_told(stories)
        telling.cancel_scope.cancel()

    async def _until_said(self, world: World) -> None:
        """Wait until no outbox holds anything, or for so long that it never will."""
        with trio.move_on_after(PEACE_S):
            while True:
                waiting = [await _waiting(machine) for machine in world.machines.values()]
                if not any(waiting):
                    return
                await trio.sleep(LOOK_EVERY_S)

    def _count_up(self, world: World, stories: list[Story], faults: Faults) -> None:
        figures = self.figures
        figures.stories = len(stories)
        figures.crashes = faults.crashes
        figures.seconds = trio.current_time()
        figures.cut_at = {}
        for machine in world.machines.values():
            for step, count in machine.hazard.steps_cut.items():
                figures.cut_at[step] = figures.cut_at.get(step, 0) + count


async def _until_told(stories: list[Story]) -> None:
    for story in stories:
        await story.over.wait()


async def _waiting(machine: Machine) -> int:
    return await machine.disk.read(machine.at_rest().store.outbox.count)
