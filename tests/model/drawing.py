"""What happens next: drawn among all that can happen now, by weights that keep any of it from being
rare.

Drawn evenly, what is seldom possible would seldom happen.  So within one history whatever was drawn
before weighs less, and whatever was rarely possible weighs more once it is.  Everything is drawn
through Hypothesis, so a seed gives the same history again, and a failure is made smaller; weights
look at this history alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

F = TypeVar("F", bound=Callable[..., None])

# What a thing weighs that was possible each time and never drawn.
_WEIGHT: Final = 12
# So many steps pass before it counts how often something was possible.
_SOON: Final = 4


@dataclass(frozen=True, slots=True)
class Act:
    """A thing of some `kind` that can happen `when` that holds; `draw` draws the rest of it and
    does it."""

    name: str
    kind: str
    # Both are given the machine, whose class is made of these.
    when: Callable[[Any], bool]
    draw: Callable[[Any, st.DataObject], None]


ACTS: Final[list[Act]] = []


def may(name: str, kind: str, when: Callable[[Any], bool] = lambda _: True) -> Callable[[F], F]:
    """Let a method of the machine happen where `when` holds, if histories have this `kind`."""

    def known(method: F) -> F:
        ACTS.append(Act(name, kind, when, method))
        return method

    return known


class Drawing:
    """The choices of one history."""

    def __init__(self) -> None:
        self._steps = 0
        self._possible = Counter[str]()
        self._drawn = Counter[str]()

    def next(
        self, machine: object, kinds: Collection[str], data: st.DataObject, reached: Counter[str]
    ) -> Act | None:
        """What happens now; None if nothing can.  Counts in `reached` what could have."""
        able = {act.name: act for act in ACTS if act.kind in kinds and act.when(machine)}
        if not able:
            return None
        self._steps += 1
        self._possible.update([*able])
        reached.update(f"possible: {name}" for name in able)
        name = data.draw(st.sampled_from(self._weighed(able)), label="what happens")
        self._drawn[name] += 1
        reached[f"drawn: {name}"] += 1
        return able[name]

    def _weighed(self, able: Mapping[str, Act]) -> list[str]:
        """Each name as often as it weighs."""
        return [name for name in able for _ in range(self._weight(name))]

    def _weight(self, name: str) -> int:
        seldom = (self._steps + _SOON) / (self._possible[name] + _SOON)
        return max(1, round(_WEIGHT * seldom / (1 + self._drawn[name])))
