"""What is lent on, in the store: each whole, found by its CID and by the grant that it is of.

A utility lends on of a hundred thousand grants; when new keys of one come, it looks at what it
lends on of that one.  Homes of older versions have no links (`store/links.py`); they get them with
the first that is lent on, and until then all are looked at.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from ...protocol.wire import Value
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .lent_on import LentOn, LentOnSide

_DAY_S = 86_400


class LentOnKept:
    """Everything that is lent on here, at both ends that are not its reader."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def all(self, tx: Tx) -> list[LentOn]:
        return [one for _, one in self._objects.read_all(tx, Kind.LENT_ON, LentOn.from_value)]

    def find(self, tx: Tx, side: LentOnSide, cid: bytes) -> LentOn | None:
        return self._objects.read(tx, Kind.LENT_ON, _name(side, cid), LentOn.from_value)

    def given(self, tx: Tx, cid: bytes) -> LentOn | None:
        """What this node lends on under the delegation `cid`."""
        return self.find(tx, LentOnSide.GIVEN, cid)

    def of_root(self, tx: Tx, side: LentOnSide, root: bytes) -> list[LentOn]:
        """What is lent on of the grant `root`, ended or not, the oldest first."""
        if self._objects.are_linked(tx, Kind.LENT_ON):
            thing = _of(side, root)
            return self._objects.read_about(tx, Kind.LENT_ON, thing, LentOn.from_value, ended=True)
        return [one for one in self.all(tx) if (one.side, one.root) == (side, root)]

    def add(self, tx: Tx, one: LentOn) -> None:
        """Keep what is new.  Raises StoreConflict for what is not."""
        if not self._objects.are_linked(tx, Kind.LENT_ON):
            for older in self.all(tx):
                self._link(tx, older)
            self._objects.now_linked(tx, Kind.LENT_ON)
        self._objects.write_new(tx, Kind.LENT_ON, _name(one.side, one.cid), one, LentOn.from_value)
        self._link(tx, one)

    def save(self, tx: Tx, one: LentOn) -> None:
        self._objects.write(tx, Kind.LENT_ON, _name(one.side, one.cid), one, LentOn.from_value)

    def _link(self, tx: Tx, one: LentOn) -> None:
        last_day = one.bundle.grant.exp_s // _DAY_S
        things = [_of(one.side, one.root)]
        self._objects.link(tx, Kind.LENT_ON, _name(one.side, one.cid), things, last_day)


def _name(side: LentOnSide, cid: bytes) -> Value:
    return [side.value, cid]


def _of(side: LentOnSide, root: bytes) -> Value:
    return ["of", side.value, root]
