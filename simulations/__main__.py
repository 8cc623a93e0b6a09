"""`python -m entrenous.simulations --seed N --seeds K`: towns in bad weather, one a seed.

Each seed tells its digest; a seed that fails tells why, and can be run again alone with `--trace`
to see everything that happened up to it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from .faults import CALM, ROUGH, STORMY
from .scenarios.town import Town
from .world import Setting, run_world

CLIMATES = {"calm": CALM, "rough": ROUGH, "stormy": STORMY}


def main() -> int:
    """Run the seeds that were asked for; 0 if every one of them is as it must be."""
    asked = _arguments().parse_args()
    failed: list[int] = []
    for seed in range(asked.seed, asked.seed + asked.seeds):
        began = time.process_time()
        town = Town(CLIMATES[asked.climate], asked.stories)
        setting = Setting(
            seed, asked.nodes, keep_trace=asked.trace is not None, keep_bytes=asked.bytes
        )
        trace, complaints = run_world(setting, town.live)
        figures = town.figures
        line: dict[str, object] = {
            "seed": seed,
            "ok": not complaints,
            "digest": trace.digest().hex(),
            "stories": figures.stories,
            "crashes": figures.crashes,
            "world_s": round(figures.seconds),
            "sent_bytes": trace.bytes_sent,
            "cpu_s": round(time.process_time() - began, 1),
        }
        if asked.steps:
            line["cut_at"] = dict(sorted((figures.cut_at or {}).items()))
        print(json.dumps(line), flush=True)
        for complaint in complaints:
            print(f"  seed {seed}: {complaint}", file=sys.stderr, flush=True)
        if complaints:
            failed.append(seed)
        if asked.trace is not None:
            asked.trace.write_bytes(trace.to_bytes())
    print(f"{len(failed)} of {asked.seeds} seeds failed" + (f": {failed}" if failed else ""))
    return 1 if failed else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m entrenous.simulations", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--stories", type=int, default=20)
    parser.add_argument("--climate", choices=sorted(CLIMATES), default="rough")
    parser.add_argument("--steps", action="store_true", help="say where power was cut, how often")
    parser.add_argument("--trace", type=Path, help="write the trace of the last seed to this file")
    parser.add_argument("--bytes", action="store_true", help="with every byte that was sent")
    return parser


if __name__ == "__main__":
    sys.exit(main())
