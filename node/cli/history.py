"""The past: `who` and `history`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from cyclopts import Parameter

from ...protocol.errors import ProtocolError
from ..errors import UsageError
from ..imports.spelled_time import read_moment
from ..results.history import HistoryEvent
from .days import days_in_words, moment
from .names import short
from .options import USUAL, Options, node_of
from .screen import Screen
from .terms_words import purpose_in_words
from .words import counted

# What happened, as a sentence: of what is ours (given), and of what is the peer's (taken).
_WORDS = {
    "may-read": ("{peer} may read", "you may read, of {peer}"),
    "asked": ("{peer} asked", "you asked {peer}"),
    "refused": ("you refused {peer}", "{peer} refused"),
    "rule-grant": ("a rule of yours granted it to {peer}", "a rule of {peer} granted it to you"),
    "rule-queue": ("a rule of yours left it to you", "a rule of {peer} left it to them"),
    "rule-refuse": ("a rule of yours refused {peer}", "a rule of {peer} refused you"),
    "declined": ("{peer} declined what you offered", "you declined what {peer} offered"),
    "granted": ("you granted {peer}", "{peer} granted you"),
    "accepted": ("{peer} agreed to the terms", "you agreed to the terms of {peer}"),
    "read": ("{peer} read", "you read, of {peer}"),
    "renewed": ("you let {peer} go on", "{peer} let you go on"),
    "suspended": ("suspended for {peer}", "suspended by {peer}"),
    "kept": ("you confirmed it for {peer}", "{peer} confirmed it"),
    "ran-out": ("ran out for {peer}", "what {peer} lent you ran out"),
    "taken-back": ("taken back from {peer}", "{peer} took it back"),
    "lent-on": ("lent on",) * 2,
    "delete-asked": ("{peer} is to delete what it read", "{peer} wants what you read deleted"),
    "deleted": ("{peer} says that what it read is deleted", "you said that it is deleted"),
    "delivered": ("you delivered to {peer}", "{peer} delivered"),
    "shared-proposed": ("you proposed a change to {peer}", "{peer} proposed a change"),
    "shared-accepted": ("you accepted a change of {peer}", "{peer} accepted a change"),
    "shared-disputed": ("you disputed a change of {peer}", "{peer} disputed a change"),
    "shared-withdrawn": ("you withdrew a change", "{peer} withdrew a change"),
    "card": ("{peer} showed its card",) * 2,
    "followed": ("you became another persona to {peer}", "{peer} became another persona"),
    "turned-away": ("you turned {peer} away", "{peer} turned you away"),
}


def moment_of(text: str) -> int:
    """The moment that an option names, in milliseconds.  Raises UsageError."""
    try:
        return read_moment(text).t_ms
    except ProtocolError as error:
        raise UsageError(str(error)) from error


async def who(
    collection: Annotated[str, Parameter(help="The collection, energy/electricity/load-curve.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Say who may read a collection, who read it and when, and what was taken back.

    Each line names what shows it: rows of the log (`entrenous log`), and ids of what was signed
    with --json.

    Example: entrenous who energy/electricity/load-curve
    """
    async with node_of(options) as client:
        found = await client.who(collection)
    screen = options.screen
    screen.show_lines("who", found)
    now = [one for one in found if one.what == "may-read"]
    given = [one for one in now if one.way == "given"]
    _titled(screen, "May read it now", given, empty="Nobody may read it now.")
    _titled(screen, "You may read it, of", [one for one in now if one.way == "taken"])
    reads = [one for one in found if one.what == "read"]
    _titled(screen, "Was read", reads, empty="Nobody has read it.")
    others = [one for one in found if one.what not in ("read", "may-read")]
    _titled(screen, "Ended, renewed, lent on", others)


async def history(
    peer: Annotated[str, Parameter(help="With whom.")],
    /,
    *,
    from_: Annotated[
        str | None,
        Parameter(name="--from", help="First day, or time (2026-03-01, 2026-03-01T18:30)."),
    ] = None,
    to: Annotated[str | None, Parameter(name="--to", help="Last day, included, or time.")] = None,
    options: Options = USUAL,
) -> None:
    """Tell everything between you and a peer: asked, granted, read, delivered, taken back.

    Example: entrenous history bank --from 2026-01-01
    """
    first = None if from_ is None else moment_of(from_)
    last = None if to is None else _end_of(to)
    async with node_of(options) as client:
        found = await client.history(peer)
    found = tuple(
        one
        for one in found
        if (first is None or one.t_ms >= first) and (last is None or one.t_ms <= last)
    )
    screen = options.screen
    screen.show_lines("history", found)
    for one in found:
        _show(screen, one)
    if not found:
        screen.say("Nothing has happened between you yet.")
    outside = [one for one in found if one.within is False]
    if outside:
        screen.say(
            f"{counted(len(outside), 'read')} did not lie within a grant as it is kept here."
        )


def _end_of(text: str) -> int:
    """The last moment that an option names: of a day its end, as wherever days are given."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return moment_of(f"{text}T23:59:59") + 999
    return moment_of(text)


def _titled(
    screen: Screen, title: str, events: Iterable[HistoryEvent], *, empty: str | None = None
) -> None:
    some = list(events)
    if not some and empty is None:
        return
    screen.say(title if some else empty or "")
    for one in some:
        _show(screen, one)
    screen.say()


def _show(screen: Screen, one: HistoryEvent) -> None:
    """One event: when, who, what; then its days, and what shows it."""
    given, taken = _WORDS.get(one.what, (one.what, one.what))
    head = (given if one.way == "given" else taken).format(peer=one.peer)
    if one.until_ms is not None and one.what in ("may-read", "granted", "asked"):
        head += f", until {moment(one.until_ms)}"
    if one.purpose is not None and one.what in ("may-read", "granted", "asked"):
        head += f", for {purpose_in_words(one.purpose)}"
    screen.entry(moment(one.t_ms), head, *_details(one))


def _details(one: HistoryEvent) -> Iterable[str]:
    for window in one.windows:
        yield f"{window.collection}, {days_in_words(window.first, window.last)}"
    if one.pages is not None and one.bytes is not None:
        yield f"{counted(one.pages, 'page')}, {one.bytes:,} bytes encrypted"
    if one.within is False:
        yield "not within a grant as it is kept here"
    if one.delete_by_ms is not None and one.what == "read":
        if one.delete_by_ms > one.t_ms:
            yield f"by its terms to be deleted by {moment(one.delete_by_ms)}"
        else:
            yield "by its terms not to be kept beyond its use"
    if one.note:
        yield one.note
    shown = [f"log {', '.join(one.log)}"] if one.log else []
    if one.grant is not None:
        shown.append(f"grant {short(one.grant)}")
    if shown:
        yield "; ".join(shown)
