"""The command line: how long a person waits for one command, from the shell to its last line.

    peers      asked of a node that runs on the home
    --help     of one command, no node asked
    --help     of a service, which other packages bring

Each is a process of its own.  The limit beside them is an interpreter that imports the two
libraries without which no command runs, cyclopts and trio; runs of all kinds alternate.  Ratios are
of processor time.  Byte code is compiled before, as it is on an installed machine.

Run alone: `python -m entrenous.tests.benchmarks.bench_command_line`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node.config import Config
from entrenous.node.opening import Passphrase, init_home
from entrenous.tests.benchmarks.figure import Figure
from entrenous.tests.node.daemon_process import PASSPHRASE, REPOSITORY, daemon

GOAL_MS = 250.0
LIMIT = "cyclopts and trio imported"
_LIMIT_PROGRAM: Final = ("-c", "import cyclopts, trio")
_PROGRAM: Final = ("-m", "entrenous.node.cli")


def run(smoke: bool) -> list[Figure]:
    """What each command takes, beside the limit."""
    rounds = 1 if smoke else 15
    with _home() as home:
        commands = {
            LIMIT: _LIMIT_PROGRAM,
            "command line: peers of a running node": (*_PROGRAM, "peers", f"--home={home}"),
            "command line: help of one command": (*_PROGRAM, "grants", "--help"),
            "command line: help of a service": (*_PROGRAM, "budget", "--help"),
        }
        with daemon(home, runtime=home.parent):
            spent = _alternated(commands, rounds, home)
    limit_ms = median(cpu_ms for _, cpu_ms in spent[LIMIT])
    return [_figure(name, taken, limit_ms) for name, taken in spent.items()]


def _figure(name: str, taken: Sequence[tuple[float, float]], limit_ms: float) -> Figure:
    wall_ms = median(wall for wall, _ in taken)
    cpu_ms = median(cpu for _, cpu in taken)
    note = f"processor {cpu_ms:.0f} ms, least {min(cpu for _, cpu in taken):.0f}"
    if name == LIMIT:
        return Figure(name, wall_ms, "ms", note=note, less_is_better=True)
    return Figure(
        name,
        wall_ms,
        "ms",
        goal=GOAL_MS,
        ratio=cpu_ms / limit_ms,
        against=LIMIT,
        note=note,
        less_is_better=True,
    )


def _alternated(
    commands: Mapping[str, Sequence[str]], rounds: int, home: Path
) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor milliseconds of each run of each; the first of each is not counted."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / ".import")}
    # Where byte code is not kept, every command would compile the program anew.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["XDG_RUNTIME_DIR"] = str(home.parent)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, arguments in commands.items():
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(
                (sys.executable, *arguments), env=environment, check=True, capture_output=True
            )
            wall_ms = (time.perf_counter() - began) * 1000
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            if number:
                spent[name].append((wall_ms, cpu_s * 1000))
    return spent


@contextmanager
def _home() -> Generator[Path]:
    with TemporaryDirectory(prefix="e-") as name:
        home = Path(name, "home")
        config = Config(listen="/ip4/127.0.0.1/tcp/0")
        init_home(home, config, Passphrase(PASSPHRASE), SystemEntropy())
        yield home


def _show(figures: Sequence[Figure]) -> None:
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} of {figure.against}"
        print(f"{figure.name:<40} {figure.value:>8.0f} {figure.unit}  {ratio}  {figure.note}")


if __name__ == "__main__":
    _show(run("--smoke" in sys.argv))
