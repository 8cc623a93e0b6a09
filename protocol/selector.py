"""Selectors: how a policy points into the arguments of an invocation.

A selector begins with a dot and is read from left to right:

    .               the arguments themselves
    .from  ["a b"]  the value at a key of a map; null if the key is missing
    [2]  [-1]       one element of a list, or one byte of a byte string
    [1:3]  [:-2]    a slice of either
    []              the values of a map; on a list, the list itself
    ?               after any of these: null where it would have failed

Resolution either yields a value or fails (`Unresolved`); a statement over a failed selector is
false.  What is not in this table is not a selector and the policy that holds it is refused.

Source: UCAN Delegation 1.0.0, "Selectors".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

from . import limits
from .errors import WireError
from .wire import Value


class Unresolved(Enum):
    """The outcome of a selector that does not lead to a value."""

    UNRESOLVED = "unresolved"


UNRESOLVED: Final = Unresolved.UNRESOLVED


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Index:
    position: int
    optional: bool


@dataclass(frozen=True, slots=True)
class Slice:
    start: int | None
    stop: int | None
    optional: bool


@dataclass(frozen=True, slots=True)
class Values:
    optional: bool


Step: TypeAlias = Key | Index | Slice | Values

# Nine digits are far beyond any list that fits a token, and no integer grows past a machine word.
_STEP = re.compile(
    r"""
    (?: \.(?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | \["(?P<key>(?:[^"\\]|\\["\\])*)"\]
      | \[(?P<index>-?[0-9]{1,9})\]
      | \[(?P<start>-?[0-9]{1,9})?:(?P<stop>-?[0-9]{1,9})?\]
      | (?P<values>\[\])
    )(?P<optional>\?*)
    """,
    re.VERBOSE,
)
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector read once.  `text` is as it stood in the policy; it is what travels."""

    text: str
    steps: tuple[Step, ...]

    def resolve(self, value: Value, spend: Callable[[int], None]) -> Value | Unresolved:
        """The value that this selector leads to from `value`, a decoded value: dicts and lists.

        `spend` is told the size of what may be copied on the way, and may raise to stop.
        """
        here: Value | Unresolved = value
        for step in self.steps:
            # The one step that nearly every selector has, without a detour.
            if type(step) is Key and isinstance(here, dict):
                here = here.get(step.name)
                continue
            if isinstance(here, dict | list | bytes):
                spend(len(here))
            here = _take(step, here)
            if here is UNRESOLVED:
                # UCAN: "return early when a segment can't be resolved"; but a failed optional
                # segment yields null, from which a further segment fails in turn.
                if not step.optional:
                    return UNRESOLVED
                here = None
        return here


def parse_selector(text: Value) -> Selector:
    """Read a selector.  Raises WireError for anything outside the table above."""
    if not isinstance(text, str) or not 1 <= len(text) <= limits.SELECTOR_CHARS_MAX:
        raise WireError(f"a selector is text of 1 to {limits.SELECTOR_CHARS_MAX} characters")
    return _parse(text)


# Grants use the same few selectors over and over; a Selector is a value, and may be shared.
@lru_cache(maxsize=256)
def _parse(text: str) -> Selector:
    if not text.startswith("."):
        raise WireError("a selector begins with a dot")
    if text == ".":
        return Selector(text, ())
    # `.["key"]`, `.[0]`: the dot is the arguments themselves and the bracket goes on from there.
    position = 1 if text[1] == "[" else 0
    steps: list[Step] = []
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or len(steps) == limits.SELECTOR_STEPS_MAX:
            raise WireError("a selector has a part that is not known, or too many of them")
        steps.append(_step(match))
        position = match.end()
    return Selector(text, tuple(steps))


def _step(match: re.Match[str]) -> Step:
    optional = match["optional"] != ""
    if match["name"] is not None:
        return Key(match["name"], optional)
    if match["key"] is not None:
        return Key(_ESCAPED.sub(r"\1", match["key"]), optional)
    if match["index"] is not None:
        return Index(int(match["index"]), optional)
    if match["values"] is not None:
        return Values(optional)
    start, stop = match["start"], match["stop"]
    if not start and not stop:
        raise WireError("a slice in a selector names a start or an end")
    return Slice(int(start) if start else None, int(stop) if stop else None, optional)


def _take(step: Step, value: Value | Unresolved) -> Value | Unresolved:
    if isinstance(step, Key):
        return value.get(step.name) if isinstance(value, dict) else UNRESOLVED
    if isinstance(step, Values):
        if isinstance(value, dict):
            return list(value.values())
        return value if isinstance(value, list) else UNRESOLVED
    if not isinstance(value, list | bytes):
        return UNRESOLVED
    if isinstance(step, Slice):
        return value[step.start : step.stop]
    if not -len(value) <= step.position < len(value):
        return UNRESOLVED
    return value[step.position]
