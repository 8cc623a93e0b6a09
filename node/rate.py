"""A rate: so much in a minute, saved up for a minute at most.  No clock of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Rate:
    """A bucket that holds a minute's worth and fills at `per_minute`.

    `seconds` are those of any clock that does not go back.  Seen first, it is full.
    """

    per_minute: int
    _level: float = 0.0
    _seen: float | None = None

    def take(self, count: int, seconds: float) -> float:
        """Take `count`, and return 0; or take nothing, and return how many seconds to wait.

        More than a minute's worth is never there at once: it is asked for in parts.
        """
        assert 0 <= count <= self.per_minute
        if self._seen is None:
            self._level = self.per_minute
        else:
            gained = (seconds - self._seen) * self.per_minute / 60
            self._level = min(self.per_minute, self._level + gained)
        self._seen = seconds
        if count <= self._level:
            self._level -= count
            return 0.0
        return (count - self._level) * 60 / self.per_minute
