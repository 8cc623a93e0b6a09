"""The one door through which randomness enters.

A node is handed an `Entropy`; nothing else in the project asks the operating system for random
bytes.  A simulation hands in `SeededEntropy`, and the whole world replays from its seed
(TigerBeetle, docs/internals/vopr.md).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Protocol


class Entropy(Protocol):
    """A source of uniformly random bytes."""

    def random_bytes(self, n: int) -> bytes:
        """Return `n` fresh random bytes."""
        ...


class SystemEntropy:
    """The operating system's generator.  The only choice outside simulations and tests."""

    def random_bytes(self, n: int) -> bytes:
        return secrets.token_bytes(n)


class SeededEntropy:
    """A reproducible stream for simulations: SHAKE-256 of (seed, counter).  Never for real keys."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._counter = 0

    def random_bytes(self, n: int) -> bytes:
        block = self._seed + self._counter.to_bytes(8, "big")
        self._counter += 1
        return hashlib.shake_256(b"entrenous/simulation" + block).digest(n)

    def fork(self, name: str) -> SeededEntropy:
        """An independent stream for one node of the simulated world."""
        return SeededEntropy(hashlib.sha256(self._seed + b"\x00" + name.encode()).digest())
