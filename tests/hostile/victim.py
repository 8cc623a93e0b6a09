"""A real node that is attacked: its process, what the kernel says of it, and who grants for it.

    home ─▶ watched_daemon.py (process) ◀─TCP─ attack (process), honest reader (process)
                    ▲ control socket
                whoever measures

The node's owner is played by `grant_all`: whatever is asked is granted.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypedDict

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node.client import Client, connect
from entrenous.node.config import Config
from entrenous.node.opening import Passphrase, init_home
from entrenous.protocol.did import Did, public_of
from entrenous.simulations.files import energy_file
from entrenous.tests.hostile import watched_daemon
from entrenous.tests.hostile.attacker import Target
from entrenous.tests.node.daemon_process import PASSPHRASE, REPOSITORY

READY_S = 60.0
# A fresh home is told the whole truth by a small file: a granted range with a page a day.
DAYS = 365


class _Ready(TypedDict):
    """What the daemon says once it listens."""

    addresses: list[str]
    device: str


@dataclass
class Victim:
    """The node, from outside."""

    folder: Path
    process: subprocess.Popen[bytes]
    address: str
    device: bytes
    collection: str = ""
    first: int = 0
    last: int = 0
    _client: Client | None = None

    @property
    def client(self) -> Client:
        """Its owner's, inside `opened`."""
        assert self._client is not None
        return self._client

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Client]:
        async with connect(self.folder / "home") as client:
            self._client = client
            yield client

    async def fill(self, days: int) -> None:
        """Put `days` days of half-hours into it."""
        source = self.folder / "meter.xml"
        source.write_bytes(energy_file(1, first=date(2025, 1, 1), days=days).data)
        async with self.opened() as client:
            await client.import_(source)
            (found,) = await client.collections()
        assert found.first is not None
        assert found.last is not None
        self.collection, self.first, self.last = found.path, found.first, found.last

    # what the kernel says

    def memory_mib(self, line: str = "VmRSS") -> float:
        """Resident memory; with `VmHWM` the most since `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return (
            int(next(one for one in status.splitlines() if one.startswith(line)).split()[1]) / 1024
        )

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log_lines(self) -> int:
        return (self.folder / "log").read_bytes().count(b"\n")

    def store_bytes(self) -> int:
        files = (self.folder / "home").glob("store.db*")
        return sum(file.stat().st_size for file in files)

    async def tasks(self) -> Counter[str]:
        """The tasks that the node runs, by the function of each."""
        told = self.folder / "tasks"
        told.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        with trio.fail_after(READY_S):
            while not told.exists():  # noqa: ASYNC110  # a signal handler of another process
                await trio.sleep(0.01)
        # What its owner asks at this moment, over the control socket, is not the attacker's.
        found: dict[str, int] = json.loads(told.read_text())
        return Counter({name: n for name, n in found.items() if ".control." not in name})

    # what its owner does

    async def invite(self, label: str) -> str:
        return (await self.client.invite(label)).link

    async def target(self, invites: int, source: str = "127.0.0.2") -> Target:
        """What an attacker at the address `source` is told, with `invites` links."""
        links = [await self.invite(f"rogue-{number}") for number in range(invites)]
        return Target(
            self.device.hex(),
            self.address,
            tuple(links),
            self.collection,
            self.first,
            self.last,
            source,
        )

    async def grant_all(self) -> None:
        """Grant whatever is asked, until cancelled."""
        while True:
            for asked in await self.client.inbox():
                if asked.state == "waiting":
                    await self.client.grant(asked.id)
            await trio.sleep(0.2)


@asynccontextmanager
async def victim(
    folder: Path, days: int = DAYS, config: Config | None = None
) -> AsyncGenerator[Victim]:
    """A node with `days` days of half-hours, listening on loopback, until the context ends."""
    with standing(folder, config) as node:
        await node.fill(days)
        async with node.opened():
            yield node


@contextmanager
def standing(folder: Path, config: Config | None = None) -> Generator[Victim]:
    """An empty node in its own process, until the context ends."""
    home = folder / "home"
    settings = config or Config(listen="/ip4/127.0.0.1/tcp/0")
    init_home(home, settings, Passphrase(PASSPHRASE), SystemEntropy())
    process, ready = _start(folder, home)
    try:
        yield Victim(folder, process, ready["addresses"][0], public_of(Did(ready["device"])))
    finally:
        process.terminate()
        try:
            process.wait(READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(folder: Path, home: Path) -> tuple[subprocess.Popen[bytes], _Ready]:
    read_end, write_end = os.pipe()
    os.write(write_end, PASSPHRASE + b"\n")
    os.close(write_end)
    ready_end, tell_end = os.pipe()
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / ".import"),
        "XDG_RUNTIME_DIR": str(folder),
    }
    command = [sys.executable, watched_daemon.__file__, str(folder / "tasks"), f"--home={home}"]
    command += [f"--passphrase-fd={read_end}", f"--ready-fd={tell_end}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, pass_fds=(read_end, tell_end), stderr=log, stdout=log, env=environment
        )
    os.close(read_end)
    os.close(tell_end)
    with open(ready_end) as parent:
        line = parent.readline()
    if not line:
        process.wait()
        raise RuntimeError((folder / "log").read_text())
    said: _Ready = json.loads(line)
    return process, said
