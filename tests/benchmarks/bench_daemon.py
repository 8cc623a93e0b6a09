"""A real daemon, from outside: how soon it listens, what it holds idle, how fast records come.

Each is a process of its own with its home on the disk.  "To listening" begins with the
interpreter: imports, Argon2, database, network, control socket.  The read goes over the control
socket and ends with a checked batch in the client.  Processor time is told beside: on a machine
that is busy with something else it is the number to look at.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node.client import connect
from entrenous.node.config import Config
from entrenous.node.opening import Passphrase, init_home
from entrenous.simulations.files import energy_file
from entrenous.tests.benchmarks.figure import Figure
from entrenous.tests.node.daemon_process import PASSPHRASE, Daemon, daemon

LISTENING_GOAL_S = 2.5
IDLE_GOAL_MB = 130.0
READ_GOAL_MS = 50.0
SETTLE_S = 1.0


def run(smoke: bool) -> list[Figure]:
    """Start to listening, idle memory, and a year of half-hours read by a client."""
    starts, reads, days = (1, 1, 5) if smoke else (5, 15, 365)
    with _home(days) as (home, source):
        spent_s: list[float] = []
        start_cpu_s: list[float] = []
        for _ in range(starts):
            began = time.perf_counter()
            with daemon(home, runtime=home.parent) as node:
                if node.ready is None:
                    raise RuntimeError(node.ended()[1])
                spent_s.append(time.perf_counter() - began)
                start_cpu_s.append(node.cpu_s())
        with daemon(home, runtime=home.parent) as node:
            time.sleep(0 if smoke else SETTLE_S)
            idle_mb, peak_mb = node.rss_kib() / 1024, node.rss_kib("VmHWM") / 1024
            count, read_ms, read_cpu_ms = trio.run(_reads, node, home, source, reads)
    return [
        Figure(
            "daemon: start to listening",
            median(spent_s),
            "s",
            LISTENING_GOAL_S,
            less_is_better=True,
            note=f"best {min(spent_s):.2f} s; processor {median(start_cpu_s):.2f} s",
        ),
        Figure(
            "daemon: memory when idle (RSS)",
            idle_mb,
            "MB",
            IDLE_GOAL_MB,
            less_is_better=True,
            note=f"peak {peak_mb:.0f} MB (Argon2)",
        ),
        Figure(
            "client: read a year of half-hours",
            median(read_ms),
            "ms",
            READ_GOAL_MS,
            less_is_better=True,
            note=f"{count} records, best {min(read_ms):.0f} ms; processor {read_cpu_ms:.0f} ms",
        ),
    ]


async def _reads(
    node: Daemon, home: Path, source: Path, rounds: int
) -> tuple[int, list[float], float]:
    """Records of one read, the time each took, and the processor time of one at both ends."""
    async with connect(home) as client:
        await client.import_(source)
        (collection,) = await client.collections()
        assert collection.first is not None
        assert collection.last is not None
        spent_ms: list[float] = []
        before_s = node.cpu_s() + time.process_time()
        for _ in range(rounds):
            began = time.perf_counter()
            records = await client.read(collection.path, collection.first, collection.last)
            spent_ms.append((time.perf_counter() - began) * 1000)
            assert len(records.batch) == collection.records
        cpu_s = node.cpu_s() + time.process_time() - before_s
        return collection.records, spent_ms, cpu_s * 1000 / rounds


@contextmanager
def _home(days: int) -> Generator[tuple[Path, Path]]:
    with TemporaryDirectory(prefix="e-") as name:
        home = Path(name, "home")
        config = Config(listen="/ip4/127.0.0.1/tcp/0")
        init_home(home, config, Passphrase(PASSPHRASE), SystemEntropy())
        file = energy_file(1, first=date(2025, 1, 1), days=days)
        source = Path(name, file.name)
        source.write_bytes(file.data)
        yield home, source
