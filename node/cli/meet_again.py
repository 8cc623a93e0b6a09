"""`meet`: find a peer again after both machines were lost."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from ..errors import UsageError
from .days import moment
from .options import USUAL, Options, node_of
from .visible import visible


async def meet(
    peer: Annotated[str | None, Parameter(help="The peer that made the link.")] = None,
    link: Annotated[
        str | None, Parameter(help="Its link; without it, or with -, it is read from stdin.")
    ] = None,
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Find a peer again: you both came back from backups, and neither knows where the other is.

    Without a peer it prints a link that says where this node is.  It opens nothing, and is no
    secret.  The other side runs `entrenous meet` with what it calls you, and the link; then you are
    paired as before, with the same grants.  A node that is somebody else is refused.

    Example: entrenous meet bank 'entrenous-place:…'
    """
    screen = options.screen
    if peer is None:
        async with node_of(options, network=True) as client:
            made = await client.meeting_place()
        screen.show("meet", {"link": made.link, "exp_s": made.exp_s, "name": None, "did": None})
        if not screen.json:
            print(made.link, flush=True)
            screen.note(f"Where this node is, until {moment(made.exp_s * 1000)}. There they run:")
            screen.note("  entrenous meet PEER -     with what they call you, and paste the link")
        return
    # A program that named no link shall not wait for one at a terminal.
    if link == "-" or (link is None and (screen.asks or not sys.stdin.isatty())):
        link = sys.stdin.readline().strip()
    if not link:
        raise UsageError("give the link that `entrenous meet` prints on the other side")
    async with node_of(options, network=True) as client:
        found = await client.meet_again(link, peer)
    screen.show("meet", {"link": None, "exp_s": None, "name": found.name, "did": found.did})
    screen.say(f"Met {visible(found.name)} again: everything between you goes on.")
