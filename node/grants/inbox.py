"""Requests: what was asked of this node and by it, and what became of each.

Those that wait are linked (`store/links.py`) with the pair over which they came, so that one who
asks again and again does not make this node look at all that anybody ever asked.  What waits in a
home of an older version, or came from another device of this person, has no link: it is listed like
any other, and not counted against who asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ...protocol.cid import CID_BYTES
from ...protocol.did import Did, check_did
from ...protocol.limits import REQUEST_BYTES_MAX, TEXT_CHARS_MAX
from ...protocol.wire import Body, Value
from ..errors import NotFound
from ..store.database import Tx
from ..store.objects import Kind, Objects

# A request stands until it is decided, whatever the day.
_NO_DAY = 0
_KEYS = ("own", "their", "raw", "state", "t_ms", "grant", "reason")


class Side(StrEnum):
    """Who asks whom."""

    IN = "in"
    OUT = "out"


class RequestState(StrEnum):
    """What became of a request."""

    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"
    # Answered with terms that bind the reader harder: its operator has not agreed yet, or did not.
    OFFERED = "offered"
    DECLINED = "declined"
    # Asked for another, and the mandate is over: only its principal is told.
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as kept: `raw` is its bytes, `t_ms` when it was asked here."""

    own: Did
    their: Did
    raw: bytes
    state: RequestState
    t_ms: int
    grant: bytes | None
    reason: str | None

    def value(self) -> Value:
        return {
            "own": self.own,
            "their": self.their,
            "raw": self.raw,
            "state": self.state.value,
            "t_ms": self.t_ms,
            "grant": self.grant,
            "reason": self.reason,
        }

    @classmethod
    def from_value(cls, value: Value) -> Asked:
        body = Body.open(value, "a request in the store", _KEYS)
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            body.data("raw", bytes_max=REQUEST_BYTES_MAX),
            RequestState(body.text("state")),
            body.integer("t_ms"),
            body.maybe_data("grant", length=CID_BYTES),
            body.maybe_text("reason", chars_max=TEXT_CHARS_MAX),
        )


class Inbox:
    """Requests of one side, by CID.  Asked again, a request is not a second one."""

    def __init__(self, objects: Objects, side: Side) -> None:
        self._objects = objects
        self._side = side

    def add(self, tx: Tx, cid: bytes, asked: Asked) -> bool:
        """Keep a request; False if it is there already."""
        name = self._name(cid)
        if not self._objects.add_if_new(tx, Kind.REQUEST, name, asked.value()):
            return False
        self._objects.link(tx, Kind.REQUEST, name, self._things(asked), _NO_DAY)
        return True

    def get(self, tx: Tx, cid: bytes) -> Asked:
        """Raises NotFound."""
        if (asked := self.find(tx, cid)) is None:
            raise NotFound("there is no such request: see `entrenous inbox`")
        return asked

    def find(self, tx: Tx, cid: bytes) -> Asked | None:
        value = self._objects.get(tx, Kind.REQUEST, self._name(cid))
        return None if value is None else Asked.from_value(value)

    def decided(
        self, tx: Tx, cid: bytes, state: RequestState, grant: bytes | None, reason: str | None
    ) -> None:
        """Keep what became of a request.  Raises NotFound."""
        asked = replace(self.get(tx, cid), state=state, grant=grant, reason=reason)
        name = self._name(cid)
        self._objects.put(tx, Kind.REQUEST, name, asked.value())
        if state is not RequestState.WAITING:
            self._objects.unlink(tx, Kind.REQUEST, name, self._things(asked), _NO_DAY)

    def waiting_of(self, tx: Tx, own: str, their: str) -> int:
        """How many requests of this pair nobody has decided; none but those that wait is opened."""
        linked = self._objects.read_about(
            tx, Kind.REQUEST, self._of(own, their), Asked.from_value, ended=False
        )
        # One that another device of this person decided has its link still.
        return sum(one.state is RequestState.WAITING for one in linked)

    def all(self, tx: Tx) -> list[tuple[bytes, Asked]]:
        found: list[tuple[bytes, Asked]] = []
        for name, value in self._objects.all(tx, Kind.REQUEST):
            match name:
                case [str(side), bytes(cid)] if side == self._side:
                    found.append((cid, Asked.from_value(value)))
                case _:
                    continue
        return found

    def waiting(self, tx: Tx) -> list[tuple[bytes, Asked]]:
        """The requests that nobody has decided."""
        return [(cid, one) for cid, one in self.all(tx) if one.state is RequestState.WAITING]

    def _things(self, asked: Asked) -> list[Value]:
        return [self._of(asked.own, asked.their)]

    def _of(self, own: str, their: str) -> Value:
        return [self._side.value, own, their]

    def _name(self, cid: bytes) -> Value:
        return [self._side.value, cid]
