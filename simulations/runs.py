"""Running seeds: in several processes, each seed told as it ends, resumable.

A seed is a world of its own, so seeds run side by side; what one prints depends on it alone.
`--done FILE` remembers the seeds that were as they must be, and leaves them out the next time.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .faults import CALM, ROUGH, STORMY
from .scenarios.town import Town
from .scenarios.week import Week
from .world import Setting, run_world

CLIMATES = {"calm": CALM, "rough": ROUGH, "stormy": STORMY}
LAST_LINES = 40
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What is run for each seed."""

    scenario: str
    climate: str = "rough"
    nodes: int = 20
    stories: int = 20
    days: float = 7.0
    keep_trace: bool = False
    keep_bytes: bool = False
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """One seed: its line, what was wrong, and its trace (whole, or its last lines if it failed)."""

    seed: int
    line: dict[str, object]
    complaints: Sequence[str]
    trace: bytes
    faults: Counter[str] = field(default_factory=lambda: Counter[str]())


def run_seed(asked: Asked, seed: int) -> Ran:
    """Live the world of one seed."""
    began = time.process_time()
    setting = Setting(seed, asked.nodes, keep_trace=asked.keep_trace, keep_bytes=asked.keep_bytes)
    line: dict[str, object] = {"seed": seed, "scenario": asked.scenario}
    faults: Counter[str] = Counter()
    if asked.scenario == "town":
        town = Town(CLIMATES[asked.climate], asked.stories)
        trace, complaints = run_world(setting, town.live)
        told: dict[str, object] = {
            "stories": town.figures.stories,
            "crashes": town.figures.crashes,
            "world_s": round(town.figures.seconds),
        }
        cut_at = town.figures.cut_at or {}
    else:
        week = Week(until_s=asked.days * DAY_S)
        trace, complaints = run_world(setting, week.live)
        figures = week.figures
        faults, cut_at = figures.faults, figures.cut_at
        told = {
            "acts": figures.acts,
            "looks": figures.looks,
            "reads": figures.reads,
            "grants": figures.grants,
            "faults": faults.total(),
            "cut_in_steps": cut_at.total(),
            "world_s": round(figures.seconds),
        }
    line |= {"ok": not complaints, "digest": trace.digest().hex(), **told}
    line |= {"sent_bytes": trace.bytes_sent, "entries": trace.entries}
    line["cpu_s"] = round(time.process_time() - began, 1)
    if asked.steps:
        line["cut_at"] = {str(step): cut_at[step] for step in sorted(cut_at)}
    text = trace.to_bytes() if asked.keep_trace else trace.last_lines(LAST_LINES)
    return Ran(seed, line, tuple(complaints), text, faults)


def run_seeds(asked: Asked, seeds: Sequence[int], jobs: int) -> Iterator[Ran]:
    """Run them, `jobs` at a time; each is given as it ends."""
    if jobs == 1:
        for seed in seeds:
            yield run_seed(asked, seed)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs) as pool:
        yield from pool.imap_unordered(_Job(asked), seeds)


@dataclass(frozen=True, slots=True)
class _Job:
    asked: Asked

    def __call__(self, seed: int) -> Ran:
        return run_seed(self.asked, seed)


# --- what was done before -------------------------------------------------------------------------


def done_before(path: Path | None, scenario: str) -> frozenset[int]:
    """The seeds of a scenario that a file of lines says were as they must be."""
    if path is None or not path.exists():
        return frozenset()
    done: set[int] = set()
    for text in path.read_text().splitlines():
        match json.loads(text):
            case {"seed": int(seed), "scenario": str(of), "ok": True} if of == scenario:
                done.add(seed)
            case _:
                continue
    return frozenset(done)
