"""Grants held, in the store: each whole, found by its CID, by who keys it and by what it opens.

A grant is linked (`store/links.py`) with the pair over which its keys come, and with each
collection of the pair over which it is read.  One who reads of a hundred thousand people looks at
the grants of one of them.  Grants that have ended stay linked: what was fetched under them stays
readable, and the owner is asked why it serves no more.

Homes of older versions have no links.  They get them with the first grant that comes; until then
grants are looked for among all.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from ...protocol.wire import Value
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .grant_held import GrantHeld

DAY_S = 86_400


class GrantsHeld:
    """What this node was lent, as its reader keeps it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def find(self, tx: Tx, cid: bytes) -> GrantHeld | None:
        return self._objects.read(tx, Kind.GRANT_HELD, cid, GrantHeld.from_value)

    def all(self, tx: Tx) -> list[GrantHeld]:
        found = self._objects.read_all(tx, Kind.GRANT_HELD, GrantHeld.from_value)
        return [held for _, held in found]

    def without_keys(self, tx: Tx) -> list[GrantHeld]:
        """Those for which no keyset has come; the others are not read."""
        found = [value for _, value in self._objects.all(tx, Kind.GRANT_HELD)]
        lacking = [one for one in found if isinstance(one, dict) and one.get("keysets") == []]
        return [GrantHeld.from_value(value) for value in lacking]

    def keyed(self, tx: Tx, own: str, their: str) -> list[GrantHeld]:
        """The grants whose keys come over this pair, the oldest first."""
        if not self._objects.are_linked(tx, Kind.GRANT_HELD):
            return [held for held in self.all(tx) if held.keyed == (own, their)]
        return self._about(tx, _keyed(own, their))

    def on(
        self, tx: Tx, own: str, their: str, via: tuple[str, str] | None, path: str
    ) -> list[GrantHeld]:
        """The grants on `path` over this pair, lent on by `via` or by the owner of the data; the
        oldest first."""
        if not self._objects.are_linked(tx, Kind.GRANT_HELD):
            return [
                held
                for held in self.all(tx)
                if (held.own, held.their, held.via) == (own, their, via)
                and path in held.bundle.grant.paths
            ]
        return self._about(tx, _on(own, their, via, path))

    def add(self, tx: Tx, held: GrantHeld) -> None:
        """Keep a grant that is new.  Raises StoreConflict for one that is not."""
        self._link_older(tx)
        self._objects.write_new(tx, Kind.GRANT_HELD, held.cid, held, GrantHeld.from_value)
        self._link(tx, held)

    def adopt(self, tx: Tx, held: GrantHeld, before: GrantHeld | None) -> None:
        """Keep a grant as the devices of this person know it together, in place of `before`."""
        if before is None:
            self.add(tx, held)
        else:
            self.save(tx, held)

    def save(self, tx: Tx, held: GrantHeld) -> None:
        self._objects.write(tx, Kind.GRANT_HELD, held.cid, held, GrantHeld.from_value)

    def _about(self, tx: Tx, thing: Value) -> list[GrantHeld]:
        return self._objects.read_about(
            tx, Kind.GRANT_HELD, thing, GrantHeld.from_value, ended=True
        )

    def _link(self, tx: Tx, held: GrantHeld) -> None:
        last_day = held.bundle.grant.exp_s // DAY_S
        self._objects.link(tx, Kind.GRANT_HELD, held.cid, _things(held), last_day)

    def _link_older(self, tx: Tx) -> None:
        """Link the grants of a home that an older version wrote."""
        if self._objects.are_linked(tx, Kind.GRANT_HELD):
            return
        for held in self.all(tx):
            self._link(tx, held)
        self._objects.now_linked(tx, Kind.GRANT_HELD)


def _things(held: GrantHeld) -> list[Value]:
    """What a grant is about: who keys it, and each collection of whom it is read."""
    paths = held.bundle.grant.paths
    return [_keyed(*held.keyed), *(_on(held.own, held.their, held.via, path) for path in paths)]


def _keyed(own: str, their: str) -> Value:
    return ["keyed", own, their]


def _on(own: str, their: str, via: tuple[str, str] | None, path: str) -> Value:
    return ["on", own, their, None if via is None else [*via], path]
