"""What a peer offers before it is asked: its standing terms as it told them, held to a draft.

Nothing is promised by it: a request is decided by the rules in force when it comes, and by what
only its owner knows (whether the asker is known, what the vault holds).  So this says what the
rules that were told make of a draft, and when they were told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ...protocol.standing_terms import Asking, Does, Judgement, Known, judge
from ...protocol.standing_terms_file import standing_from_mapping
from ...protocol.terms import Terms
from ...protocol.window import Window
from ..client import Client
from ..errors import Away, NotFound
from ..grants.vocabulary import purposes
from ..results.terms import StandingTold
from .days import days_in_words, moment
from .requests import now_ms
from .screen import Screen


async def kept_of(client: Client, peer: str) -> StandingTold | None:
    """What `peer` told when it was last asked; None if that never was."""
    try:
        return await client.standing_told(peer)
    except NotFound:
        return None


async def told_by(client: Client, peer: str) -> StandingTold:
    """What `peer` tells now, or if it is away what it told before.  Raises NotFound, Away."""
    try:
        return await client.ask_standing_terms(peer)
    except Away:
        kept = await kept_of(client, peer)
        if kept is None:
            raise
        return kept


def judged(told: StandingTold, items: Sequence[Window], terms: Terms, exp_s: int) -> Judgement:
    """What the rules that were told make of a draft.  They name no peers: they were chosen for
    whoever asked, so its name counts for nothing here."""
    rules = [cast("Mapping[str, object]", rule) for rule in told.rules]
    asking = Asking(
        peer=told.peer,
        known=Known.UNKNOWN,
        imitates=False,
        items=tuple(items),
        terms=terms,
        exp_s=exp_s,
    )
    return judge(standing_from_mapping({"rules": rules}), asking, purposes(), now_ms())


def offered_in_words(told: StandingTold, found: Judgement) -> str:
    """One line for a request: what was offered of it beforehand."""
    if not told.rules:
        return "nothing: they show you no standing terms"
    match found.does:
        case Does.GRANT if found.changes:
            words = f"less than this: {'; '.join(found.changes)}"
        case Does.GRANT:
            words = "all of this"
        case Does.REFUSE:
            words = "nothing of this: they would refuse it"
        case Does.QUEUE:
            words = "no answer to this beforehand: it would wait for them"
    return f"{words} (told {moment(told.heard_ms)})"


def as_check(told: StandingTold, found: Judgement) -> dict[str, object]:
    """The same for `--json`."""
    return {
        "peer": told.peer,
        "heard_ms": told.heard_ms,
        "does": found.does.value if told.rules else None,
        "why": found.why,
        "windows": list(found.windows),
        "exp_s": found.exp_s or None,
        "changes": list(found.changes),
    }


def show_judged(screen: Screen, told: StandingTold, found: Judgement) -> None:
    """What `ask --check` says."""
    screen.fact("they offer", offered_in_words(told, found))
    for window in found.windows:
        screen.fact("gives", f"{window.collection}, {days_in_words(window.first, window.last)}")
    if found.exp_s:
        screen.fact("until", moment(found.exp_s * 1000))
    if told.rules:
        screen.say(f"`entrenous terms standing of {told.peer} --kept` shows what they told.")
    screen.say("Nothing was asked.")
