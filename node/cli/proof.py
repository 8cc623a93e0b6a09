"""What was signed: `log`, `log verify`; and raw tokens for integrators: `invoke`, `delegate`."""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Annotated, cast

from cyclopts import App, Parameter

from ...protocol.cid import cid_of
from ...protocol.limits import TOKEN_BYTES_MAX
from ...protocol.window import Window
from ...protocol.wire import Value, encode
from ..errors import Exit, NotFound, UsageError
from ..results import LogInfo
from .data import Utc
from .days import days_in_words, end_of_day_s, moment, require_whole_days, span
from .lend import mapping_of
from .names import find
from .options import USUAL, Options, node_of, zone_of
from .screen import Column
from .terms_file import read_terms
from .visible import visible
from .words import counted

log_app = App(name="log", help="List what was signed with your peers, or verify all of it.")


@log_app.default
async def log(
    peer: Annotated[str | None, Parameter(help="Only with this peer.")] = None,
    /,
    *,
    options: Options = USUAL,
) -> None:
    """List the receipts and answers that you and your peers have signed.

    Example: entrenous log alice
    """
    async with node_of(options) as client:
        found = await client.log()
    found = tuple(one for one in found if peer in (None, one.peer))
    screen = options.screen
    screen.show_lines("log", found)
    screen.table(
        (
            Column("no.", right=True),
            Column("when", whole=True),
            Column("peer"),
            Column("what"),
            Column("pages", right=True),
            Column("signed", whole=True),
        ),
        [_row(one) for one in found],
        "Nothing has been signed yet.",
    )


def _row(one: LogInfo) -> list[str]:
    days = "" if one.first is None or one.last is None else days_in_words(one.first, one.last)
    if one.kind == "receipt":
        read = "they read" if one.way == "given" else "you read"
        what = f"{read} {', '.join(one.collections)}, {days}"
        signed = "by both" if one.two_sided else "by one"
    else:
        said = "done" if one.code == "ok" else f"refused: {one.code}"
        what = f"{'you' if one.way == 'given' else 'they'} answered: {said}"
        signed = "by server"
    if one.principal is not None:
        what += f" ({one.proxy} for {one.principal})"
    pages = f"{one.pages:,}" if one.pages else ""
    return [str(one.index), moment(one.t_ms), one.peer, what, pages, signed]


@log_app.command
async def verify(*, options: Options = USUAL) -> None:
    """Recompute the log and verify every signature in it.

    Example: entrenous log verify
    """
    async with node_of(options) as client:
        found = await client.log_verify()
    screen = options.screen
    screen.show(
        "log verify",
        {
            "number": found.number,
            "size": found.size,
            "root": found.root.hex(),
            "receipts": found.receipts,
            "one_sided": found.one_sided,
            "answers": found.answers,
            "gaps": found.gaps,
        },
    )
    screen.say(f"The log verifies: {counted(found.size, 'word')}.")
    screen.fact("receipts", f"{found.receipts:,} signed by both")
    if found.one_sided:
        screen.fact("", f"{found.one_sided:,} signed by the server only")
    screen.fact("answers", f"{found.answers:,}")
    if found.gaps:
        screen.fact("gaps", f"{found.gaps:,} words of peers were lost before they were kept")
    screen.fact("root", found.root.hex())


# --- tokens ---------------------------------------------------------------------------------------


async def delegate(
    grant: Annotated[str, Parameter(help="A grant that you hold, or the beginning of its id.")],
    to_did: Annotated[str, Parameter(help="The DID of whoever shall use it.")],
    collection: Annotated[str, Parameter(help="The collection.")],
    /,
    *,
    from_: Annotated[str, Parameter(name="--from", help="First day (YYYY-MM-DD).")],
    to: Annotated[str, Parameter(name="--to", help="Last day (YYYY-MM-DD), included.")],
    purpose: Annotated[str, Parameter(help="What for: a DPV term.")],
    terms: Annotated[Path | None, Parameter(help="The terms file of the grant.")] = None,
    until: Annotated[str | None, Parameter(help="Last day it holds (YYYY-MM-DD).")] = None,
    utc: Utc = False,
    options: Options = USUAL,
) -> None:
    """Sign a sub-delegation of a grant that you hold.  Whether it holds, its owner's node judges.

    Example: entrenous delegate 5hr7q2ka did:key:z6Mk… energy/electricity/load-curve
    --from 2025-03-01 --to 2025-03-07 --purpose dpv:ServiceProvision
    """
    zone = zone_of(utc)
    days = span(from_, to, zone)
    require_whole_days(days)
    async with node_of(options) as client:
        held = {one.id: one for one in await client.grants() if one.side == "held"}
        cid = find(grant, held, "grant", "entrenous grants")
        written = held[cid].terms if terms is None else read_terms(terms, purpose)
        token = await client.delegate(
            to_did,
            cid,
            [Window(collection, days.first_day, days.last_day)],
            mapping_of(written),
            held[cid].exp_s if until is None else end_of_day_s(until, zone),
        )
    text = base64.b64encode(token).decode()
    options.screen.show("delegate", {"id": cid_of(token), "token": text})
    if not options.json:
        print(text)


async def invoke(
    peer: Annotated[str, Parameter(help="Whom to ask.")],
    command: Annotated[str | None, Parameter(help="Such as /record/read.")] = None,
    /,
    *,
    args: Annotated[
        str, Parameter(help="The arguments as JSON; bytes as {'/': {'bytes': base64}}.")
    ] = "{}",
    proof: Annotated[
        tuple[str, ...],
        Parameter(help="A delegation in base64, or @FILE; root first.", negative=""),
    ] = (),
    token: Annotated[
        str | None, Parameter(help="Send this invocation (base64, or @FILE) as it is.")
    ] = None,
    options: Options = USUAL,
) -> int:
    """Send one raw invocation to a peer and print its signed answer: what an integrator needs.

    Example: entrenous invoke alice /grant/revoke --args '{"to": "did:key:z6Mk…"}'
    """
    if (command is None) == (token is None):
        raise UsageError("give a command to be signed now, or a --token to be sent as it is")
    async with node_of(options, network=True) as client:
        said = await client.invoke(
            peer,
            command or "",
            _json_args(args),
            proofs=[_token(one) for one in proof],
            token=None if token is None else _token(token),
        )
    screen = options.screen
    out = _dag_json(said.out)
    screen.show(
        "invoke",
        {"code": said.code, "out": out, "token": base64.b64encode(said.token).decode()},
    )
    screen.fact("code", said.code)
    screen.fact("out", json.dumps(out))
    return Exit.DONE if said.code == "ok" else Exit.NOT_ALLOWED


def _token(text: str) -> bytes:
    """A token as base64, or from a file named after an @, which holds base64 or the bytes."""
    raw = os.fsencode(text)
    if text.startswith("@"):
        try:
            with Path(text[1:]).open("rb") as file:
                raw = file.read(2 * TOKEN_BYTES_MAX)
        except OSError as error:
            raise NotFound(f"{visible(text[1:])} cannot be read: {error.strerror}") from error
    try:
        return base64.b64decode(raw.strip(), validate=True)
    except (binascii.Error, ValueError):
        if text.startswith("@"):
            return raw
        raise UsageError("a token is base64, or @ and the name of a file") from None


def _json_args(text: str) -> dict[str, Value]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--args is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError("--args is a JSON object")
    given = cast("dict[str, object]", found)
    try:
        args = {key: _from_dag_json(value) for key, value in given.items()}
        encode(args)
    except (UnicodeEncodeError, RecursionError) as error:
        raise UsageError("--args nests too deeply, or holds text that has no UTF-8 form") from error
    return args


def _from_dag_json(value: object) -> Value:
    """A value of DAG-JSON: bytes are `{"/": {"bytes": base64}}`."""
    match value:
        case {"/": {"bytes": str(text)}}:
            try:
                return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
            except ValueError:  # also what is no ASCII
                raise UsageError("--args: bytes are base64") from None
        case dict():
            pairs = cast("dict[str, object]", value).items()
            return {key: _from_dag_json(item) for key, item in pairs}
        case list():
            return [_from_dag_json(item) for item in cast("list[object]", value)]
        case None | bool() | int() | str():
            return value
        case _:
            raise UsageError("--args: numbers are whole")


def _dag_json(value: object) -> object:
    match value:
        case bytes():
            return {"/": {"bytes": base64.b64encode(value).decode().rstrip("=")}}
        case dict():
            return {key: _dag_json(item) for key, item in cast("dict[str, object]", value).items()}
        case list():
            return [_dag_json(item) for item in cast("list[object]", value)]
        case _:
            return value
