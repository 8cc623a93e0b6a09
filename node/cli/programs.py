"""Local programs that add records: `allow`, `allowed`, `disallow`, `push`."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ...protocol.collection import check_domain
from ...protocol.did import did_of
from ...protocol.errors import RecordError
from ...protocol.wire import Value
from ..errors import Exit, NodeError, NotAllowed, UsageError
from ..imports.spelled import LINE_BYTES_MAX
from ..results.records import AllowanceInfo
from .days import end_of_day_s, moment
from .json_form import plain
from .options import USUAL, Options, node_of
from .screen import Screen
from .words import counted

if TYPE_CHECKING:
    from ..push.client import PushClient

YEAR_S = 366 * 86_400
PER_MINUTE = 600
# Lines that wait are pushed together, up to this many.
GROUP_LINES = 500
_READ_BYTES = 64 * 1024


async def allow(
    name: Annotated[str, Parameter(help="What the program is called here.")],
    /,
    *,
    add: Annotated[str, Parameter(name="--add", help="The collection that it may add to.")],
    schema: Annotated[
        str | None,
        Parameter(help="What its records look like, if the collection is still empty."),
    ] = None,
    until: Annotated[
        str | None, Parameter(help="Its last day (YYYY-MM-DD); without it, a year.")
    ] = None,
    rate: Annotated[
        str, Parameter(help="How many records a minute: 600/min.", show_default=False)
    ] = f"{PER_MINUTE}/min",
    token: Annotated[
        Path | None, Parameter(help="The file to write for the program; NAME.token here.")
    ] = None,
    did: Annotated[
        str | None, Parameter(help="The program's own key; then no file is written.")
    ] = None,
    options: Options = USUAL,
) -> None:
    """Let a program on this machine add records to one collection, and do nothing else.

    The token file that is written is the program's only secret: give it to the program, and to
    nobody else.  docs/push.md says how a program uses it.

    Example: entrenous allow meter --add energy/electricity/index --schema meter-reading
    """
    screen = options.screen
    try:
        check_domain(add)
    except RecordError as error:
        raise UsageError(str(error)) from error
    named = schema if schema is None or "/" in schema else f"{schema}/1"
    exp_s = int(time.time()) + YEAR_S if until is None else end_of_day_s(until, None) - 1
    per_minute = _per_minute(rate)
    if did is not None:
        async with node_of(options, network=True) as client:
            info = await client.allow(
                name, add, did, exp_s=exp_s, per_minute=per_minute, schema=named
            )
        written = None
    else:
        info, written = await _with_token(options, name, add, named, exp_s, per_minute, token)
    screen.show("allow", {**_map(info), "token": None if written is None else str(written)})
    screen.say(f"{info.name} may add {info.schema} to {info.path}, and nothing else")
    screen.fact("until", moment(info.exp_s * 1000))
    screen.fact("rate", f"{info.per_minute:,} records a minute")
    if written is not None:
        screen.fact("token", str(written))
        screen.fact("try", f"entrenous push --token {written}")
    else:
        screen.fact("delegation", str(plain(info.delegation)))
    screen.fact("end it with", f"entrenous disallow {info.name}")


async def _with_token(
    options: Options,
    name: str,
    path: str,
    schema: str | None,
    exp_s: int,
    per_minute: int,
    token: Path | None,
) -> tuple[AllowanceInfo, Path]:
    """Make a key, have it allowed, and write both; the file is there first, or nothing is done."""
    from ..push.client import PushToken, new_program_key
    from ..push.token import new_token_file

    key = new_program_key()
    target = token or Path(f"{_file_name(name)}.token")
    async with node_of(options, network=True) as client:
        with new_token_file(target) as file:
            info = await client.allow(
                name, path, did_of(key.public), exp_s=exp_s, per_minute=per_minute, schema=schema
            )
            if info.socket is None:
                raise NodeError("this node has no push socket open")
            made = PushToken(
                info.name,
                Path(info.socket),
                os.geteuid(),
                key,
                (info.delegation,),
                info.per_minute,
            )
            file.write(made.text().encode())
    return info, target


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:64]


def _per_minute(text: str) -> int:
    number = text.removesuffix("/min")
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        raise UsageError("a rate is written like 600/min")
    return int(number)


def _map(info: AllowanceInfo) -> dict[str, object]:
    found = plain(info)
    assert isinstance(found, dict)
    return dict(found)


async def allowed(*, options: Options = USUAL) -> None:
    """List the programs that may add records, since when, and what they brought.

    Example: entrenous allowed
    """
    screen = options.screen
    async with node_of(options) as client:
        found = await client.allowed()
    screen.show_lines("allowed", found)
    for one in found:
        _show(screen, one)
    if not found:
        screen.say("No program may add records: see `entrenous allow --help`.")


async def disallow(
    name: Annotated[str, Parameter(help="The program, as it was allowed.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """End what a program may do: once this returns, nothing more of it is stored.

    What it added stays; `entrenous remove` takes single records out.

    Example: entrenous disallow meter
    """
    async with node_of(options) as client:
        info = await client.disallow(name)
    options.screen.show("disallow", info)
    options.screen.say(f"{info.name} may not add records any more")
    options.screen.fact("it brought", counted(info.records, "record"))


def _show(screen: Screen, one: AllowanceInfo) -> None:
    state = {
        "live": f"until {moment(one.exp_s * 1000)}",
        "expired": f"expired {moment(one.exp_s * 1000)}",
        "disallowed": "disallowed" + (f" {moment(one.ended_ms)}" if one.ended_ms else ""),
    }.get(one.status, "allowed by a device before the restore: allow it again")
    last = "nothing yet" if one.last_ms is None else f"last {moment(one.last_ms)}"
    connected = ", connected" if one.connections else ""
    screen.entry(
        one.name,
        f"{one.path} ({one.schema}), {state}",
        f"{counted(one.records, 'record')}, {last}{connected}; at most {one.per_minute:,} a minute",
    )


# --- pushing --------------------------------------------------------------------------------------


def push(
    *,
    token: Annotated[Path, Parameter(help="The file that `entrenous allow` wrote.")],
    wait: Annotated[
        int, Parameter(help="Seconds to go on trying while the node is away or busy.")
    ] = 60,
    options: Options = USUAL,
) -> int:
    """Add records from standard input, one JSON object a line, as a program that was allowed to.

    Needs the token and no home: it runs as any user of this machine.  Each line is pushed as soon
    as it comes, with those that wait beside it; a line that is no record is told and left out.

    Example: entrenous push --token meter.token < readings.jsonl
    """
    from ..imports.spelled import read_line, spelled
    from ..push.client import PushClient, PushToken

    screen = options.screen
    read = PushToken.read(token)
    schema = read.schema
    new = there = 0
    refused: list[dict[str, object]] = []

    def leave_out(line: int, reason: str) -> None:
        refused.append({"line": line, "reason": reason})
        screen.note(f"line {line} is left out: {reason}")

    with PushClient(read, patience_s=max(wait, 0)) as client:
        for group in _waiting_lines():
            rows: list[_Row] = []
            for number, line in group:
                try:
                    rows.append((number, spelled(schema, read_line(line))))
                except RecordError as error:
                    leave_out(number, str(error))
            done, already = _push_rows(client, rows, leave_out)
            new, there = new + done, there + already
    shown = {"path": read.collection, "new": new, "there": there, "refused": refused}
    screen.show("push", shown)
    already_text = f", {there:,} there already" if there else ""
    screen.say(f"{counted(new, 'record')} added to {read.collection}{already_text}")
    return Exit.FAILED if refused else Exit.DONE


_Row = tuple[int, dict[str, Value]]


def _push_rows(
    client: PushClient, rows: Sequence[_Row], leave_out: Callable[[int, str], None]
) -> tuple[int, int]:
    """Push some records: how many were added, and how many were there.

    What the node refuses together is pushed line by line, so that each fails for itself.
    """
    from ..push.client import PushRefused

    if not rows:
        return 0, 0
    try:
        pushed = client.add_rows([row for _, row in rows])
    except PushRefused as error:
        if error.reason != "record":
            raise NotAllowed(str(error)) from error
        if len(rows) == 1:
            leave_out(rows[0][0], str(error))
            return 0, 0
        parts = [_push_rows(client, [row], leave_out) for row in rows]
        return sum(new for new, _ in parts), sum(there for _, there in parts)
    return pushed.new, len(pushed.there)


def _waiting_lines() -> Generator[list[tuple[int, bytes]]]:
    """The lines of standard input with their numbers: those that wait now, as they come."""
    handle = sys.stdin.fileno()
    number, rest, ended = 0, b"", False
    while not ended:
        data = os.read(handle, _READ_BYTES)
        while data and select.select([handle], [], [], 0)[0] and len(rest) < 16 * _READ_BYTES:
            rest += data
            if not (data := os.read(handle, _READ_BYTES)):
                ended = True
        ended = ended or not data
        *lines, rest = (rest + data).split(b"\n")
        if ended and rest:
            lines.append(rest)
        elif len(rest) > LINE_BYTES_MAX:
            raise NodeError("a line of the input has no end")
        found = list(enumerate(lines, start=number + 1))
        number += len(lines)
        full = [(at, line) for at, line in found if line.strip()]
        for first in range(0, len(full), GROUP_LINES):
            yield full[first : first + GROUP_LINES]
