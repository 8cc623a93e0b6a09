"""`python -m entrenous.simulations --seed N --seeds K`: worlds in bad weather, one a seed.

Two kinds: the week of one house and four organisations, and the town.  Each seed tells its digest;
one that fails tells why, the last lines of its trace and how to run it alone, with `--trace` to see
everything that happened.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from .runs import CLIMATES, Asked, Ran, done_before, run_seeds

SCENARIOS = ("week", "town")


def main() -> int:
    """Run the seeds that were asked for; 0 if every one of them is as it must be."""
    asked = _arguments().parse_args()
    scenarios = SCENARIOS if asked.scenario == "all" else (asked.scenario,)
    failed = 0
    for scenario in scenarios:
        failed += _run(asked, scenario)
    return 1 if failed else 0


def _run(asked: argparse.Namespace, scenario: str) -> int:
    """One scenario; how many seeds failed."""
    what = Asked(
        scenario,
        asked.climate,
        asked.nodes,
        asked.stories,
        asked.days,
        keep_trace=asked.trace is not None,
        keep_bytes=asked.bytes,
        steps=asked.steps,
    )
    before = done_before(asked.done, scenario)
    seeds = [s for s in range(asked.seed, asked.seed + asked.seeds) if s not in before]
    began, failed, faults = time.monotonic(), list[int](), Counter[str]()
    for number, ran in enumerate(run_seeds(what, seeds, asked.jobs), 1):
        faults += ran.faults
        text = json.dumps(ran.line)
        print(text, flush=True)
        if asked.done is not None:
            with asked.done.open("a") as file:
                file.write(text + "\n")
        if ran.complaints:
            failed.append(ran.seed)
            _tell(ran, what)
        elif asked.seeds > 1:
            left_s = (time.monotonic() - began) / number * (len(seeds) - number)
            print(f"  {number} of {len(seeds)}, about {left_s / 60:.0f} min left", file=sys.stderr)
        if asked.trace is not None:
            asked.trace.write_bytes(ran.trace)
    if faults:
        print(json.dumps({"scenario": scenario, "faults": dict(sorted(faults.items()))}))
    skipped = f", {len(before)} done before" if before else ""
    told = f": {sorted(failed)}" if failed else ""
    print(f"{scenario}: {len(failed)} of {len(seeds)} seeds failed{told}{skipped}")
    return len(failed)


def _tell(ran: Ran, what: Asked) -> None:
    """Why a seed failed, and how to see it."""
    for complaint in ran.complaints:
        print(f"  seed {ran.seed}: {complaint}", file=sys.stderr)
    if not what.keep_trace:
        print("  the last of its trace:", file=sys.stderr)
        for line in ran.trace.decode(errors="replace").splitlines():
            print(f"    {line[:160]}", file=sys.stderr)
    size = (
        f" --days {what.days:g}"
        if what.scenario == "week"
        else (f" --nodes {what.nodes} --stories {what.stories} --climate {what.climate}")
    )
    print(
        f'  alone: make sim ARGS="{what.scenario} --seed {ran.seed} --seeds 1{size} '
        f'--trace trace.txt"',
        file=sys.stderr,
        flush=True,
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m entrenous.simulations", description=__doc__)
    parser.add_argument("scenario", nargs="?", choices=(*SCENARIOS, "all"), default="week")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    parser.add_argument("--done", type=Path, help="keep lines here; seeds that are there rest")
    parser.add_argument("--days", type=float, default=7.0, help="how long a week is")
    parser.add_argument("--nodes", type=int, default=20, help="of a town")
    parser.add_argument("--stories", type=int, default=20, help="of a town")
    parser.add_argument("--climate", choices=sorted(CLIMATES), default="rough", help="of a town")
    parser.add_argument("--steps", action="store_true", help="say where power was cut, how often")
    parser.add_argument("--trace", type=Path, help="write the trace of the last seed to this file")
    parser.add_argument("--bytes", action="store_true", help="with every byte that was sent")
    return parser


if __name__ == "__main__":
    sys.exit(main())
