"""A world of real nodes: one clock, one network, one seed.

Everything in it is the program that people run, but for what it stands on: `MemoryNetwork` carries
the bytes, `machine.DiskInUse` keeps them, trio's mock clock jumps to whatever comes next, and all
randomness comes from the seed.

The same seed gives the same world, byte for byte, in another process too.  Trio runs the tasks of
one moment in an order of its own; it has a switch that makes this order depend on its generator
alone, which is seeded here.  Nothing else may choose: no thread, no clock of the machine, no order
of a set of strings (`PYTHONHASHSEED`), no address of an object.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, MutableMapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar, cast

import structlog
import trio
import trio.testing

from ..crypto.digest import sha256
from ..crypto.entropy import SeededEntropy
from ..crypto.keys import DeviceKey, RecoverySecret
from ..node.config import Config, Role
from ..node.keystore import Keystore
from ..node.network.memory import MemoryNetwork, MemoryWorld, Weather
from ..node.node import Node
from ..node.store.database import Tx
from ..node.store.inline import InlineDatabase
from .dice import Dice
from .machine import DownError, Hazard, Life, Machine, PowerCutError
from .trace import Trace

T = TypeVar("T")

# A simulated node meets as many peers as there are others.
SUCCESSIONS_MORE = 8
# Words of a node's own log that mean that something is wrong with a node, not with its day.
FAULTS = frozenset({"rolled_back", "link_fault", "door_store", "outbox_store", "outbox_lost"})

# Those that are right while a disk takes nothing.
OF_DISKS = frozenset({"door_store", "outbox_store"})


@dataclass(frozen=True, slots=True)
class Setting:
    """How large a world is, and what it writes down."""

    seed: int
    nodes: int = 20
    keep_trace: bool = False
    keep_bytes: bool = False


class World:
    """Machines, the air between them, and what is noticed about them."""

    def __init__(self, setting: Setting, nursery: trio.Nursery, stack: AsyncExitStack) -> None:
        self.setting = setting
        self.dice = Dice.of(setting.seed)
        self.trace = Trace(keep=setting.keep_trace, keep_bytes=setting.keep_bytes)
        self.complaints: list[str] = []
        # What was done by people, and what went wrong around them, by kind.
        self.acts = 0
        self.faults: Counter[str] = Counter()
        # Lines of logs, for whoever looks for what must not stand in them.
        self.lines: list[str] = []
        self.machines: dict[str, Machine] = {}
        self.weather: Callable[[str, str], Weather] = lambda sender, receiver: Weather()
        self._names: dict[bytes, str] = {}
        self._nursery = nursery
        self._stack = stack
        self._entropy = SeededEntropy(b"world" + setting.seed.to_bytes(8, "big"))
        self.air = MemoryWorld(
            b"air" + setting.seed.to_bytes(8, "big"),
            lambda a, b: self.weather(self._names[a], self._names[b]),
            lambda a, b, piece: self.trace.sent(self._names[a], self._names[b], piece),
        )

    # making

    async def add(self, name: str, role: Role) -> Machine:
        """A new machine, off."""
        entropy = self._entropy.fork(name)
        recovery = RecoverySecret.generate(entropy)
        keystore = Keystore.create(
            recovery,
            entropy,
            successions=self.setting.nodes + SUCCESSIONS_MORE,
        )
        network = self.place_for(keystore.device, name)
        machine = await self.stand(name, Config(name=name, role=role), keystore, network, entropy)
        machine.recovery = recovery
        return machine

    def place_for(self, device: DeviceKey, name: str) -> MemoryNetwork:
        """Where a machine called `name` will stand on the network."""
        self._names[device.public] = name
        return MemoryNetwork(device, self.air)

    async def stand(
        self,
        name: str,
        config: Config,
        keystore: Keystore,
        network: MemoryNetwork,
        entropy: SeededEntropy,
    ) -> Machine:
        """A machine with an empty disk, off."""
        disk = await self._stack.enter_async_context(InlineDatabase(None))
        hazard = Hazard(self.dice.fork(f"hazard of {name}"))
        machine = self.machines[name] = Machine(config, keystore, disk, network, entropy, hazard)
        return machine

    def replace(
        self, machine: Machine, keystore: Keystore, disk: InlineDatabase, config: Config
    ) -> None:
        """Another machine of the same owner stands where `machine` stood: another device."""
        assert machine.life is None
        machine.keystore, machine.disk, machine.config = keystore, disk, config
        # At the same address: nobody would find it at another one, and neither is it asked to move.
        place = machine.network.place
        machine.network = MemoryNetwork(keystore.device, self.air, place)
        self._names[machine.device] = machine.name

    # power

    def power_on(self, machine: Machine) -> None:
        life, node = machine.power_on()
        self.trace.event("on", machine.name, str(machine.lives))
        self._nursery.start_soon(self._live, machine, life, node)

    async def _live(self, machine: Machine, life: Life, node: Node) -> None:
        scope = life.open_scope()
        try:
            with scope:
                async with machine.network:
                    await node.run()
        except BaseException as error:
            if not _is_power_cut(error):
                if not isinstance(error, Exception):
                    raise
                self.complain(f"{machine.name} died by itself: {_told(error)}")
        finally:
            life.cut_power()
            machine.life = machine.node = None
            self.trace.event("off", machine.name)
            life.ended.set()

    async def do(self, machine: Machine, act: Callable[[Node], Awaitable[T]]) -> T:
        """Let the owner of a machine do something with its node.

        Raises DownError if the machine is off, or goes off before it is done: then nobody knows
        how much of it happened, as with any machine.
        """
        life, node = machine.life, machine.node
        if life is None or node is None or not life.on:
            await trio.lowlevel.checkpoint()
            raise DownError(f"{machine.name} is off")
        scope = life.open_scope()
        try:
            with scope:
                value = await act(node)
                if life.on:
                    return value
        except BaseException as error:
            if not _is_power_cut(error):
                raise
        finally:
            life.close_scope(scope)
        raise DownError(f"{machine.name} went off")

    # noticing

    @property
    def disks_in_trouble(self) -> bool:
        return any(one.hazard.disk_trouble is not None for one in self.machines.values())

    async def open_disk(self, path: Path) -> InlineDatabase:
        """A database that lies in a file, open for as long as the world lasts."""
        return await self._stack.enter_async_context(InlineDatabase(path))

    async def digest_of(self, machine: Machine) -> bytes:
        """32 bytes over every row on a machine's disk."""
        return await machine.disk.read(_digest_of)

    async def trace_disks(self) -> None:
        """Write into the trace what lies on every disk, row by row as the database gives it."""
        for machine in self.machines.values():
            self.trace.event("disk", machine.name, (await machine.disk.read(_digest_of)).hex())

    def complain(self, sentence: str) -> None:
        """Something is not as it should be: the seed has failed."""
        self.trace.event("complaint", sentence)
        self.complaints.append(f"{trio.current_time():.3f} s: {sentence}")

    def heard_log(self, event: MutableMapping[str, Any]) -> None:
        """A node wrote a line to its log."""
        what = str(event.pop("event", ""))
        about = [f"{key}={value}" for key, value in sorted(event.items())]
        self.trace.event("log", what, *about)
        self.lines.append(" ".join((what, *about)))
        if what in FAULTS and not (what in OF_DISKS and self.disks_in_trouble):
            self.complain(f"a node's log says {what}: {', '.join(about)}")


def run_world(
    setting: Setting, story: Callable[[World], Awaitable[None]]
) -> tuple[Trace, Sequence[str]]:
    """Run `story` in a world of its own; its trace, and what was wrong (nothing, it is hoped)."""
    made: list[World] = []

    async def main() -> None:
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            world = World(setting, nursery, stack)
            made.append(world)
            with _listening(world):
                try:
                    await story(world)
                finally:
                    nursery.cancel_scope.cancel()

    with _deterministic(setting.seed):
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return made[0].trace, made[0].complaints


@contextmanager
def _deterministic(seed: int) -> Generator[None]:
    """Let trio's order of tasks depend on the seed alone, for as long as a world runs."""
    scheduler = cast("Any", trio)._core._run  # private, and the only way: see its own comment there
    generator: Random = scheduler._r
    before, state = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, generator.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    generator.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before
        generator.setstate(state)


@contextmanager
def _listening(world: World) -> Generator[None]:
    """Hear what nodes write to their logs, instead of printing it."""

    def hear(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        world.heard_log(event)
        raise structlog.DropEvent

    class Alarm(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if error is None or not _is_power_cut(error):
                told = "" if error is None else f": {_told(error)}"
                world.complain(f"{record.getMessage()}{told}")

    kept = structlog.get_config()
    alarm = Alarm(logging.ERROR)
    logging.getLogger("entrenous").addHandler(alarm)
    # Every line, whatever level and place this process has given its log.
    structlog.configure(
        processors=[hear],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**kept)
        logging.getLogger("entrenous").removeHandler(alarm)


def _digest_of(tx: Tx) -> bytes:
    tables = tx.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    digest = b""
    for (table,) in tables:
        for row in tx.execute(f'SELECT * FROM "{table}"'):
            digest = sha256(digest + repr(row).encode())
    return digest


def _is_power_cut(error: BaseException) -> bool:
    """Whether an error is a power cut and nothing besides."""
    if isinstance(error, BaseExceptionGroup):
        errors = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return all(_is_power_cut(one) for one in errors)
    return isinstance(error, PowerCutError)


def _told(error: BaseException) -> str:
    """An error on one line: what it is and where it was raised."""
    if isinstance(error, BaseExceptionGroup):
        errors = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return "; ".join(_told(one) for one in errors if not _is_power_cut(one))
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" in {trace.tb_frame.f_code.co_qualname}"
    return f"{type(error).__name__}{where}: {error}"
