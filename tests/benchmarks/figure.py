"""A figure: one number of one benchmark, beside what it is held against.

A benchmark is a module `bench_<name>.py` with `run(smoke: bool) -> list[Figure]`.  With `smoke` it
does the least that still runs every line, in a second or two, and its numbers mean nothing.

Machines differ and their neighbours are noisy, so what counts is the ratio to a limit that was
measured in the same run; absolute goals are for the machine they were set on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    `value` in `unit`, the median of its rounds.  `goal` in the same unit; None for a reference,
    which has none.  `ratio` is to the figure named by `against`, measured in the same run.
    `less_is_better`: a time or a size, not a rate.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    ratio: float | None = None
    against: str | None = None
    note: str = ""
    less_is_better: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.less_is_better else self.value >= self.goal


def medians(rounds: int, *measures: Callable[[], float]) -> Sequence[float]:
    """The median of each of `measures`, taken in turn so that all meet the same neighbours."""
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for found, measure in zip(taken, measures, strict=True):
            found.append(measure())
    return [median(found) for found in taken]


def in_folder(measure: Callable[[Path], float]) -> float:
    """Measure in a folder of its own, then remove it.

    Beside the working folder and not in `/tmp`, which may be memory, where an fsync costs nothing.
    """
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        return measure(Path(name))
