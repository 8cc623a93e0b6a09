"""Checkpoints: the numbered steps of a piece of work, by which a test can stop it at any of them.

Whoever does work that a crash may cut is handed a `Checkpoint` and tells it each step as it is
reached.  In a node that does nothing.  In a test it kills the process there, which shows that every
step, and not only a lucky moment, can be the last one.

A step is told from whichever thread does it, some of them inside a transaction.
"""

from __future__ import annotations

from typing import Protocol


class Checkpoint(Protocol):
    """Is told of every step."""

    def reached(self, step: str) -> None:
        """`step` is about to be left behind: what comes before it is done."""
        ...


class Unwatched:
    """The checkpoint of a node: nobody watches."""

    def reached(self, step: str) -> None:
        """Nothing."""


UNWATCHED = Unwatched()
