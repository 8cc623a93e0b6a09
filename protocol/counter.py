"""A counter with a window: what was numbered may come late and out of order, and never twice.

    … taken or too late … │ high-63 … high │ new …
                           └ one bit each ┘

The sender counts up from 1 for each pair and device.  The receiver remembers the highest number it
took and, below it, which of the 63 before it: so 64 may be under way in any order.  A number below
the window is refused although it may never have come, because nobody can tell any more; its sender
says the same again under a new one, and receivers are idempotent.

Source: formats.md, "Grant"; the window of RFC 6479, with one word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import CapabilityError, Code, GrantRefused, WireError
from .limits import CALL_ID_MAX, COUNTER_LEAP_MAX, COUNTER_WINDOW
from .wire import Value

# The key in an invocation's `meta` under which the number of its parcel stands.
COUNTER_META = "counter"

MASK_BYTES = COUNTER_WINDOW // 8


@dataclass(frozen=True, slots=True)
class CounterWindow:
    """Which numbers were taken: `high`, and bit i of `mask` for `high - i`.  Nothing yet: 0, 0."""

    high: int = 0
    mask: int = 0

    def __contains__(self, number: int) -> bool:
        """Whether `number` is known to have been taken: too old ones are not known."""
        back = self.high - number
        return 0 <= back < COUNTER_WINDOW and bool(self.mask >> back & 1)

    def check(self, number: int) -> None:
        """Accept a number that was not taken.  Raises GrantRefused(replay, malformed)."""
        if number in self:
            raise GrantRefused("this was taken before", Code.REPLAY)
        if number <= self.high - COUNTER_WINDOW:
            raise GrantRefused(
                f"this is older than the {COUNTER_WINDOW} that came after it: ask its sender for "
                "a new one",
                Code.REPLAY,
            )
        if not 0 < number <= min(self.high + COUNTER_LEAP_MAX, CALL_ID_MAX):
            raise GrantRefused(
                f"the number {number} does not follow {self.high}, the last one taken",
                Code.MALFORMED,
            )

    def taken(self, number: int) -> CounterWindow:
        """The window once `number` was taken.  Raises as `check`."""
        self.check(number)
        ahead = number - self.high
        if ahead > 0:
            kept = self.mask << ahead if ahead < COUNTER_WINDOW else 0
            return CounterWindow(number, (kept | 1) & _FULL)
        return CounterWindow(self.high, self.mask | 1 << -ahead)

    def mask_bytes(self) -> bytes:
        """The mask as it travels and is kept: big-endian."""
        return self.mask.to_bytes(MASK_BYTES, "big")

    @classmethod
    def read(cls, high: int, mask: bytes) -> CounterWindow:
        """Raises WireError for what no window can be."""
        bits = int.from_bytes(mask, "big")
        if len(mask) != MASK_BYTES or not 0 <= high <= CALL_ID_MAX:
            raise WireError("a window of numbers has not the form of one")
        if bool(high) != bool(bits & 1) or bits >> min(high, COUNTER_WINDOW):
            raise WireError("a window of numbers contradicts itself")
        return cls(high, bits)


_FULL = (1 << COUNTER_WINDOW) - 1


def counter_meta(n: int) -> Mapping[str, Value]:
    """The `meta` of an invocation that travels in parcel `n`."""
    return {COUNTER_META: n}


def check_counter(meta: Mapping[str, Value] | None, n: int) -> None:
    """Accept that an invocation was signed for parcel `n`.  Raises CapabilityError."""
    if meta is None or meta.get(COUNTER_META) != n or isinstance(meta[COUNTER_META], bool):
        raise CapabilityError("an invocation was signed for another parcel", Code.MALFORMED)
