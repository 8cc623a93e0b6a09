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
from collections.abc import Awaitable, Callable, Sequence
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
from .stolen_homes import attack_all
from .town import Town
from .who_may import Grant, Name, Page, Photograph, WhoMay

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
        "devices",
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
        for name in self.town.machines:
            self.town.doom(name, "", 0)
        await self.town.until_quiet()
        await self._comparison.hold()
        await self._comparison.every_door()
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

    async def together(self) -> None:
        """Two devices that hear of each other are in step."""
        if self.town.together:
            await self._rest()
            self.model.meet()

    def _heal(self) -> None:
        self._cut = None
        self.town.heal()

    async def _read(self, grant: Grant, window: Window, device: str = "") -> None:
        """Through a device of the reader.  Raises Difference."""
        owner, reader = grant.owner, device or grant.reader
        at = self.town.of(owner)
        quiet = not await self.town.waiting() and not any(map(self.town.silent, self.town.machines))
        days = range(window.first, window.last + 1)

        def within(pages: list[Page]) -> frozenset[Name]:
            some = (page.name for page in pages if page.path == window.collection)
            return frozenset(name for name in some if name[2] in days)

        told = [tuple(map(within, self.model.at(one, owner))) for one in at]
        self.model.fetch(reader, frozenset[Name]().union(*(may for _, may in told)))
        said = await self.town.read(reader, owner, window, grant.giver)
        if said is None:
            return
        served = not isinstance(said, str)
        self.reached["read: served" if served else "read: refused"] += 1
        if grant.giver and served:
            self.reached["read: served, for another"] += 1
        mine = [
            one
            for one in self.model.grants.values()
            if (one.on, one.reader, one.giver) == (grant.on, grant.reader, grant.giver)
        ]
        may_read, must_read = self._may_read(mine, window, at)
        if isinstance(said, str):
            heard = not self.town.apart or len(self.town.of(grant.reader)) == 1
            if quiet and must_read and heard:
                raise Difference(f"{reader} may read {window} of {owner}, and gets: {said}")
            return
        clocks = [self.town.now_ms(one) for one in at]
        if not may_read and not any(self.model.twilight(owner, now_ms) for now_ms in clocks):
            raise Difference(f"{reader} was served {window} of {owner}")
        hours = [tuple(frozenset(name[2:] for name in some) for some in pair) for pair in told]
        if not any(must <= said <= may for must, may in hours):
            wanted = [sorted(must) for must, _ in hours]
            raise Difference(f"{reader} reads {sorted(said)} of {window}, not {wanted}")

    def _may_read(
        self, grants: list[Grant], window: Window, at: Sequence[str]
    ) -> tuple[bool, bool]:
        """Whether one of these lets its reader read, at a device of the owner as it may know it;
        at each, as any may know it."""

        def reads(grant: Grant, device: str) -> list[bool]:
            now_ms = self.town.now_ms(device)
            return [
                not form.lost and self.model.may_read(form, window.first, window.last, now_ms)
                for form in self.model.as_known(device, grant)
            ]

        found = {(one.cid, device): reads(one, device) for one in grants for device in at}
        must = any(
            self.model.sure(one) and all(all(found[one.cid, device]) for device in at)
            for one in grants
        )
        return any(map(any, found.values())), must

    def grants(self) -> list[Grant]:
        return list(self.model.grants.values())

    def some(self, wanted: Callable[[Grant], bool]) -> bool:
        return any(wanted(grant) for grant in self.grants())

    def drawn_name(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.town.machines)), label="name")

    def drawn_device(self, data: st.DataObject, owner: str) -> str:
        return data.draw(st.sampled_from(self.town.of(owner)), label="device")

    @staticmethod
    def drawn_wait(data: st.DataObject) -> float:
        return data.draw(waits, label="wait")

    def pick(self, data: st.DataObject, wanted: Callable[[Grant], bool]) -> Grant:
        some = [grant for grant in self.grants() if wanted(grant)]
        return some[data.draw(st.integers(0, len(some) - 1), label="grant")]
