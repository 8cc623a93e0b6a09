"""How long a grant goes on: `renew`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ..errors import Exit, UsageError
from ..results.grants import GrantInfo
from ..results.history import Renewed
from .days import days_in_words, end_of_day_s, moment
from .lend import Yes
from .names import find, short
from .options import USUAL, Options, node_of, zone_of
from .screen import Screen
from .terms_words import purpose_in_words
from .words import counted

_DAY_S = 86_400
_EACH_DAYS = 30


async def renew(
    grant: Annotated[str, Parameter(help="The grant, or the first characters of its id.")],
    /,
    *,
    until: Annotated[
        str | None, Parameter(help="It goes on to the end of this day (YYYY-MM-DD).")
    ] = None,
    always: Annotated[
        bool, Parameter(help="Renew it by itself, and never beyond --until.", negative="")
    ] = False,
    each: Annotated[
        int | None, Parameter(help="With --always: for so many days at a time (30).")
    ] = None,
    never: Annotated[
        bool, Parameter(help="Do not renew it by itself any more.", negative="")
    ] = False,
    yes: Yes = False,
    options: Options = USUAL,
) -> int:
    """Let a grant go on for longer: the same terms, the same days and those that follow.

    A grant that you gave is renewed; of one that you hold, its owner is asked.  The reader gets new
    keys while the old ones still hold.  By itself a grant is renewed only with --always, and never
    after you have taken it back.

    Example: entrenous renew 5hr7q2ka --until 2027-12-31
    """
    if never and (until is not None or always or each is not None):
        raise UsageError("--never stands alone")
    if not never and until is None:
        raise UsageError("--until says how long it goes on (with --always: at most)")
    if each is not None and (not always or each < 1):
        raise UsageError("--each goes with --always, and is a number of days")
    screen = options.screen
    exp_s = None if until is None else end_of_day_s(until, zone_of(False))
    each_s = (each or _EACH_DAYS) * _DAY_S if always else None
    async with node_of(options) as client:
        known = {one.id: one for one in await client.grants() if one.side != "lent-on"}
    cid = find(grant, known, "grant", "entrenous grants --all")
    if exp_s is not None and not _agreed(screen, known[cid], exp_s, each_s, yes=yes):
        screen.note("Nothing was changed.")
        return Exit.FAILED
    async with node_of(options) as client:
        done = await client.renew(cid, exp_s, each_s=each_s)
    screen.show("renew", done)
    _say(screen, done, known[cid].peer)
    return Exit.DONE


def _agreed(screen: Screen, grant: GrantInfo, exp_s: int, each_s: int | None, *, yes: bool) -> bool:
    screen.say(f"{grant.peer}, for {purpose_in_words(grant.purpose)}")
    for window in grant.windows:
        screen.fact("", f"{window.collection}, {days_in_words(window.first, window.last)}")
    screen.fact("holds until", moment(grant.exp_s * 1000))
    if grant.side == "held":
        return screen.confirm(f"Ask for this until {moment(exp_s * 1000)}?", yes=yes)
    if each_s is None:
        return screen.confirm(f"Let this go on until {moment(exp_s * 1000)}?", yes=yes)
    days = counted(each_s // _DAY_S, "day")
    until = moment(exp_s * 1000)
    return screen.confirm(f"Renew this by itself, {days} at a time, until {until}?", yes=yes)


def _say(screen: Screen, done: Renewed, peer: str) -> None:
    if done.request is not None:
        screen.say(f"Asked {peer} to go on (request {short(done.request)}).")
        for window in done.windows:
            screen.fact("for", f"{window.collection}, {days_in_words(window.first, window.last)}")
    elif done.always is not None:
        days = counted(done.always["each_s"] // _DAY_S, "day")
        screen.say(
            f"{short(done.grant)} is renewed by itself, {days} at a time, until "
            f"{moment(done.always['until_s'] * 1000)}.  `entrenous renew {short(done.grant)} "
            "--never` ends that."
        )
    elif done.exp_s is None:
        screen.say(f"{short(done.grant)} is not renewed by itself any more.")
    else:
        screen.say(f"Renewed: {short(done.grant)} goes on until {moment(done.exp_s * 1000)}.")
        for window in done.windows:
            screen.fact("", f"{window.collection}, {days_in_words(window.first, window.last)}")
