"""Where long computations run: a worker thread in the daemon, in place in simulations.

A thread keeps the network and the control socket answering while pages are encrypted or opened
(libsodium releases the interpreter's lock).  Threads do not keep a mock clock's time, so a
simulated world computes in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

T = TypeVar("T")


class Offload(Protocol):
    """Runs a function that computes and touches nothing shared."""

    async def run(self, work: Callable[[], T]) -> T: ...


class ThreadOffload:
    """A worker thread for each piece of work, as many at once as there are processors."""

    def __init__(self, threads_max: int = 2) -> None:
        self._limiter = trio.CapacityLimiter(threads_max)

    async def run(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._limiter)


class InlineOffload:
    """In place, for simulations: the same seed gives the same schedule."""

    async def run(self, work: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        return work()
