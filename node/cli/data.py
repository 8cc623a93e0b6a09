"""One's own data: `import`, `imports`, `collections`, `read`; and handing data back: `deliver`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Self

from cyclopts import App, Parameter

from ...crypto.errors import EntrenousError
from ...protocol.day import UNDATED
from ..control_frame import ControlError
from ..errors import Exit, NodeError, exit_of
from ..results.deliveries import Delivered, DeliveryState
from ..results.imports import Preview as ImportPreview
from ..results.imports import Progress as ImportProgress
from ..results.imports import Report as ImportReport
from ..results.imports import Skipped as ImportSkipped
from ..results.records import Records
from .days import days_in_words, moment, span
from .household import For
from .names import short
from .options import USUAL, Options, node_of, zone_of
from .records import Format, between, json_rows, print_batch
from .said import NOTHING, Said
from .screen import Column, Screen
from .shared_words import tell_shared
from .sources import brought, show_sources, tell_conflicts, tell_records, told
from .views import say_derived
from .visible import visible
from .words import counted

imports_app = App(name="imports", help="List what was imported, or undo an import.")

From = Annotated[str | None, Parameter(name="--from", help="First day (YYYY-MM-DD).")]
To = Annotated[str | None, Parameter(name="--to", help="Last day (YYYY-MM-DD), included.")]
Utc = Annotated[bool, Parameter(help="The days are UTC days, not those of your time zone.")]
Into = Annotated[str | None, Parameter(help="Another collection than the reader's own choice.")]
FormatOption = Annotated[Format, Parameter(help="How records are printed.")]
All = Annotated[bool, Parameter(name="--all", help="Show a long table in full.")]


async def import_(
    files: Annotated[
        tuple[Path, ...], Parameter(help="Files, folders or ZIP archives.", negative="")
    ],
    /,
    *,
    preview: Annotated[bool, Parameter(help="Show what would be written; write nothing.")] = False,
    into: Into = None,
    for_: For = None,
    said: Said = NOTHING,
    options: Options = USUAL,
) -> int:
    """Put files that you were given into your vault, each record once.

    Importing a file again changes nothing; an import that was interrupted goes on.

    Example: entrenous import statement.ofx --preview
    """
    if not files:
        raise NodeError("name a file, a folder or an archive: entrenous import statement.ofx")
    screen = options.screen
    settings = said.settings()
    async with node_of(options) as client:
        if preview:
            for path in files:
                _show_previews(screen, await client.preview(path, into, settings, for_))
            return Exit.DONE
        reports: list[ImportReport] = []
        code = Exit.DONE
        for path in files:
            try:
                with _Progress(screen, path) as progress:
                    report = await client.import_(path, into, progress, settings, for_)
            except ControlError:
                raise
            except EntrenousError as error:
                exit, _ = exit_of(error)
                if len(files) == 1 or exit not in (Exit.FAILED, Exit.NOT_FOUND):
                    raise
                # One that is no good does not keep the others out.
                report = ImportReport((), (ImportSkipped(path.name, str(error)),))
                code = exit
            reports.append(report)
            _show_report(screen, report)
    report = ImportReport(
        tuple(one for each in reports for one in each.imported),
        tuple(one for each in reports for one in each.skipped),
    )
    screen.show("import", report)
    return code if report.imported or not report.skipped else Exit.FAILED


class _Progress:
    """One line on stderr that moves, on a terminal only.

    All of a file is read before anything of it is written: a large one, or an export, takes a
    while until it has days to count.
    """

    def __init__(self, screen: Screen, path: Path) -> None:
        self._on = sys.stderr.isatty() and not screen.json
        self._name = path.name

    def __enter__(self) -> Self:
        self._line(f"reading {visible(self._name)}")
        return self

    def __exit__(self, *_: object) -> None:
        self._line("")

    def __call__(self, progress: ImportProgress) -> None:
        done = progress.days_done >= progress.days_total
        self._line("" if done else f"{progress.days_done:,} of {progress.days_total:,} days")

    def _line(self, text: str) -> None:
        if self._on:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _show_previews(screen: Screen, previews: tuple[ImportPreview, ...]) -> None:
    screen.show_lines("import --preview", previews)
    for one in previews:
        screen.say(f"{one.file} ({one.reader})")
        for item in one.items:
            screen.fact("into", item.path)
            for source in item.sources:
                screen.fact(
                    "from", f"{source.source or 'one source'}: {counted(source.count, 'record')}"
                )
                dated = f"{source.first} to {source.last}, {counted(source.days, 'day')}"
                screen.fact("", dated if source.days else "undated records")
                for unit, (mantissa, scale) in source.sums.items():
                    from .records import decimal_text

                    screen.fact("sum", f"{decimal_text(mantissa, scale)} {unit}")
            screen.fact("would bring", brought(item))
            if item.refused:
                screen.fact("refused", item.refused)
        for note in one.notes:
            screen.fact("note", note)
    if previews:
        screen.say("Nothing was written.")
    elif not screen.json:
        screen.say("No reader knows any of these files.")


def _show_report(screen: Screen, report: ImportReport) -> None:
    for one in report.imported:
        screen.say(f"{one.file} ({one.reader})")
        screen.fact("into", one.path)
        if one.already:
            screen.fact("brought", "nothing: it was imported before")
        else:
            screen.fact("brought", brought(one))
            if one.reader != "export":
                screen.fact("undo with", f"entrenous imports undo {one.id[:8]}")
        for note in one.notes:
            screen.fact("note", note)
    for left in report.skipped:
        # A reader's sentence begins with the file that it is about.
        named = left.reason.startswith(f"{left.file}:")
        screen.note(f"left out: {left.reason if named else f'{left.file}: {left.reason}'}")


@imports_app.default
async def imports(*, options: Options = USUAL) -> None:
    """List what was imported and how each import stands.

    Example: entrenous imports
    """
    async with node_of(options) as client:
        found = await client.imports()
    screen = options.screen
    screen.show_lines("imports", found)
    for one in found:
        screen.entry(
            one.id[:8],
            f"{one.file}: {one.state}, {counted(one.records, 'record')}, {moment(one.changed_ms)}",
            f"into {one.path}{told(one.same + one.duplicates, one.differing, one.same_as)}",
            f"next: {one.next_step}",
        )
    if not found:
        screen.say("Nothing was imported yet: `entrenous import FILE` does it.")


@imports_app.command
async def undo(
    id: Annotated[str, Parameter(help="The import, or the first characters of its id.")],
    /,
    *,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.")] = False,
    options: Options = USUAL,
) -> int:
    """Remove what one import brought, and overwrite it on the disk.

    Example: entrenous imports undo 3f9a12bc
    """
    screen = options.screen
    if not screen.confirm(f"Remove everything that import {id} brought?", yes=yes):
        screen.note("Nothing was changed.")
        return Exit.FAILED
    async with node_of(options) as client:
        done = await client.undo(id)
    screen.show("imports undo", done)
    screen.say(f"{counted(done.records, 'record')} removed from {done.path}.")
    return Exit.DONE


async def collections(*, options: Options = USUAL) -> None:
    """List what your vault holds.

    Example: entrenous collections
    """
    async with node_of(options) as client:
        found = await client.collections()
    screen = options.screen
    screen.show_lines("collections", found)
    screen.things(
        (
            Column("collection"),
            Column("whose"),
            Column("records", right=True),
            Column("days (UTC)"),
            Column("schema", whole=True),
            Column("pages", right=True),
        ),
        [
            [
                one.path,
                " and ".join(one.whose) or "home",
                f"{one.records:,}",
                "" if one.first is None or one.last is None else days_in_words(one.first, one.last),
                one.schema,
                f"{one.pages:,}",
            ]
            for one in found
        ],
        "The vault is empty: `entrenous import FILE` puts something in.",
        columns_min=100,
    )


async def read(
    collection: Annotated[str, Parameter(help="Its path, as `entrenous collections` lists it.")],
    /,
    *,
    from_: From = None,
    to: To = None,
    for_: For = None,
    format: FormatOption = Format.TABLE,
    utc: Utc = False,
    every: All = False,
    sources: Annotated[bool, Parameter(help="Also who told each record.", negative="")] = False,
    options: Options = USUAL,
) -> int:
    """Read your own records, by the days of your time zone, to the hour.

    What several told (a file, a delivery, you) is shown once, as its source signed it if it did.

    Example: entrenous read energy/electricity/load-curve --from 2026-01-01 --to 2026-01-30
    """
    days = span(from_, to, zone_of(utc))
    bounded = from_ is not None or to is not None
    first, last = days.touched() if bounded else (0, UNDATED)
    if sources:
        moments = (days.start_ms, days.end_ms) if bounded else None
        async with node_of(options) as client:
            whole = await client.read_sources(collection, first, last, for_)
        return show_sources(options.screen, collection, whole, moments, format, every=every)
    async with node_of(options) as client:
        found = await client.read(collection, first, last, for_)
        shared = () if options.json else await client.shared()
    batch = between(found.batch, days.start_ms, days.end_ms) if bounded else found.batch
    found = Records(batch, found.pages, found.damaged, found.conflicts)
    screen = options.screen
    if screen.json:
        screen.show(
            "read",
            {
                "path": collection,
                "schema": batch.schema.name,
                "records": list(json_rows(batch)),
                "pages": found.pages,
                "conflicts": found.conflicts,
                "damaged": found.damaged,
            },
        )
    else:
        print_batch(batch, format, every=every)
        tell_conflicts(screen, found)
        tell_shared(screen, shared, collection, batch)
        say_derived(screen, [collection])
    return tell_records(screen, len(batch), found.damaged)


async def deliver(
    file: Annotated[Path, Parameter(help="A file, folder or archive that a reader knows.")],
    /,
    *,
    to: Annotated[str, Parameter(help="The peer whose data it is.")],
    into: Into = None,
    wait: Annotated[int, Parameter(help="Seconds to wait for the peer to have stored it.")] = 10,
    options: Options = USUAL,
) -> int:
    """Hand data back to the person it is about: signed by you, sealed to them.

    If they are away it is kept, and handed over when they are back (exit code 5).

    Example: entrenous deliver march.ofx --to alice --into finance/accounts/transactions
    """
    screen = options.screen
    async with node_of(options) as client:
        made = await client.deliver(file, to, into, wait)
    screen.show_lines("deliver", made)
    for one in made:
        _show_delivered(screen, one)
    states = {one.state for one in made}
    if DeliveryState.REFUSED in states:
        return Exit.FAILED
    return Exit.AWAY if DeliveryState.QUEUED in states else Exit.DONE


def _show_delivered(screen: Screen, one: Delivered) -> None:
    screen.say(f"{counted(one.records, 'record')} into {one.path}")
    screen.fact("days (UTC)", days_in_words(one.first, one.last))
    screen.fact("statement", short(one.statement))
    match one.state:
        case DeliveryState.STORED:
            screen.fact("state", f"stored by {one.peer}")
        case DeliveryState.QUEUED:
            screen.fact("state", "queued")
            screen.note(f"{one.peer} is away: it is kept, and handed over when they are back")
        case DeliveryState.REFUSED:
            screen.fact("state", "refused")
            screen.note(f"{one.peer} refused it: {one.reason or 'no reason was given'}")


async def deliveries(*, options: Options = USUAL) -> None:
    """List data that was handed to you, or by you.

    Example: entrenous deliveries
    """
    async with node_of(options) as client:
        found = await client.deliveries()
    screen = options.screen
    screen.show_lines("deliveries", found)
    for one in found:
        screen.entry(
            short(one.statement),
            f"{'from' if one.way == 'in' else 'to'} {one.peer}, {moment(one.t_ms)}: "
            f"{one.state.value}, {counted(one.records, 'record')}",
            f"{one.path}, {days_in_words(one.first, one.last)}"
            f"{told(one.same or 0, one.differing or 0, one.same_as)}",
            *([f"{counted(one.erased, 'record')} left out: erased here before"] * bool(one.erased)),
        )
    if not found:
        screen.say("Nothing was handed over yet.")
