"""`export`: one's data as files that anybody can read."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..errors import Exit
from ..results.export import ExportProgress
from .data import From, To, Utc
from .days import span
from .options import USUAL, Options, node_of, zone_of
from .screen import Screen
from .words import counted


class ExportFormat(StrEnum):
    """In which form records are written."""

    JSONL = "jsonl"
    CSV = "csv"


async def export(
    folder: Annotated[Path, Parameter(help="A folder that does not exist yet.")],
    collections: Annotated[
        tuple[str, ...], Parameter(help="Some collections; all if none is named.", negative="")
    ] = (),
    /,
    *,
    format: Annotated[
        ExportFormat, Parameter(help="csv: a table for a spreadsheet beside the JSON Lines.")
    ] = ExportFormat.JSONL,
    from_: From = None,
    to: To = None,
    utc: Utc = False,
    options: Options = USUAL,
) -> int:
    """Write your data to a folder, in clear: records, what was signed, grants, receipts.

    The folder says what each file is.  `entrenous import` takes it into an empty node.
    An export that was cut short goes on when it is asked for again.

    Example: entrenous export ~/my-data --format csv
    """
    first = last = None
    days = span(from_, to, zone_of(utc))
    if from_ is not None or to is not None:
        touched = days.touched()
        first = touched[0] if from_ is not None else None
        last = touched[1] if to is not None else None
    screen = options.screen
    async with node_of(options) as client:
        done = await client.export(
            folder.expanduser().absolute(),
            collections or None,
            first,
            last,
            as_csv=format is ExportFormat.CSV,
            progress=_Progress(screen),
        )
    screen.show("export", done)
    screen.say(f"{counted(done.records, 'record')} of {counted(done.collections, 'collection')}")
    screen.fact("folder", done.folder)
    screen.fact("files", f"{done.files:,}, {done.bytes:,} bytes, in clear")
    if done.records != done.facts:
        screen.fact("facts", f"{done.facts:,}: the others are the same, told by another source")
    if done.statements:
        screen.fact("signed", f"{counted(done.statements, 'statement')} with what proves them")
    if done.resumed:
        screen.fact("went on", f"{counted(done.resumed, 'collection')} were there already")
    for sentence in done.damaged:
        screen.note(f"damaged, and not in the export: {sentence}")
    return Exit.FAILED if done.damaged else Exit.DONE


class _Progress:
    """One line on stderr that moves, on a terminal only."""

    def __init__(self, screen: Screen) -> None:
        self._on = sys.stderr.isatty() and not screen.json

    def __call__(self, one: ExportProgress) -> None:
        if not self._on:
            return
        last = one.done >= one.total and one.collections + 1 >= one.of
        text = (
            f"collection {one.collections + 1:,} of {one.of:,}, month {one.done:,} of {one.total:,}"
        )
        print(f"\r\x1b[K{'' if last else text}", end="", file=sys.stderr, flush=True)
