"""Dice: every choice that a simulated world makes, drawn from its seed.

Each purpose has dice of its own (`fork`), so that one more draw for the weather does not change
which node crashes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from ..crypto.entropy import SeededEntropy

T = TypeVar("T")


class Dice:
    """Draws from one seeded stream."""

    def __init__(self, entropy: SeededEntropy) -> None:
        self._entropy = entropy

    @classmethod
    def of(cls, seed: int) -> Dice:
        return cls(SeededEntropy(seed.to_bytes(8, "big")))

    def fork(self, purpose: str) -> Dice:
        """Dice whose draws depend on nothing drawn from these."""
        return Dice(self._entropy.fork(purpose))

    def uniform(self) -> float:
        """In [0, 1), 53 bits."""
        return (int.from_bytes(self._entropy.random_bytes(7), "big") >> 3) / 2**53

    def between(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return low + math.floor(self.uniform() * (high - low + 1))

    def span(self, low: float, high: float) -> float:
        return low + self.uniform() * (high - low)

    def chance(self, chance: float) -> bool:
        """True with `chance` in 0…1; nothing is drawn where it cannot happen."""
        return chance > 0 and self.uniform() < chance

    def wait(self, mean_s: float) -> float:
        """Seconds until the next of something that happens every `mean_s` seconds on average."""
        return -mean_s * math.log(1 - self.uniform())

    def pick(self, some: Sequence[T]) -> T:
        return some[self.between(0, len(some) - 1)]

    def shuffled(self, some: Sequence[T]) -> list[T]:
        """A new list, in any order."""
        left, result = list(some), list[T]()
        while left:
            result.append(left.pop(self.between(0, len(left) - 1)))
        return result
