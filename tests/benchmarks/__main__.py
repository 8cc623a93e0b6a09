"""`python -m tests.benchmarks`: every benchmark, one table.

    --smoke      run every line once, quickly; the numbers mean nothing
    --json       one JSON object a figure and line, instead of the table
    NAME …       only these, by the name of their module without `bench_`

Exit code 1 if a benchmark fails to run, 0 otherwise: a goal missed is shown and judged by a person,
since a busy machine misses any.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import traceback
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from entrenous.tests.benchmarks.figure import Figure

HERE = Path(__file__).parent
PREFIX = "bench_"


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(file.stem.removeprefix(PREFIX) for file in HERE.glob(f"{PREFIX}*.py"))


def measured(name: str, smoke: bool) -> list[Figure]:
    """The figures of one benchmark.  Raises what it raises."""
    module = importlib.import_module(f"entrenous.tests.benchmarks.{PREFIX}{name}")
    figures: list[Figure] = module.run(smoke)
    return figures


def row(name: str, figure: Figure) -> tuple[str, ...]:
    sign = "≤ " if figure.less_is_better else "≥ "
    reached = {None: "", True: "yes", False: "no"}[figure.reached]
    return (
        name,
        figure.name,
        f"{shown(figure.value)} {figure.unit}",
        "" if figure.goal is None else f"{sign}{shown(figure.goal)}",
        reached,
        "" if figure.ratio is None else f"{figure.ratio:.2f} of {figure.against}",
        figure.note,
    )


def shown(value: float) -> str:
    """Three digits, thousands apart."""
    if abs(value) >= 1_000:
        return f"{round(value):,}"
    return f"{value:.3g}"


def table(rows: Iterable[tuple[str, ...]]) -> Table:
    made = Table(
        title=f"{platform.machine()}, {os.cpu_count()} processors, {platform.python_version()}"
    )
    for column in ("benchmark", "figure", "median", "goal", "reached", "ratio", "note"):
        made.add_column(column, justify="right" if column in ("median", "goal") else "left")
    for one in rows:
        made.add_row(*one)
    return made


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("names", nargs="*", choices=[[], *names()])
    chosen = parser.parse_args(arguments)
    failed: list[str] = []
    rows: list[tuple[str, ...]] = []
    for name in chosen.names or names():
        try:
            figures = measured(name, chosen.smoke)
        except Exception:  # one that fails must not hide the others; it is shown and counted
            traceback.print_exc()
            failed.append(name)
            continue
        for figure in figures:
            rows.append(row(name, figure))
            if chosen.json:
                line = {"benchmark": name, **asdict(figure), "reached": figure.reached}
                print(json.dumps(line), flush=True)
    if not chosen.json:
        Console(width=160 if not sys.stdout.isatty() else None).print(table(rows))
    if failed:
        print(f"FAILED to run: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
