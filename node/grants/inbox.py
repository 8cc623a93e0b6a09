"""Requests: what was asked of this node and by it, and what became of each."""

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
        return self._objects.add_if_new(tx, Kind.REQUEST, self._name(cid), asked.value())

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
        self._objects.put(tx, Kind.REQUEST, self._name(cid), asked.value())

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

    def _name(self, cid: bytes) -> Value:
        return [self._side.value, cid]
