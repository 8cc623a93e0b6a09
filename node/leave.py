"""Leave: how often something may be done, with a store of patience that grows back.

At rest there is leave for `most` things at once; used up, it comes back at `per_s` a second.  What
a peer, an address or a kind of line in the log may do beyond that is not done for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class Leave:
    """Leave for one who asks.  Times are seconds of any one clock that does not go back."""

    __slots__ = ("_at_s", "_left", "_most", "_per_s")

    def __init__(self, most: float, per_s: float, now_s: float) -> None:
        self._most = most
        self._per_s = per_s
        self._left = most
        self._at_s = now_s

    def take(self, now_s: float, cost: float = 1.0) -> bool:
        """Use leave for something of this cost; False, and nothing used, if there is not enough."""
        self._grow(now_s)
        if self._left < cost:
            return False
        self._left -= cost
        return True

    def full(self, now_s: float) -> bool:
        """Whether everything has grown back: then it need not be remembered."""
        self._grow(now_s)
        return self._left >= self._most

    def _grow(self, now_s: float) -> None:
        grown = max(0.0, now_s - self._at_s) * self._per_s
        self._left = min(self._most, self._left + grown)
        self._at_s = now_s


class Leaves:
    """Leave for each of many, of whom at most `names_max` are remembered.

    Whoever was forgotten begins anew; so the number is far above that of those who can be there at
    once, and those whose leave has grown back are forgotten first.
    """

    def __init__(self, most: float, per_s: float, names_max: int) -> None:
        self._most = most
        self._per_s = per_s
        self._names_max = names_max
        self._each: OrderedDict[Hashable, Leave] = OrderedDict()

    def __len__(self) -> int:
        return len(self._each)

    def take(self, name: Hashable, now_s: float, cost: float = 1.0) -> bool:
        """As `Leave.take`, for `name`."""
        leave = self._each.get(name)
        if leave is None:
            self._make_room(now_s)
            leave = self._each[name] = Leave(self._most, self._per_s, now_s)
        self._each.move_to_end(name)
        return leave.take(now_s, cost)

    def _make_room(self, now_s: float) -> None:
        while self._each:
            name, oldest = next(iter(self._each.items()))
            if len(self._each) < self._names_max and not oldest.full(now_s):
                return
            del self._each[name]
