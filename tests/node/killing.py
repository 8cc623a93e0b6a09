"""A checkpoint that ends the work at a numbered or a named step, as `kill -9` would."""

from __future__ import annotations


class Killed(BaseException):
    """The process ends here: nothing may catch it as an error."""


class KillAt:
    """Ends the work when `step` steps (of those that begin with `of`) have been passed."""

    def __init__(self, step: int, *, of: str = "") -> None:
        self.left = step
        self._of = of

    def reached(self, step: str) -> None:
        if step.startswith(self._of):
            self.left -= 1
            if self.left < 0:
                raise Killed(step)


class KillIn:
    """Ends the work in the step of this name."""

    def __init__(self, step: str) -> None:
        self._step = step

    def reached(self, step: str) -> None:
        if step == self._step:
            raise Killed(step)
