"""`entrenous generate household`: the generated household as a command."""

from __future__ import annotations

import datetime
import json as _json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ...node.errors import UsageError
from .generate import ANSWERS, SEED_MAX, UNTIL, YEARS_MAX
from .generate import generate as _generate
from .paris import month_end

generate = App(name="generate", help="Make files of an invented household, with known answers.")


@generate.command
def household(
    *,
    out: Annotated[Path, Parameter(help="A new or empty folder.")],
    seed: Annotated[int, Parameter(help="Which household: the same seed, the same bytes.")] = 1,
    years: Annotated[int, Parameter(help=f"How long it lives, 1 to {YEARS_MAX}.")] = 1,
    until: Annotated[
        str, Parameter(help=f"The last day, the end of a month; {UNTIL} unless given.")
    ] = UNTIL.isoformat(),
    json: Annotated[
        bool, Parameter(help="Print one object: the folder and what is in it.")
    ] = False,
) -> int:
    """Write the files that a household's banks, meters, insurers and others would hand out.

    Two adults, a child and a parent they act for; one folder a source, each file in its true
    format, and beside them answers.json: what a right reading of all of it must find.

    Example: entrenous generate household --seed 7 --years 2 --out /tmp/household
    """
    last = _last_day(until)
    if not 1 <= years <= YEARS_MAX:
        raise UsageError(f"--years is a number from 1 to {YEARS_MAX}")
    if not 0 <= seed <= SEED_MAX:
        raise UsageError(f"--seed is a whole number from 0 to {SEED_MAX}")
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("a household begins")

        def progress(month: str, done: int, months: int) -> None:
            bar.update(task, description=month, completed=done, total=months)

        _generate(seed, out, years=years, until=last, progress=progress)
    answers = _json.loads((out / ANSWERS).read_text())
    records = sum(file["records"] for file in answers["files"].values())
    told = {
        "out": str(out.absolute()),
        "seed": seed,
        "first": answers["first"],
        "until": answers["until"],
        "files": len(answers["files"]),
        "records": records,
    }
    if json:
        print(_json.dumps(told, ensure_ascii=False))
    else:
        print(
            f"{told['files']} files with {records:,} records, {told['first']} to {told['until']}, "
            f"in {out}\nWhat a right reading of them finds stands in {out / ANSWERS}."
        )
    return 0


def _last_day(text: str) -> datetime.date:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        raise UsageError("--until is a day, such as 2025-12-31") from None
    if day != month_end(day) or not 2010 <= day.year <= 2070:
        raise UsageError("--until is the last day of a month, from 2010 to 2070")
    return day
