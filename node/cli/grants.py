"""Grants: `grants`, `revoke`, `keep`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from ...protocol.duty import Duty, has_duty
from ..errors import Exit, NotFound
from ..results.grants import GrantInfo, RevokedBefore
from .days import days_in_words, moment
from .encrypting import encrypted_again
from .history import moment_of
from .names import find, short
from .options import USUAL, Options, node_of
from .screen import Screen
from .terms_words import purpose_in_words
from .visible import visible
from .words import counted, show_grant


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
        # A processor, and the owner of what is processed, are no peers.
        named = peer in (None, *(one.peer for one in found))
        if not named and peer not in {one.name for one in await client.peers()}:
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
    read by then stays read.  Of one that was taken back before, it says when, and nothing changes.

    Example: entrenous revoke 5hr7q2ka
    """
    async with node_of(options) as client:
        screen = options.screen
        known = [one for one in await client.grants() if one.side in ("given", "lent-on")]
        if what in {peer.name for peer in await client.peers()}:
            done = await client.revoke_peer(what)
        else:
            cid = find(what, [one.id for one in known], "grant (or peer)", "entrenous grants --all")
            done = await client.revoke(cid)
        taken = [one for one in known if one.id in done.grants]
        # Said before it is waited for what follows: who presses Ctrl-C then shall know.
        screen.show("revoke", done)
        _say_taken(screen, taken)
        for one in done.before:
            _say_before(screen, one, next(it for it in known if it.id == one.grant))
        again = await encrypted_again(client, screen)
        standing = await client.grants()
    if not taken:
        if not done.before:
            screen.say(f"{what} holds no grant of yours: there was nothing to take back.")
            return Exit.DONE
        pages = f"{counted(again, 'page')} encrypted again, which had been cut short."
        screen.say(pages if again else "Nothing was changed.")
    elif any(has_duty(grant.terms, Duty.ENCRYPT_AGAIN) for grant in taken):
        screen.say("What these days hold is encrypted again, as its terms say.")
    if done.survivors:
        screen.say(f"{counted(done.survivors, 'other grant')} got new keys.")
    for helper in done.not_heard:
        screen.say(
            f"{visible(helper.peer)} has not heard of it yet: it may serve what it keeps until "
            f"{moment(helper.until_ms)} at most."
        )
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


def _say_taken(screen: Screen, taken: Sequence[GrantInfo]) -> None:
    """Each grant that holds no more, and its days."""
    for grant in taken:
        screen.say(
            f"Taken back from {grant.peer}: {short(grant.id)} ({purpose_in_words(grant.purpose)})"
        )
        for window in grant.windows:
            screen.fact("", f"{window.collection}, {days_in_words(window.first, window.last)}")


def _say_before(screen: Screen, one: RevokedBefore, grant: GrantInfo) -> None:
    """A grant that held no more when it was named, and since when."""
    since = "" if one.ended_ms is None else f", {moment(one.ended_ms)}"
    screen.say(
        f"{short(grant.id)} was taken back from {grant.peer} already{since} "
        f"({purpose_in_words(grant.purpose)})"
    )


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
        known = [one.id for one in await client.grants() if one.side in ("given", "lent-on")]
        cid = find(grant, known, "grant", "entrenous grants")
        await client.keep(cid)
    options.screen.show("keep", {"grant": cid})
    options.screen.say(f"Grant {short(cid)} holds again.")
