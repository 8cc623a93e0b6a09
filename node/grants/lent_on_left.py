"""Left: a processor lost a device, and what was lent on to who it was is taken back.

The terms of a grant name a processor by its persona.  When another has followed that, whoever has
the lost device could still show the chain and read: the owner of the data knows the processor by
nothing but the chain, and is told nothing by it.  So the one who lends on takes it back as soon as
it hears: at the owner nothing is served under it any more, and the keys turn.  Who the processor is
now, the owner agrees to anew.

A proxy is a peer of the owner, which hears of its next persona from the proxy itself.

What is to be done is noted in the unit of work in which the succession is heard, and done in small
ones: an organisation lends on of many grants.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from ...protocol.processor import may_process
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..clock import Clock
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind
from ..store.store import Store
from .lending_on import LendingOn
from .lent_on import LentOnSide

_LEFT: Final[Value] = "lent-on-left"
# Taken back in one unit of work: each signs once, and says two words.
AT_ONCE: Final = 64


class LentOnLeft:
    """What this node lends on to processors that are somebody else now."""

    def __init__(self, store: Store, peers: Peers, lending_on: LendingOn, clock: Clock) -> None:
        self._database = store.database
        self._objects = store.objects
        self._peers = peers
        self._lending_on = lending_on
        self._clock = clock

    def note(self, tx: Tx, pair: Pair) -> None:
        """The peer of `pair` was followed by another persona."""
        noted = self._noted(tx)
        now = [pair.own, pair.their, pair.their_now]
        if now not in noted:
            self._objects.put(tx, Kind.SETTING, _LEFT, [*noted, now])

    async def go_on(self) -> int:
        """Take back what is noted; how much.  Raises StoreError."""
        taken = 0
        for one in await self._database.read(self._noted):
            cids = await self._database.read(partial(self._left, one))
            for at in range(0, len(cids), AT_ONCE):
                some = cids[at : at + AT_ONCE]
                taken += await self._database.write(partial(self._take_back, some))
            await self._database.write(partial(self._done, one))
        return taken

    def _noted(self, tx: Tx) -> list[list[str]]:
        value = self._objects.get(tx, Kind.SETTING, _LEFT)
        rows = value if isinstance(value, list) else []
        return [[str(did) for did in row] for row in rows if isinstance(row, list)]

    def _left(self, noted: Sequence[str], tx: Tx) -> list[bytes]:
        own, their, now = noted
        return [
            one.cid
            for one in self._lending_on.all(tx)
            if (one.side, one.own, one.their) == (LentOnSide.GIVEN, own, their)
            if one.reader != now and may_process(one.bundle.terms, one.reader) is not None
            if one.status(self._clock.now_ms()) is not GrantStatus.EXPIRED
        ]

    def _take_back(self, cids: Sequence[bytes], tx: Tx) -> int:
        """Those of `cids` that still stand; how many."""
        standing = [cid for cid in cids if self._lending_on.one(tx, cid).ended_ms is None]
        for cid in standing:
            self._lending_on.revoke(tx, cid, self._clock.now_ms())
        return len(standing)

    def _done(self, one: list[str], tx: Tx) -> None:
        left: list[Value] = [[*row] for row in self._noted(tx) if row != one]
        self._objects.put(tx, Kind.SETTING, _LEFT, left)
