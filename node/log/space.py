"""How much of one kind the log takes: a flood at the door is no flood on the disk.

Each kind of line (its event) has leave for `LINES_MOST` at once and some a minute.  What comes
beyond is counted and not written; the next line of the kind that is written says how many it
stands for (`unsaid`).  Errors of our own are never left out: no peer can cause many.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import structlog
from structlog.typing import EventDict, WrappedLogger

from ..leave import Leaves

LINES_MOST = 20.0
LINES_PER_S = 6 / 60
# Kinds of lines there are, several times over.
KINDS_MAX = 512


class Sparing:
    """Leave for lines, by kind.  `now_s` is a clock that does not go back."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._leaves = Leaves(LINES_MOST, LINES_PER_S, KINDS_MAX)
        self._unsaid: dict[str, int] = {}

    def unsaid(self, kind: str) -> int | None:
        """How many lines of this kind were left out before the one that may be written now; None
        if this one may not be."""
        if self._leaves.take(kind, self._now_s()):
            return self._unsaid.pop(kind, 0)
        if kind in self._unsaid or len(self._unsaid) < KINDS_MAX:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
        return None

    def __call__(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """As a processor of structlog."""
        if method in ("debug", "error", "critical"):
            return event
        unsaid = self.unsaid(str(event.get("event")))
        if unsaid is None:
            raise structlog.DropEvent
        return {**event, "unsaid": unsaid} if unsaid else event


class SparingFilter(logging.Filter):
    """The same for lines of libraries and of modules that use `logging`: by their unfilled text."""

    def __init__(self, sparing: Sparing) -> None:
        super().__init__()
        self._sparing = sparing

    def filter(self, record: logging.LogRecord) -> bool:
        # Lines of structlog's come here whole, after `Sparing` has seen them, each with its time.
        if record.levelno != logging.WARNING:
            return True
        unsaid = self._sparing.unsaid(f"{record.name}: {record.msg}")
        if unsaid:
            record.msg = f"{record.msg} ({unsaid} like it before)"
        return unsaid is not None
