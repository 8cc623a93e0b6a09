"""Deciding for a peer who gave you a mandate: `inbox --acting-for`, `decide --acting-for`."""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.window import Window, opened_until
from ..errors import Exit, UsageError
from ..results.grants import RequestInfo
from .days import Span, Zone
from .options import Options, node_of
from .requests import (
    check_waiting,
    narrowed,
    now_ms,
    request_named,
    requests_form,
    show_requests,
    wanted_of,
)
from .screen import Screen
from .words import left_out_words, show_gift, show_request, shown_id

_OPEN = ("waiting", "failed")


async def lives_elsewhere(options: Options, principal: str) -> bool:
    """Whether `principal` has a node of their own, not being one of the house."""
    wanted = principal.strip().casefold()
    async with node_of(options) as client:
        return all(person.name.casefold() != wanted for person in await client.people())


async def inbox_for(options: Options, principal: str, id: str | None, *, every: bool) -> None:
    """List what waits at `principal`, or show one in full."""
    screen = options.screen
    async with node_of(options, network=True) as client:
        found = await client.waiting_for(principal)
    if id is not None:
        one = request_named(found, id)
        screen.show_lines("inbox", requests_form([one]))
        if not screen.json:
            _show(screen, one, principal)
            screen.fact("state", one.state if one.reason is None else f"{one.state}: {one.reason}")
        return
    shown = [one for one in found if every or one.state in (*_OPEN, "sent")]
    screen.show_lines("inbox", requests_form(shown))
    show_requests(screen, shown, f"Nothing waits at {principal} that you may decide.")
    if shown and not screen.json:
        screen.say()
        screen.say(
            f"`entrenous decide ID grant --acting-for {principal!r}` (or refuse) decides one."
        )


async def grant_for(
    options: Options,
    principal: str,
    id: str,
    days: Span,
    zone: Zone,
    only: Sequence[str],
    until_s: int | None,
    *,
    yes: bool,
) -> int:
    """Grant for `principal`, narrowed as one's own; its node carries it out."""
    screen = options.screen
    request = await _request(options, principal, id)
    exp_s = request.exp_s if until_s is None else until_s
    windows = opened_until(narrowed(request.items, (), days, only), exp_s)
    if not windows:
        raise UsageError("this grant would end before the first of its days")
    left_out = left_out_words(days, wanted_of(request.items, (), only))
    if not screen.json:
        _show(screen, request, principal)
        screen.say()
        show_gift(screen, windows, exp_s, left_out, days, zone)
    if not screen.confirm(f"Grant this to {request.peer}, for {principal}?", yes=yes):
        screen.note("Nothing was granted; the request still waits.")
        return Exit.FAILED
    async with node_of(options) as client:
        await client.grant_for(principal, request.id, windows, exp_s)
    return _sent(options, principal, request, windows, exp_s, left_out)


async def refuse_for(
    options: Options, principal: str, id: str, reason: str | None, *, yes: bool
) -> int:
    """Refuse for `principal`; its node says so."""
    screen = options.screen
    request = await _request(options, principal, id)
    if not screen.json:
        _show(screen, request, principal)
        screen.say()
    screen.say(f"They are told: {reason}" if reason else "They are told no reason.")
    if not screen.confirm(f"Refuse this to {request.peer}, for {principal}?", yes=yes):
        screen.note("Nothing was decided; the request still waits.")
        return Exit.FAILED
    async with node_of(options) as client:
        await client.refuse_for(principal, request.id, reason)
    return _sent(options, principal, request, (), None, ())


async def _request(options: Options, principal: str, id: str) -> RequestInfo:
    """One that was seen there; what was not seen yet is looked for."""
    async with node_of(options) as client:
        found = await client.waiting_for(principal, kept=True)
    if not any(one.state in _OPEN for one in found):
        async with node_of(options, network=True) as client:
            found = await client.waiting_for(principal)
    request = request_named(found, id)
    if request.state != "failed":
        check_waiting(request)
    return request


def _show(screen: Screen, one: RequestInfo, principal: str) -> None:
    screen.say(f"At {principal}:")
    show_request(screen, one, None, now_ms())


def _sent(
    options: Options,
    principal: str,
    request: RequestInfo,
    windows: Sequence[Window],
    exp_s: int | None,
    left_out: Sequence[str],
) -> int:
    screen = options.screen
    screen.show(
        "decide",
        {
            "request": request.id,
            "decision": "refused" if exp_s is None else "granted",
            "grant": None,
            "windows": list(windows),
            "exp_s": exp_s,
            "left_out": list(left_out),
        },
    )
    screen.say(
        f"Decided for {principal}: their node is told, and carries it out "
        f"(request {shown_id(request)})."
    )
    screen.say(f"`entrenous inbox --acting-for {principal!r} --all` tells what became of it.")
    return Exit.DONE
