"""Shared records, in the store: each with its versions, found by its name and by whose it is.

A record is linked (`store/links.py`) with the pair that shares it, so a peer that proposes one more
makes this node look at what it shares with that peer, not with everybody.  Homes of older versions
have no links; they get them with the first record that is new, and until then all are looked at.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ...protocol.did import Did
from ...protocol.shared_record import SharedName, SharedVersion, parse_version
from ...protocol.wire import Value
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .kept import SharedKept, of_pair, shared_key

T = TypeVar("T")
# A record is shared until it is erased, whatever the day.
_NO_DAY = 0


class SharedInStore:
    """Every shared record of this node."""

    def __init__(self, objects: Objects, peers: Peers) -> None:
        self._objects = objects
        self._peers = peers

    def all(self, tx: Tx) -> list[SharedKept]:
        """Every shared record, in the order in which they came to be shared."""
        return [self._read(tx, value) for _, value in self._objects.all(tx, Kind.SHARED)]

    def find(self, tx: Tx, own: Did, their: Did, name: SharedName) -> SharedKept | None:
        value = self._objects.get(tx, Kind.SHARED, shared_key(own, their, name))
        return None if value is None else self._read(tx, value)

    def with_peer(self, tx: Tx, pair: Pair) -> list[SharedKept]:
        """As `all`, those that are shared with this peer."""
        return [self._read(tx, value) for value in self._of(tx, pair, _row)]

    def waiting(self, tx: Tx) -> int:
        """How many records wait for an answer of this node's person."""
        return sum(of_pair(value)[2] for _, value in self._objects.all(tx, Kind.SHARED))

    def waiting_of(self, tx: Tx, pair: Pair) -> list[bool]:
        """The records shared with a peer: of each, whether it waits for an answer here."""
        return [waits for _, _, waits in self._of(tx, pair, of_pair)]

    def keep(self, tx: Tx, kept: SharedKept, version: SharedVersion | None = None) -> SharedKept:
        """Keep a record, and with it the `version` that it has more than before."""
        if version is not None:
            self._objects.put(tx, Kind.SHARED_VERSION, version.cid, version.raw)
        if not self._objects.has(tx, Kind.SHARED, kept.key):
            self._link_older(tx)
            things = [_of_pair(kept.own, kept.their)]
            self._objects.link(tx, Kind.SHARED, kept.key, things, _NO_DAY)
        self._objects.put(tx, Kind.SHARED, kept.key, kept.value())
        return kept

    def forget(self, tx: Tx, kept: SharedKept) -> None:
        """Keep nothing of a record any more."""
        for one in kept.versions:
            self._objects.delete(tx, Kind.SHARED_VERSION, one.cid)
        things = [_of_pair(kept.own, kept.their)]
        self._objects.forget_link(tx, Kind.SHARED, kept.key, things, _NO_DAY)
        self._objects.delete(tx, Kind.SHARED, kept.key)

    # what another device of this person knows

    def read(self, tx: Tx, value: Value, raw_of: Callable[[bytes], Value]) -> SharedKept:
        """A row with the versions that `raw_of` gives.  Raises StoreDamaged, WireError."""
        own, their, _ = of_pair(value)
        pair = self._peers.find(tx, own, their)
        return SharedKept.from_value(value, raw_of, {} if pair is None else followed_in(pair))

    @staticmethod
    def signed(raws: Iterable[bytes]) -> dict[bytes, Value]:
        """Versions by their CID.  Raises WireError, BadSignature."""
        return {parse_version(raw).cid: raw for raw in raws}

    def adopt(self, tx: Tx, shared: SharedKept) -> None:
        """Keep a record as it was joined with what another device knows of it."""
        for one in shared.versions:
            self._objects.put(tx, Kind.SHARED_VERSION, one.cid, one.version.raw)
        self.keep(tx, shared)

    def _read(self, tx: Tx, value: Value) -> SharedKept:
        return self.read(tx, value, lambda cid: self._objects.get(tx, Kind.SHARED_VERSION, cid))

    def _of(self, tx: Tx, pair: Pair, form: Callable[[Value], T]) -> list[T]:
        """`form` of the row of each record that is shared with a peer."""
        if self._objects.are_linked(tx, Kind.SHARED):
            thing = _of_pair(pair.own, pair.their)
            return self._objects.read_about(tx, Kind.SHARED, thing, form, ended=True)
        rows = [value for _, value in self._objects.all(tx, Kind.SHARED)]
        return [form(value) for value in rows if of_pair(value)[:2] == (pair.own, pair.their)]

    def _link_older(self, tx: Tx) -> None:
        """Link the records of a home that an older version wrote."""
        if self._objects.are_linked(tx, Kind.SHARED):
            return
        for name, value in self._objects.all(tx, Kind.SHARED):
            own, their, _ = of_pair(value)
            self._objects.link(tx, Kind.SHARED, name, [_of_pair(own, their)], _NO_DAY)
        self._objects.now_linked(tx, Kind.SHARED)


def followed_in(pair: Pair) -> dict[Did, Did]:
    """Every later persona of either side, and the one by which the two met."""
    return {
        **dict.fromkeys(pair.own_after, Did(pair.own)),
        **{one: pair.their for one in pair.theirs if one != pair.their},
    }


def _row(value: Value) -> Value:
    return value


def _of_pair(own: str, their: str) -> Value:
    return ["pair", own, their]
