"""A state machine over three nodes: Hypothesis chooses what happens, the model says what is right.

Each rule is something that people or the world do (`lending_rules.py`, `trouble_rules.py`).  A
history begins with a few loans, and many with an opening: some steps in an order that chance finds
rarely (`openings.py`).
"""

from __future__ import annotations

from typing import ClassVar

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from .device_rules import DeviceRules
from .history import KINDS, REST
from .lending_rules import FIRST, LAST, LendingRules, Loan, loans
from .openings import OPENINGS, TWO_DEVICES
from .town import OWNERS, PATHS
from .trouble_rules import TroubleRules

__all__ = ["KINDS", "LendingMachine", "Loan"]


class LendingMachine(LendingRules, TroubleRules, DeviceRules):
    """One history."""

    # The half of all histories begins with one.
    openings: ClassVar[tuple[str, ...]] = ("",) * len(OPENINGS) + tuple(OPENINGS)
    # Whether anybody may have two devices: in about half of all histories nobody has.
    _two = False

    @initialize(data=st.data(), seed=st.integers(0, 1023), some=st.lists(loans, max_size=4))
    def begin(self, data: st.DataObject, seed: int, some: list[Loan]) -> None:
        """Three who know each other, some loans, and a page on each of their days; or an opening,
        in which nothing else is lent."""
        if not seed:
            reject()  # Hypothesis tries the simplest history before any other: one thing, 40 times
        self.open_world(seed)
        name = data.draw(st.sampled_from(self.openings), label="opening")
        self._two = name in TWO_DEVICES or data.draw(st.booleans(), label="two devices")
        if name:
            OPENINGS[name](self)
            self.reached[f"opening: {name}"] += 1
            return
        for loan in some:
            self.lend(loan, 0.0)
        for owner in OWNERS:
            self.write(owner, "", PATHS[0], (FIRST, LAST - FIRST + 1), REST)

    @rule(data=st.data())
    def happens(self, data: st.DataObject) -> None:
        """One more thing: see `drawing.py`."""
        kinds = self.kinds if self._two else self.kinds - {"devices"}
        act = self.drawing.next(self, kinds, data, self.reached)
        if act is not None:
            act.draw(self, data)
