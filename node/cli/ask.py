"""Asking: `ask`, `asked`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...protocol.remuneration import Remuneration
from ...protocol.terms import Terms
from ...protocol.window import Window
from ...protocol.wire import Value
from ..client import Client
from ..errors import UsageError
from .data import Utc
from .days import days_in_words, end_of_day_s, moment, require_whole_days, span
from .household import ActingFor
from .names import short
from .offered_first import as_check, judged, kept_of, offered_in_words, show_judged, told_by
from .options import USUAL, Options, node_of, zone_of
from .requests import now_ms, show_requests
from .terms_file import read_terms
from .words import say_left_out, show_terms

# How long a request is for unless it says otherwise.
_ASKED_FOR_DAYS = 90
_DAY_S = 86_400

Until = Annotated[
    str | None, Parameter(help="The grant ends with this day (YYYY-MM-DD), of your time zone.")
]


async def ask(
    peer: Annotated[str, Parameter(help="Whom to ask.")],
    collections: Annotated[
        tuple[str, ...], Parameter(help="Collections, or categories such as energy.", negative="")
    ],
    /,
    *,
    from_: Annotated[str, Parameter(name="--from", help="First day (YYYY-MM-DD).")],
    to: Annotated[str, Parameter(name="--to", help="Last day (YYYY-MM-DD), included.")],
    purpose: Annotated[str, Parameter(help="What for: a DPV term, dpv:ServiceProvision.")],
    terms: Annotated[
        Path | None, Parameter(help="A YAML, TOML or JSON file; docs/cli.md says what is in it.")
    ] = None,
    until: Until = None,
    refusal: Annotated[str, Parameter(help="What follows from a no, in your words.")] = "",
    acting_for: ActingFor = None,
    processor: Annotated[
        tuple[str, ...],
        Parameter(
            help="A peer of yours that may read it for you (`lend-on`), if they grant that. May be "
            "repeated.",
            negative="",
        ),
    ] = (),
    check: Annotated[
        bool, Parameter(help="Ask for nothing: say what their standing terms make of it.")
    ] = False,
    utc: Utc = False,
    options: Options = USUAL,
) -> None:
    """Ask a peer to lend you days of their data, for a purpose and on terms.

    The days are those of your time zone; what is asked for is the UTC days that lie inside them.

    With --check nothing is asked for: the peer tells which of its standing terms it shows to you,
    and you see what they make of it.

    Example: entrenous ask alice energy/electricity/load-curve --from 2025-01-01 --to 2025-12-31
    --purpose dpv:ServiceProvision --terms terms.yaml
    """
    if not collections:
        raise UsageError("name a collection: entrenous ask PEER energy/electricity/load-curve …")
    zone = zone_of(utc)
    days = span(from_, to, zone)
    require_whole_days(days)
    written = read_terms(terms, purpose)
    items = [Window(path, days.first_day, days.last_day) for path in collections]
    exp_s = (
        now_ms() // 1000 + _ASKED_FOR_DAYS * _DAY_S if until is None else end_of_day_s(until, zone)
    )
    screen = options.screen
    if check:
        async with node_of(options, network=True) as client:
            told = await told_by(client, peer)
        found = judged(told, items, written, exp_s)
        screen.show("ask --check", as_check(told, found))
        if not screen.json:
            show_judged(screen, told, found)
        return
    async with node_of(options) as client:
        told_before = await kept_of(client, peer)
        request = await client.ask(
            peer,
            items,
            purpose=purpose,
            terms=mapping_of(written),
            exp_s=exp_s,
            refusal=refusal,
            acting_for=acting_for,
            processors=processor,
        )
        if processor:
            written = await _as_asked(client, request, written)
    left_out = days.left_out()
    screen.show(
        "ask",
        {
            "request": request,
            "peer": peer,
            "items": items,
            "exp_s": exp_s,
            "left_out": left_out,
        },
    )
    name = "" if acting_for is None else f" for {acting_for}"
    screen.say(f"Asked {peer}{name} (request {short(request)})")
    for item in items:
        screen.fact("for", f"{item.collection}, UTC days {days_in_words(item.first, item.last)}")
    say_left_out(screen, left_out, days, zone)
    show_terms(screen, written)
    screen.fact("until", moment(exp_s * 1000))
    if told_before is not None and told_before.rules:
        screen.fact(
            "they offer", offered_in_words(told_before, judged(told_before, items, written, exp_s))
        )
    if acting_for is None:
        screen.say("`entrenous asked` tells what became of it.")
    else:
        screen.say(f"What becomes of it, {acting_for} learns.")


async def _as_asked(client: Client, request: bytes, written: Terms) -> Terms:
    """The terms as they were sent: with the processors that the node put in."""
    found = [one.terms for one in await client.asked() if one.id == request]
    return found[0] if found else written


def mapping_of(terms: Terms) -> dict[str, Value]:
    """Terms as the mapping of a terms file."""
    return {
        "purpose": terms.purpose,
        "retention_days": terms.retention_days,
        "recipients": list(terms.recipients),
        "remuneration": remuneration_written(terms),
        "clauses": [[clause.text, clause.force.value] for clause in terms.clauses],
    }


def remuneration_written(terms: Terms) -> Value:
    given = terms.remuneration
    return given.value() if isinstance(given, Remuneration) else given


async def asked(*, options: Options = USUAL) -> None:
    """List what you asked of others, and what became of it.

    Example: entrenous asked
    """
    async with node_of(options) as client:
        found = await client.asked()
    options.screen.show_lines("asked", found)
    show_requests(options.screen, found, "You have asked for nothing yet: see `entrenous ask`.")
