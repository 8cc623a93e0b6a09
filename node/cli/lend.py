"""Lending: `ask`, `inbox`, `asked`, `decide`, `grants`, `revoke`, `keep`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ...protocol.remuneration import Remuneration
from ...protocol.terms import Terms
from ...protocol.window import Window, opened_until
from ...protocol.wire import Value
from ..client import Client
from ..errors import Exit, NotAllowed, NotFound, UsageError
from ..results.grants import GrantInfo, RequestInfo, Revoked
from ..results.records import CollectionInfo
from .acting_for import grant_for, inbox_for, lives_elsewhere, refuse_for
from .data import From, To, Utc
from .days import days_in_words, end_of_day_s, moment, require_whole_days, span
from .history import moment_of
from .household import ActingFor
from .names import find, short
from .options import USUAL, Options, node_of, zone_of
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
from .shared_words import tell_waiting
from .terms import (
    Harder,
    MoreClauses,
    NoRecipients,
    Recipients,
    RetentionDays,
    named_offer,
    settle_offer,
    show_harder,
    show_offer,
    show_offers,
)
from .terms_file import read_terms
from .terms_words import purpose_in_words
from .views import Words, choices, choices_of, in_views, make_views, say_derived
from .whose import is_others, show_whose, whose_in_words
from .words import (
    counted,
    left_out_words,
    say_left_out,
    show_gift,
    show_grant,
    show_request,
    show_terms,
    shown_id,
)

# How long a request is for unless it says otherwise.
_ASKED_FOR_DAYS = 90
_DAY_S = 86_400

Until = Annotated[
    str | None, Parameter(help="The grant ends with this day (YYYY-MM-DD), of your time zone.")
]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask before doing it.")]


# --- asking ---------------------------------------------------------------------------------------


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
    utc: Utc = False,
    options: Options = USUAL,
) -> None:
    """Ask a peer to lend you days of their data, for a purpose and on terms.

    The days are those of your time zone; what is asked for is the UTC days that lie inside them.

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
    async with node_of(options) as client:
        request = await client.ask(
            peer,
            items,
            purpose=purpose,
            terms=mapping_of(written),
            exp_s=exp_s,
            refusal=refusal,
            acting_for=acting_for,
        )
    screen = options.screen
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
    if acting_for is None:
        screen.say("`entrenous asked` tells what became of it.")
    else:
        screen.say(f"What becomes of it, {acting_for} learns.")


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


async def inbox(
    id: Annotated[str | None, Parameter(help="Show one request in full.")] = None,
    /,
    *,
    every: Annotated[bool, Parameter(name="--all", help="Also what was decided.")] = False,
    acting_for: ActingFor = None,
    options: Options = USUAL,
) -> None:
    """List the requests that wait for your decision, and answers that wait for your agreement.

    With --acting-for, those that wait at a peer who lets you decide them: its node is asked.

    Example: entrenous inbox
    """
    if acting_for is not None:
        await inbox_for(options, acting_for, id, every=every)
        return
    screen = options.screen
    async with node_of(options) as client:
        found = await client.inbox()
        offers = [one for one in await client.asked() if one.state == "offered"]
        vault = () if id is None else await client.collections()
        offer = None if id is None else named_offer(offers, id)
        if id is None:
            shown = [one for one in found if every or one.state == "waiting"]
            listed = [*shown, *offers]
        else:
            shown = []
            listed = [request_named(found, id) if offer is None else offer]
        given_away = await choices_of(client, listed, screen)
        shared = () if id is not None or screen.json else await client.shared()
    screen.show_lines("inbox", requests_form(listed, given_away))
    if id is not None:
        if screen.json:
            return
        if offer is not None:
            show_offer(screen, offer)
        else:
            (one,) = listed
            show_request(screen, one, vault, now_ms())
            _say_decided(screen, one)
        return
    if shown or not offers:
        show_requests(screen, shown, "Nothing waits for your decision.", known=True)
    show_offers(screen, offers)
    tell_waiting(screen, shared)
    if shown and not screen.json:
        screen.say()
        screen.say("`entrenous inbox ID` shows one in full, `entrenous decide ID` decides it.")


# --- deciding -------------------------------------------------------------------------------------


async def decide(
    id: Annotated[str, Parameter(help="The request, or the first characters of its id.")],
    decision: Annotated[
        Literal["grant", "refuse", "accept", "decline"] | None,
        Parameter(help="What you decide; accept or decline what answers a request of yours."),
    ] = None,
    /,
    *,
    from_: From = None,
    to: To = None,
    only: Annotated[
        tuple[str, ...],
        Parameter(name="--only", help="Of what was asked for, this collection only.", negative=""),
    ] = (),
    view: Words = (),
    until: Until = None,
    reason: Annotated[str | None, Parameter(help="Why you refuse; it is told to them.")] = None,
    acting_for: ActingFor = None,
    others: Annotated[
        bool, Parameter(help="Also what belongs to people whom this peer does not know.")
    ] = False,
    retention: RetentionDays = None,
    recipient: Recipients = (),
    no_recipients: NoRecipients = False,
    clause: MoreClauses = (),
    utc: Utc = False,
    yes: Yes = False,
    options: Options = USUAL,
) -> int:
    """Grant or refuse a request.  Shows what was asked and what you would give, then asks you.

    The days are those of your time zone.  What is given is the UTC days that lie wholly inside
    them, and the hours that this leaves out are said.

    Terms that you narrow have to be agreed to by the other side before it can read.  Without a
    decision, shows what each would give away, as `choices` does.

    Example: entrenous decide 5hr7q2ka grant --from 2025-03-01 --to 2025-03-30
    """
    screen = options.screen
    harder = Harder(retention, recipient, no_recipients, clause)
    if decision is None:
        if from_ or to or only or view or until or reason or acting_for or others or harder:
            raise UsageError("say what you decide: grant or refuse")
        return await choices(id, options=options)
    if decision != "grant" and (from_ or to or only or view or until or utc or others or harder):
        raise UsageError("a refusal has no days, no collections, no terms and no end")
    if decision in ("accept", "decline"):
        if decision == "accept" and reason is not None:
            raise UsageError("--reason goes with a refusal")
        return await settle_offer(options, id, reason, accept=decision == "accept", yes=yes)
    if decision == "refuse":
        if acting_for is not None and await lives_elsewhere(options, acting_for):
            return await refuse_for(options, acting_for, id, reason, yes=yes)
        return await _refuse(options, id, reason, acting_for, yes=yes)
    if reason is not None:
        raise UsageError("--reason goes with a refusal")
    zone = zone_of(utc)
    days = span(from_, to, zone)
    if acting_for is not None and await lives_elsewhere(options, acting_for):
        if others or harder or view:
            raise UsageError(
                "--others, --view and narrower terms are for the owner of the data to say"
            )
        until_s = None if until is None else end_of_day_s(until, zone)
        return await grant_for(options, acting_for, id, days, zone, only, until_s, yes=yes)
    async with node_of(options) as client:
        request = request_named(await client.inbox(), id)
        vault = await client.collections()
        found = await client.choices(request.id) if view else ()
    check_waiting(request)
    exp_s = request.exp_s if until is None else end_of_day_s(until, zone)
    every: Sequence[Window] = narrowed(request.items, vault, days, only)
    every, viewed = in_views(every, found, view) if view else (every, [])
    windows, not_theirs = _apart(opened_until(every, exp_s), request, vault, others=others)
    if not windows:
        raise UsageError("this grant would end before the first of its days")
    left_out = left_out_words(days, wanted_of(request.items, vault, only))
    if not screen.json:
        show_request(screen, request, vault, now_ms())
        screen.say()
        show_gift(screen, windows, exp_s, left_out, days, zone)
        show_harder(screen, harder, request)
        show_whose(screen, windows, not_theirs, request, vault)
        say_derived(screen, [one.collection for one in windows])
    if not screen.confirm(f"Grant this to {request.peer}?", yes=yes):
        screen.note("Nothing was granted; the request still waits.")
        return Exit.FAILED
    async with node_of(options) as client:
        await make_views(client, viewed)
        grant = await client.grant(
            request.id,
            windows,
            exp_s,
            acting_for=acting_for,
            others=others,
            retention_days=harder.retention_days,
            recipients=harder.chosen,
            clauses=harder.clauses,
        )
    screen.show("decide", _decided(request.id, grant, windows, exp_s, left_out))
    screen.say(f"Granted: {short(grant)}.  `entrenous revoke {short(grant)}` takes it back.")
    return Exit.DONE


def _apart(
    windows: Sequence[Window],
    request: RequestInfo,
    vault: Sequence[CollectionInfo],
    *,
    others: bool,
) -> tuple[Sequence[Window], Sequence[Window]]:
    """What may be lent, and what belongs to people whom the peer does not know (unless `others`).

    Raises NotAllowed if that is all there is.
    """
    not_theirs = [one for one in windows if is_others(one.collection, request, vault)]
    if others or not not_theirs:
        return windows, ()
    if len(not_theirs) == len(windows):
        whose = " and ".join(whose_in_words(not_theirs[0].collection, vault))
        raise NotAllowed(
            f"{not_theirs[0].collection} is {whose}'s, and {request.peer} knows "
            f"{' and '.join(request.people) or 'your home'}: --others lends it all the same"
        )
    return [one for one in windows if one not in not_theirs], not_theirs


async def _refuse(
    options: Options, id: str, reason: str | None, acting_for: str | None, *, yes: bool
) -> int:
    screen = options.screen
    async with node_of(options) as client:
        request = request_named(await client.inbox(), id)
        vault = await client.collections()
    check_waiting(request)
    if not screen.json:
        show_request(screen, request, vault, now_ms())
        screen.say()
    told = f"They are told: {reason}" if reason else "They are told no reason."
    screen.say(told)
    if not screen.confirm(f"Refuse this to {request.peer}?", yes=yes):
        screen.note("Nothing was decided; the request still waits.")
        return Exit.FAILED
    async with node_of(options) as client:
        await client.refuse(request.id, reason, acting_for)
    screen.show("decide", _decided(request.id, None, (), None, ()))
    screen.say("Refused.")
    return Exit.DONE


def _decided(
    request: bytes,
    grant: bytes | None,
    windows: Sequence[Window],
    exp_s: int | None,
    left_out: Sequence[str],
) -> dict[str, object]:
    return {
        "request": request,
        "decision": "refused" if grant is None else "granted",
        "grant": grant,
        "windows": list(windows),
        "exp_s": exp_s,
        "left_out": list(left_out),
    }


def _say_decided(screen: Screen, one: RequestInfo) -> None:
    if one.state == "waiting":
        screen.say(f"`entrenous decide {shown_id(one)} grant` or `refuse` decides it.")
    else:
        screen.fact("state", one.state if one.grant is None else f"granted: {short(one.grant)}")


# --- grants ---------------------------------------------------------------------------------------


async def grants(
    peer: Annotated[str | None, Parameter(help="Only those with this peer.")] = None,
    /,
    *,
    every: Annotated[bool, Parameter(name="--all", help="Also those that have ended.")] = False,
    as_of: Annotated[
        str | None,
        Parameter(help="Those that held at this time (2026-03-01T18:30), as they stood then."),
    ] = None,
    options: Options = USUAL,
) -> None:
    """List who may see what, until when: grants you gave and grants you hold.

    Example: entrenous grants --as-of 2026-03-01
    """
    at_ms = None if as_of is None else moment_of(as_of)
    async with node_of(options) as client:
        found = await client.grants(at_ms)
        if peer is not None and peer not in {one.name for one in await client.peers()}:
            raise NotFound(f"no peer is called {peer}; `entrenous peers` lists them")
    found = tuple(one for one in found if peer in (None, one.peer))
    screen = options.screen
    screen.show_lines("grants", found)
    shown = [one for one in found if every or one.status not in ("revoked", "expired")]
    ended = len(found) - len(shown)
    empty = "No grants." if not ended else f"No grants that hold ({ended} ended; --all)."
    sides = (("given", "You lend"), ("held", "You may read"), ("lent-on", "Read for another"))
    for side, title in sides:
        some = [one for one in shown if one.side == side]
        if some:
            screen.say(f"{title} (days are UTC days)")
            for grant in some:
                show_grant(screen, grant)
            screen.say()
    if not shown:
        screen.say(empty)
    elif ended:
        screen.say(f"{counted(ended, 'grant')} ended; --all shows them.")
    if at_ms is not None:
        screen.say(f"As it stood at {moment(at_ms)}.")


async def revoke(
    what: Annotated[str, Parameter(name="GRANT|PEER", help="A grant's id, or a peer's name.")],
    /,
    *,
    options: Options = USUAL,
) -> int:
    """Take a grant back, or all grants of a peer.  It holds at once.

    Nothing more is served under it, and nothing written from now on opens with its keys.  What was
    read by then stays read.

    Example: entrenous revoke 5hr7q2ka
    """
    async with node_of(options) as client:
        done, taken = await _revoke(client, what)
        standing = await client.grants()
    screen = options.screen
    screen.show("revoke", done)
    if not taken:
        screen.say(f"{what} holds no grant of yours: there was nothing to take back.")
        return Exit.DONE
    for grant in taken:
        screen.say(
            f"Taken back from {grant.peer}: {short(grant.id)} ({purpose_in_words(grant.purpose)})"
        )
        for window in grant.windows:
            screen.fact("", f"{window.collection}, {days_in_words(window.first, window.last)}")
    if done.survivors:
        screen.say(f"{counted(done.survivors, 'other grant')} got new keys.")
    still = [grant for grant in standing if grant.id in done.still]
    if still:
        screen.say("Still readable by the same peer, under other grants that hold:")
        for grant in still:
            for window in grant.windows:
                days = days_in_words(window.first, window.last)
                screen.fact(short(grant.id), f"{window.collection}, {days}")
    else:
        screen.say("Nothing of these days remains readable to them here.")
    return Exit.DONE


async def _revoke(client: Client, what: str) -> tuple[Revoked, list[GrantInfo]]:
    before = [one for one in await client.grants() if one.side in ("given", "lent-on")]
    if what in {peer.name for peer in await client.peers()}:
        ended = ("revoked", "expired")
        taken = [
            one
            for one in before
            if (one.side, one.peer) == ("given", what) and one.status not in ended
        ]
        return await client.revoke_peer(what), taken
    cid = find(what, [one.id for one in before], "grant (or peer)", "entrenous grants --all")
    return await client.revoke(cid), [one for one in before if one.id == cid]


async def keep(
    grant: Annotated[str, Parameter(help="The grant, or the first characters of its id.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Confirm a grant that was suspended because this node came back from a backup.

    Example: entrenous keep 5hr7q2ka
    """
    async with node_of(options) as client:
        given = [one.id for one in await client.grants() if one.side == "given"]
        cid = find(grant, given, "grant", "entrenous grants")
        await client.keep(cid)
    options.screen.show("keep", {"grant": cid})
    options.screen.say(f"Grant {short(cid)} holds again.")
