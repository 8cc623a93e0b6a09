"""Letting a peer read, for you, what another peer granted you: `mandate give --may read`."""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.window import Window
from ..errors import NotAllowed
from .days import Span, days_in_words, end_of_day_s, moment, require_whole_days
from .names import short
from .options import Options, node_of, zone_of
from .words import left_out_words, say_left_out


async def lend_on(
    options: Options, peer: str, at: str, collections: Sequence[str], days: Span, until: str
) -> None:
    """Of the whole UTC days inside `days` that `at` granted, let `peer` read `collections`."""
    require_whole_days(days)
    zone = zone_of(False)
    exp_s = end_of_day_s(until, zone)
    async with node_of(options) as client:
        windows = [
            Window(
                window.collection,
                max(window.first, days.first_day),
                min(window.last, days.last_day),
            )
            for grant in await client.grants()
            if grant.side == "held" and grant.peer == at and grant.status == "live"
            if grant.principal is None
            for window in grant.windows
            if window.collection in collections and not window.undated
        ]
        windows = sorted({one for one in windows if one.first <= one.last})
        if {one.collection for one in windows} != set(collections):
            raise NotAllowed(f"{at} granted you none of these days: see `entrenous grants`")
        grant = await client.lend_on(peer, at, windows, exp_s)
    screen = options.screen
    left_out = left_out_words(days, windows)
    screen.show(
        "mandate give --may read",
        {
            "grant": grant,
            "peer": peer,
            "at": at,
            "windows": windows,
            "exp_s": exp_s,
            "left_out": list(left_out),
        },
    )
    screen.say(f"{peer} may read, for you, what {at} granted you ({short(grant)})")
    for window in windows:
        screen.fact("", f"{window.collection}, {days_in_words(window.first, window.last)}")
    say_left_out(screen, left_out, days, zone)
    screen.fact("until", moment(exp_s * 1000))
    screen.say(f"{at} is told.  `entrenous revoke {short(grant)}` takes it back.")
