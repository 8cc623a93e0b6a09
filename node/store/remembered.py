"""Rows read before: what a row means is a function of its bytes and its place, so it is remembered.

A grant, a persona or a month of the catalogue is read in every read of a page and changes rarely.
Opening a sealed row, decoding it and checking its form costs ten times what fetching it does.

The name of what is remembered holds the sealed bytes themselves, whose nonce is new each time a
row is written.  So nothing here can be out of date, a row altered on disk is not found here, and
there is nothing to forget when a transaction is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")

# Of sealed bytes; what they decode to takes several times as much.  4 MiB are 400 full months.
REMEMBERED_BYTES_MAX = 4 * 1024 * 1024
# A row larger than this is not one that is read often.
ROW_BYTES_MAX = 64 * 1024


class Remembered:
    """What was read, by name, up to a total of bytes.

    Two generations instead of a list in order of use: when the young one is full, the old one is
    forgotten.  Each step is one dictionary operation, so the two database threads need no lock; at
    worst something is made twice.
    """

    __slots__ = ("_bytes", "_half", "_old", "_young")

    def __init__(self, bytes_max: int = REMEMBERED_BYTES_MAX) -> None:
        self._half = bytes_max // 2
        self._young: dict[Hashable, object] = {}
        self._old: dict[Hashable, object] = {}
        self._bytes = 0

    def get(self, name: Hashable, size: int, make: Callable[[], T]) -> T:
        """What `make` gave for `name` before, or gives now; `size` in bytes is what it counts."""
        found = self._young.get(name)
        if found is not None:
            return cast(T, found)
        found = self._old.get(name)
        value = make() if found is None else cast(T, found)
        self.put(name, size, value)
        return value

    def put(self, name: Hashable, size: int, value: object) -> None:
        """Remember what is known already, because it was just written."""
        if size > ROW_BYTES_MAX:
            return
        if self._bytes + size > self._half:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[name] = value
        self._bytes += size

    def clear(self) -> None:
        """Forget everything: what was erased on disk is not to stay in memory."""
        self._young, self._old, self._bytes = {}, {}, 0
