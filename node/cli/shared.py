"""Shared records: `shared [PEER|COLLECTION]`, `shared show`, `propose`, `accept`, `dispute`,
`withdraw`, `history`, `prove`, `check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ...protocol.errors import RecordError
from ...protocol.schema import SCHEMAS
from ..client import Client
from ..errors import Exit, UsageError
from ..imports.spelled import LINE_BYTES_MAX
from ..imports.spelled_time import read_moment
from ..results.shared import SharedInfo, SharedStep
from ..small_file import read_small
from .days import moment
from .names import short
from .options import USUAL, Options, node_of, zone_of
from .screen import Screen
from .shared_check import check
from .shared_words import (
    STATES,
    as_json,
    changes_in_words,
    copies_table,
    differing_words,
    is_answerable,
    record_name,
    state_words,
    step_json,
    step_words,
)
from .visible import visible
from .words import counted

shared_app = App(
    name="shared", help="Records that you and a peer both keep, signed, and correct together."
)
shared_app.command(check)

Id = Annotated[str, Parameter(help="The record: the first characters of the id of any version.")]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask before doing it.")]
Reason = Annotated[str, Parameter(help="Why; the other side is told, 1,000 characters.")]


@shared_app.default
async def shared(
    of: Annotated[str | None, Parameter(help="Only with this peer, or of this collection.")] = None,
    /,
    *,
    options: Options = USUAL,
) -> None:
    """List the records that you share, what waits for an answer first.

    Example: entrenous shared bank
    """
    async with node_of(options) as client:
        if of is not None and "/" in of:
            found = await client.shared(path=of)
        else:
            found = await client.shared(of)
    found = tuple(sorted(found, key=lambda one: STATES.index(one.state)))
    screen = options.screen
    screen.show_lines("shared", map(as_json, found))
    for one in found:
        differing = differing_words(one)
        why = one.theirs.reason if not one.agree else ""
        screen.entry(
            short(one.id),
            f"{record_name(one)}: {state_words(one)}",
            *([differing] if differing and not one.agree else []),
            *([f"{one.peer} says: {why}"] if why else []),
            *([f"{one.peer} did not take your last word: {one.refused}"] if one.refused else []),
        )
    if not found:
        screen.say("Nothing is shared: `entrenous shared propose` asks for a record to be changed.")
    elif any(map(is_answerable, found)):
        screen.say("`entrenous shared show ID` shows both copies; `accept` or `dispute` answers.")


@shared_app.command
async def show(record: Id, /, *, options: Options = USUAL) -> None:
    """Show both copies of a record side by side, with each side's last word and reason.

    Example: entrenous shared show 5hr7q2ka
    """
    async with node_of(options) as client:
        found = await client.shared_show(record)
    options.screen.show("shared show", as_json(found))
    _show(options.screen, found)


@shared_app.command
async def history(record: Id, /, *, options: Options = USUAL) -> None:
    """Tell what both sides have signed of a record, in the order in which it came here.

    Example: entrenous shared history 5hr7q2ka
    """
    async with node_of(options) as client:
        info = await client.shared_show(record)
        steps = await client.shared_history(record)
    screen = options.screen
    screen.show_lines("shared history", [step_json(info, one) for one in steps])
    screen.say(record_name(info))
    if info.told is not None:
        source = "you" if info.told_by_us else info.peer
        screen.entry(short(info.told), f"delivered by {source}, under this statement")
    for one in steps:
        _show_step(screen, info, one)


# --- saying ---------------------------------------------------------------------------------------


@shared_app.command
async def propose(
    peer: Annotated[str, Parameter(help="Who keeps the record beside you.")],
    collection: Annotated[str, Parameter(help="Its collection, as `collections` lists it.")],
    record: Annotated[
        str | None,
        Parameter(help="The record: its id (or enough of it), or its time if it has no id."),
    ] = None,
    /,
    *,
    set_: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            help="FIELD=VALUE: what a field should say; nothing after the = takes it away.  Again "
            "for more fields, or for more values of one.",
            allow_leading_hyphen=True,
        ),
    ] = (),
    gone: Annotated[bool, Parameter(help="There should be no such record.", negative="")] = False,
    from_json: Annotated[
        Path | None,
        Parameter(
            name="--from-json",
            help="The whole record, from a file with one JSON object, or - for stdin.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    schema: Annotated[
        str | None, Parameter(help="With --from-json: what it is, if your vault has no such yet.")
    ] = None,
    reason: Reason = "",
    utc: Annotated[bool, Parameter(help="The time is UTC, not that of your time zone.")] = False,
    options: Options = USUAL,
) -> None:
    """Ask a peer to keep a record otherwise.  Your copy says so from now on; theirs when they
    accept.

    What they delivered stays as they signed it: `entrenous read` shows that.

    Example: entrenous shared propose bank identity/contacts c1 --set addresses="2 New Street"
    """
    whole = None if from_json is None else _object_of(from_json)
    async with node_of(options) as client:
        done = await client.shared_propose(
            peer,
            collection,
            await _named(client, peer, collection, record, utc),
            changes=[_change(one) for one in set_],
            whole=whole,
            gone=gone,
            schema=_schema_name(schema),
            reason=reason,
        )
    screen = options.screen
    screen.show("shared propose", as_json(done))
    screen.say(f"Proposed to {peer}: {record_name(done, peer=False)} ({short(done.id)})")
    for line in changes_in_words(done):
        screen.entry("", line)
    screen.say(f"{peer} is asked, and answers with its own signed copy or with a reason.")
    if done.told is not None:
        screen.say(f"What {peer} had delivered goes with it, as proof of what it signed.")


@shared_app.command
async def accept(
    record: Id, /, *, reason: Reason = "", yes: Yes = False, options: Options = USUAL
) -> int:
    """Hold what the other side holds: your copy is signed with the same record.

    Example: entrenous shared accept 5hr7q2ka
    """
    screen = options.screen
    async with node_of(options) as client:
        found = await client.shared_show(record)
        if not yes and screen.asks:
            _show(screen, found)
        if not screen.confirm(f"Sign the record as {found.peer} has it?", yes=yes):
            screen.note("Nothing was said.")
            return Exit.FAILED
        done = await client.shared_answer(
            found.id, accept=True, reason=reason, version=found.theirs.version
        )
    screen.show("shared accept", as_json(done))
    screen.say(f"Accepted: you and {done.peer} hold the same of {record_name(done, peer=False)}.")
    screen.say(f"`entrenous shared prove {short(done.id)} > proof` shows that to anybody.")
    return Exit.DONE


@shared_app.command
async def dispute(
    record: Id,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; the other side is told, 1,000 characters.")],
    options: Options = USUAL,
) -> None:
    """Keep your own copy against what was proposed, and say why.  You can still accept it later.

    Example: entrenous shared dispute 5hr7q2ka --reason "send us a bill with the new address"
    """
    async with node_of(options) as client:
        found = await client.shared_show(record)
        done = await client.shared_answer(
            found.id, accept=False, reason=reason, version=found.theirs.version
        )
    options.screen.show("shared dispute", as_json(done))
    options.screen.say(
        f"{done.peer} is told why; both copies stay as they are until one of you gives in."
    )


@shared_app.command
async def withdraw(record: Id, /, *, reason: Reason = "", options: Options = USUAL) -> None:
    """Take back what you proposed: your copy is again what it was, and you ask for nothing.

    Example: entrenous shared withdraw 5hr7q2ka
    """
    async with node_of(options) as client:
        done = await client.shared_withdraw(record, reason)
    options.screen.show("shared withdraw", as_json(done))
    options.screen.say(f"Withdrawn: {done.peer} is told that you ask for nothing any more.")


@shared_app.command
async def prove(
    record: Id,
    /,
    *,
    whole: Annotated[
        bool, Parameter(name="--history", help="With both whole histories.", negative="")
    ] = False,
    options: Options = USUAL,
) -> None:
    """Write a file that shows to anybody what both have signed: entrenous shared prove ID > proof

    It holds the newest version of each side, with its reason, and what was delivered.  It names
    the personas by which you two know each other.  `entrenous shared check proof` verifies it.

    Example: entrenous shared prove 5hr7q2ka > proof
    """
    if sys.stdout.isatty():
        raise UsageError(
            "a proof is a file and not for the screen: entrenous shared prove ID > proof"
        )
    async with node_of(options) as client:
        made = await client.shared_prove(record, whole=whole)
    sys.stdout.buffer.write(made.proof)
    sys.stdout.buffer.flush()
    same = "both hold the same" if made.agree else "the two differ"
    options.screen.note(f"It holds {counted(made.versions, 'version')}; {same}.")


# --- what was given -------------------------------------------------------------------------------


def _change(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes FIELD=VALUE, and {visible(text)!r} has no =")
    return field.strip(), value


def _object_of(source: Path) -> str:
    if str(source) == "-":
        raw = sys.stdin.buffer.read(LINE_BYTES_MAX + 1)
        if len(raw) > LINE_BYTES_MAX:
            raise UsageError("this is too large to be one record")
    else:
        raw = read_small(
            source, name=visible(source.name), what="one record", bytes_max=LINE_BYTES_MAX
        )
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError("a record is UTF-8 text") from error


def _schema_name(given: str | None) -> str | None:
    """`contact` as `contact/1`."""
    if given is None or given in SCHEMAS:
        return given
    return next((name for name in SCHEMAS if name.partition("/")[0] == given), given)


async def _named(
    client: Client, peer: str, path: str, record: str | None, utc: bool
) -> str | int | None:
    """An id as it was given; a time, where records of this collection have no id."""
    if record is None:
        return None
    schemas = [one.schema for one in await client.collections() if one.path == path]
    schemas += [one.schema for one in await client.shared(peer) if one.path == path]
    if not schemas or schemas[0] not in SCHEMAS or SCHEMAS[schemas[0]].has_id:
        return record
    try:
        return read_moment(record, zone_of(utc)).t_ms
    except RecordError as error:
        raise UsageError(str(error)) from error


# --- in words -------------------------------------------------------------------------------------


def _show(screen: Screen, one: SharedInfo) -> None:
    if screen.json:
        return
    screen.say(record_name(one))
    screen.fact("state", state_words(one))
    columns, rows = copies_table(one)
    screen.table(columns, rows, "Neither copy holds anything.")
    for whose, copy in (("you", one.mine), (one.peer, one.theirs)):
        if copy.word is not None and copy.t_ms is not None:
            said = f"{copy.word}, {moment(copy.t_ms)}"
            screen.fact(whose, f"{said}: {copy.reason}" if copy.reason else said)
        elif copy.said:
            screen.fact(whose, "as delivered")
        else:
            screen.fact(whose, "nothing said of it yet")
    if one.refused:
        screen.fact("NOT TAKEN", f"your last word, by {one.peer}: {one.refused}")
    if is_answerable(one):
        name = short(one.id)
        screen.say(
            f'`entrenous shared accept {name}`, or `dispute {name} --reason "…"`, answers it.'
        )


def _show_step(screen: Screen, info: SharedInfo, one: SharedStep) -> None:
    screen.entry(short(one.id), *step_words(info, one))
