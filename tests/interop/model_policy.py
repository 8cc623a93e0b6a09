"""Policies as the specification says, and by name where iso-ucan departs: see `model`."""

# Statements and arguments are what a decoder gave: their types are what this module asks about.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownParameterType=false

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

Departures = Collection[str]

_ORDERS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_PART = re.compile(
    r'(\.[A-Za-z_]\w*|\["(?:[^"\\]|\\["\\])*"\]|\[-?\d{1,9}\]|\[-?\d*:-?\d*\]|\[\])(\?*)', re.ASCII
)


class Nowhere(Exception):
    """A selector leads to nothing."""


# --- what is a policy -----------------------------------------------------------------------------


def is_policy(value: Any) -> bool:
    """Whether `value` is in the language at all (sizes are not looked at)."""
    return isinstance(value, list) and all(_is_statement(one) for one in value)


def _is_statement(value: Any) -> bool:
    match value:
        case ["==" | "!=", str(selector), _]:
            return parts(selector) is not None
        case ["<" | "<=" | ">" | ">=", str(selector), int(bound)]:
            return parts(selector) is not None and type(bound) is int
        case ["like", str(selector), str()]:
            return parts(selector) is not None
        case ["not", inner]:
            return _is_statement(inner)
        case ["and" | "or", list(inner)]:
            return is_policy(inner)
        case ["all" | "any", str(selector), inner]:
            return parts(selector) is not None and _is_statement(inner)
        case _:
            return False


def parts(selector: str) -> list[tuple[str, bool]] | None:
    """The steps of a selector and whether each is optional; None if it is none."""
    if selector == ".":
        return []
    if not selector.startswith("."):
        return None
    at = 1 if selector.startswith(".[") else 0
    found: list[tuple[str, bool]] = []
    while at < len(selector):
        match = _PART.match(selector, at)
        if match is None or match[1] == "[:]":
            return None
        found.append((match[1], match[2] != ""))
        at = match.end()
    return found


# --- selecting ------------------------------------------------------------------------------------


def select(departures: Departures, selector: str, value: Any) -> Any:
    """What a selector leads to.  Raises Nowhere."""
    steps = parts(selector)
    assert steps is not None
    for step, optional in steps:
        if step.startswith('["') and "quoted key" in departures:
            continue
        try:
            value = _step(departures, step, value)
        except Nowhere:
            if not optional or "optional" in departures:
                raise
            value = None
    return value


def _step(departures: Departures, step: str, value: Any) -> Any:
    if not step.startswith("[") or step.startswith('["'):
        name = step[1:] if step.startswith(".") else re.sub(r'\\(["\\])', r"\1", step[2:-2])
        if not isinstance(value, dict):
            raise Nowhere
        mapping = value
        if name not in mapping and name in _EVERY_OBJECT and "keys of every object" in departures:
            return Function
        if name not in mapping and "missing key" in departures:
            raise Nowhere
        return mapping.get(name)
    if step == "[]":
        if isinstance(value, dict):
            return list(value.values())
        if isinstance(value, bytes) and "bytes as a collection" in departures:
            return list(value)
        if isinstance(value, list):
            return value
        raise Nowhere
    if not isinstance(value, list if "one byte of bytes" in departures else list | bytes):
        raise Nowhere
    sequence = value
    if ":" in step:
        start, stop = (int(end) if end else None for end in step[1:-1].split(":"))
        return sequence[start:stop]
    place = int(step[1:-1])
    if not -len(sequence) <= place < len(sequence):
        raise Nowhere
    return sequence[place]


_EVERY_OBJECT = ("constructor", "toString")


class Function:
    """What JavaScript finds in every object under some names."""


# --- evaluating -----------------------------------------------------------------------------------


def holds(departures: Departures, policy: Any, args: Any) -> bool:
    """Whether every statement of a policy holds.  An unreadable policy holds for nobody."""
    if not isinstance(policy, list):
        return False
    statements = policy
    return all(_holds(departures, statement, args) for statement in statements)


def _holds(departures: Departures, statement: Any, value: Any) -> bool:
    try:
        return _evaluate(departures, statement, value)
    except Nowhere:
        return False


def _evaluate(departures: Departures, statement: Any, value: Any) -> bool:
    match statement:
        case ["==", str(selector), wanted]:
            return same(select(departures, selector, value), wanted)
        case ["!=", str(selector), wanted]:
            return not same(select(departures, selector, value), wanted)
        case ["<" | "<=" | ">" | ">=" as sign, str(selector), bound]:
            found = select(departures, selector, value)
            return (
                _is_number(departures, found)
                and _is_number(departures, bound)
                and bool(_ORDERS[sign](found, bound))
            )
        case ["like", str(selector), str(pattern)]:
            found = select(departures, selector, value)
            return isinstance(found, str) and _like(departures, pattern, found)
        case ["not", inner]:
            return not _holds(departures, inner, value)
        case ["and", list(inner)]:
            return all(_holds(departures, one, value) for one in inner)
        case ["or", list(inner)]:
            some: list[Any] = inner
            return not some or any(_holds(departures, one, value) for one in some)
        case ["all" | "any" as name, str(selector), inner]:
            return _quantified(departures, name, select(departures, selector, value), inner)
        case _:
            # Only a program that does not read policies first comes here.
            return False


def _quantified(departures: Departures, name: str, found: Any, inner: Any) -> bool:
    nested = isinstance(inner, list) and inner[:1] in (["all"], ["any"])
    if nested and "quantifier in a quantifier" in departures:
        return _holds(departures, inner, found)
    if isinstance(found, dict):
        found = list(found.values())
    elif isinstance(found, bytes) and "bytes as a collection" in departures:
        found = list(found)
    if not isinstance(found, list):
        return False
    elements = found
    if not elements and "any over nothing" in departures:
        return True
    verdicts = [_holds(departures, inner, element) for element in elements]
    return all(verdicts) if name == "all" else any(verdicts)


def _is_number(departures: Departures, value: Any) -> bool:
    if isinstance(value, float):
        return "floats" in departures
    small = type(value) is int and abs(value) < 2**53
    return small or (type(value) is int and "integers beyond 53 bits" not in departures)


def same(a: Any, b: Any) -> bool:
    """Deep and typed equality."""
    if isinstance(a, list) and isinstance(b, list):
        left, right = a, b
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(a, dict) and isinstance(b, dict):
        one, other = a, b
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(a) is type(b) and a == b


def _like(departures: Departures, pattern: str, text: str) -> bool:
    pieces = re.split(r"(\\\*|\*)", pattern)
    any_run = "[^\n\r\u2028\u2029]*" if "wildcard over a line" in departures else "(?s:.*)"
    expression = "".join(
        any_run if piece == "*" else re.escape("*" if piece == "\\*" else piece) for piece in pieces
    )
    return re.fullmatch(expression, text) is not None
