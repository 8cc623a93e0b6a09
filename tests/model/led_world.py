"""A simulated world that is led from outside, one order at a time.

A state machine of Hypothesis is plain code; the world it drives is tasks on a mock clock.  So the
world lives in a thread of its own and takes orders: while it waits for one, its clock stands still
and none of its tasks runs.  Only one of the two threads ever runs, so the same orders give the same
world.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Generic, TypeVar, cast

from entrenous.simulations.world import Setting, World, run_world

T = TypeVar("T")

Order = Callable[[World], Awaitable[object]]


class WorldEnded(Exception):
    """The world has come to an end by itself."""


class _Answer(Generic[T]):
    def __init__(self, value: T | None, error: BaseException | None) -> None:
        self.value = value
        self.error = error


class LedWorld:
    """Runs until `end`."""

    def __init__(self, seed: int) -> None:
        self._setting = Setting(seed, nodes=4)
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._answers: SimpleQueue[_Answer[object]] = SimpleQueue()
        self._complaints: list[str] = []
        self._thread = threading.Thread(target=self._run, name="world", daemon=True)
        self._thread.start()

    def do(self, order: Callable[[World], Awaitable[T]]) -> T:
        """Have the world carry out `order`.  Raises what it raises, WorldEnded."""
        self._orders.put(order)
        answer = self._answers.get()
        if answer.error is not None:
            raise answer.error
        return cast("T", answer.value)

    def end(self) -> list[str]:
        """Let it end; what it complained of."""
        self._orders.put(None)
        self._thread.join()
        return self._complaints

    def _run(self) -> None:
        try:
            _, complaints = run_world(self._setting, self._live)
            self._complaints += complaints
        except BaseException as error:
            self._complaints.append(f"the world ended: {error!r}")
        self._answers.put(_Answer(None, WorldEnded("; ".join(self._complaints))))

    async def _live(self, world: World) -> None:
        while (order := self._orders.get()) is not None:
            answer: _Answer[object]
            try:
                answer = _Answer(await order(world), None)
            except Exception as error:
                answer = _Answer(None, error)
            self._answers.put(answer)
            # Nothing of this order stays in reach of the next.
            del answer, order
