"""`make fuzz`: every decoder and reader of the package, under inputs that nobody wrote.

    make fuzz                                      ten minutes, shared over all targets by weight
    make fuzz ARGS=--smoke                         one minute
    make fuzz ARGS="--target policy --seconds 300"
    make fuzz ARGS=--keep                          and keep a small corpus of what was reached
    make fuzz ARGS="--reproduce tests/fuzz/crashes/policy/…"

With atheris (requirements-fuzz.lock) the inputs are guided by coverage; where it cannot be
installed, the same targets run on changed examples.  Exit code 1: an input is in `crashes/`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING

from . import libfuzzer
from .process import Current, Limits, Place

if TYPE_CHECKING:
    from .target import Target

HERE = Path(__file__).parent
CORPUS, CRASHES = HERE / "corpus", HERE / "crashes"
WORK = HERE.parents[1] / "build" / "fuzz"
# Of the kept corpus, for each unit of a target's weight.
KEPT_BYTES, KEPT_FILES = 16 * 1024, 24
HANG_S = 30
# Of each target in a short run: a minute for all together, or sooner.
SMOKE_RUNS = 2_000


@dataclass(frozen=True, slots=True)
class Options:
    seconds: int
    targets: tuple[str, ...]
    jobs: int
    keep: bool
    guided: bool
    seed: int
    planted: bool
    hang_s: int
    runs: int
    crashes: Path
    work: Path


@dataclass(frozen=True, slots=True)
class Ran:
    """How one target ended."""

    name: str
    seconds: float
    figures: Mapping[str, int]
    crashes: tuple[Path, ...]
    failed: bool
    log: Path


def main(arguments: Sequence[str]) -> int:
    options, reproduced = _options(arguments)
    guided = options.guided and reproduced is None
    if not guided and reproduced is None:
        print("atheris is not here: changed examples instead of coverage", flush=True)
    # Nothing of the package may be imported before this: it would not be instrumented.
    with libfuzzer.instrumented() if guided else nullcontext():
        from . import planted, table
    targets = planted.TARGETS if options.planted else table.TARGETS
    if reproduced is not None:
        return _reproduce(targets, reproduced)
    unknown = [name for name in options.targets if name not in targets]
    if unknown:
        print(f"there is no target {unknown[0]}; there are {', '.join(targets)}", file=sys.stderr)
        return 2
    chosen = [targets[name] for name in options.targets or targets]
    ran = _all(chosen, options) if options.seconds else []
    _print_table(ran)
    if options.keep:
        for target in chosen:
            _keep(target, options.work)
    return _verdict(ran)


def _options(arguments: Sequence[str]) -> tuple[Options, Path | None]:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz decoders and readers.")
    parser.add_argument("--seconds", type=int, default=600, help="for all together; 0: only --keep")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="one minute, and no more inputs than show that each target runs",
    )
    parser.add_argument("--target", action="append", default=[], help="only this one; may repeat")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--keep", action="store_true", help="write the small corpus again")
    parser.add_argument("--plain", action="store_true", help="without coverage")
    parser.add_argument(
        "--seed", type=int, help="of what is drawn; in a short run 1, else another each time"
    )
    parser.add_argument("--planted", action="store_true", help="targets that have faults instead")
    parser.add_argument("--hang", type=int, default=HANG_S, help="seconds that no input may take")
    parser.add_argument("--crashes", type=Path, default=CRASHES, help="where inputs are kept")
    parser.add_argument("--work", type=Path, default=WORK, help="where found inputs grow")
    parser.add_argument("--reproduce", type=Path, help="run one kept input and show what it does")
    found = parser.parse_args(arguments)
    seconds = 60 if found.smoke else found.seconds
    guided = libfuzzer.is_here() and not found.plain
    # A short run, as in CI, draws the same each time: whether a change lands is not left to it.
    seed = found.seed if found.seed is not None else int(found.smoke)
    options = Options(
        seconds,
        tuple(found.target),
        max(found.jobs, 1),
        found.keep,
        guided,
        seed,
        found.planted,
        found.hang,
        SMOKE_RUNS if found.smoke else -1,
        found.crashes.resolve(),
        found.work.resolve(),
    )
    return options, found.reproduce


# --- running --------------------------------------------------------------------------------------


def _all(targets: Sequence[Target], options: Options) -> list[Ran]:
    weights = sum(target.weight for target in targets)
    pending = list(targets)
    running: dict[int, tuple[Target, float, Callable[[int, float], Ran]]] = {}
    done: list[Ran] = []
    while pending or running:
        while pending and len(running) < options.jobs:
            target = pending.pop(0)
            seconds = max(1, options.seconds * options.jobs * target.weight // weights)
            process, finish = _start(target, seconds, options)
            running[process] = (target, time.monotonic(), finish)
        process, status = os.wait()
        _, began, finish = running.pop(process)
        ran = finish(os.waitstatus_to_exitcode(status), time.monotonic() - began)
        done.append(ran)
        runs = ran.figures.get("runs", 0)
        state = "FAILED" if ran.failed else "ok"
        print(f"  {len(done):3}/{len(targets)} {ran.name:20} {runs:9,} runs  {state}", flush=True)
    return sorted(done, key=lambda one: one.name)


def _start(
    target: Target, seconds: int, options: Options
) -> tuple[int, Callable[[int, float], Ran]]:
    """Fork a process for one target."""
    work, crashes = options.work / target.name, options.crashes / target.name
    for folder in (work, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    seeds = options.work / f"{target.name}.seeds"
    shutil.rmtree(seeds, ignore_errors=True)
    _write(seeds, target.seeds())
    kept = CORPUS / target.name
    log = options.work / f"{target.name}.log"
    log.unlink(missing_ok=True)
    place = Place([work, seeds, crashes, *([kept] if kept.is_dir() else [])], log)
    current = Current(target.bytes_max + KEPT_BYTES)
    process = os.fork()
    if process == 0:
        _child(target, place, Limits(seconds, options.hang_s, options.runs), current, options)

    def finish(code: int, took: float) -> Ran:
        died = current.read() if code else None
        current.close()
        found: list[Path] = []
        if died is not None:
            found.append(crashes / sha1(died, usedforsecurity=False).hexdigest())
            found[0].write_bytes(died)
        elif not any(crashes.iterdir()):
            crashes.rmdir()
        text = log.read_text(errors="replace") if log.exists() else ""
        return Ran(target.name, took, libfuzzer.figures(text), tuple(found), code != 0, log)

    return process, finish


def _child(
    target: Target, place: Place, limits: Limits, current: Current, options: Options
) -> None:
    code = 1
    try:
        if options.guided:
            libfuzzer.run(target, place, limits, current, options.seed)
        from . import plain

        plain.run(target, place, limits, current, options.seed)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _write(folder: Path, inputs: Iterable[bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (folder / sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)


# --- what came of it ------------------------------------------------------------------------------


def _print_table(ran: Sequence[Ran]) -> None:
    print(f"\n{'target':20} {'runs':>10} {'runs/s':>8} {'reached':>8} {'corpus':>7} {'MiB':>5}")
    for one in ran:
        figures = [one.figures.get(name, 0) for name in ("runs", "per_s", "coverage", "corpus")]
        row = " ".join(
            f"{value:>{width},}" for value, width in zip(figures, (10, 8, 8, 7), strict=True)
        )
        print(f"{one.name:20} {row} {one.figures.get('rss_mb', 0):>5}")
    runs = sum(one.figures.get("runs", 0) for one in ran)
    print(f"{len(ran)} targets, {runs:,} runs")


def _verdict(ran: Sequence[Ran]) -> int:
    failed = [one for one in ran if one.failed]
    for one in failed:
        print(f"\n{one.name}:", file=sys.stderr)
        lines = one.log.read_text(errors="replace").splitlines() if one.log.exists() else []
        marks = ("Traceback", "ERROR: libFuzzer")
        at = next((i for i, line in enumerate(lines) if any(m in line for m in marks)), 0)
        end = next((i for i, line in enumerate(lines) if i > at and not line.startswith(" ")), at)
        shown = [*lines[at:end][-16:], *lines[end : end + 2]]
        print("\n".join(f"    {line[:300]}" for line in shown), file=sys.stderr)
        for path in one.crashes:
            place = os.path.relpath(path)
            print(f'  again: make fuzz ARGS="--reproduce {place}"', file=sys.stderr)
    print("no crash, no hang, nothing above its limits" if not failed else "there are defects")
    return 1 if failed else 0


def _reproduce(targets: Mapping[str, Target], path: Path) -> int:
    from .target import attempt

    target = targets[path.resolve().parent.name]
    try:
        found = attempt(target, path.read_bytes())
    except BaseException:
        traceback.print_exc()
        return 1
    print(f"{target.name}: {found!r:.2000}")
    return 0


def _keep(target: Target, work: Path) -> None:
    """The small corpus of a target, chosen from all that is there."""
    from .minimised import minimised

    folders = (work / target.name, work / f"{target.name}.seeds", CORPUS / target.name)
    inputs = [path.read_bytes() for one in folders if one.is_dir() for path in one.iterdir()]
    kept = minimised(
        target,
        inputs,
        bytes_max=KEPT_BYTES * target.weight,
        files_max=KEPT_FILES * target.weight,
    )
    shutil.rmtree(CORPUS / target.name, ignore_errors=True)
    _write(CORPUS / target.name, kept)
    size = sum(map(len, kept))
    print(f"kept {len(kept)} of {len(inputs)} inputs of {target.name}, {size:,} bytes", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
