"""Processors: `lend-on`, and `processing`, a processor's own side of it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from ...protocol.window import Window
from ..errors import NotAllowed
from ..results.grants import GrantInfo
from .days import Span, days_in_words, end_of_day_s, moment, require_whole_days, span
from .names import short
from .options import USUAL, Options, node_of, zone_of
from .screen import Column
from .words import counted

processing_app = App(name="processing", help="Say for whom this node processes, as a processor.")


async def lend_on(
    peer: Annotated[str, Parameter(help="Who shall read for you: your processor.")],
    /,
    *,
    of: Annotated[str, Parameter(help="Whose data: the peer who granted it to you.")],
    collection: Annotated[
        tuple[str, ...], Parameter(help="This collection only. May be repeated.", negative="")
    ] = (),
    from_: Annotated[str | None, Parameter(name="--from", help="First day (YYYY-MM-DD).")] = None,
    to: Annotated[
        str | None, Parameter(name="--to", help="Last day (YYYY-MM-DD), included.")
    ] = None,
    until: Annotated[
        str | None, Parameter(help="It ends with this day (YYYY-MM-DD); else with the grant.")
    ] = None,
    options: Options = USUAL,
) -> None:
    """Let your processor read, for you, what a peer granted you: all of it, or some.

    The terms of the grant must name it (`entrenous ask --processor`), so the owner of the data has
    seen it before they decided. It reads from their node itself, under the same terms; they see
    who reads, and what ends for you ends for it.

    Example: entrenous lend-on analytics --of alice
    """
    zone = zone_of(False)
    days = None if from_ is None and to is None else span(from_, to, zone)
    if days is not None:
        require_whole_days(days)
    async with node_of(options) as client:
        grant, windows = _granted(await client.grants(), of, collection, days)
        exp_s = grant.exp_s if until is None else end_of_day_s(until, zone)
        made = await client.lend_on(peer, of, windows, exp_s)
    screen = options.screen
    screen.show(
        "lend-on", {"grant": made, "peer": peer, "of": of, "windows": windows, "exp_s": exp_s}
    )
    screen.say(f"{peer} may read, for you, what {of} granted you ({short(made)})")
    for window in windows:
        screen.fact("", f"{window.collection}, {days_in_words(window.first, window.last)}")
    screen.fact("until", moment(exp_s * 1000))
    screen.say(f"{of} is told.  `entrenous revoke {short(made)}` takes it back.")
    screen.say(
        f"{peer} takes it if it has said `entrenous processing add` for you; `entrenous grants "
        f"{peer}` shows if it turned you away: then lend it on again."
    )


def _granted(
    grants: tuple[GrantInfo, ...], of: str, collections: tuple[str, ...], days: Span | None
) -> tuple[GrantInfo, list[Window]]:
    """Of the grants of a peer that open some of these days the one that holds the longest, and
    what it opens of them.  Raises NotAllowed."""
    live = [
        one
        for one in grants
        if (one.side, one.peer, one.status, one.principal) == ("held", of, "live", None)
    ]
    if not live:
        raise NotAllowed(f"{of} lends you nothing now: see `entrenous grants`")
    for grant in sorted(live, key=lambda one: one.exp_s, reverse=True):
        windows = sorted(
            Window(
                one.collection,
                one.first if days is None or one.undated else max(one.first, days.first_day),
                one.last if days is None or one.undated else min(one.last, days.last_day),
            )
            for one in grant.windows
            if not collections or one.collection in collections
        )
        if windows := [one for one in windows if one.first <= one.last]:
            return grant, windows
    raise NotAllowed(f"{of} granted you none of these days: see `entrenous grants`")


@processing_app.default
async def processing(*, options: Options = USUAL) -> None:
    """List for whom this node processes, and how much it was lent on by each.

    Example: entrenous processing
    """
    async with node_of(options) as client:
        found = await client.processing()
    options.screen.show_lines("processing", found)
    options.screen.table(
        (Column("for"), Column("since", whole=True), Column("grants")),
        [[one.peer, moment(one.t_ms), f"{one.grants:,}"] for one in found],
        "This node processes for nobody: `entrenous processing add PEER`.",
    )


@processing_app.command
async def add(
    peer: Annotated[str, Parameter(help="For whom.")], /, *, options: Options = USUAL
) -> None:
    """Take what a peer lends on to this node, as its processor.

    Until then, nothing that it lends on is taken.

    Example: entrenous processing add utility
    """
    async with node_of(options) as client:
        made = await client.processing_add(peer)
    options.screen.show("processing add", made)
    options.screen.say(f"This node processes for {peer}: what they lend on is taken.")
    options.screen.say("`entrenous grants` lists it, with the names under which it is fetched.")


@processing_app.command
async def remove(
    peer: Annotated[str, Parameter(help="For whom no longer.")], /, *, options: Options = USUAL
) -> None:
    """Take no more of what a peer lends on; what was taken stays until it ends.

    Example: entrenous processing remove utility
    """
    async with node_of(options) as client:
        left = await client.processing_remove(peer)
    options.screen.show("processing remove", left)
    options.screen.say(f"Nothing more is taken of {peer}; {counted(left.grants, 'grant')} came.")
