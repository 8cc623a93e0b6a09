"""Standing terms as they are written: in a file by a person, in the store, and to a peer who asks.

    ask_again_days: 30                     # for every request, but for a rule with its own
    rules:
      - name: energy advice
        does: grant                        # or queue, refuse
        level: domain                      # or peers: [names]
        purposes: [dpv:ServiceProvision]   # and what is under them
        collections: [energy]              # whole paths, or what they begin with
        days: 400
        retention_days: 30
        life_days: 90
        recipients: []
        clauses: [no profiling]
        beyond: narrow                     # or queue, refuse
        ask_again_days: 7
        shown: true

One form for all three: a map of plain values.  A peer is told the rules that are marked to be
shown, without their names and without whom else they are for.

Source: docs/terms.md, ADR 18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final, TypeVar, cast

from .collection import check_path
from .day import DAY_MAX
from .errors import ProtocolError, WireError
from .limits import (
    LINE_CHARS_MAX,
    RETENTION_DAYS_MAX,
    STANDING_ITEMS_MAX,
    STANDING_RULES_MAX,
    TEXT_CHARS_MAX,
)
from .standing_terms import Beyond, Bounds, Does, Known, Paid, Rule, StandingTerms
from .wire import Value

NAME_CHARS_MAX: Final = 64
LIFE_DAYS_MAX: Final = 3_653
ASK_AGAIN_DAYS_MAX: Final = 3_653
# What a peer is told stands under this in place of the name of a rule.
TOLD_NAME: Final = "standing terms"

E = TypeVar("E", bound=StrEnum)

_BOUNDS: Final = ("days", "retention_days", "life_days", "recipients", "clauses", "undated")
_KEYS: Final = (
    "name",
    "does",
    "peers",
    "level",
    "purposes",
    "collections",
    "paid",
    "beyond",
    "reason",
    "shown",
    "ask_again_days",
    *_BOUNDS,
)


def standing_from_mapping(written: Mapping[str, object]) -> StandingTerms:
    """Read standing terms.  Raises WireError, naming the rule and the key."""
    _known(written, ("ask_again_days", "rules"), "standing terms")
    again = written.get("ask_again_days")
    rules = written.get("rules", [])
    if not isinstance(rules, (list, tuple)):
        raise WireError("standing terms: rules is not a list")
    items = cast("Sequence[object]", rules)
    if len(items) > STANDING_RULES_MAX:
        raise WireError(f"standing terms: more than {STANDING_RULES_MAX} rules")
    found = tuple(_rule(number, item) for number, item in enumerate(items, 1))
    names = [rule.name for rule in found]
    for name in names:
        if names.count(name) > 1:
            raise WireError(f"standing terms: two rules are called {name}")
    return StandingTerms(
        found,
        None
        if again is None
        else _number(again, "standing terms: ask_again_days", 1, ASK_AGAIN_DAYS_MAX),
    )


def standing_value(standing: StandingTerms) -> Value:
    """The same, as it is kept and shown: every key that says something."""
    return {
        "ask_again_days": standing.ask_again_days,
        "rules": [rule_value(rule) for rule in standing.rules],
    }


def rule_value(rule: Rule) -> dict[str, Value]:
    """One rule, as `standing_from_mapping` reads it."""
    value: dict[str, Value] = {
        "name": rule.name,
        "does": rule.does.value,
        "peers": list(rule.peers),
        "level": None if rule.level is None else rule.level.value,
        "purposes": list(rule.purposes),
        "collections": list(rule.collections),
        "paid": rule.paid.value,
        "reason": rule.reason,
        "shown": rule.shown,
    }
    if rule.ask_again_days is not None:
        value["ask_again_days"] = rule.ask_again_days
    if rule.bounds is not None:
        bounds = rule.bounds
        value |= {
            "beyond": rule.beyond.value,
            "days": bounds.days,
            "retention_days": bounds.retention_days,
            "life_days": bounds.life_days,
            "recipients": list(bounds.recipients),
            "clauses": list(bounds.clauses),
            "undated": bounds.undated,
        }
    return value


def told_value(rules: Sequence[Rule]) -> Value:
    """What a peer is told of `rules`, which were chosen for it: numbered, for "anyone"."""
    told = [
        replace(rule, name=f"{TOLD_NAME} {number}", peers=(), level=Known.UNKNOWN)
        for number, rule in enumerate(rules, 1)
    ]
    return standing_value(StandingTerms(tuple(told)))


def _rule(number: int, written: object) -> Rule:
    what = f"standing terms: rule {number}"
    if not isinstance(written, Mapping):
        raise WireError(f"{what} is not a map")
    found = cast("Mapping[str, object]", written)
    _known(found, _KEYS, what)
    name = _line(found.get("name"), f"{what}: name", NAME_CHARS_MAX)
    what = f"{what} ({name})"
    does = _one_of(Does, found.get("does"), f"{what}: does")
    level, reason = found.get("level"), found.get("reason")
    rule = Rule(
        name=name,
        does=does,
        peers=_lines(found, "peers", what),
        level=None if level is None else _one_of(Known, level, f"{what}: level"),
        purposes=_lines(found, "purposes", what),
        collections=_lines(found, "collections", what, _path),
        paid=_one_of(Paid, found.get("paid", "any"), f"{what}: paid"),
        reason=None if reason is None else _line(reason, f"{what}: reason", TEXT_CHARS_MAX),
        shown=_flag(found.get("shown", False), f"{what}: shown"),
        ask_again_days=_maybe_days(found.get("ask_again_days"), f"{what}: ask_again_days"),
    )
    if does is not Does.GRANT:
        for key in ("beyond", *_BOUNDS):
            if key in found:
                raise WireError(f"{what}: {key} goes with a rule that grants")
        return rule
    if not rule.purposes or not rule.collections:
        raise WireError(f"{what}: a rule that grants names its purposes and collections")
    if not rule.peers and rule.level is None:
        raise WireError(f"{what}: a rule that grants says to whom: peers, or a level")
    beyond = _one_of(Beyond, found.get("beyond", "queue"), f"{what}: beyond")
    return replace(rule, bounds=_bounds(found, what), beyond=beyond)


def _bounds(found: Mapping[str, object], what: str) -> Bounds:
    return Bounds(
        days=_number(found.get("days"), f"{what}: days", 1, DAY_MAX + 1),
        retention_days=_number(
            found.get("retention_days"), f"{what}: retention_days", 0, RETENTION_DAYS_MAX
        ),
        life_days=_number(found.get("life_days"), f"{what}: life_days", 1, LIFE_DAYS_MAX),
        recipients=_lines(found, "recipients", what),
        clauses=_lines(found, "clauses", what),
        undated=_flag(found.get("undated", False), f"{what}: undated"),
    )


def _known(written: Mapping[str, object], keys: Sequence[str], what: str) -> None:
    unknown = sorted(str(key) for key in written if key not in keys)
    if unknown:
        raise WireError(f"{what}: the key {unknown[0][:64]!r} is not known")


def _one_of(kind: type[E], value: object, what: str) -> E:
    for one in kind:
        if value == one.value:
            return one
    raise WireError(f"{what} is one of {', '.join(one.value for one in kind)}")


def _number(value: object, what: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise WireError(f"{what} is a number from {low} to {high:,}")
    return value


def _maybe_days(value: object, what: str) -> int | None:
    return None if value is None else _number(value, what, 0, ASK_AGAIN_DAYS_MAX)


def _flag(value: object, what: str) -> bool:
    """True or false; in YAML, where words are text here, the words."""
    found = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise WireError(f"{what} is true or false")
    return found


def _line(value: object, what: str, chars_max: int = LINE_CHARS_MAX) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= chars_max or not value.isprintable():
        raise WireError(f"{what} is one line of 1 to {chars_max} characters")
    return value


def _lines(
    found: Mapping[str, object],
    key: str,
    what: str,
    read: Callable[[object, str], str] = _line,
) -> tuple[str, ...]:
    items = found.get(key, [])
    if not isinstance(items, (list, tuple)):
        raise WireError(f"{what}: {key} is not a list")
    values = cast("Sequence[object]", items)
    if len(values) > STANDING_ITEMS_MAX:
        raise WireError(f"{what}: {key} has more than {STANDING_ITEMS_MAX} items")
    return tuple(read(item, f"{what}: {key}") for item in values)


def _path(value: object, what: str) -> str:
    try:
        return check_path(_line(value, what))
    except ProtocolError as error:
        raise WireError(f"{what}: {error}") from error
