"""Homes whose nodes are started, armed, killed and started again, and what must hold of them then.

A `Mortal` is one home: its node lives, dies at the step it was armed for, and lives again on what
it left.  It is talked to by `node.client` over the control socket, as any program would; what a
call returned was acknowledged, and what ended in the death of the node was not.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, cast

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.node.client import Client, NotRunning, connect
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config, Role
from entrenous.node.control_frame import ControlError
from entrenous.node.errors import NodeError
from entrenous.node.keystore import Keystore
from entrenous.node.node import Ground, Node
from entrenous.node.offline import NoNetwork
from entrenous.node.offload import InlineOffload
from entrenous.node.opening import open_home, read_key_file
from entrenous.node.store.home import Home
from entrenous.node.store.inline import InlineDatabase
from entrenous.simulations.invariants import CHECKS, Whole
from entrenous.simulations.invariants import Home as Look
from entrenous.simulations.machine import Machine
from entrenous.tests.flows.ports import address_of_its_own

T = TypeVar("T")

# Only a failure waits as long: enough for a machine several times slower, with all of it busy.
PATIENCE_S = 90.0
# What a node's own log must not say in any of its lives: a fault of ours, not of its death.
FAULTS = ("operation_failed", "link_failed", "rolled_back", "door_act", "Traceback")


class ForkServer:
    """The process that nodes are forked from."""

    def __init__(self, runtime: Path, environment: Mapping[str, str] | None = None) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "entrenous.tests.flows.mortal", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    "XDG_RUNTIME_DIR": str(runtime),
                    **(environment or {}),
                },
            )
        self._control = ours
        self._lines: list[socket.socket] = []

    def start(self, order: Mapping[str, str]) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [json.dumps(order).encode()], [theirs.fileno()])
        self._lines.append(ours)
        return ours

    def close(self) -> None:
        self._control.close()
        for line in self._lines:
            line.close()
        self._process.wait(PATIENCE_S)


@contextmanager
def fork_server(environment: Mapping[str, str] | None = None) -> Generator[ForkServer]:
    """A fork server until the context ends; sockets stand in a folder with a short name."""
    with tempfile.TemporaryDirectory(prefix="kills-") as runtime:
        server = ForkServer(Path(runtime), environment)
        try:
            yield server
        finally:
            server.close()


class RefusedWork(Exception):
    """What was to be done to a home was refused, with this sentence."""


class OnDisk(Protocol):
    """A disk of which nothing is left at a death but what was durable."""

    @property
    def places(self) -> Mapping[str, str]:
        """What a node must be told to write on it."""
        ...

    def cut_power(self) -> None: ...


Make = Callable[[Path, str, Role], "Mortal"]
"""Makes a home: (folder, name, role)."""


@dataclass(slots=True)
class Mortal:
    """One home and the life that is on it, if there is one."""

    server: ForkServer
    folder: Path
    name: str
    role: Role
    keystore: Keystore = field(repr=False)
    disk: OnDisk | None = None
    key: Path | None = None
    """The key file of a home whose keystore lies in it, sealed, as everybody's does."""
    listen: str = field(default_factory=address_of_its_own)
    """Where it listens in each of its lives."""
    lives: int = 0
    _armed: str = "any step"
    _line: trio.SocketStream | None = None
    _heard: bytes = b""

    @classmethod
    def make(
        cls,
        server: ForkServer,
        folder: Path,
        name: str,
        role: Role,
        disk: OnDisk | None = None,
    ) -> Mortal:
        """A new home, with nobody living there; on a `disk` of its own, or this machine's."""
        entropy = SystemEntropy()
        keystore = Keystore.create(RecoverySecret.generate(entropy), entropy, successions=16)
        home = folder / name
        Home(home).create()
        (folder / f"{name}.keystore").write_bytes(keystore.to_bytes())
        return cls(server, home, name, role, keystore, disk)

    @property
    def _log(self) -> Path:
        return self.folder.with_suffix(".log")

    # living and dying

    @property
    def lives_now(self) -> bool:
        return self._line is not None

    async def start(self) -> None:
        """Be born, again or for the first time; returns once the node is ready."""
        self._be_born({})
        await self._told("ready")

    async def start_to_die(self, step: str) -> None:
        """Be born, do by itself what waits to be done, and die at `step` of it."""
        self._be_born({"armed": step})
        self._armed = step
        while "status" not in (said := await self._says()):
            assert "failed" not in said, said
        status = said["status"]
        assert isinstance(status, int)
        await self._died(status)

    def _be_born(self, more: Mapping[str, str]) -> None:
        assert self._line is None, "it lives already"
        line = self.server.start(
            {
                "home": str(self.folder),
                **self._opened_by(),
                "name": self.name,
                "role": self.role.value,
                "log": str(self._log),
                **({} if self.disk is None else self.disk.places),
                "listen": self.listen,
                **more,
            }
        )
        self._line = trio.SocketStream(trio.socket.from_stdlib_socket(line))
        self.lives += 1

    def _opened_by(self) -> Mapping[str, str]:
        if self.key is not None:
            return {"key": str(self.key)}
        return {"keystore": str(self.folder.with_suffix(".keystore"))}

    async def work(
        self,
        work: str,
        step: str | None = None,
        shows: Callable[[str], Awaitable[None]] | None = None,
        *,
        order: Mapping[str, str],
    ) -> str | None:
        """Do something to the home while no node runs (`offline_work`): what was said of it, or
        None if it died, at `step`.  `shows` is told the digits of a device that joins.

        Raises RefusedWork with the sentence of a refusal.
        """
        assert self._line is None, "its node lives"
        self._armed = step or self._armed
        given = {"work": work, "step": step or "", "nth": "1", "home": str(self.folder), **order}
        given |= {"key": str(self.key), "name": self.name, "log": str(self._log)}
        self._line = trio.SocketStream(trio.socket.from_stdlib_socket(self.server.start(given)))
        done: str | None = None
        refused: str | None = None
        while True:
            said = await self._says()
            match said:
                case {"shows": str(code)} if shows is not None:
                    await shows(code)
                case {"done": str(sentence)}:
                    done = sentence
                case {"refused": str(sentence)}:
                    refused = sentence
                case {"status": int(status)}:
                    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
                    assert killed if step is not None and not refused else status == 0, said
                    break
                case _:
                    raise AssertionError(f"{self.name} says {said}")
        await self._leave()
        if refused is not None:
            raise RefusedWork(refused)
        return done

    async def arm(self, step: str, nth: int = 1, *, after: str | None = None) -> None:
        """Die when `step` is reached for the `nth` time from now, or from when `after` was reached.

        What a node does by itself does not wait for a test: arm it before there is anything to do.
        """
        assert self._line is not None
        self._armed = step
        await self._line.send_all(json.dumps({"arm": [step, nth, after]}).encode() + b"\n")
        await self._told("armed")

    async def killed(self) -> None:
        """Die now, whatever it does, and be born again."""
        await self.die()
        await self.start()

    async def die(self) -> None:
        """Die now, whatever it does, and stay dead."""
        assert self._line is not None
        await self._line.send_all(b'{"die": true}\n')
        await self.buried()

    async def buried(self) -> None:
        """Wait until it is dead, of nothing but the kill."""
        status = await self._told("status")
        assert isinstance(status, int)
        await self._died(status)

    async def _died(self, status: int) -> None:
        assert os.WIFSIGNALED(status), f"{self.name} ended by itself: {status}"
        assert os.WTERMSIG(status) == signal.SIGKILL
        await self._leave()
        if self.disk is not None:
            self.disk.cut_power()

    def opened(self) -> Keystore:
        """What its home is opened with now: a new keystore takes the place of an old one."""
        if self.key is None:
            return self.keystore
        return open_home(self.folder, read_key_file(self.key))

    async def stop(self) -> None:
        """End in order."""
        await self.ask(Client.stop)
        assert await self._told("status") == 0
        await self._leave()

    async def _leave(self) -> None:
        assert self._line is not None
        await self._line.aclose()
        self._line, self._heard = None, b""

    async def _told(self, what: str) -> object:
        said = await self._says()
        assert what in said, f"{self.name} says {said}"
        return said[what]

    async def _says(self) -> dict[str, object]:
        assert self._line is not None
        with _patience(f"{self.name} did not die at {self._armed}, and says nothing"):
            while b"\n" not in self._heard:
                data = await self._line.receive_some(4096)
                assert data, f"{self.name} fell silent: see {self._log}"
                self._heard += data
        line, self._heard = self._heard.split(b"\n", 1)
        return cast("dict[str, object]", json.loads(line))

    # talking

    async def ask(self, call: Callable[[Client], Awaitable[T]]) -> T:
        """What a call to the node returned: acknowledged.  Raises NodeError."""
        with _patience(f"{self.name} did not answer"):
            async with connect(self.folder) as client:
                return await call(client)

    async def attempt(self, call: Callable[[Client], Awaitable[T]]) -> T | None:
        """As `ask`; None if the node died before it had answered."""
        try:
            return await self.ask(call)
        except (ControlError, NotRunning):
            return None

    async def unsaid(self) -> int:
        """How many words wait in the outbox of a home at rest."""
        async with InlineDatabase(self.folder / "store.db") as database:
            rows = await database.read(lambda tx: tx.one("SELECT count(*) FROM outbox"))
        assert rows is not None
        return int(rows[0])

    def faults(self) -> list[str]:
        """Lines of the node's own log that tell of a fault."""
        lines = self._log.read_text().splitlines()
        return [line for line in lines if any(fault in line for fault in FAULTS)]


@contextmanager
def _patience(what: str) -> Generator[None]:
    """Raises AssertionError, which says so, if what is inside takes too long."""
    try:
        with trio.fail_after(PATIENCE_S):
            yield
    except trio.TooSlowError:
        raise AssertionError(f"in {PATIENCE_S:g} s {what}") from None


async def until(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds; a node that is away for now is not yet a failure."""
    reason = ""
    with trio.move_on_after(PATIENCE_S):
        while True:
            try:
                if await holds():
                    return
                reason = ""
            except NodeError as error:
                reason = f" ({error})"
            await trio.sleep(0.01)
    raise AssertionError(f"in {PATIENCE_S:g} s it did not come about that {what}{reason}")


async def stop_at_rest(mortals: Sequence[Mortal]) -> None:
    """End all, once nobody has anything left to say.

    What is said after a look of a node at how things stand (at its start, each minute) may come
    between that and its end: then they live once more, until it is said.
    """

    async def quiet() -> bool:
        return not any([(await one.ask(Client.status)).outbox for one in mortals])

    for _ in range(5):
        await until("nobody has anything left to say", quiet)
        for one in mortals:
            await one.stop()
        if not any([await one.unsaid() for one in mortals]):
            return
        for one in mortals:
            await one.start()
    raise AssertionError("each time that these nodes live, they leave something unsaid")


Checks = Sequence[Callable[[Whole], Iterable[str]]]


async def check_at_rest(mortals: Iterable[Mortal], checks: Checks = CHECKS) -> None:
    """Hold stopped homes against the invariants of the simulated world, and their own logs."""
    found: list[Look] = []
    complaints: list[str] = []
    for mortal in mortals:
        complaints += mortal.faults()
        async with InlineDatabase(mortal.folder / "store.db") as database:
            ground = Ground(database, NoNetwork(), SystemClock(), SystemEntropy(), InlineOffload())
            node = Node(ground, mortal.opened(), Config(name=mortal.name, role=mortal.role))
            assert await database.read(lambda tx: tx.one("PRAGMA integrity_check")) == ("ok",)
            machine = cast("Machine", _AtRest(mortal.name, SystemClock()))
            found.append(await database.read(lambda tx, m=machine, n=node: Look(m, n, tx)))
    whole = Whole(found)
    for check in checks:
        complaints += check(whole)
    if complaints:
        raise AssertionError("\n".join(complaints))


@dataclass(frozen=True)
class _AtRest:
    name: str
    clock: SystemClock


@dataclass
class Tally:
    """How many deaths there were at each step."""

    deaths: Counter[str] = field(default_factory=lambda: Counter[str]())

    def table(self, steps: Iterable[str]) -> str:
        rows = [f"  {step:<24} {self.deaths[step]:>4}" for step in steps]
        return "\n".join(["", "  killed at                kills", *rows])
