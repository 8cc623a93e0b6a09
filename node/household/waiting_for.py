"""What waits at a principal, as its proxy has seen it and decides it.

    seen waiting ──decide──> sent ──answered──> granted | refused | failed

A decision is put into the outbox in the unit of work that keeps it, so it is said however long the
principal's node is away; what its node answered is kept in the unit that takes it out.  What was
seen is the principal's: it is here for as long as it waits there, and what this node decided stays.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ...protocol.cid import CID_BYTES
from ...protocol.command import Cmd, MandateDecideArgs, WaitingRequest, parse_out
from ...protocol.did import Did, check_did
from ...protocol.errors import Code
from ...protocol.limits import REQUEST_BYTES_MAX, TEXT_CHARS_MAX
from ...protocol.receipt import Answer
from ...protocol.request import Request, parse_request
from ...protocol.window import Window
from ...protocol.wire import Body, Value
from ..errors import NotAllowed, NotFound, UsageError
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .mandate_kept import MandateKept

_KEYS = ("own", "their", "peer", "name", "raw", "t_ms", "state", "grant", "reason")
# Requests of one principal that are kept here: beyond that, what was decided long ago goes.
KEPT_MAX = 1_000


class Stage(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    GRANTED = "granted"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """A request that was made to the principal of the pair `own`, `their`; by `peer`, whom the
    principal calls `name`."""

    own: Did
    their: Did
    peer: Did
    name: str
    raw: bytes
    t_ms: int
    state: Stage
    grant: bytes | None = None
    reason: str | None = None

    @property
    def request(self) -> Request:
        return parse_request(self.raw)

    def value(self) -> Value:
        return {name: getattr(self, name) for name in _KEYS if name != "state"} | {
            "state": self.state.value
        }

    @classmethod
    def from_value(cls, value: Value) -> WaitingFor:
        body = Body.open(value, "a request that waits elsewhere", _KEYS)
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            check_did(body.text("peer")),
            body.text("name"),
            body.data("raw", bytes_max=REQUEST_BYTES_MAX),
            body.integer("t_ms"),
            Stage(body.text("state")),
            body.maybe_data("grant", length=CID_BYTES),
            body.maybe_text("reason", chars_max=TEXT_CHARS_MAX),
        )


class WaitingElsewhere:
    """The proxy's book of what waits at its principals."""

    def __init__(self, objects: Objects, outgoing: Outgoing) -> None:
        self._objects = objects
        self._outgoing = outgoing

    def all(self, tx: Tx, principal: Pair) -> list[tuple[bytes, WaitingFor]]:
        """What was seen at, or decided for, this principal; the oldest first."""
        found = [
            (one.request.cid, one)
            for _, one in self._objects.read_all(tx, Kind.WAITING_FOR, WaitingFor.from_value)
            if (one.own, one.their) == (principal.own, principal.their)
        ]
        return sorted(found, key=lambda one: (one[1].t_ms, one[0]))

    def seen(
        self, tx: Tx, principal: Pair, waiting: Sequence[WaitingRequest], *, whole: bool
    ) -> None:
        """Keep what waits there; with `whole`, what does not wait any more is forgotten."""
        there: dict[bytes, WaitingRequest] = {parse_request(one.raw).cid: one for one in waiting}
        known = self.all(tx, principal)
        for cid, one in there.items():
            if all(cid != kept for kept, _ in known):
                new = WaitingFor(
                    principal.own,
                    principal.their,
                    one.peer,
                    one.name,
                    one.raw,
                    one.t_ms,
                    Stage.WAITING,
                )
                self._save(tx, cid, new)
        if whole:
            self._forget(tx, known, there)

    def _forget(
        self, tx: Tx, known: Sequence[tuple[bytes, WaitingFor]], there: Collection[bytes]
    ) -> None:
        over = len(known) + len(there) - KEPT_MAX
        for cid, one in known:
            gone = one.state is Stage.WAITING and cid not in there
            old = over > 0 and one.state not in (Stage.WAITING, Stage.SENT)
            if gone or old:
                over -= 1
                self._objects.delete(tx, Kind.WAITING_FOR, _name(one, cid))

    def decide(
        self,
        tx: Tx,
        principal: Pair,
        mandate: MandateKept,
        request: bytes,
        *,
        windows: Sequence[Window],
        exp_s: int,
        reason: str | None,
        now_ms: int,
    ) -> None:
        """Grant `windows` until `exp_s`, or with 0 refuse: kept, and in the outbox.

        Raises NotFound, UsageError if it was decided, NotAllowed beyond the mandate.
        """
        found = self._objects.read(
            tx,
            Kind.WAITING_FOR,
            [principal.own, principal.their, request],
            WaitingFor.from_value,
        )
        if found is None:
            raise NotFound(f"no such request was seen at {principal.name}: look again")
        if found.state not in (Stage.WAITING, Stage.FAILED):
            raise UsageError(f"this request was decided here already: {found.state.value}")
        items = tuple(windows) if exp_s else found.request.items
        limits = mandate.mandate.limits
        if not all(limits.covers_path(item.collection) for item in items):
            raise NotAllowed(f"the mandate of {principal.name} does not cover that collection")
        if limits.until_s is not None and exp_s > limits.until_s:
            raise NotAllowed(f"the mandate of {principal.name} does not reach that far")
        args = MandateDecideArgs(
            principal.their, request, found.peer, found.request.purpose, items, exp_s, reason
        )
        self._save(tx, request, replace(found, state=Stage.SENT, grant=None, reason=None))
        self._outgoing.put(
            tx, principal, Cmd.MANDATE_DECIDE, args.value(), now_ms, mandate=mandate.cid
        )

    def answered(self, tx: Tx, pair: Pair, args: MandateDecideArgs, answer: Answer) -> None:
        """The principal's node has answered a decision."""
        name: Value = [pair.own, pair.their, args.request]
        found = self._objects.read(tx, Kind.WAITING_FOR, name, WaitingFor.from_value)
        if found is None:
            return
        if answer.code is not Code.OK:
            reason = answer.reason[:TEXT_CHARS_MAX]
            done = replace(found, state=Stage.FAILED, grant=None, reason=reason)
        else:
            grant = parse_out(Cmd.MANDATE_DECIDE, answer.out)
            assert isinstance(grant, bytes)
            state = Stage.GRANTED if grant else Stage.REFUSED
            done = replace(found, state=state, grant=grant or None, reason=args.reason)
        self._save(tx, args.request, done)

    def _save(self, tx: Tx, cid: bytes, one: WaitingFor) -> None:
        self._objects.put(tx, Kind.WAITING_FOR, _name(one, cid), one.value())


def _name(one: WaitingFor, cid: bytes) -> Value:
    return [one.own, one.their, cid]
