"""A week of one person and four organisations, with everything that happens in a week.

A bank and an energy supplier hand data back every day; they, a shop and a town ask for some of it,
read it at all hours, and lose it again.  A neighbour vouches, and gives a mandate.  Machines crash
at numbered steps, disks are full, clocks jump, lines break, and for a day the house has no network:
what must be said then goes by stick.  In the middle of the week the person's machine burns, and a
backup is restored on another.  What all this may not break is watched all along (`week/watch.py`).
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from ...crypto.errors import EntrenousError
from ...node.config import Role
from ..invariants import Pairing, waiting_of
from ..week.book import Book
from ..week.courier import Courier
from ..week.files import BANK, CURVE, Slice
from ..week.home import Home
from ..week.meetings import settle_in
from ..week.neighbour import Neighbour
from ..week.people import DAY_S, HOUR_S, GaveUpError
from ..week.phoenix import Phoenix
from ..week.sources import Source
from ..week.watch import Watch
from ..week.weather import WeekWeather
from ..world import World

WEEK_S = 7 * DAY_S
LOOK_EVERY_S = 6 * HOUR_S
HOUSEKEEPING_S = 1200.0
# After the week: retries are ten minutes apart at worst, and words wait for one another.
PEACE_S = 12 * HOUR_S


@dataclass(slots=True)
class WeekFigures:
    """What a week went through."""

    acts: int = 0
    looks: int = 0
    reads: int = 0
    grants: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=lambda: Counter[str]())
    cut_at: Counter[str] = field(default_factory=lambda: Counter[str]())


class Week:
    """One world, seven days."""

    def __init__(self, *, until_s: float = WEEK_S) -> None:
        self._until_s = until_s
        self.figures = WeekFigures()

    async def live(self, world: World) -> None:
        """Everything, from the first power on to the last look."""
        with tempfile.TemporaryDirectory(prefix="week-") as made:
            await self._live(world, Path(made))

    async def _live(self, world: World, folder: Path) -> None:
        slices, book = Slice.of(world.setting.seed), Book()
        home_machine = await world.add("home", Role.PERSON)
        neighbour_machine = await world.add("neighbour", Role.PERSON)
        sources = {
            name: Source(
                world, await world.add(name, Role.ORGANISATION), folder, book, slices, self._until_s
            )
            for name in ("bank", "energy", "shop", "town")
        }
        home = Home(world, home_machine, folder, book, slices, self._until_s)
        neighbour = Neighbour(world, neighbour_machine, folder)
        watch = Watch(world, book, home_machine, slices)
        dice = world.dice.fork("week")
        away_s = dice.between(1, 5) * DAY_S + dice.span(0, DAY_S / 2)
        weather = WeekWeather(world, home_machine, (away_s, away_s + DAY_S))
        for machine in world.machines.values():
            machine.housekeeping_s = HOUSEKEEPING_S
            world.power_on(machine)
        await settle_in(home, neighbour, list(sources.values()))
        weather.begin()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(weather.run)
            async with trio.open_nursery() as people:
                courier = Courier(home, list(sources.values()), weather, watch)
                phoenix = Phoenix(home, book, watch, self._until_s)
                self._begin(people, world, home, neighbour, sources, courier, phoenix)
                people.start_soon(self._watch, watch)
                await trio.sleep(self._until_s - trio.current_time())
                people.cancel_scope.deadline = trio.current_time() + DAY_S
                weather.clear_up()
        await self._until_said(world, watch)
        await watch.look(last=True)
        await world.trace_disks()
        self._count_up(world, watch, sources, book)

    def _begin(
        self,
        people: trio.Nursery,
        world: World,
        home: Home,
        neighbour: Neighbour,
        sources: dict[str, Source],
        courier: Courier,
        phoenix: Phoenix,
    ) -> None:
        bank, energy, shop, town = sources.values()
        dice = world.dice.fork("week of all")
        tasks: list[Callable[[], Awaitable[None]]] = [
            home.live,
            home.decide,
            lambda: home.end_mandate(dice.span(2, 6) * DAY_S),
            lambda: bank.deliver_daily(BANK),
            lambda: energy.deliver_daily(CURVE),
            lambda: bank.borrow("rose", CURVE),
            lambda: energy.borrow("home", CURVE),
            lambda: shop.borrow("home", BANK),
            lambda: town.borrow("home", CURVE),
            courier.carry,
            phoenix.burn_and_rise,
        ]
        tasks += neighbour.tasks(home, energy, self._until_s)
        villain = dice.pick((shop, town))
        peer_path = BANK if villain is shop else CURVE
        flood_s = dice.span(1, 6) * DAY_S

        async def misbehave() -> None:
            await trio.sleep(flood_s)
            await villain.flood("home", peer_path, 130)

        async def reach_too_far() -> None:
            while trio.current_time() < self._until_s:
                await trio.sleep(dice.wait(16 * HOUR_S))
                await villain.overreach("home")

        tasks += [misbehave, reach_too_far]
        for task in tasks:
            people.start_soon(self._kept_in, world, task)

    async def _kept_in(self, world: World, task: Callable[[], Awaitable[None]]) -> None:
        """What nobody expected of a node is a complaint, not the end of the world."""
        try:
            await task()
        except GaveUpError:
            world.trace.event("gave up")
        except EntrenousError as error:
            world.complain(f"{_named(task)}: {type(error).__name__}: {error}")

    async def _watch(self, watch: Watch) -> None:
        while trio.current_time() < self._until_s:
            await trio.sleep(LOOK_EVERY_S)
            await watch.look()

    async def _until_said(self, world: World, watch: Watch) -> None:
        with trio.move_on_after(PEACE_S):
            while True:
                waiting = set[Pairing]()
                for machine in world.machines.values():
                    waiting |= set(await machine.disk.read(partial(waiting_of, machine.at_rest())))
                if waiting <= watch.burnt:
                    return
                await trio.sleep(60.0)

    def _count_up(self, world: World, watch: Watch, sources: dict[str, Source], book: Book) -> None:
        figures = self.figures
        figures.acts, figures.looks = world.acts, watch.looks
        figures.reads = sum(source.reads for source in sources.values())
        figures.grants = len(book.lendings)
        figures.seconds = trio.current_time()
        figures.faults.update(world.faults)
        for machine in world.machines.values():
            figures.cut_at.update(machine.hazard.steps_cut)


def _named(task: object) -> str:
    return str(getattr(task, "__qualname__", task))
