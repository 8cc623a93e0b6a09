"""`mandate again`: give a mandate again that ended as a device was left behind."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from .days import moment
from .names import find
from .options import USUAL, Options, node_of
from .visible import visible


async def again(
    mandate: Annotated[str, Parameter(help="The mandate that ended, or the beginning of its id.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Give a mandate again that you gave and that ended: to the same, for the same, until the same.

    When a device is left behind you become somebody else to everyone, and what you had signed for
    others to act for you ends with it.  `entrenous mandates --all` lists those.  If it is who acts
    that has lost a device, they ask again first: `entrenous mandate ask`.

    Example: entrenous mandate again 5hr7q2ka
    """
    async with node_of(options) as client:
        known = [one.id for one in await client.mandates() if one.side == "given"]
        made = await client.mandate_again(
            find(mandate, known, "mandate", "entrenous mandates --all")
        )
    screen = options.screen
    screen.show("mandate again", made)
    until = moment(made.exp_s * 1000)
    screen.say(f"Given again: {visible(made.proxy)} may act for you, until {until}.")
