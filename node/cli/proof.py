"""Raw tokens, for integrators: `invoke`, `delegate`."""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Annotated, cast

from cyclopts import Parameter

from ...protocol.cid import cid_of
from ...protocol.limits import TOKEN_BYTES_MAX
from ...protocol.window import Window
from ...protocol.wire import Value, encode
from ..errors import Exit, NotFound, UsageError
from .ask import mapping_of
from .data import Utc
from .days import end_of_day_s, require_whole_days, span
from .names import find
from .options import USUAL, Options, node_of, zone_of
from .terms_file import read_terms
from .visible import visible


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
