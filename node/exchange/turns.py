"""Turns: whose call is worked on next, so that one who asks much does not make another wait.

    calls of A  ─ a a a a a ─┐
    calls of B  ─ b ─────────┼─▶ a b a c a c a …   at most `AT_ONCE` under way
    calls of C  ─ c c ───────┘

A piece of work is short: read and check one call, one unit of work of the store.  While one peer
is alone, several of its pieces may be under way, so that they share a commit.  As soon as another
has asked within `ALONE_S`, each has one at a time, and those who wait are served in turn, whoever
has how many calls, links or personas' names open.  So a call waits for at most one piece of each
of the others, and a peer's rate is its share.

Whoever holds a turn waits for nobody else's: not for a peer, not for another turn.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager

import trio

# Pieces of one peer under way while it is alone: one on its way to the disk, some gathering.
AT_ONCE = 4
# Pieces under way of all peers together: the machine has two hands or four, not fifty.
ALL_AT_ONCE = 8
# A peer that asked so recently is about.
ALONE_S = 1.0


class Turns:
    """Hands out turns.  Peers are named by any value; unknown ones share one name."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, deque[trio.Event]] = OrderedDict()
        self._under_way: dict[Hashable, int] = {}
        self._all = 0
        # When each who was about last ended a turn; the youngest last.
        self._about: OrderedDict[Hashable, float] = OrderedDict()

    @asynccontextmanager
    async def of(self, peer: Hashable) -> AsyncGenerator[None]:
        """A turn of `peer`: wait for it, hold it, give it back."""
        self._here(peer)
        if peer in self._waiting or not self._free(peer):
            await self._wait(peer)
        else:
            self._begin(peer)
        try:
            yield
        finally:
            self._end(peer)

    async def _wait(self, peer: Hashable) -> None:
        mine = trio.Event()
        self._waiting.setdefault(peer, deque()).append(mine)
        try:
            await mine.wait()
        except BaseException:
            if mine.is_set():
                self._end(peer)
            else:
                self._withdraw(peer, mine)
            raise

    def _withdraw(self, peer: Hashable, mine: trio.Event) -> None:
        queue = self._waiting[peer]
        queue.remove(mine)
        if not queue:
            del self._waiting[peer]

    def _begin(self, peer: Hashable) -> None:
        self._under_way[peer] = self._under_way.get(peer, 0) + 1
        self._all += 1

    def _end(self, peer: Hashable) -> None:
        self._all -= 1
        left = self._under_way[peer] - 1
        if left:
            self._under_way[peer] = left
        else:
            del self._under_way[peer]
        self._here(peer)
        self._hand_out()

    def _hand_out(self) -> None:
        """Give the turns that are free to those who wait, the longest waiting peer first."""
        for peer in list(self._waiting):
            if self._all >= ALL_AT_ONCE:
                return
            if not self._free(peer):
                continue
            queue = self._waiting[peer]
            self._begin(peer)
            queue.popleft().set()
            if queue:
                self._waiting.move_to_end(peer)
            else:
                del self._waiting[peer]

    def _free(self, peer: Hashable) -> bool:
        mine = self._under_way.get(peer, 0)
        return self._all < ALL_AT_ONCE and mine < (AT_ONCE if self.alone(peer) else 1)

    def _here(self, peer: Hashable) -> None:
        self._about[peer] = trio.current_time()
        self._about.move_to_end(peer)
        self._forget()

    def _forget(self) -> None:
        old_s = trio.current_time() - ALONE_S
        while self._about and (oldest := next(iter(self._about.items())))[1] < old_s:
            del self._about[oldest[0]]

    def alone(self, peer: Hashable) -> bool:
        """Whether nobody else has asked for anything within `ALONE_S`."""
        self._forget()
        return all(other == peer for other in self._about)
