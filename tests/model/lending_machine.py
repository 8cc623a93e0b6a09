"""A state machine over three nodes: Hypothesis chooses what happens, the model says what is right.

Each rule is something that people or the world do: lend, write, hand back, take back, read, let
time pass, cut the power (now, or at a numbered step of what comes next), cut the network, make a
backup, lose the machine and restore it.  After each, `compare.py` holds the nodes against the
model.  At the end everybody is switched on, everything is said, every door is tried on every day,
and the adversary program, with the disks and all keys of the readers, opens what the model says.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from entrenous.node.steps import GrantStep, ReadStep, RevokeStep
from entrenous.protocol.day import day_of
from entrenous.protocol.window import Window
from entrenous.simulations.machine import BEGINNING_MS
from entrenous.simulations.world import World

from .compare import Comparison, Difference
from .led_world import LedWorld
from .stolen_homes import attack_all
from .town import HOUR_S, LENDS, NAMES, OWNERS, PATHS, Town
from .who_may import Grant, Photograph, WhoMay

F = TypeVar("F", bound=Callable[..., None])

# Backups and restored homes are synced to a disk; what a simulated one forgets is not up to it.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
TODAY = day_of(BEGINNING_MS)
FIRST, LAST = TODAY - 3, TODAY + 2
GRANTS_MAX = 8
SLOTS = 24
KINDS = frozenset({"lend", "write", "take back", "keep", "read", "time", "trouble", "restore"})
STEPS = (
    *(step.value for step in (*GrantStep, *ReadStep, *RevokeStep)),
    "disk: not yet written",
    "disk: written, not told",
)
# Where power can go more than once on the way through an act.
COMMON = 3


@dataclass(frozen=True)
class Loan:
    """What is asked for and granted: `days` days from `first` on, for `hours` from now."""

    owner: str
    reader: str
    path: str
    first: int
    days: int
    hours: int


owners = st.sampled_from(OWNERS)
names = st.sampled_from(NAMES)
paths = st.sampled_from((PATHS[0], PATHS[0], PATHS[0], PATHS[1]))
spans = st.tuples(st.integers(FIRST, LAST), st.integers(1, 4))


@st.composite
def _loans(draw: st.DrawFn) -> Loan:
    owner, reader = draw(st.sampled_from(LENDS))
    first, days = draw(spans)
    return Loan(owner, reader, draw(paths), first, days, draw(st.sampled_from((1, 5, 40, 200))))


loans = _loans()
# Seconds until the next thing happens: nothing has arrived by then, half of it, all (`REST`).
REST = -1.0
waits = st.sampled_from((0.0, 0.01, 0.05, 3.0, REST, REST))


def may(kind: str) -> Callable[[F], F]:
    """Only where the machine does this kind of thing at all."""
    return precondition(lambda self: kind in self.kinds)


@dataclass(frozen=True)
class Backup:
    """A file, and what it knows."""

    file: Path
    photograph: Photograph


class LendingMachine(RuleBasedStateMachine):
    """One history."""

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
        self._slots = 0
        self._backups: dict[str, Backup] = {}
        self._cut: str | None = None
        self._failed = False
        self._world: LedWorld | None = None

    @initialize(seed=st.integers(0, 1023), loans=st.lists(loans, max_size=4))
    def begin(self, seed: int, loans: list[Loan]) -> None:
        """Three who know each other, some loans, and a page on each of their days."""
        self._world = LedWorld(seed)

        async def begin(world: World) -> Comparison:
            self.town = Town(world, self._folder)
            await self.town.begin()
            return Comparison(self.town, self.model, self.reached)

        self._comparison = self._world.do(begin)
        for loan in loans:
            self.lend(loan, 0.0)
        for owner in OWNERS:
            self.write(owner, "", PATHS[0], (FIRST, LAST - FIRST + 1), REST)

    # rules

    @may("lend")
    @precondition(lambda self: len(self.model.grants) < GRANTS_MAX)
    @rule(loan=loans, wait=waits)
    def lend(self, loan: Loan, wait: float) -> None:
        async def act() -> None:
            self._heal()
            exp_s = self.town.now_ms(loan.owner) // 1000 + loan.hours * HOUR_S
            last_day = day_of(exp_s * 1000)
            first = min(loan.first, last_day)
            window = Window(loan.path, first, first + loan.days - 1)
            cid = await self.town.lend(loan.owner, loan.reader, window, exp_s)
            last = min(window.last, last_day)
            self.model.lend(
                Grant(cid, loan.owner, loan.reader, loan.path, first, last, exp_s * 1000, 0)
            )

        self._do("lend", act, wait)

    @may("write")
    @precondition(lambda self: self._slots < SLOTS)
    @rule(owner=owners, source=st.sampled_from(("", "volt")), path=paths, span=spans, wait=waits)
    def write(self, owner: str, source: str, path: str, span: tuple[int, int], wait: float) -> None:
        """By the owner's own hand, or handed back by `source`."""
        days = range(span[0], span[0] + span[1])
        slot, self._slots = self._slots, self._slots + 1

        async def act() -> None:
            if source:
                self._heal()
                await self.town.hand_back(source, owner, path, days, slot)
            else:
                await self.town.write(owner, path, days, slot)
            self.model.write(owner, path, days, slot, self.town.now_ms(owner))

        self._do("hand back" if source else "write", act, wait)

    @may("take back")
    @precondition(lambda self: any(not g.revoked and not g.lost for g in self._grants()))
    @rule(data=st.data(), wait=waits)
    def take_back(self, data: st.DataObject, wait: float) -> None:
        grant = self._pick(data, lambda g: not g.revoked and not g.lost)

        async def act() -> None:
            await self.town.take_back(grant.owner, grant.cid)
            self.model.take_back(grant.cid)

        self._do("take back" if grant.live else "take back what was suspended", act, wait)

    @may("keep")
    @precondition(lambda self: any(self._suspended(g) for g in self._grants()))
    @rule(data=st.data(), wait=waits)
    def keep(self, data: st.DataObject, wait: float) -> None:
        grant = self._pick(data, self._suspended)

        async def act() -> None:
            if self.town.now_ms(grant.owner) <= grant.exp_ms:
                await self.town.keep(grant.owner, grant.cid)
                self.model.keep(grant.cid)

        self._do("keep", act, wait)

    @may("read")
    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), before=st.integers(-1, 2), after=st.integers(-2, 1), wait=waits)
    def read(self, data: st.DataObject, before: int, after: int, wait: float) -> None:
        """Through the reader's own node, on days about those of a grant."""
        grant = self._pick(data, lambda g: True)
        first = grant.first + before
        window = Window(grant.path, first, max(first, grant.last + after))

        async def act() -> None:
            if self._cut not in (grant.owner, grant.reader):
                await self._read(grant.owner, grant.reader, window)

        self._do("read", act, wait)

    @may("time")
    @rule(hours=st.sampled_from((1, 7, 25)), wait=waits)
    def pass_time(self, hours: int, wait: float) -> None:
        self._do("time passes", lambda: self.town.pass_time(hours), wait)

    @may("trouble")
    @rule(
        trouble=st.sampled_from(("power", "step", "step", "network")),
        name=names,
        step=st.sampled_from(STEPS),
        after=st.integers(0, COMMON),
        wait=waits,
    )
    def trouble(self, trouble: str, name: str, step: str, after: int, wait: float) -> None:
        """The power of one of them goes (or comes back); or will go at a step of what comes next;
        or nothing reaches it any more (or everything does again)."""

        async def power() -> None:
            if self.town.is_on(name):
                await self.town.switch_off(name)
            else:
                await self.town.switch_on(name)

        async def doom() -> None:
            self.town.doom(name, step, after)

        async def network() -> None:
            if self._cut is None:
                self._cut = name
                self.town.isolate(name)
            else:
                self._heal()

        match trouble:
            case "power":
                self._do("power goes or comes", power, wait)
            case "step":
                self._do("power will go at a step", doom, wait)
            case _:
                self._do("network cut, or whole", network, wait)

    @may("restore")
    @rule(name=owners)
    def back_up(self, name: str) -> None:
        async def act() -> None:
            file = await self.town.back_up(name)
            self._backups[name] = Backup(file, self.model.photograph(name))

        self._do("backup", act, 0.0)

    @may("restore")
    @precondition(lambda self: "ana" in self._backups)
    @rule(wait=waits)
    def restore(self, wait: float) -> None:
        """The machine is lost, with all that came after its last backup."""

        async def act() -> None:
            self._heal()
            backup = self._backups["ana"]
            await self.town.restore("ana", backup.file)
            self.model.restore("ana", backup.photograph)

        self._do("restore", act, wait)

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
        for grant in self.model.grants.values():
            for day in range(grant.first - 1, grant.last + 2):
                await self._comparison.door(grant, day)
        await self.town.until_quiet()
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
                self._heal()
                await self.town.until_quiet()
            else:
                await trio.sleep(wait)
            await self._comparison.hold()

        try:
            world.do(order)
        except BaseException:
            self._failed = True
            raise

    async def _read(self, owner: str, reader: str, window: Window) -> None:
        quiet = not await self.town.waiting()
        said = await self.town.read(reader, owner, window)
        now_ms = self.town.now_ms(owner)
        days = range(window.first, window.last + 1)
        may = [
            grant
            for grant in self.model.of(owner, reader, window.collection)
            if grant.may_read(window.first, window.last, now_ms)
        ]
        if said is None:
            return
        self.reached["read: refused" if isinstance(said, str) else "read: served"] += 1
        if isinstance(said, str):
            if may and quiet:
                raise Difference(f"{reader} may read {window} of {owner}, and gets: {said}")
            return
        if not may:
            raise Difference(f"{reader} was served {window} of {owner}")
        wanted = frozenset(
            (page.day, page.slot)
            for page in self.model.pages
            if (page.owner, page.path) == (owner, window.collection) and page.day in days
        )
        if said != wanted:
            raise Difference(f"{reader} reads {sorted(said)} of {window}, not {sorted(wanted)}")

    def _heal(self) -> None:
        self._cut = None
        self.town.heal()

    def _grants(self) -> list[Grant]:
        return list(self.model.grants.values())

    @staticmethod
    def _suspended(grant: Grant) -> bool:
        return not grant.live and not grant.revoked and not grant.lost

    def _pick(self, data: st.DataObject, wanted: Callable[[Grant], bool]) -> Grant:
        some = [grant for grant in self._grants() if wanted(grant)]
        return some[data.draw(st.integers(0, len(some) - 1), label="grant")]
