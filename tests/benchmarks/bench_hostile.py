"""An honest reader beside each hostile peer: its p50 and p99 quiet and attacked, in one run.

A real node, its honest reader and the attacker are three processes that talk over TCP; the reader
reads one granted day again and again.  Quiet and attacked rounds alternate, so both meet the same
neighbours.  The attacker runs at the lowest priority, since a real one has a machine of its own.

`ATTACKS=greedy,calls make bench ARGS=hostile` measures some of them only.
`python -m entrenous.tests.benchmarks.bench_hostile` prints the table of docs/performance.md.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import trio

from entrenous.protocol.limits import HOSTILE_BYTES_MAX
from entrenous.tests.benchmarks.figure import Figure
from entrenous.tests.hostile.attacks import ATTACKS
from entrenous.tests.hostile.rounds import Cost, honest, measure, reads, told
from entrenous.tests.hostile.victim import DAYS, victim

RATIO_GOAL = 2.0
ROUNDS, READS = 4, 100
MEMORY_MIB = HOSTILE_BYTES_MAX / (1 << 20)


async def _costs(folder: Path, names: list[str], rounds: int, each: int) -> list[Cost]:
    costs: list[Cost] = []
    async with victim(folder, DAYS) as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.grant_all)
        for number, name in enumerate(names):
            # Another reader for each: all these reads are more than one peer has leave for.
            line = await honest(node)
            try:
                await reads(line, each)
                source = f"127.0.1.{number + 2}"
                cost = await measure(node, line, name, rounds=rounds, each=each, source=source)
                costs.append(cost)
            finally:
                line.end()
        nursery.cancel_scope.cancel()
    return costs


def measured(smoke: bool) -> list[Cost]:
    """Every attack, or those that `ATTACKS` names."""
    chosen = os.environ.get("ATTACKS")
    names = list(ATTACKS) if chosen is None else chosen.split(",")
    rounds, each = (1, 3) if smoke else (ROUNDS, READS)
    if smoke and chosen is None:
        names = names[:2]
    # Beside the working folder: /tmp may be memory, where an fsync costs nothing.
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        return trio.run(_costs, Path(folder), names, rounds, each)


def run(smoke: bool) -> list[Figure]:
    figures: list[Figure] = []
    for cost in measured(smoke):
        figures.append(
            Figure(
                f"p99 of an honest reader beside: {cost.attack}",
                cost.ratio,
                "of quiet",
                goal=RATIO_GOAL,
                less_is_better=True,
                note=f"{cost.quiet.p(99):.1f} → {cost.attacked.p(99):.1f} ms; p50 "
                f"{cost.quiet.p(50):.1f} → {cost.attacked.p(50):.1f} ms; {cost.files} files, "
                f"processor {cost.cpu:.0%}",
            )
        )
        figures.append(
            Figure(
                f"memory above idle: {cost.attack}",
                cost.peak_mib,
                "MiB",
                goal=MEMORY_MIB,
                less_is_better=True,
            )
        )
    return figures


if __name__ == "__main__":
    print(told(measured(smoke=False)))
