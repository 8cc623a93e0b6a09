"""Requests and grants in plain words: what a person reads before they decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...protocol.processor import processors, told_in_words
from ...protocol.remuneration import LICENCE, Remuneration
from ...protocol.terms import Terms
from ...protocol.window import Window
from .days import Span, Zone, days_in_words, moment, zone_in_words
from .names import HEAD, SHORT_CHARS, short
from .screen import Screen
from .standing_words import show_standing
from .terms_words import purpose_in_words, show_clauses, show_marks
from .visible import visible

if TYPE_CHECKING:
    from ..results.grants import GrantInfo, RequestInfo
    from ..results.helpers import HelperInfo
    from ..results.records import CollectionInfo


def show_request(
    screen: Screen, asked: RequestInfo, vault: Sequence[CollectionInfo] | None, now_ms: int
) -> None:
    """Everything that was asked, line by line, and what of it is in the vault if that is here."""
    screen.say(f"{asked.peer} asks (request {shown_id(asked)}, {ago(asked.t_ms, now_ms)})")
    show_standing(screen, asked.standing)
    if asked.people:
        screen.fact("knows you as", " and ".join(asked.people))
    for item in asked.items:
        screen.fact("for", f"{item.collection}, {days_in_words(item.first, item.last)}")
        if vault is not None:
            screen.fact("", f"({_held(item, vault)})")
    show_terms(screen, asked.terms)
    screen.fact("until", moment(asked.exp_s * 1000))
    screen.fact("if refused", asked.refusal or "they do not say what follows")
    show_marks(screen, asked)


def show_terms(screen: Screen, terms: Terms) -> None:
    """What the data is asked for and what is promised."""
    screen.fact("purpose", purpose_in_words(terms.purpose))
    days = terms.retention_days
    screen.fact("kept", f"{days:,} days after each read" if days else "not beyond its use")
    told, named = told_in_words(terms.recipients), processors(terms)
    nobody = "to nobody else" if named else "to nobody"
    screen.fact("passed on", f"to {', '.join(told)}" if told else nobody)
    for one in named:
        screen.fact("also reads", f"{one.name}, for the one who asks, under these same terms")
        screen.fact("", f"({one.did})")
    show_remuneration(screen, terms)
    show_clauses(screen, terms)


def show_remuneration(screen: Screen, terms: Terms) -> None:
    """What is given in return, and, wherever something is, that it buys a licence only."""
    screen.fact("in return", in_return(terms))
    if terms.paid:
        screen.fact("", f"({LICENCE})")


def in_return(terms: Terms) -> str:
    """What is given, in words; of what nobody can count, that nobody does."""
    match terms.remuneration:
        case Remuneration() as given:
            return given.words()
        case str(text) if text:
            return f"{text} (in words only: no account is kept of it)"
        case _:
            return "nothing"


def show_gift(
    screen: Screen,
    windows: Sequence[Window],
    exp_s: int,
    left_out: Sequence[str],
    days: Span,
    zone: Zone,
) -> None:
    """What would be given, for how long, and which hours are not."""
    screen.say("You would give")
    for window in windows:
        screen.fact("", f"{window.collection}, {days_in_words(window.first, window.last)}")
    screen.fact("until", moment(exp_s * 1000))
    say_left_out(screen, left_out, days, zone)
    screen.say("You can take it back at any time; what was read by then stays read.")


def say_left_out(screen: Screen, left_out: Sequence[str], days: Span, zone: Zone) -> None:
    """Which hours of the person's own days whole UTC days leave out."""
    if left_out:
        screen.fact("left out", left_out_sentence(left_out, days, zone))


def left_out_sentence(left_out: Sequence[str], days: Span, zone: Zone) -> str:
    """`2026-01-30 01:00 to 24:00 (your time, UTC+01:00): days are kept by UTC`."""
    hours = " and ".join(left_out)
    bounds = [one.moment_ms for one in (days.first, days.last) if one is not None]
    zones = ", then ".join(dict.fromkeys(zone_in_words(at, zone) for at in bounds))
    return f"{hours} (your time, {zones}): days are kept by UTC"


def left_out_words(days: Span, windows: Sequence[Window]) -> tuple[str, ...]:
    """The hours that `days` cut off from any of `windows`, in the person's time."""
    lost: dict[str, None] = {}
    for window in windows:
        if not window.undated:
            lost |= dict.fromkeys(days.left_out(window.first, window.last))
    return tuple(lost)


def show_grant(screen: Screen, grant: GrantInfo) -> None:
    """One grant of a list: who, how it stands, which days."""
    ends = "ended" if grant.status == "expired" else "until"
    screen.entry(
        shown_id(grant),
        f"{grant.peer}: {_how_it_stands(grant)}, {ends} {moment(grant.exp_s * 1000)}, "
        f"{counted(grant.reads, 'read')}",
        *(f"{one.collection}, {days_in_words(one.first, one.last)}" for one in grant.windows),
        f"for {purpose_in_words(grant.purpose)}",
        *([f"in return for {in_return(grant.terms)}", LICENCE] if grant.terms.paid else []),
        *([_served_by(grant)] if grant.helpers else []),
        *([f"decided by {grant.decided_by} for you"] if grant.decided_by else []),
        *([f"read for {grant.principal}"] if grant.principal else []),
        *([f"not taken by {grant.turned_away}"] if grant.turned_away else []),
        *([f"goes on from {short(grant.renews)}"] if grant.renews else []),
        *_why(grant),
        *([_deletion(grant)] if grant.deletion else []),
    )


def _served_by(grant: GrantInfo) -> str:
    """Who else may serve it."""
    away = "you are" if grant.side == "given" else f"{grant.peer} is"
    return f"may be served by {' or '.join(map(visible, grant.helpers))} while {away} away"


def show_helpers(screen: Screen, helpers: Sequence[HelperInfo]) -> None:
    """Who may serve what is granted, while the owner is away: before it is."""
    names = [visible(one.peer) for one in helpers if (one.side, one.state) == ("ours", "helper")]
    if names:
        screen.fact("served by", f"you, or {' or '.join(names)} while you are away")
        screen.fact("", "if you take it back and they have not heard: for 24 hours at most")


def _how_it_stands(grant: GrantInfo) -> str:
    """Its status; of one that nobody can read under yet, why."""
    taken = grant.accepted_ms is not None or grant.acknowledged or grant.reads
    if grant.side == "given" and grant.status == "live" and not taken:
        return f"not yet agreed to by {grant.peer}"
    if grant.turned_away and grant.status == "live":
        return "turned away"
    return grant.status


def _why(grant: GrantInfo) -> list[str]:
    """Why it ended or waits, and in which it goes on all the same."""
    if not grant.why:
        return []
    return [grant.why, *([f"goes on in {short(grant.renewed_by)}"] if grant.renewed_by else [])]


def _deletion(grant: GrantInfo) -> str:
    """What its reader says of the copies that it made."""
    when = "" if grant.deletion_ms is None else moment(grant.deletion_ms)
    who = "you" if grant.side == "held" else grant.peer
    if grant.deletion == "said":
        return f"{who} said on {when} that what was read is deleted"
    return f"{who} owes the deletion of what was read, since {when}"


def shown_id(one: RequestInfo | GrantInfo) -> str:
    """As much of an id, without the head that all share, as tells it from others here."""
    enough = one.short.removeprefix(HEAD)
    return enough if len(enough) > SHORT_CHARS else short(one.id)


def ago(t_ms: int, now_ms: int) -> str:
    """`3 minutes ago`, roughly."""
    seconds = max(now_ms - t_ms, 0) // 1000
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if (count := seconds // length) >= 1:
            return f"{count:,} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 record`, `2 records`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _held(item: Window, vault: Sequence[CollectionInfo]) -> str:
    mine = [one for one in vault if _under(one.path, item.collection)]
    if not mine:
        return "your vault holds nothing there yet"
    parts: list[str] = []
    for one in mine:
        days = "" if one.first is None or one.last is None else days_in_words(one.first, one.last)
        name = "" if one.path == item.collection else f"{one.path}: "
        parts.append(f"{name}{counted(one.records, 'record')}{', ' if days else ''}{days}")
    return f"your vault holds {'; '.join(parts)}"


def _under(path: str, collection: str) -> bool:
    return path == collection or path.startswith(collection + "/")
