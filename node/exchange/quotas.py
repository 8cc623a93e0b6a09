"""Quotas: how much of this node's disk each peer may fill.

What a peer brings is charged to it: for a delivery the bytes of its sealed parts and a little for
each page that they become, for a request its own bytes.  What passes its quota is refused as
`too-much`, before a byte of it is kept, and nothing that is there is touched.  The owner's setting
`peer_quota` holds for everyone; one peer can be given more, less, or nothing more at all, and what
was given can be taken back at any time.

What the owner erased is given back: the charge of a delivery is kept beside it; of each page of
which nothing is left, what a page is charged, and with the last of them all the rest.  A peer can
erase nothing here, so it cannot fill and empty a disk in turns.

Signed words (receipts, answers) are not charged: they are what the log is for, and how fast they
come is bounded by leave (`visit.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...protocol.errors import Code, GrantRefused
from ...protocol.wire import Body, Value
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.objects import Kind, Objects

# A page's line in the catalogue, its leaf, and what its bucket pads.
PAGE_BYTES = 2_560


@dataclass(frozen=True, slots=True)
class Quota:
    """What a peer has filled, in bytes, and how much it may; `own` if the owner set it for it."""

    used: int
    most: int
    own: bool

    @property
    def left(self) -> int:
        return max(0, self.most - self.used)


@dataclass(frozen=True, slots=True)
class _Kept:
    used: int = 0
    most: int | None = None

    def value(self) -> Value:
        return {"used": self.used, "most": self.most}

    @classmethod
    def from_value(cls, value: Value) -> _Kept:
        body = Body.open(value, "a quota in the store", ("used", "most"))
        return cls(body.integer("used", low=0), body.maybe_integer("most"))


class Quotas:
    """The quota of every peer."""

    def __init__(self, objects: Objects, usual: int) -> None:
        self._objects = objects
        self._usual = usual

    def of(self, tx: Tx, pair: Pair) -> Quota:
        """How a peer stands."""
        kept = self._kept(tx, pair)
        most = self._usual if kept.most is None else kept.most
        return Quota(kept.used, most, kept.most is not None)

    def check(self, tx: Tx, pair: Pair, size: int) -> None:
        """Whether `size` bytes more are taken from this peer.  Raises GrantRefused."""
        quota = self.of(tx, pair)
        if size > quota.left:
            raise GrantRefused(
                f"this would pass what this node keeps of you: {quota.left:,} bytes are left of "
                f"{quota.most:,}",
                Code.TOO_MUCH,
            )

    def charge(self, tx: Tx, pair: Pair, size: int, statement: bytes | None = None) -> None:
        """Take `size` bytes from this peer: called in the unit of work that keeps them.  With the
        `statement` that it delivered they can be given back.  Raises GrantRefused."""
        self.check(tx, pair, size)
        kept = self._kept(tx, pair)
        self._keep(tx, pair, replace(kept, used=kept.used + size))
        if statement is not None:
            self._objects.put(tx, Kind.CHARGED, statement, [pair.own, pair.their, size])

    def give_back(self, tx: Tx, statement: bytes) -> int:
        """Nothing of a delivery is here any more: what it had been charged is free again; how many
        bytes.  None for one that an earlier version took in, or another device of this person."""
        match self._objects.get(tx, Kind.CHARGED, statement):
            case [str(own), str(their), int(size)]:
                name: Value = [own, their]
                value = self._objects.get(tx, Kind.QUOTA, name)
                kept = _Kept() if value is None else _Kept.from_value(value)
                freed = min(size, kept.used)
                fresh = replace(kept, used=kept.used - freed)
                self._objects.put(tx, Kind.QUOTA, name, fresh.value())
                self._objects.delete(tx, Kind.CHARGED, statement)
                return freed
            case _:
                return 0

    def is_charged(self, tx: Tx, statement: bytes) -> bool:
        """Whether something was charged for this delivery that can be given back."""
        return self._objects.has(tx, Kind.CHARGED, statement)

    def page_gone(self, tx: Tx, statement: bytes, *, last: bool) -> int:
        """Nothing is left of one page of a delivery, or with its `last` of all of it: how many
        bytes are free again."""
        if last:
            return self.give_back(tx, statement)
        match self._objects.get(tx, Kind.CHARGED, statement):
            case [str(own), str(their), int(size)] if size > PAGE_BYTES:
                self._objects.put(tx, Kind.CHARGED, statement, [own, their, PAGE_BYTES])
                freed = self.give_back(tx, statement)
                self._objects.put(tx, Kind.CHARGED, statement, [own, their, size - PAGE_BYTES])
                return freed
            case _:
                return 0

    def free(self, tx: Tx, pair: Pair, size: int) -> None:
        """`size` bytes of what this peer was charged are not kept any more."""
        kept = self._kept(tx, pair)
        self._keep(tx, pair, replace(kept, used=max(0, kept.used - size)))

    def allow(self, tx: Tx, pair: Pair, most: int | None) -> Quota:
        """Let this peer fill `most` bytes in all; None: as much as everyone.  What it has filled
        stays, also if that is more."""
        self._keep(tx, pair, replace(self._kept(tx, pair), most=most))
        return self.of(tx, pair)

    def nearly_full(self, tx: Tx, pairs: list[Pair]) -> Iterator[tuple[Pair, Quota]]:
        """Those who have filled nine tenths or more."""
        for pair in pairs:
            quota = self.of(tx, pair)
            if quota.used and quota.used * 10 >= quota.most * 9:
                yield pair, quota

    def _kept(self, tx: Tx, pair: Pair) -> _Kept:
        value = self._objects.get(tx, Kind.QUOTA, [pair.own, pair.their])
        return _Kept() if value is None else _Kept.from_value(value)

    def _keep(self, tx: Tx, pair: Pair, kept: _Kept) -> None:
        self._objects.put(tx, Kind.QUOTA, [pair.own, pair.their], kept.value())
