"""The line of a persona as anybody may see it: one key after another, each promised by the last.

    [inception, [[succession, inception], …]]

It is what a step of `succession.py` holds without its half key, from the first persona that matters
to the last: whoever has it can see that whoever signed as the one may sign as the other, and learns
no key and no other persona.

What a line cannot show: when a key was left behind.  Whoever has the old one can sign as the old
persona for ever, with any date; who knew of the new one then does not take it.

Source: formats.md, "Identity"; docs/adr/0024-succession.md, docs/adr/0031-shared-records-whole.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .did import Did
from .errors import WireError
from .limits import SUCCESSION_BYTES_MAX, SUCCESSIONS_MAX
from .persona import (
    Inception,
    Succession,
    check_succession,
    parse_inception,
    parse_succession,
)
from .wire import Value


@dataclass(frozen=True, slots=True)
class PersonaLine:
    """Who has followed `first`, step by step.  Verified when read."""

    first: Inception
    steps: tuple[tuple[Succession, Inception], ...]

    @property
    def dids(self) -> tuple[Did, ...]:
        """Every persona of the line, the first one first."""
        return (self.first.did, *(succession.new for succession, _ in self.steps))

    @property
    def followed(self) -> Mapping[Did, Did]:
        """Each that followed, and the one with which the line begins."""
        return dict.fromkeys(self.dids[1:], self.dids[0])

    def between(self, used: Iterable[Did]) -> PersonaLine | None:
        """The part that leads through those of `used` that are in it; None for fewer than two."""
        places = sorted({self.dids.index(one) for one in used if one in self.dids})
        if len(places) < 2:
            return None
        low, high = places[0], places[-1]
        first = self.first if low == 0 else self.steps[low - 1][1]
        return PersonaLine(first, self.steps[low:high])

    def value(self) -> Value:
        return [
            self.first.signed.raw,
            [[succession.signed.raw, after.signed.raw] for succession, after in self.steps],
        ]


def line_from_value(value: Value) -> PersonaLine:
    """Read a line and verify every promise in it.

    Raises WireError, BadSignature, CapabilityError (audience) for a key that was not promised.
    """
    match value:
        case [bytes(raw), list(items)] if len(raw) <= SUCCESSION_BYTES_MAX:
            first = parse_inception(raw)
        case _:
            raise WireError("a line of personas has not the form of one")
    if not 1 <= len(items) <= SUCCESSIONS_MAX:
        raise WireError(f"a line of personas has 1 to {SUCCESSIONS_MAX} steps")
    steps: list[tuple[Succession, Inception]] = []
    present = first
    for item in items:
        match item:
            case [bytes(one), bytes(two)] if max(len(one), len(two)) <= SUCCESSION_BYTES_MAX:
                succession, after = parse_succession(one), parse_inception(two)
            case _:
                raise WireError("a step of a line of personas has not the form of one")
        check_succession(succession, present, after)
        steps.append((succession, after))
        present = after
    line = PersonaLine(first, tuple(steps))
    if len(set(line.dids)) != len(line.dids):
        raise WireError("a line of personas comes back to one that was left behind")
    return line
