"""Declared data: `add` and `remove`.

`add` has a command for each schema, whose options are the fields of that schema: nothing here names
them twice.  An option is what its field needs; a field that may be absent, or may be empty, may be
left out.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from cyclopts import App, Parameter

from ...protocol.collection import check_domain
from ...protocol.errors import RecordError
from ...protocol.record import Batch
from ...protocol.schema import SCHEMAS, Field, Schema
from ...protocol.wire import Value
from ..client import Client
from ..errors import Exit, NodeError, UsageError
from ..imports.spelled import read_line, spelled
from ..imports.spelled_time import moment_here, read_moment
from ..results.records import RecordRemoved
from .options import USUAL, Options, node_of, zone_of
from .records import utc_text
from .screen import Screen
from .words import counted

# Where records go that are told without `--into`: beside those that files bring.
USUAL_PATHS: Final[Mapping[str, str]] = {
    "transaction/1": "finance/accounts/transactions",
    "account/1": "finance/accounts/balances",
    "contact/1": "identity/contacts",
    "meter-reading/1": "energy/electricity/index",
}
_OPTION_NAMES: Final[Mapping[str, str]] = {"duration_s": "--duration"}
_HELP: Final[Mapping[str, str]] = {
    "time": "2026-03-01, 2026-03-01T18:30, or with its offset; without it: now.",
    "id": "Its id, if it has one; otherwise one is made from what it says.",
    "amount": "What came in, or with a minus what went out: -12.50.",
    "currency": "EUR, CHF, …",
    "label": "What it was.",
    "counterparty": "With whom.",
    "duration_s": "For how long the value counts: 1800, 30m, 1h, 1d; 0 for the state of a meter.",
    "value": "What was read: 12345.6.",
    "unit": "kWh, m3, …",
}
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# Records of one call: each is durable before the next call is made.
GROUP_RECORDS = 500
# Lines of one input; more is a file for a reader.
LINES_MAX = 1_000_000
_PROGRESS_S = 0.2

add_app = App(name="add", help="Put a record into your vault that no file has: told by you.")

Into = Annotated[str | None, Parameter(name="--into", help="The collection it goes to.")]
Again = Annotated[
    bool, Parameter(help="The same happened once more: add it beside the first.", negative="")
]
FromJson = Annotated[
    Path | None,
    Parameter(
        name="--from-json",
        help="Read many from a file of JSON Lines, or - for stdin.",
        allow_leading_hyphen=True,
    ),
]
AllOrNone = Annotated[
    bool, Parameter(help=f"Add all lines, at most {GROUP_RECORDS}, or none.", negative="")
]


@add_app.default
def add(*, options: Options = USUAL) -> None:
    """Put a record into your vault that no file has: told by you.

    It is durable when the command returns; telling the same again changes nothing and is said.

    Example: entrenous add transaction --time 2026-03-01 --amount -12.50 --currency EUR
    """
    words = ", ".join(name.partition("/")[0] for name in SCHEMAS)
    raise UsageError(f"say what to add: {words}")


# --- one command a schema -------------------------------------------------------------------------


def _command(schema: Schema) -> Callable[..., Awaitable[int]]:
    """The command that adds records of `schema`, with the schema's fields as its options."""

    async def command(**given: object) -> int:
        # What was left out does not come at all.
        options = given.pop("options", USUAL)
        assert isinstance(options, Options)
        into, again, from_json, all_or_none = (
            given.pop(name, None) for name in ("into", "again", "from_json", "all_or_none")
        )
        told = {name: value for name, value in given.items() if value is not None}
        path = str(into) if into is not None else USUAL_PATHS.get(schema.name)
        if path is None:
            raise UsageError(f"say with --into which collection this {schema.name} goes to")
        adding = _Adding(options.screen, schema, _checked(path), bool(all_or_none))
        if isinstance(from_json, Path):
            if told or again:
                raise UsageError("with --from-json, the records are in the file and not in options")
            return await _add_lines(options, adding, from_json)
        return await _add_one(options, adding, told, again=bool(again))

    word = schema.name.partition("/")[0]
    command.__name__ = word.replace("-", "_")
    command.__doc__ = f"""Add one {word.replace("-", " ")}, or many from JSON Lines.

    Example: entrenous add {word} {_example(schema)}
    """
    parameters = [_parameter(one) for one in schema.fields if one.name != "offset_min"]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, default, kind in (
            ("into", None, Into),
            ("again", False, Again),
            ("from_json", None, FromJson),
            ("all_or_none", False, AllOrNone),
            ("options", USUAL, Options),
        )
    ]
    command.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]  # a function takes any attribute
    command.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": int}
    return command


def _parameter(one: Field) -> inspect.Parameter:
    help = _HELP.get(one.name, "")
    name = _OPTION_NAMES.get(one.name, f"--{one.name.replace('_', '-')}")
    kind = Annotated[
        str | None, Parameter(name=name, help=help, allow_leading_hyphen=True, show_default=False)
    ]
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
    )


def _example(schema: Schema) -> str:
    values = {"amount": "-12.50", "currency": "EUR", "label": '"Market"', "value": "12345.6"}
    values |= {"unit": "kWh", "name": '"Ada Example"'}
    needed = [
        f"{_OPTION_NAMES.get(one.name, '--' + one.name.replace('_', '-'))} {values[one.name]}"
        for one in schema.fields
        if one.name in values and (one.low or one.dtype == "dec" or one.name in ("label", "name"))
    ]
    dated = ["--time 2026-03-01"] if schema.dated else []
    return " ".join([*dated, *needed])


for _schema in SCHEMAS.values():
    add_app.command(_command(_schema), name=_schema.name.partition("/")[0])


# --- adding ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Adding:
    """What one command adds, and how it went so far."""

    screen: Screen
    schema: Schema
    path: str
    all_or_none: bool
    new: int = 0
    there: int = 0
    refused: int = 0
    seen: Counter[str] = field(default_factory=lambda: Counter[str]())
    shown_s: float = 0.0

    def tell(self, record: Mapping[str, Value], line: int | None, state: str) -> None:
        told = {"path": self.path, "id": record.get("id"), "time": _time(record)}
        self.screen.show_lines("add", [{**told, "state": state, "line": line, "reason": None}])

    def refuse(self, line: int, reason: str) -> None:
        self.refused += 1
        self.screen.show_lines(
            "add",
            [
                {
                    "path": self.path,
                    "id": None,
                    "time": None,
                    "state": "refused",
                    "line": line,
                    "reason": reason,
                }
            ],
        )
        self.screen.note(f"line {line} is left out: {reason}")

    def progress(self, *, done: bool = False) -> None:
        """One line on stderr that moves, on a terminal only."""
        if not sys.stderr.isatty() or self.screen.json:
            return
        if done or time.monotonic() - self.shown_s > _PROGRESS_S:
            self.shown_s = time.monotonic()
            text = "" if done else f"{self.new + self.there:,} records"
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


async def _add_one(
    options: Options, adding: _Adding, told: dict[str, object], *, again: bool
) -> int:
    screen, schema = adding.screen, adding.schema
    if (duration := told.get("duration_s")) is not None:
        told["duration_s"] = _seconds(str(duration))
    now = moment_here(time.time_ns() // 1_000_000 // 1_000 * 1_000)
    async with node_of(options) as client:
        nth = 1
        while True:
            with _usage():
                record = spelled(schema, told, now=now, nth=nth)
            added = await client.add(adding.path, _batch(schema, [record]))
            # An id that was given names one fact; one that was made counts how often.
            if added.new or not again or not schema.has_id or told.get("id"):
                break
            nth += 1
    adding.tell(record, None, "added" if added.new else "there")
    name = str(record["id"] if schema.has_id else _time(record))
    if added.new:
        screen.say(f"added to {adding.path}")
        screen.fact("id" if schema.has_id else "time", name)
        screen.fact("take back", f"entrenous remove {adding.path} {name}")
    else:
        more = " (--again, if it happened twice)" if schema.has_id and not told.get("id") else ""
        screen.say(f"was there already in {adding.path}: {name}{more}")
    return Exit.DONE


async def _add_lines(options: Options, adding: _Adding, source: Path) -> int:
    with _opened(source) as file:
        groups = _groups(adding, file)
        async with node_of(options) as client:
            for group in groups:
                await _add_group(client, adding, group)
                adding.progress()
    adding.progress(done=True)
    parts = [counted(adding.new, "record") + " added"]
    if adding.there:
        parts.append(f"{adding.there:,} there already")
    if adding.refused:
        parts.append(f"{counted(adding.refused, 'line')} left out")
    adding.screen.say(f"{', '.join(parts)}: {adding.path}")
    return Exit.FAILED if adding.refused else Exit.DONE


_Line = tuple[int, dict[str, Value]]


async def _add_group(client: Client, adding: _Adding, group: list[_Line]) -> None:
    """Add some lines at once; where the node refuses them together, each for itself."""
    group = sorted(group, key=lambda one: _order(one[1]))
    names = [_order(record) for _, record in group]
    if len(set(names)) < len(names):  # one name twice: the second is there already by then
        first = {name: one for name, one in zip(reversed(names), reversed(group), strict=True)}
        once = list(first.values())
        rest = [one for one in group if all(one is not kept for kept in once)]
        await _add_group(client, adding, once)
        await _add_group(client, adding, rest)
        return
    try:
        batch = _batch(adding.schema, [record for _, record in group])
        added = await client.add(adding.path, batch)
    except (NodeError, RecordError) as error:
        if len(group) == 1 and not adding.all_or_none:
            adding.refuse(group[0][0], str(error))
            return
        if adding.all_or_none or not isinstance(error, (UsageError, RecordError)):
            raise
        for one in group:
            await _add_group(client, adding, [one])
        return
    adding.new += added.new
    adding.there += len(added.there)
    for place, (line, record) in enumerate(group):
        adding.tell(record, line, "there" if place in added.there else "added")


def _groups(adding: _Adding, file: BinaryIO) -> Generator[list[_Line]]:
    """The lines of `file` as records, some at a time.  What is no record is told and left out."""
    group: list[_Line] = []
    for number, line in enumerate(file, start=1):
        if number > LINES_MAX:
            raise NodeError(f"an input has at most {LINES_MAX:,} lines; the rest is left out")
        if not line.strip():
            continue
        try:
            group.append((number, _record(adding, read_line(line))))
        except RecordError as error:
            if adding.all_or_none:
                raise NodeError(f"nothing was added: line {number}: {error}") from error
            adding.refuse(number, str(error))
        if adding.all_or_none and len(group) > GROUP_RECORDS:
            raise UsageError(f"--all-or-none takes at most {GROUP_RECORDS} lines")
        if len(group) >= GROUP_RECORDS and not adding.all_or_none:
            yield group
            group = []
    if group:
        yield group


def _record(adding: _Adding, told: Mapping[str, object]) -> dict[str, Value]:
    """The record of one line; two lines that say the same without an id are two facts."""
    schema = adding.schema
    record = spelled(schema, told)
    if schema.has_id and not told.get("id"):
        name = str(record["id"])
        adding.seen[name] += 1
        if adding.seen[name] > 1:
            return spelled(schema, told, nth=adding.seen[name])
    return record


def _order(record: Mapping[str, Value]) -> tuple[int, str]:
    return int(str(record.get("time", 0))), str(record.get("id", ""))


def _time(record: Mapping[str, Value]) -> str | None:
    time = record.get("time")
    return utc_text(time) if isinstance(time, int) else None


def _batch(schema: Schema, records: Iterable[Mapping[str, Value]]) -> Batch:
    return Batch.from_rows(schema, records)


@contextmanager
def _opened(source: Path) -> Generator[BinaryIO]:
    if str(source) == "-":
        yield sys.stdin.buffer
        return
    try:
        with source.open("rb") as file:
            yield file
    except OSError as error:
        raise NodeError(f"{source} cannot be read: {error.strerror}") from error


@contextmanager
def _usage() -> Generator[None]:
    try:
        yield
    except RecordError as error:
        raise UsageError(str(error)) from error


def _seconds(text: str) -> int:
    """`1800`, `30m`, `1h`, `1d` in seconds.  Raises UsageError."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS_S else (text, "s")
    if not number.isascii() or not number.isdigit() or len(number) > 10:
        raise UsageError("a duration is written like 1800, 30m, 1h or 1d")
    return int(number) * _UNITS_S[unit]


def _checked(path: str) -> str:
    with _usage():
        return check_domain(path)


# --- removing -------------------------------------------------------------------------------------


async def remove(
    collection: Annotated[str, Parameter(help="The collection that holds it.")],
    record: Annotated[
        str, Parameter(help="Its id (or enough of it), or its time if it has no id.")
    ],
    /,
    *,
    utc: Annotated[bool, Parameter(help="The time is UTC, not that of your time zone.")] = False,
    options: Options = USUAL,
) -> None:
    """Take out a record that you added, or that a program pushed, and overwrite it.

    What a file brought is taken out by `entrenous imports undo`.

    Example: entrenous remove finance/accounts/transactions 5hr7q2ka
    """
    screen = options.screen
    async with node_of(options) as client:
        removed = await _remove(client, _checked(collection), record, utc)
    at = None if removed.t_ms is None else utc_text(removed.t_ms)
    screen.show("remove", {"path": removed.path, "id": removed.id, "time": at})
    screen.say(f"taken out of {removed.path}: {removed.id or at}")


async def _remove(client: Client, path: str, record: str, utc: bool) -> RecordRemoved:
    held = next((one for one in await client.collections() if one.path == path), None)
    if held is not None and not SCHEMAS[held.schema].has_id:
        with _usage():
            return await client.remove(path, t_ms=read_moment(record, zone_of(utc)).t_ms)
    return await client.remove(path, record)
