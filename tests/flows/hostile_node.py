"""One node and its honest reader for all tests of hostile peers, and what must hold after each.

Each attack comes from an address of its own: what one used up of its leave is not missing for the
next.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import trio

from entrenous.protocol.limits import HOSTILE_BYTES_MAX
from entrenous.tests.hostile.rounds import SETTLE_S, Cost, Line, honest, measure, reads
from entrenous.tests.hostile.victim import Victim, standing

# Reads of the honest reader while it is attacked; with a pause before, about two seconds.
READS = 8
DAYS = 365
# Lines of one kind that the log takes at once, and some of other kinds.
LOG_LINES_MAX = 100
# Not a measure of speed: an honest reader that waits longer than this has been shut out.
WAITS_S = 60.0
MIB = 1 << 20


@dataclass
class Besieged:
    """The node, its reader, and whence the next attack comes."""

    node: Victim
    reader: Line
    sources: count[int]

    async def attack(self, name: str, told: Sequence[str]) -> Cost:
        """One attack while the honest reader reads, until its author heard all of `told`; then
        everything is as before."""
        node = self.node
        async with node.opened(), trio.open_nursery() as nursery:
            nursery.start_soon(node.grant_all)
            before = await node.client.collections()
            cost = await measure(
                node,
                self.reader,
                name,
                rounds=1,
                each=READS,
                warm_s=0.5,
                source=f"127.0.1.{next(self.sources)}",
                nice=0,  # beside other tests it would get nothing done
                until=lambda got: not missing(got, told),
            )
            after = await node.client.collections()
            nursery.cancel_scope.cancel()
        assert node.process.poll() is None, (node.folder / "log").read_text()
        # Every read of the honest peer came, whole (honest.py raises otherwise), and in its time.
        assert len(cost.attacked.reads) == READS
        assert cost.attacked.p(99) < WAITS_S * 1000
        assert cost.peak_mib * MIB < HOSTILE_BYTES_MAX
        assert cost.log_lines <= LOG_LINES_MAX, "the log took too much"
        assert not cost.tasks_left, f"tasks left after {SETTLE_S} s: {cost.tasks_left}"
        assert cost.files_left <= 0, f"{cost.files_left} files left after {SETTLE_S} s"
        if name != "deliveries":
            assert before == after
        assert not missing(cost.got, told), dict(cost.got)
        return cost


def missing(got: Counter[str], told: Sequence[str]) -> list[str]:
    """What of `told` is in nothing that an attacker heard."""
    return [word for word in told if not any(word in said for said in got)]


@contextmanager
def besieged(folder: Path) -> Generator[Besieged]:
    """A node with a year of half-hours and a reader of all of it."""
    with standing(folder) as node:
        holder = _Reader(node)
        try:
            trio.run(holder.begin)
            yield Besieged(node, holder.line, count(2))
        finally:
            holder.end()


class _Reader:
    """The honest reader, for longer than one event loop."""

    def __init__(self, node: Victim) -> None:
        self._node = node
        self._line: Line | None = None

    @property
    def line(self) -> Line:
        assert self._line is not None
        return self._line

    async def begin(self) -> None:
        await self._node.fill(DAYS)
        async with self._node.opened(), trio.open_nursery() as nursery:
            nursery.start_soon(self._node.grant_all)
            self._line = await honest(self._node)
            await reads(self._line, 10)
            nursery.cancel_scope.cancel()

    def end(self) -> None:
        if self._line is not None:
            self._line.end()
