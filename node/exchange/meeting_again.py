"""Meeting again: a peer of which neither the device nor the address is known any more is found at a
place that it says itself.

It is greeted as ever, at the device that the place names, by whoever it may know this node as: the
present persona, and if another has followed it, each that was before.  What the link says is a hint
where to dial, as every address is; the certificate that the peer shows there is by the persona that
this node holds, or it is not the peer.

Source: protocol/place.py; docs/adr/0030-meeting-again.md.
"""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.errors import Code
from ...protocol.pairing import Invite, check_invite
from ..clock import Clock
from ..errors import Refused, UsageError
from ..peers.lines import PersonaLines
from ..peers.outgoing import Outgoing
from ..peers.peer_devices import PeerDevices
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.store import Store
from .links import Links


class MeetingAgain:
    """Goes to where a peer says that it is."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        device: bytes,
        links: Links,
        peers: Peers,
        lines: PersonaLines,
        devices: PeerDevices,
        outgoing: Outgoing,
        say_where: Callable[[Tx, Pair, int], None],
    ) -> None:
        """`device` is this node's own key; `say_where` tells a peer where it listens."""
        self._store = store
        self._clock = clock
        self._device = device
        self._links = links
        self._peers = peers
        self._lines = lines
        self._devices = devices
        self._outgoing = outgoing
        self._say_where = say_where

    async def meet(self, pair: Pair, place: Invite) -> Pair:
        """Greet `pair` at `place`; the pair, with the device and addresses that it has now.

        Raises GrantRefused for a place that is over, UsageError for this node's own, Away, Refused:
        then nothing has changed.
        """
        check_invite(place, self._clock.now_ms())
        if place.device == self._device:
            raise UsageError("this is where this node is itself: the other one goes there")
        views = await self._store.database.read(lambda tx: self._lines.known_as(tx, pair))
        for number, view in enumerate(views, 1):
            try:
                await self._links.link_at(view, place.device, place.addresses)
                break
            except Refused as refused:
                # It may know this node as an earlier persona only.
                if refused.code != Code.UNPAIRED or number == len(views):
                    raise

        def found(tx: Tx) -> Pair:
            now_ms = self._clock.now_ms()
            self._devices.found_at(tx, pair, place.device, place.addresses, now_ms)
            self._say_where(tx, pair, now_ms)
            self._store.outbox.hurry(tx, pair.their, now_ms)
            return self._peers.pair(tx, pair.own, pair.their)

        fresh = await self._store.database.write(found)
        self._outgoing.notify()
        return fresh
