"""Views, and choosing: `views`, `view …`, `choices`, `decide ID grant --view NAME`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final

from cyclopts import App, Parameter

from ...protocol.columns import read_columns
from ...protocol.day import UNDATED, date_of, day_of_date
from ...protocol.errors import RecordError
from ...protocol.schema import schema_named
from ...protocol.view import Band
from ...protocol.view_path import is_view, whole_periods
from ...protocol.view_words import WORDS
from ...protocol.window import Window
from ..client import Client
from ..errors import Exit, NotFound, UsageError
from ..imports.spelled import read_decimal
from ..results.grants import RequestInfo
from ..results.views import ViewInfo
from ..views.choice import Choice
from .days import days_in_words
from .json_form import Json
from .options import USUAL, Options, node_of
from .records import json_rows
from .requests import request_named
from .screen import Column, Screen
from .terms_words import purpose_in_words
from .words import counted

view_app = App(name="view", help="Make a view of a collection, remove one, or let a correction go.")
NOT_SIGNED = "derived by the node that keeps the data: no source has signed these figures"

Words = Annotated[
    tuple[str, ...],
    Parameter(
        name="--view",
        help="Grant this view in place of its collection: a name that `entrenous choices` shows.",
        negative="",
    ),
]


# --- views ----------------------------------------------------------------------------------------


async def views(*, options: Options = USUAL) -> None:
    """List your views: what each tells, and which periods it does not tell yet, and why.

    Example: entrenous views
    """
    async with node_of(options) as client:
        found = await client.views()
    screen = options.screen
    screen.show_lines("views", found)
    for one in found:
        _show(screen, one)
    if not found and not screen.json:
        screen.say("No views: `entrenous view add monthly-energy COLLECTION` makes one.")


@view_app.default
async def view(
    path: Annotated[str, Parameter(help="The view, as `entrenous views` lists it.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Show one view: what it tells, and which periods it does not tell yet, and why.

    Example: entrenous view energy/electricity/load-curve/view-monthly-energy
    """
    async with node_of(options) as client:
        found = [one for one in await client.views() if one.path == path]
    if not found:
        raise NotFound(f"there is no view {path}: see `entrenous views`")
    options.screen.show("view", found[0])
    if not options.screen.json:
        _show(options.screen, found[0])


@view_app.command
async def add(
    view: Annotated[str, Parameter(help=f"What it tells: {', '.join(WORDS)}.")],
    collection: Annotated[str, Parameter(help="Of which collection.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="Another name for its path.")] = None,
    figure: Annotated[
        str | None, Parameter(help="Of a view in bands: energy, paid or received.")
    ] = None,
    band: Annotated[
        tuple[str, ...],
        Parameter(help="A band and where it ends, `low:100`; the last without.", negative=""),
    ] = (),
    field: Annotated[
        tuple[str, ...], Parameter(help="Of a view of chosen fields: this field.", negative="")
    ] = (),
    rule: Annotated[
        str | None, Parameter(help="By which installed rule categories are sorted (budget).")
    ] = None,
    late_days: Annotated[
        int | None, Parameter(help="Days to wait after a period for what comes late (5).")
    ] = None,
    again_days: Annotated[
        int | None, Parameter(help="Days at least between two versions of a period (7).")
    ] = None,
    options: Options = USUAL,
) -> None:
    """Make a view: your node derives it by itself, and you can lend it like a collection.

    A period is told when it is over; what changes afterwards is told where nobody was granted it.

    Example: entrenous view add monthly-energy energy/electricity/load-curve
    """
    async with node_of(options) as client:
        made = await client.view_add(
            view,
            collection,
            name=name,
            figure=figure,
            bands=[_band(text) for text in band],
            fields=field,
            rule=rule,
            late_days=late_days,
            again_days=again_days,
        )
    options.screen.show("view add", made)
    if not options.screen.json:
        _show(options.screen, made)


@view_app.command
async def remove(
    path: Annotated[str, Parameter(help="The view, as `entrenous views` lists it.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Remove a view that is not lent, and overwrite it.  Its collection stays as it is.

    Example: entrenous view remove energy/electricity/load-curve/view-monthly-energy
    """
    async with node_of(options) as client:
        done = await client.view_remove(path)
    options.screen.show("view remove", done)
    options.screen.say(f"{path} is removed ({counted(done.pages, 'page')}).")


@view_app.command
async def release(
    path: Annotated[str, Parameter(help="The view, as `entrenous views` lists it.")],
    period: Annotated[str, Parameter(help="The period: 2026-03, or a day.")],
    /,
    *,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.")] = False,
    options: Options = USUAL,
) -> int:
    """Tell a period as it is now: a correction that is held back, or what is incomplete.

    Whoever read the period before learns by subtraction what was corrected, down to the day.  Of an
    incomplete one nobody is told that days are missing.

    Example: entrenous view release finance/accounts/transactions/view-monthly-payments 2026-03
    """
    screen = options.screen
    first = UNDATED if period == "undated" else _first_day(period)
    async with node_of(options) as client:
        if path not in {one.path for one in await client.views()}:
            raise NotFound(f"there is no view {path}: see `entrenous views`")
    if not screen.json:
        screen.note(
            "Whoever read this period before can subtract, and learn what was corrected; what is "
            "missing of it is not marked."
        )
    if not screen.confirm(f"Tell {period} of {path} as it is now?", yes=yes):
        screen.note("Nothing was changed.")
        return Exit.FAILED
    async with node_of(options) as client:
        found = await client.view_release(path, first)
    screen.show("view release", found)
    if not screen.json:
        _show(screen, found)
    return Exit.DONE


def _show(screen: Screen, one: ViewInfo) -> None:
    details = [
        f"{one.view} of {one.source}{_more(one)}",
        f"told: {counted(one.periods, 'period')}, {counted(one.records, 'record')}; "
        "no source signs what a node derives",
    ]
    by_why: dict[str, list[str]] = {}
    for waits in one.waiting:
        by_why.setdefault(waits.why, []).append(waits.name)
    for why, names in by_why.items():
        words, let_go = _WAITING[why]
        details.append(f"{words}: {_few(names)}")
        if let_go is not None:
            details.append(f"`entrenous view release {one.path} {names[-1]}` {let_go}")
    if one.lent:
        details.append(f"lent under {counted(one.lent, 'grant')}")
    if one.trouble:
        details.append(f"not derived: {one.trouble}")
    screen.entry(one.path, one.schema, *details)


# Why a period is not told as it is, and what letting it go does.
_WAITING: Final[Mapping[str, tuple[str, str | None]]] = {
    "open": ("not over yet", None),
    "told a short while ago": ("changed, and told again in a few days", None),
    "incomplete": (
        "incomplete: a day is missing, or nothing from after it has come",
        "tells it as it is, if nothing more will come",
    ),
    "held": (
        "a correction is held back, since whoever read it before could subtract",
        "tells it all the same",
    ),
}
_PERIODS_NAMED = 3


def _few(names: Sequence[str]) -> str:
    """The newest of some periods, and how many more there are."""
    more = len(names) - _PERIODS_NAMED
    return ", ".join(names[-_PERIODS_NAMED:]) + (f" and {more} before" if more > 0 else "")


def _more(one: ViewInfo) -> str:
    words = [*one.fields, *one.bands, *([one.figure] if one.figure else [])]
    return f" ({', '.join(words)})" if words else ""


def _band(text: str) -> Band:
    name, colon, end = text.partition(":")
    if not colon:
        return Band(name, None)
    try:
        return Band(name, read_decimal(end))
    except RecordError as error:
        raise UsageError(f"a band is `name:figure`, as `low:100`; not {text!r}") from error


def _first_day(period: str) -> int:
    try:
        return day_of_date(f"{period}-01" if len(period) == 7 else period)
    except RecordError as error:
        raise UsageError("a period is a month, 2026-03, or a day, 2026-03-01") from error


# --- choices --------------------------------------------------------------------------------------


async def choices(
    id: Annotated[str, Parameter(help="The request, or the first characters of its id.")],
    /,
    *,
    options: Options = USUAL,
) -> int:
    """Show side by side what each way of answering a request gives away.

    Days, records and sizes are those of your vault now; the example is one row as they would read
    it.  What is enough for the purpose is by our own reckoning.

    Example: entrenous choices 5hr7q2ka
    """
    async with node_of(options) as client:
        request = request_named(await client.inbox(), id)
        found = await client.choices(request.id)
    show_choices(options.screen, request, found)
    return Exit.DONE


async def choices_of(
    client: Client, requests: Sequence[RequestInfo], screen: Screen
) -> dict[bytes, Sequence[object]]:
    """Of those that wait, by their ids, what each answer would give away; for `--json` only."""
    waiting = [one for one in requests if one.state == "waiting" and screen.json]
    return {one.id: [_as_json(each) for each in await client.choices(one.id)] for one in waiting}


def show_choices(screen: Screen, request: RequestInfo, found: Sequence[Choice]) -> None:
    """Every choice of a request, beside the others."""
    screen.show_lines("choices", [_as_json(one) for one in found])
    if screen.json:
        return
    screen.say(f"{request.peer} asks for {purpose_in_words(request.purpose)}.  You could give")
    for collection in dict.fromkeys(one.collection for one in found):
        some = [one for one in found if one.collection == collection]
        screen.say()
        screen.say(collection)
        screen.table(
            (
                Column("choice"),
                Column("days (UTC)"),
                Column("records", right=True),
                Column("bytes", right=True),
                Column("fields"),
            ),
            [
                [
                    _called(one),
                    days_in_words(one.first, one.last),
                    f"{one.records:,}",
                    f"{one.size:,}",
                    ", ".join(one.fields),
                ]
                for one in some
            ],
            "",
        )
        for one in some:
            if (row := _row(one)) is not None:
                shown = ", ".join(f"{key} {value}" for key, value in row.items() if value)
                screen.fact("", f"{_called(one)}, for example: {shown}")
            if one.enough is not None:
                screen.fact("", f"{_called(one)} is enough, by our reckoning: {one.enough}")
    if not found:
        screen.say("nothing: your vault holds nothing of what is asked.")
        return
    screen.say()
    screen.say(
        "`entrenous decide ID grant` gives the whole; `--from … --to …` days of it; "
        "`--view NAME` a view in its place, which no source signs."
    )


def _called(one: Choice) -> str:
    return one.choice if one.view is None else one.view


def _as_json(one: Choice) -> dict[str, object]:
    return {
        "collection": one.collection,
        "choice": one.choice,
        "view": one.view,
        "path": one.path,
        "made": one.made,
        "schema": one.schema,
        "fields": list(one.fields),
        "first": date_of(one.first),
        "last": date_of(one.last),
        "days": one.days,
        "records": one.records,
        "bytes": one.size,
        "example": _row(one),
        "enough": one.enough,
    }


def _row(one: Choice) -> dict[str, Json] | None:
    if one.example is None:
        return None
    batch, _ = read_columns(schema_named(one.schema), one.example, 0, 1)
    return next(json_rows(batch))


# --- granting a view ------------------------------------------------------------------------------


def in_views(
    windows: Sequence[Window], found: Sequence[Choice], names: Sequence[str]
) -> tuple[list[Window], list[Choice]]:
    """`windows` with each collection replaced by its view of `names`; and the views that are
    granted.  Raises UsageError for a name that is none, and where no whole period is left."""
    given: list[Window] = []
    chosen: list[Choice] = []
    for window in windows:
        some = [
            one
            for one in found
            if one.collection == window.collection
            and one.view is not None
            and (one.view in names or one.path in names)
        ]
        if not some:
            known = [one.view for one in found if one.collection == window.collection and one.view]
            raise UsageError(
                f"of {window.collection} there is no such view for these days; there are "
                f"{', '.join(known) or 'none'} (`--collection` leaves other collections out)"
            )
        for one in some:
            whole = whole_periods([replace(window, collection=one.path)])
            if not whole:
                raise UsageError(
                    f"no whole period of {one.view} lies in these days, and no less is told: leave "
                    "out --from and --to, or name its first and last day"
                )
            given += whole
            chosen.append(one)
    return given, chosen


async def make_views(client: Client, chosen: Sequence[Choice]) -> None:
    """Make those of the chosen views that there are not yet."""
    for one in chosen:
        if not one.made:
            assert one.view is not None
            fields = [name for name in one.fields if name != "time"]
            await client.view_add(
                one.view, one.collection, fields=fields if one.choice == "fields" else ()
            )


def say_derived(screen: Screen, paths: Sequence[str]) -> bool:
    """Say that what is shown is a view, if it is; whether it is."""
    derived = any(map(is_view, paths))
    if derived:
        screen.note(f"a view, {NOT_SIGNED}")
    return derived
