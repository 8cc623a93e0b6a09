"""Time enters a node here: the system's clock in the daemon, a simulated one in simulations."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a node takes the time from."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The operating system's wall clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000
