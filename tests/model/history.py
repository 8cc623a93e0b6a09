"""One history: a led world, the model beside it, and how each thing that happens is done.

Whatever happens is done by `_do`: the act, then so much time that nothing, half or all of it has
arrived, then `compare.py` holds the nodes against the model.  At the end everybody is switched on,
everything is said, every door is tried on every day, and the adversary program, with the disks and
all keys of the readers, opens what the model says.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from entrenous.protocol.day import day_of
from entrenous.protocol.window import Window
from entrenous.simulations.machine import BEGINNING_MS
from entrenous.simulations.world import World

from .compare import Comparison, Difference
from .drawing import Drawing
from .led_world import LedWorld
from .machines import NAMES
from .stolen_homes import attack_all
from .town import Town
from .who_may import Grant, Photograph, WhoMay

# Backups and restored homes are synced to a disk; what a simulated one forgets is not up to it.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
TODAY = day_of(BEGINNING_MS)
# Seconds until the next thing happens: nothing has arrived by then, half of it, all (`REST`).
REST = -1.0
WAITS = (0.0, 0.01, 0.05, 3.0, REST, REST)
KINDS = frozenset(
    {
        "lend",
        "renew",
        "lend on",
        "write",
        "erase",
        "take back",
        "keep",
        "read",
        "time",
        "trouble",
        "restore",
    }
)

waits = st.sampled_from(WAITS)


@dataclass(frozen=True)
class Backup:
    """A file, and what it knows."""

    file: Path
    photograph: Photograph


class History(RuleBasedStateMachine):
    """What all rules stand on."""

    # What happens at all.  With less, one is sooner where one wants to be.
    kinds: ClassVar[frozenset[str]] = KINDS
    # Over all histories of a run: rules, doors, power cuts, by name.
    reached: ClassVar[Counter[str]] = Counter()

    town: Town
    _comparison: Comparison

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="model-", dir=IN_MEMORY))
        self.model = WhoMay()
        self._backups: dict[str, Backup] = {}
        self._cut: str | None = None
        self._failed = False
        self.drawing = Drawing()
        self._world: LedWorld | None = None

    def open_world(self, seed: int) -> None:
        """Three who know each other."""
        self._world = LedWorld(seed)

        async def begin(world: World) -> Comparison:
            self.town = Town(world, self._folder)
            await self.town.begin()
            return Comparison(self.town, self.model, self.reached)

        self._comparison = self._world.do(begin)

    # the end

    def teardown(self) -> None:
        if self._world is None:
            return
        try:
            if not self._failed:
                self._do("end", self._end, 0)
        finally:
            complaints = self._world.end()
            shutil.rmtree(self._folder, ignore_errors=True)
        if complaints and not self._failed:
            raise Difference(f"the world complains: {complaints}")

    async def _end(self) -> None:
        self._heal()
        for name in NAMES:
            self.town.doom(name, "", 0)
        await self.town.until_quiet()
        await self._comparison.hold()
        for grant in list(self.model.grants.values()):
            for day in range(grant.first - 1, grant.last + 2):
                await self._comparison.door(grant, day)
        await self.town.until_quiet()
        # A grant may have gone on by itself while the doors were tried.
        await self._comparison.hold()
        self.reached["keys tried by the adversary"] += await attack_all(
            self.town, self.model, self._comparison.known(), self._folder
        )
        for name, machine in self.town.machines.items():
            node = self.town.at_rest(name)
            await machine.disk.read(node.receipts.verify)
            self.reached.update(f"power cut at {at}" for at in machine.hazard.steps_cut)

    # how it is done

    def _do(self, what: str, act: Callable[[], Awaitable[object]], wait: float) -> None:
        """Do it, let so much of it arrive, compare."""
        self.reached[f"rule: {what}"] += 1
        world = self._world
        assert world is not None

        async def order(_world: World) -> None:
            await act()
            if wait == REST:
                await self._rest()
            else:
                await trio.sleep(wait)
            await self._comparison.hold()

        try:
            world.do(order)
        except BaseException:
            self._failed = True
            raise

    async def _rest(self) -> None:
        self._heal()
        await self.town.until_quiet()

    def _heal(self) -> None:
        self._cut = None
        self.town.heal()

    async def _read(self, grant: Grant, window: Window) -> None:
        """Through the reader's own node.  Raises Difference."""
        owner, reader = grant.owner, grant.reader
        quiet = not await self.town.waiting()
        names = {
            page.name
            for page in self.model.pages
            if page.name[:2] == (owner, window.collection)
            and window.first <= page.day <= window.last
        }
        self.model.fetch(reader, names)
        said = await self.town.read(reader, owner, window, grant.giver)
        now_ms = self.town.now_ms(owner)
        if said is None:
            return
        may = [
            one
            for one in self.model.grants.values()
            if (one.on, one.reader, one.giver) == (grant.on, reader, grant.giver)
            and self.model.may_read(one, window.first, window.last, now_ms)
        ]
        self.reached["read: refused" if isinstance(said, str) else "read: served"] += 1
        if grant.giver and not isinstance(said, str):
            self.reached["read: served, for another"] += 1
        if isinstance(said, str):
            if quiet and any(self.model.sure(one) for one in may):
                raise Difference(f"{reader} may read {window} of {owner}, and gets: {said}")
            return
        if not may and not self.model.twilight(owner, now_ms):
            raise Difference(f"{reader} was served {window} of {owner}")
        wanted = frozenset(name[2:] for name in names)
        if said != wanted:
            raise Difference(f"{reader} reads {sorted(said)} of {window}, not {sorted(wanted)}")

    def grants(self) -> list[Grant]:
        return list(self.model.grants.values())

    def some(self, wanted: Callable[[Grant], bool]) -> bool:
        return any(wanted(grant) for grant in self.grants())

    @staticmethod
    def drawn_wait(data: st.DataObject) -> float:
        return data.draw(waits, label="wait")

    def pick(self, data: st.DataObject, wanted: Callable[[Grant], bool]) -> Grant:
        some = [grant for grant in self.grants() if wanted(grant)]
        return some[data.draw(st.integers(0, len(some) - 1), label="grant")]
