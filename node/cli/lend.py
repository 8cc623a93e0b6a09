"""Lending: `inbox`, `decide`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

from ...protocol.window import Window, opened_until
from ..errors import Exit, NotAllowed, UsageError
from ..results.grants import RequestInfo
from ..results.records import CollectionInfo
from .acting_for import grant_for, inbox_for, lives_elsewhere, refuse_for
from .ask import Until
from .data import From, To, Utc
from .days import end_of_day_s, span
from .household import ActingFor
from .names import short
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
from .views import Words, choices, choices_of, in_views, make_views, say_derived
from .whose import is_others, show_whose, whose_in_words
from .words import (
    left_out_words,
    show_gift,
    show_helpers,
    show_request,
    shown_id,
)

Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask before doing it.")]


# --- what waits -----------------------------------------------------------------------------------


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
    if any(one.state == "waiting" for one in shown) and not screen.json:
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
    collection: Annotated[
        tuple[str, ...],
        Parameter(help="Of what was asked for, this collection only.", negative=""),
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
        if from_ or to or collection or view or until or reason or acting_for or others or harder:
            raise UsageError("say what you decide: grant or refuse")
        return await choices(id, options=options)
    if decision != "grant" and (
        from_ or to or collection or view or until or utc or others or harder
    ):
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
        return await grant_for(options, acting_for, id, days, zone, collection, until_s, yes=yes)
    async with node_of(options) as client:
        request = request_named(await client.inbox(), id)
        vault = await client.collections()
        found = await client.choices(request.id) if view else ()
        helpers = () if screen.json else await client.helpers()
    check_waiting(request)
    exp_s = request.exp_s if until is None else end_of_day_s(until, zone)
    every: Sequence[Window] = narrowed(request.items, vault, days, collection)
    every, viewed = in_views(every, found, view) if view else (every, [])
    windows, not_theirs = _apart(opened_until(every, exp_s), request, vault, others=others)
    if not windows:
        raise UsageError("this grant would end before the first of its days")
    left_out = left_out_words(days, wanted_of(request.items, vault, collection))
    if not screen.json:
        show_request(screen, request, vault, now_ms())
        screen.say()
        show_gift(screen, windows, exp_s, left_out, days, zone)
        show_helpers(screen, helpers)
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
