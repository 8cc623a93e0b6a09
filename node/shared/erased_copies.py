"""Erasing a record that two people hold: what goes, what stays, and what the other side hears.

    here        both copies with their histories, what was delivered, what waits to be said
    stays       a tombstone: a digest of the name, so that it is not taken again unnoticed
    the peer    is told (`/record/erased`), keeps its own copies, and says nothing more of it

Nobody can erase for the other.  What was signed and sent is out of the hands of its author; that is
what signing it to somebody means, and the command says so.  The peer, once told, shows the record
as left, and does not try for weeks to say what will not be heard.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ...protocol.command import Cmd, ErasedArgs
from ...protocol.did import Did
from ...protocol.wire import Value
from ..clock import Clock
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..vault.erased import Erased
from .kept import SharedKept
from .shared_records import SharedRecords

NOT_HEARD: Final = "the other side has erased its copies, and did not hear this"


class ErasedCopies:
    """Takes shared records out of this node, and hears that others did."""

    def __init__(
        self,
        shared: SharedRecords,
        peers: Peers,
        outgoing: Outgoing,
        erased: Erased,
        clock: Clock,
    ) -> None:
        self._shared = shared
        self._peers = peers
        self._outgoing = outgoing
        self._erased = erased
        self._clock = clock

    def forget(
        self,
        tx: Tx,
        path: str,
        names: Iterable[object] | None = None,
        *,
        before_ms: int | None = None,
    ) -> int:
        """Erase what is shared of the collection `path`, or of these records; how many records.

        With `before_ms`, only what was shared by then.
        """
        wanted = None if names is None else set(names)
        now_ms = self._clock.now_ms()
        gone = 0
        for shared in self._shared.all(tx):
            begun_ms = shared.versions[0].t_ms
            # What an export brought began by another clock.
            here = shared.brought is None
            if before_ms is not None and here and begun_ms > before_ms:
                continue
            if shared.kept == path and (wanted is None or shared.name.id in wanted):
                self._forget(tx, shared, now_ms)
                gone += 1
        return gone

    def leave(self, tx: Tx) -> set[Did]:
        """This node is about to be no more: let go of all that is shared, and tell who shares it;
        who that is.  What was delivered of it goes with the vault."""
        now_ms, everything = self._clock.now_ms(), self._shared.all(tx)
        for shared in everything:
            self._remove(tx, shared, now_ms)
        return {shared.their for shared in everything if shared.brought is None}

    def _remove(self, tx: Tx, shared: SharedKept, now_ms: int) -> None:
        pair = self._peers.find(tx, shared.own, shared.their)
        self._shared.remove(tx, shared)
        if pair is not None and shared.brought is None and not shared.is_left:
            args = ErasedArgs(pair.their_now, shared.name)
            self._outgoing.put(tx, pair, Cmd.ERASED, args.value(), now_ms)

    def _forget(self, tx: Tx, shared: SharedKept, now_ms: int) -> None:
        self._remove(tx, shared, now_ms)
        self._erased.add(tx, shared.kept, {shared.day: [shared.name.id]}, now_ms)

    def heard(self, tx: Tx, pair: Pair, args: ErasedArgs, now_ms: int) -> Value:
        """A peer has erased its copies: nothing that waits for it of this record is said."""
        shared = self._shared.find(tx, Did(pair.own), pair.their, args.name)
        if shared is not None and not shared.is_left:
            self._shared.say_no_more(tx, pair, shared)
            self._shared.keep(tx, replace(shared.set_aside(NOT_HEARD), left_ms=now_ms))
        return "known"
