"""`make model`: histories of the state machine for ten minutes, and a table of what they reached.

    make model                              ten minutes
    make model ARGS=--smoke                 one minute
    make model ARGS="--seed 41 --rounds 1"  what a failure told to type: the same histories again

A round is so many histories from one seed; rounds go on from `--seed` until the time is over.
Exit code 1: the nodes and the model disagreed, or something that can happen never did.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from .running import run

# Of one round; part of what a seed means, so a failure replays with the same number.
HISTORIES = 8
# In a minute, and in ten.
EXPECTED = (
    "rule: lend",
    "rule: write",
    "rule: hand back",
    "rule: take back",
    "rule: read",
    "rule: time passes",
    "rule: power goes or comes",
    "rule: power will go at a step",
    "rule: network cut, or whole",
    "rule: backup",
    "rule: restore",
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
    "rule: keep",
    "rule: take back what was suspended",
    "door: suspended",
    "door: unknown-grant",
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m entrenous.tests.model")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--smoke", action="store_true", help="one minute")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--rounds", type=int, help="so many, whatever the time")
    given = parser.parse_args(arguments)
    seconds = 60 if given.smoke else given.seconds
    began, cpu, number = time.monotonic(), time.process_time(), given.seed
    reached: Counter[str] = Counter()
    while (
        number - given.seed < given.rounds if given.rounds else time.monotonic() - began < seconds
    ):
        try:
            reached += run(number, HISTORIES, shrink=True)
        except Exception:
            traceback.print_exc()
            print(f'\nagain:  make model ARGS="--seed {number} --rounds 1"')
            return 1
        number += 1
    _tell(reached, time.monotonic() - began, time.process_time() - cpu)
    print(f"seeds {given.seed} to {number - 1}, {HISTORIES} histories each: no difference")
    expected = () if given.rounds else EXPECTED if given.smoke else EXPECTED + EXPECTED_LONG
    never = [name for name in expected if not reached[name]]
    for name in never:
        print(f"never reached: {name}", file=sys.stderr)
    return 1 if never else 0


def _tell(reached: Counter[str], seconds: float, cpu_s: float) -> None:
    steps = sum(count for name, count in reached.items() if name.startswith("rule: "))
    print(
        f"{steps} steps in {seconds:.0f} s, {steps / max(cpu_s, 0.001):.0f} a second of processor"
    )
    for name, count in sorted(reached.items()):
        print(f"{name:48}{count:9,}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
