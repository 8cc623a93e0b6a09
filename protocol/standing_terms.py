"""Standing terms: what a person accepts in general, as rules that they wrote, and what follows.

    request ──first rule that is for it──> grant (whole) | grant (narrowed) | queue | refuse
            └──none──> queue

A rule says **whom and what it is for** (peers, how well they are known, purposes with their special
cases, collections, paid or not) and **what it does**.  The first rule that is for a request decides
it, so the person writes the special before the general.  A rule that grants names its purposes and
collections, and whom; and its **bounds**: days, retention, life, recipients, clauses that must
stand.  A request within all of them is granted as it is.  For one beyond them the rule says what
then: it is narrowed to the bounds, waits for the person, or is refused.

Nothing is ever granted beyond the rule that granted it.  What a rule cannot tell (a purpose that is
not known is under nothing; a name that looks like another's; undated records unless it says so)
is not granted by it: it waits for the person.

No I/O and no clock; everything here is a function of the request, of what is known of its sender,
and of the rules.

Source: docs/terms.md, ADR 18.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from .collection import is_kept_as
from .errors import WireError
from .limits import TERMS_BYTES_MAX
from .purposes import Purposes
from .terms import Clause, Force, Terms
from .terms_narrowing import differences, narrowed
from .window import Window, joined, opened_until

DAY_S = 86_400
# What a peer is told whom a rule without a reason refuses.
NOT_ALLOWED = "the standing terms here do not allow this"


class Known(StrEnum):
    """How well a peer is known; each level includes those above it."""

    DOMAIN = "domain"
    VOUCHED = "vouched"
    UNKNOWN = "unknown"


_RANK = {Known.UNKNOWN: 0, Known.VOUCHED: 1, Known.DOMAIN: 2}


class Does(StrEnum):
    """What a rule does with what it is for."""

    GRANT = "grant"
    QUEUE = "queue"
    REFUSE = "refuse"


class Beyond(StrEnum):
    """What a rule that grants does with a request beyond its bounds."""

    NARROW = "narrow"
    QUEUE = "queue"
    REFUSE = "refuse"


class Paid(StrEnum):
    """Whether a rule is for requests that offer something in return."""

    ANY = "any"
    ONLY = "only"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a rule grants at most.

    `days` counts the days of each collection, the latest first; `retention_days` and `life_days`
    are how long the data is kept and how long the grant lives; `recipients` who may be passed it
    on, word for word; `clauses` are sentences that must stand in the terms.  `undated`: also what
    has no day, such as contacts.
    """

    days: int
    retention_days: int
    life_days: int
    recipients: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    undated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.  An empty `peers`, `purposes` or `collections` is any; None is any level.

    `bounds` is there exactly if the rule grants.  `shown`: told to peers who ask.
    `ask_again_days` holds in place of the general one for what this rule is for; 0 is at once.
    """

    name: str
    does: Does
    peers: tuple[str, ...] = ()
    level: Known | None = None
    purposes: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    paid: Paid = Paid.ANY
    bounds: Bounds | None = None
    beyond: Beyond = Beyond.QUEUE
    reason: str | None = None
    shown: bool = False
    ask_again_days: int | None = None


@dataclass(frozen=True, slots=True)
class StandingTerms:
    """The rules in their order.

    With `ask_again_days`, who asks the same again within that many days of a refusal is refused,
    but where the rule that is for the request has a number of its own.
    """

    rules: tuple[Rule, ...] = ()
    ask_again_days: int | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """A request as rules see it.

    `peer` is the name by which the person knows its sender, `known` how well, `imitates` whether
    that name may be taken for another's.  `items` are whole collections: categories were expanded,
    and `unsure` says that some of it may belong to people whom the peer does not know.
    `refused_ms` is when the same was last refused to this peer.
    """

    peer: str
    known: Known
    imitates: bool
    items: tuple[Window, ...]
    terms: Terms
    exp_s: int
    unsure: bool = False
    refused_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows: `rule` is the name of the one that decided, None if none did.

    With GRANT there are `windows`, `terms` and `exp_s`; `changes` say, a sentence each, how they
    are less than what was asked.  `why` is one sentence; with REFUSE it is told to the peer.
    """

    does: Does
    rule: str | None
    why: str
    windows: tuple[Window, ...] = ()
    terms: Terms | None = None
    exp_s: int = 0
    changes: tuple[str, ...] = ()


def judge(standing: StandingTerms, asking: Asking, purposes: Purposes, now_ms: int) -> Judgement:
    """What the rules make of a request."""
    rule = next((one for one in standing.rules if is_for(one, asking, purposes)), None)
    again, named = standing.ask_again_days, "ask_again_days"
    if rule is not None and rule.ask_again_days is not None:
        again, named = rule.ask_again_days, rule.name
    if (
        again is not None
        and asking.refused_ms is not None
        and now_ms - asking.refused_ms < again * DAY_S * 1000
    ):
        within = "day" if again == 1 else f"{again:,} days"
        return Judgement(Does.REFUSE, named, f"the same was refused within the last {within}")
    if rule is None:
        return Judgement(Does.QUEUE, None, "no standing rule is for this request")
    return _by(rule, asking, now_ms)


def is_for(rule: Rule, asking: Asking, purposes: Purposes) -> bool:
    """Whether `rule` is the one to ask about this request.

    One that grants is for a request of which some item is in its collections; one that refuses or
    queues likewise, so that "never my health data" meets a request that hides it among others.
    """
    if rule.peers and asking.peer not in rule.peers:
        return False
    if rule.level is not None and _RANK[asking.known] < _RANK[rule.level]:
        return False
    paid = bool(asking.terms.remuneration)
    if rule.paid is not Paid.ANY and (rule.paid is Paid.ONLY) != paid:
        return False
    if rule.purposes and not any(
        purposes.is_under(asking.terms.purpose, one) for one in rule.purposes
    ):
        return False
    return not rule.collections or any(covers(rule, one.collection) for one in asking.items)


def covers(rule: Rule, collection: str) -> bool:
    """Whether a collection is one of those that a rule names, is in one of its categories, or is
    kept as somebody's of the house."""
    return any(
        is_kept_as(collection, one) or collection.startswith(one + "/") for one in rule.collections
    )


def _by(rule: Rule, asking: Asking, now_ms: int) -> Judgement:
    """What the rule that is for a request does with it."""
    if rule.does is not Does.GRANT:
        # The words of a refusal are told to the peer, who is to learn no rule's name.
        refuses = rule.does is Does.REFUSE
        unsaid = NOT_ALLOWED if refuses else f"the standing rule {rule.name} says so"
        return Judgement(rule.does, rule.name, rule.reason or unsaid)
    doubt = _doubt(asking)
    if doubt is not None:
        return Judgement(Does.QUEUE, rule.name, f"the rule {rule.name} would grant it, but {doubt}")
    assert rule.bounds is not None
    try:
        windows, terms, exp_s = _bounded(rule, rule.bounds, asking, now_ms)
    except WireError as error:  # so many clauses that those of the rule find no place
        return Judgement(Does.QUEUE, rule.name, f"beyond the rule {rule.name}: {error}")
    changes = _changes(asking, windows, terms, exp_s)
    if not windows:
        return _beyond(rule, "nothing of it is within the rule")
    if changes and rule.beyond is not Beyond.NARROW:
        return _beyond(rule, "; ".join(changes))
    why = f"narrowed by the rule {rule.name}" if changes else f"within the rule {rule.name}"
    return Judgement(Does.GRANT, rule.name, why, windows, terms, exp_s, changes)


def _doubt(asking: Asking) -> str | None:
    """Why no rule may grant this, however it is written."""
    if asking.imitates:
        return "its sender's name may be taken for another's"
    if asking.unsure:
        return "some of it belongs to people whom its sender does not know"
    return None


def _beyond(rule: Rule, what: str) -> Judgement:
    if rule.beyond is Beyond.REFUSE:
        why = rule.reason or "this is more than the standing terms allow"
        return Judgement(Does.REFUSE, rule.name, why)
    return Judgement(Does.QUEUE, rule.name, f"beyond the rule {rule.name}: {what}")


def _bounded(
    rule: Rule, bounds: Bounds, asking: Asking, now_ms: int
) -> tuple[tuple[Window, ...], Terms, int]:
    """What of a request is within a rule: days, terms, end."""
    exp_s = min(asking.exp_s, now_ms // 1000 + bounds.life_days * DAY_S)
    inside = [
        one
        for one in asking.items
        if covers(rule, one.collection) and (bounds.undated or not one.undated)
    ]
    windows = _latest(opened_until(inside, exp_s), bounds.days)
    asked = asking.terms
    terms = narrowed(
        asked,
        retention_days=min(asked.retention_days, bounds.retention_days),
        recipients=[one for one in asked.recipients if one in bounds.recipients],
        clauses=[Clause(text, Force.PROMISED) for text in bounds.clauses],
    )
    if len(terms.encode()) > TERMS_BYTES_MAX:
        raise WireError("terms: with the clauses of the rule they are too long")
    return windows, terms, exp_s


def _latest(windows: Sequence[Window], days: int) -> tuple[Window, ...]:
    """The latest `days` days of each collection, and what is undated."""
    kept: list[Window] = []
    left: dict[str, int] = {}
    for window in reversed(joined(windows)):
        if window.undated:
            kept.append(window)
            continue
        more = left.setdefault(window.collection, days)
        if more > 0:
            first = max(window.first, window.last - more + 1)
            kept.append(replace(window, first=first))
            left[window.collection] = more - (window.last - first + 1)
    return tuple(sorted(kept))


def _changes(
    asking: Asking, windows: Sequence[Window], terms: Terms, exp_s: int
) -> tuple[str, ...]:
    """How what would be granted is less than what was asked."""
    found: list[str] = []
    asked = joined(asking.items)
    given = joined(windows)
    gone = sorted({one.collection for one in asked} - {one.collection for one in given})
    if gone:
        found.append(f"without {', '.join(gone)}")
    rest = [one for one in asked if one.collection not in gone]
    # Days after the end of the asked time open nothing, so leaving them out takes nothing away.
    if given != joined(opened_until(rest, asking.exp_s)):
        found.append("for fewer days")
    found += differences(asking.terms, terms)
    if exp_s != asking.exp_s:
        found.append("for a shorter time")
    return tuple(found)


def rules_for(standing: StandingTerms, peer: str, known: Known) -> tuple[Rule, ...]:
    """The rules that a peer may be told: those that are marked to be shown, and are for it."""
    return tuple(
        rule
        for rule in standing.rules
        if rule.shown
        and (not rule.peers or peer in rule.peers)
        and (rule.level is None or _RANK[known] >= _RANK[rule.level])
    )
