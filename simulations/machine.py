"""A machine of the simulated world: what outlives a crash, and one life after the other.

What outlives is a disk, a place on the network, a keystore and a clock that is a little wrong.  A
life is a real `Node` on these, from power on to power cut.  When the power is cut nothing more of
that life happens: its tasks are cancelled, and whatever still runs finds a disk that does not
answer.

A disk answers like the real one: units in the order in which they came, each after the time of an
fsync, the answer a little later.  The power can go before a unit is on the disk (it is lost,
although the node has computed with it) or after (it is there, although nobody was told).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import trio

from ..crypto.entropy import SeededEntropy
from ..crypto.keys import RecoverySecret
from ..node.checkpoint import UNWATCHED
from ..node.config import Config
from ..node.keystore import Keystore
from ..node.network.memory import MemoryNetwork
from ..node.node import HOUSEKEEPING_S, Ground, Node
from ..node.offload import InlineOffload
from ..node.store.database import Tx
from ..node.store.errors import StoreError
from ..node.store.inline import InlineDatabase
from .dice import Dice

T = TypeVar("T")

# 2026-01-01: what a clock shows at the beginning of the world.
BEGINNING_MS = 1_767_225_600_000
# An fsync of an ordinary SSD, and the way back to who asked.
SYNC_S = 0.003
ANSWER_S = 0.001
# A month is read in half a dozen windows.
WINDOW_PAGES = 5


class PowerCutError(BaseException):
    """The machine has no power: no code of the node may catch this, and none goes on."""


class DownError(Exception):
    """The machine is off, or went off while it was doing what it was asked."""


class SimulatedClock:
    """The world's time, as one machine sees it."""

    def __init__(self) -> None:
        self.skew_ms = 0

    def now_ms(self) -> int:
        return BEGINNING_MS + self.skew_ms + int(trio.current_time() * 1000)


class DiskTrouble(StrEnum):
    """What a disk does that takes nothing: the node is told so, and nothing is kept."""

    FULL = "disk full"
    FSYNC = "fsync failed"


class Hazard:
    """Where the power may go inside a life: at steps that the node names, and around a commit.

    Chances are in 0…1, for each step and each commit.
    """

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.step_chance = 0.0
        self.disk_chance = 0.0
        # What happens to whatever is written now; None: it is kept.
        self.disk_trouble: DiskTrouble | None = None
        self.steps_cut: dict[str, int] = {}

    def strikes(self, step: str, chance: float) -> bool:
        if not self.dice.chance(chance):
            return False
        self.steps_cut[step] = self.steps_cut.get(step, 0) + 1
        return True


class Life:
    """From power on to power cut."""

    def __init__(self, hazard: Hazard) -> None:
        self._hazard = hazard
        self._scopes: dict[trio.CancelScope, None] = {}
        self.on = True
        self.ended = trio.Event()

    def open_scope(self) -> trio.CancelScope:
        """A scope that is cancelled when the power goes."""
        scope = trio.CancelScope()
        self._scopes[scope] = None
        if not self.on:
            scope.cancel()
        return scope

    def close_scope(self, scope: trio.CancelScope) -> None:
        self._scopes.pop(scope, None)

    def cut_power(self) -> None:
        self.on = False
        for scope in self._scopes:
            scope.cancel()

    def reached(self, step: str) -> None:
        """`node.checkpoint.Checkpoint`: every step may be the last."""
        self.pass_or_end(step, self._hazard.step_chance)

    def pass_or_end(self, step: str, chance: float) -> None:
        if not self.on or self._hazard.strikes(step, chance):
            self.cut_power()
            raise PowerCutError

    async def draw_wait(self, mean_s: float) -> None:
        await trio.sleep(self._hazard.dice.wait(mean_s))

    @property
    def disk_chance(self) -> float:
        return self._hazard.disk_chance

    def refusing(self) -> DiskTrouble | None:
        """What the disk does to this write, counted."""
        trouble = self._hazard.disk_trouble
        if trouble is not None:
            self._hazard.strikes(trouble.value, 1.0)
        return trouble


class DiskInUse:
    """A disk, as one life sees it (`node.store.database.Database`)."""

    def __init__(self, disk: InlineDatabase, life: Life) -> None:
        self._disk = disk
        self._life = life
        self._head = trio.Lock()

    async def write(self, unit: Callable[[Tx], T]) -> T:
        async with self._head:
            await self._life.draw_wait(SYNC_S)
            self._life.pass_or_end("disk: not yet written", self._life.disk_chance)
            value = await self._disk.write(_troubled(unit, self._life.refusing()))
        self._life.pass_or_end("disk: written, not told", self._life.disk_chance)
        # What is durable is told, even to who would rather leave: so does the real one.
        with trio.CancelScope(shield=True):
            await self._life.draw_wait(ANSWER_S)
        self._life.pass_or_end("disk: told", 0.0)
        return value

    async def read(self, unit: Callable[[Tx], T]) -> T:
        await self._life.draw_wait(ANSWER_S)
        self._life.pass_or_end("disk: read", 0.0)
        return await self._disk.read(unit)

    async def erase(self, unit: Callable[[Tx], T]) -> T:
        async with self._head:
            await self._life.draw_wait(SYNC_S)
            self._life.pass_or_end("disk: not yet written", self._life.disk_chance)
            value = await self._disk.erase(_troubled(unit, self._life.refusing()))
        self._life.pass_or_end("disk: written, not told", self._life.disk_chance)
        return value

    async def copy_to(self, target: Path) -> None:
        await self._disk.copy_to(target)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await trio.lowlevel.checkpoint()


def _troubled(unit: Callable[[Tx], T], trouble: DiskTrouble | None) -> Callable[[Tx], T]:
    """The unit, on a disk in trouble: all of it is undone, before or after it was computed."""
    if trouble is None:
        return unit

    def failing(tx: Tx) -> T:
        if trouble is DiskTrouble.FSYNC:
            unit(tx)
        raise StoreError(f"what was to be kept could not be kept: {trouble.value}")

    return failing


class Machine:
    """One node of the world, on or off."""

    def __init__(
        self,
        config: Config,
        keystore: Keystore,
        disk: InlineDatabase,
        network: MemoryNetwork,
        entropy: SeededEntropy,
        hazard: Hazard,
    ) -> None:
        self.config = config
        self.keystore = keystore
        self.disk = disk
        self.network = network
        self.entropy = entropy
        self.hazard = hazard
        self.clock = SimulatedClock()
        self.life: Life | None = None
        self.node: Node | None = None
        self.lives = 0
        self.housekeeping_s = HOUSEKEEPING_S
        # What its owner has on paper.
        self.recovery: RecoverySecret | None = None
        # Not set while it has burnt down: nobody switches it on before it is another one.
        self.found = trio.Event()
        self.found.set()

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def device(self) -> bytes:
        return self.keystore.device.public

    @property
    def on(self) -> bool:
        return self.life is not None and self.life.on

    def power_on(self) -> tuple[Life, Node]:
        """A new life on what the last one left behind; the caller runs its node."""
        assert self.life is None
        self.lives += 1
        life = self.life = Life(self.hazard)
        self.node = self.node_on(DiskInUse(self.disk, life), life)
        return life, self.node

    def at_rest(self) -> Node:
        """A node over the bare disk, to look at what is there."""
        return self.node_on(self.disk, None)

    def node_on(self, database: InlineDatabase | DiskInUse, life: Life | None) -> Node:
        ground = Ground(
            database,
            self.network,
            self.clock,
            self.entropy,
            InlineOffload(),
            UNWATCHED if life is None else life,
            WINDOW_PAGES,
            self.housekeeping_s,
        )
        return Node(ground, self.keystore, self.config)
