"""A window: some days of one collection, both ends included.

Windows are what requests ask for, grants give and reads name.  Undated records (contacts,
contracts) live under day 65 535 and are given only when named: a window is either that one day or
ends before it, so no range of dates can sweep them in.

Source: formats.md, "Where keys come from", "Grant".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .collection import check_path
from .day import DAY_MAX, TIME_MAX_MS, UNDATED, day_of
from .errors import WireError
from .wire import Value


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Days `first` to `last` of `collection`; both are `UNDATED` for its undated records."""

    collection: str
    first: int
    last: int

    def value(self) -> list[Value]:
        return [self.collection, self.first, self.last]

    @property
    def undated(self) -> bool:
        return self.first > DAY_MAX

    def __contains__(self, other: Window) -> bool:
        return (
            self.collection == other.collection
            and self.first <= other.first
            and other.last <= self.last
        )

    def __str__(self) -> str:
        days = "its undated records" if self.undated else f"days {self.first} to {self.last}"
        return f"{self.collection}, {days}"


def check_window(window: Window, what: str = "a window") -> Window:
    """Return `window` if its path and days are what the formats allow.

    Raises WireError, and RecordError for the path.
    """
    check_path(window.collection)
    if window.first > window.last:
        raise WireError(f"{what}: from is after to")
    if not 0 <= window.first <= window.last <= UNDATED:
        raise WireError(f"{what}: a day is not from 0 to {DAY_MAX}, or {UNDATED} for undated")
    if window.last == UNDATED and window.first != UNDATED:
        raise WireError(
            f"{what}: undated records are named on their own, not as the end of a range"
        )
    return window


def window_from_value(value: Value, what: str) -> Window:
    """Read `[collection, from, to]`.  Raises WireError, RecordError."""
    match value:
        case [str(collection), int(first), int(last)] if not (
            isinstance(first, bool) or isinstance(last, bool)
        ):
            return check_window(Window(collection, first, last), what)
        case _:
            raise WireError(f"{what}: an item is not [collection, from, to]")


def joined(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The same days in the fewest windows, sorted; undated ones stay on their own."""
    result: list[Window] = []
    for window in sorted(windows):
        if result and _touch(result[-1], window):
            last = result.pop()
            window = Window(last.collection, last.first, max(last.last, window.last))
        result.append(window)
    return tuple(result)


def opened_until(windows: Iterable[Window], exp_s: int) -> tuple[Window, ...]:
    """As much of `windows` as a grant that ends at `exp_s` (seconds) can open.

    No cover of keys passes the UTC day of the end; undated records have no day to pass it.
    """
    last_day = day_of(min(exp_s * 1000, TIME_MAX_MS))
    return tuple(
        window if window.undated else replace(window, last=min(window.last, last_day))
        for window in windows
        if window.undated or window.first <= last_day
    )


def _touch(a: Window, b: Window) -> bool:
    return a.collection == b.collection and a.undated == b.undated and b.first <= a.last + 1


def within(inner: Iterable[Window], outer: Sequence[Window]) -> bool:
    """Whether every day of `inner` is a day of `outer`."""
    whole = joined(outer)
    return all(any(window in wide for wide in whole) for window in inner)


def shared_days(some: Iterable[Window], others: Iterable[Window]) -> tuple[Window, ...]:
    """The days that are in both."""
    others = tuple(others)
    return joined(
        Window(one.collection, max(one.first, other.first), min(one.last, other.last))
        for one in some
        for other in others
        if one.collection == other.collection
        if max(one.first, other.first) <= min(one.last, other.last)
    )
