"""Introductions: a new device says to every peer that it serves now.

A peer dials the device that it knows.  After a restore that device is gone, so the new one dials
each peer once; its hello carries the certificate by which the persona it serves for names it, and
the peer keeps that.  Then it says where it listens, since that may be elsewhere.  Who is still owed
an introduction stands in the store, so a peer that is away for a month is introduced when it comes
back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog
import trio

from ...crypto.errors import CryptoError
from ...protocol.errors import ProtocolError
from ...protocol.wire import Value
from ..clock import Clock
from ..errors import NodeError
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.errors import StoreError
from ..store.objects import Kind
from ..store.store import Store
from .links import Links

log = structlog.get_logger()

RETRY_FIRST_S = 1.0
RETRY_LAST_S = 600.0


class Introductions:
    """The peers that do not know this device yet."""

    def __init__(
        self,
        store: Store,
        peers: Peers,
        links: Links,
        clock: Clock,
        say_where: Callable[[Tx, Pair, int], None],
    ) -> None:
        """`say_where` tells a peer which device serves, and at which addresses."""
        self._store = store
        self._peers = peers
        self._links = links
        self._clock = clock
        self._say_where = say_where

    def owe(self, tx: Tx, pair: Pair) -> None:
        """This pair's peer is to be told."""
        self._store.objects.put(tx, Kind.SETTING, _name(pair), True)

    def owed(self, tx: Tx) -> list[Pair]:
        """Every pair whose peer has not been told yet."""
        return [
            pair
            for pair in self._peers.all(tx)
            if self._store.objects.has(tx, Kind.SETTING, _name(pair))
        ]

    def _told(self, pair: Pair, tx: Tx) -> None:
        self._store.objects.delete(tx, Kind.SETTING, _name(pair))
        self._say_where(tx, pair, self._clock.now_ms())

    async def run(self) -> None:
        """Introduce this device wherever that is owed; returns once it is owed nowhere."""
        wait_s = RETRY_FIRST_S
        while await self._owes_any():
            await trio.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_LAST_S)

    async def _owes_any(self) -> bool:
        """Try each peer that is owed once; False if there was none."""
        try:
            owed = await self._store.database.read(self.owed)
        except StoreError as error:
            log.error("introductions_unreadable", kind=type(error).__name__)
            return True
        for pair in owed:
            try:
                await self._links.link_to(pair)
                await self._store.database.write(partial(self._told, pair))
            except (NodeError, ProtocolError, CryptoError, StoreError):
                continue  # they are tried again: a refusal may be lifted, a disk emptied
        return bool(owed)


def _name(pair: Pair) -> Value:
    return ["introduce", pair.own, pair.their]
