"""Quiet and attacked in turn: what an honest reader waits, and what an attack costs the node.

    quiet │ attacked │ quiet │ attacked │ …

The machine's own noise meets both alike.  Percentiles are over the reads of all rounds.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trio

from entrenous.tests.hostile.attacker import Target
from entrenous.tests.hostile.victim import Victim
from entrenous.tests.node.daemon_process import REPOSITORY

SETTLE_S = 60.0
ATTACK_S = 240.0
END_S = 60.0


class Line:
    """A process that is told and tells by lines."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=_environment(),
        )

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    async def hear(self) -> str:
        assert self.process.stdout is not None
        line = await trio.to_thread.run_sync(self.process.stdout.readline, abandon_on_cancel=True)
        if not line:
            raise RuntimeError(f"{self.process.args} ended")
        return line.strip()

    def end(self) -> None:
        """Its standard input ends, and so does it: what it has made it removes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / ".import")}


@dataclass
class Waited:
    """Milliseconds of reads and calls."""

    reads: list[float] = field(default_factory=lambda: list[float]())
    calls: list[float] = field(default_factory=lambda: list[float]())

    def p(self, hundredths: int) -> float:
        ordered = sorted(self.reads)
        return ordered[min(len(ordered) - 1, len(ordered) * hundredths // 100)]


@dataclass
class Cost:
    """One attack, measured.  `peak_mib` is above what the node held before it."""

    attack: str
    quiet: Waited = field(default_factory=Waited)
    attacked: Waited = field(default_factory=Waited)
    peak_mib: float = 0.0
    files: int = 0
    cpu: float = 0.0
    log_lines: int = 0
    stored_mib: float = 0.0
    tasks_left: Counter[str] = field(default_factory=lambda: Counter[str]())
    files_left: int = 0
    got: Counter[str] = field(default_factory=lambda: Counter[str]())

    @property
    def ratio(self) -> float:
        return self.attacked.p(99) / self.quiet.p(99)


async def honest(node: Victim) -> Line:
    """The honest reader, paired, granted, its connection warm.  `end` it."""
    invite = await node.invite("honest")
    days = (str(node.first), str(node.last))
    line = Line("entrenous.tests.hostile.honest", invite, node.collection, *days)
    try:
        with trio.fail_after(120):
            await line.hear()
    except BaseException:
        line.end()
        raise
    return line


async def reads(line: Line, number: int) -> Waited:
    line.tell(str(number))
    with trio.fail_after(300):
        return Waited(**json.loads(await line.hear()))


async def measure(
    node: Victim,
    reader: Line,
    attack: str,
    *,
    rounds: int,
    each: int,
    warm_s: float = 1.0,
    source: str = "127.0.0.2",
    nice: int = 19,
    until: Callable[[Counter[str]], bool] = lambda got: True,
) -> Cost:
    """`rounds` of `each` reads quiet, then as many while `attack` goes on.

    An attack goes on `until` it got what it is after, at most `ATTACK_S`.
    """
    cost = Cost(attack)
    files, tasks = node.files(), await node.tasks()
    before_mib, lines, stored = node.memory_mib(), node.log_lines(), node.store_bytes()
    node.forget_peak()
    for _ in range(rounds):
        _add(cost.quiet, await reads(reader, each))
        await _attacked(node, reader, cost, each, warm_s, source, nice, until)
        cost.files_left, cost.tasks_left = await settle(node, files, tasks)
    cost.peak_mib = node.memory_mib("VmHWM") - before_mib
    cost.log_lines = node.log_lines() - lines
    cost.stored_mib = (node.store_bytes() - stored) / (1 << 20)
    return cost


def _add(to: Waited, more: Waited) -> None:
    to.reads += more.reads
    to.calls += more.calls


async def _attacked(
    node: Victim,
    reader: Line,
    cost: Cost,
    each: int,
    warm_s: float,
    source: str,
    nice: int,
    until: Callable[[Counter[str]], bool],
) -> None:
    """One round under attack: begun `warm_s` before the reads and ended with them."""
    target = await node.target(1, source)
    async with attacking(cost.attack, target, nice) as attacker:
        await trio.sleep(warm_s)
        began_s, cpu_s = trio.current_time(), node.cpu_s()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch_files, node, cost)
            _add(cost.attacked, await reads(reader, each))
            with trio.move_on_after(ATTACK_S):
                while not until(Counter(await ask(attacker, "tally"))):  # noqa: ASYNC110  # a process
                    await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
        cost.cpu = max(cost.cpu, (node.cpu_s() - cpu_s) / (trio.current_time() - began_s))
        cost.got.update(await ask(attacker, "stop"))


async def _watch_files(node: Victim, cost: Cost) -> None:
    while True:
        cost.files = max(cost.files, node.files())
        await trio.sleep(0.25)


@asynccontextmanager
async def attacking(attack: str, target: Target, nice: int = 19) -> AsyncGenerator[Line]:
    """The attack in its own process, that much nicer than this one; it begins at once."""
    line = Line("entrenous.tests.hostile", attack, str(nice))
    try:
        line.tell(target.text())
        with trio.fail_after(120):
            await line.hear()
        yield line
    finally:
        line.end()


async def ask(line: Line, word: str) -> dict[str, int]:
    """What came of an attack so far: `tally` lets it go on, `stop` ends it."""
    line.tell(word)
    with trio.fail_after(120):
        return json.loads(await line.hear())


async def settle(node: Victim, files: int, tasks: Counter[str]) -> tuple[int, Counter[str]]:
    """Until the node holds no more than before, at most `SETTLE_S`; files and tasks that it held
    beyond that when last looked at.

    It is not looked at once more: whoever asks of it what it does meanwhile is a task of its own.
    """
    end = trio.current_time() + SETTLE_S
    while True:
        more = node.files() - files, await node.tasks() - tasks
        if (more[0] <= 0 and not more[1]) or trio.current_time() > end:
            return more
        await trio.sleep(0.25)


def told(costs: Sequence[Cost]) -> str:
    """A table in Markdown."""
    head = (
        "| attack | p50 quiet | p50 attacked | p99 quiet | p99 attacked | ratio "
        "| memory above idle | files | processor |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    )
    rows = [
        f"| {one.attack} | {one.quiet.p(50):.1f} ms | {one.attacked.p(50):.1f} ms "
        f"| {one.quiet.p(99):.1f} ms | {one.attacked.p(99):.1f} ms | {one.ratio:.2f} "
        f"| {one.peak_mib:.0f} MiB | {one.files} | {one.cpu:.0%} |"
        for one in costs
    ]
    return head + "\n".join(rows)
