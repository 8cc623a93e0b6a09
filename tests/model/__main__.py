"""`make model`: histories of the state machine for ten minutes, and a table of what they reached.

    make model                              ten minutes
    make model ARGS=--smoke                 one minute
    make model ARGS="--seed 41 --rounds 1"  what a failure told to type: the same histories again

A round is a few histories from one seed; rounds 0 and below are the openings, each once, and come
first; then rounds go on from `--seed` until the time is over, one in each of `--jobs` processes.
A failure is told as it was found; with `--rounds`, it is made as small as it gets, which may take
minutes.  Exit code 1: the nodes and the model disagreed, or something that can happen never did.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from .drawing import ACTS
from .openings import OPENINGS
from .running import Round, live

# However slow the machine: so much reaches what a minute must reach.
DRAWN_MIN = 4
# In a minute, and in ten.
EXPECTED = (
    "rule: lend",
    "rule: write",
    "rule: take back",
    "rule: read",
    "rule: time passes",
    "rule: clock set",
    "rule: power goes or comes",
    "rule: power will go at a step",
    "rule: network cut, or whole",
    "rule: backup",
    "rule: erase a record",
    "read: served",
    "read: refused",
    "door: served",
    "door: days",
    "door: expired",
    "door: revoked",
    "compared, all said",
    "compared, words on their way",
    "keys tried by the adversary",
)
EXPECTED_LONG = (
    "rule: hand back",
    "rule: restore of ana",
    "rule: restore of ben",
    "rule: restore of volt",
    "rule: renew",
    "rule: renew by itself",
    "rule: lend on",
    "rule: take back what was lent on",
    "rule: keep",
    "rule: take back what was suspended",
    "rule: two read one day",
    "rule: erase a collection",
    "read: served, for another",
    "renewed by itself",
    "copies kept",
    "door: suspended",
    "door: unknown-grant",
    "door of another device",
    *(f"opening: {name}" for name in OPENINGS),
    *(f"drawn: {act.name}" for act in ACTS),
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m entrenous.tests.model")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--smoke", action="store_true", help="one minute")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--rounds", type=int, help="so many, whatever the time")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args(arguments)
    seconds = 60 if given.smoke else given.seconds
    began = time.monotonic()
    rounds = _rounds(given.seed, given.rounds, began + seconds, given.jobs)
    for one in rounds:
        if one.failure is not None:
            print(one.failure)
            print(f'\nagain:  make model ARGS="--seed {one.number} --rounds 1"')
            return 1
    reached = sum((one.reached for one in rounds), Counter[str]())
    _tell(reached, time.monotonic() - began, sum(one.cpu_s for one in rounds))
    print(f"rounds {rounds[0].number} to {rounds[-1].number}: no difference")
    expected = () if given.rounds else EXPECTED if given.smoke else EXPECTED + EXPECTED_LONG
    never = [name for name in expected if not reached[name]]
    for name in never:
        print(f"never reached: {name}", file=sys.stderr)
    return 1 if never else 0


def _rounds(seed: int, count: int | None, until: float, jobs: int) -> list[Round]:
    """So many rounds, or those that begin before `until`, and at least `DRAWN_MIN` that are drawn;
    none begins after a failure."""
    done: list[Round] = []
    running: set[Future[Round]] = set()
    seeds = itertools.chain([] if count else range(1 - len(OPENINGS), 1), itertools.count(seed))
    begun = 0
    # Each process begins anew: a world has threads, and what has threads is not to be forked.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=fresh) as pool:
        while True:
            few = begun < len(OPENINGS) + DRAWN_MIN
            more = begun < count if count else few or time.monotonic() < until
            if more and len(running) < jobs and not any(one.failure for one in done):
                running.add(pool.submit(live, next(seeds), count is not None))
                begun += 1
            elif running:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                done += [one.result() for one in ended]
            else:
                return sorted(done, key=lambda one: one.number)


def _tell(reached: Counter[str], seconds: float, cpu_s: float) -> None:
    steps = sum(count for name, count in reached.items() if name.startswith("rule: "))
    histories = reached["rule: end"]
    print(
        f"{steps} steps of {histories} histories in {seconds:.0f} s, "
        f"{steps / max(cpu_s, 0.001):.0f} a second of processor"
    )
    print(f"{'':40}{'possible':>9}{'drawn':>9}")
    for act in ACTS:
        possible, drawn = (reached[f"{what}: {act.name}"] for what in ("possible", "drawn"))
        print(f"{act.name:40}{possible:9,}{drawn:9,}")
    for name, count in sorted(reached.items()):
        if not name.startswith(("possible: ", "drawn: ")):
            print(f"{name:48}{count:9,}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
