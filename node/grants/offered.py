"""Grants that were offered: an owner answered a request with terms that bind its reader harder.

    request ──decision with narrower terms──> offered ──accept──> held, keys asked for
                                                 └──decline──> declined, its owner told

Nobody has agreed to these terms yet, so no keys have come and nothing can be read.  The reader's
node takes them by itself only where its operator said so (`[terms] accept_narrower`); otherwise
they wait for the operator.  Terms that differ in any other way never come here: such a bundle is no
answer to what was asked, and is refused.

Source: formats.md, "Grant"; ADR 18.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...protocol.cid import CID_BYTES
from ...protocol.command import Cmd, DeclineArgs
from ...protocol.did import Did, check_did
from ...protocol.errors import CapabilityError, Code, GrantRefused
from ...protocol.grant import Bundle, check_bundle, parse_bundle
from ...protocol.request import parse_request
from ...protocol.revocation import check_revocation, parse_revocation
from ...protocol.wire import Body, Value
from ..errors import NotAllowed, NotFound, UsageError
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .borrowing import asked_by
from .inbox import Inbox, RequestState
from .lending import Lending


@dataclass(frozen=True, slots=True)
class Offered:
    """One offer, under the request that it answers.  `bundle` was verified when it came."""

    own: Did
    their: Did
    request: bytes
    bundle: Bundle
    t_ms: int

    def value(self) -> Value:
        return {
            "own": self.own,
            "their": self.their,
            "request": self.request,
            "bundle": self.bundle.signed.raw,
            "t_ms": self.t_ms,
        }

    @classmethod
    def from_value(cls, value: Value) -> Offered:
        body = Body.open(value, "a grant offered", ("own", "their", "request", "bundle", "t_ms"))
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            body.data("request", length=CID_BYTES),
            parse_bundle(body.data("bundle")),
            body.integer("t_ms"),
        )


class Offers:
    """The offers that this node was made, and what its owner heard of those that it made."""

    def __init__(
        self, objects: Objects, peers: Peers, asked: Inbox, outgoing: Outgoing, lending: Lending
    ) -> None:
        # Makes a bundle a grant held, and asks for its keys: set by whoever borrows.
        self.take: Callable[[Tx, Pair, Bundle, bytes, int], None] = _nobody
        self._objects = objects
        self._peers = peers
        self._asked = asked
        self._outgoing = outgoing
        self._lending = lending

    # the reader's side

    def find(self, tx: Tx, request: bytes) -> Offered | None:
        return self._objects.read(tx, Kind.GRANT_OFFERED, request, Offered.from_value)

    def keep(self, tx: Tx, pair: Pair, bundle: Bundle, request: bytes, now_ms: int) -> None:
        """Keep what was offered until the operator decides."""
        if not self._objects.are_linked(tx, Kind.GRANT_OFFERED):  # by an older program, or none yet
            for name, older in self._objects.read_all(tx, Kind.GRANT_OFFERED, Offered.from_value):
                self._link(tx, name, older)
            self._objects.now_linked(tx, Kind.GRANT_OFFERED)
        offered = Offered(Did(pair.own), pair.their, request, bundle, now_ms)
        if self._objects.add_if_new(tx, Kind.GRANT_OFFERED, request, offered.value()):
            self._link(tx, request, offered)
        self._asked.decided(tx, request, RequestState.OFFERED, bundle.grant.cid, None)

    def _link(self, tx: Tx, name: Value, offered: Offered) -> None:
        """An offer is found by its grant: whoever takes one back names no other."""
        things = [_of_grant(offered.bundle.grant.cid)]
        self._objects.link(tx, Kind.GRANT_OFFERED, name, things, _NO_DAY)

    def _of(self, tx: Tx, grant: bytes) -> list[Offered]:
        if self._objects.are_linked(tx, Kind.GRANT_OFFERED):
            return self._objects.read_about(
                tx, Kind.GRANT_OFFERED, _of_grant(grant), Offered.from_value, ended=True
            )
        found = self._objects.read_all(tx, Kind.GRANT_OFFERED, Offered.from_value)
        return [one for _, one in found if one.bundle.grant.cid == grant]

    def accept(self, tx: Tx, request: bytes, now_ms: int) -> bytes:
        """Agree to what was offered; the grant's CID.

        Raises NotFound, UsageError if it does not wait any more, NotAllowed if it has run out.
        """
        offered = self._waiting(tx, request)
        pair = self._peers.pair(tx, offered.own, offered.their)
        asked = self._asked.get(tx, request)
        persona = self._peers.persona(tx, offered.own)
        try:
            check_bundle(
                offered.bundle,
                asked_by(parse_request(asked.raw), pair),
                reader_key=persona.reader.public,
                now_ms=now_ms,
            )
        except (GrantRefused, CapabilityError) as error:
            raise NotAllowed(f"this offer does not hold any more: {error}") from error
        self.take(tx, pair, offered.bundle, request, now_ms)
        return offered.bundle.grant.cid

    def decline(self, tx: Tx, request: bytes, reason: str | None, now_ms: int) -> None:
        """Do not agree; its owner is told.  Raises NotFound, UsageError."""
        offered = self._waiting(tx, request)
        pair = self._peers.pair(tx, offered.own, offered.their)
        cid = offered.bundle.grant.cid
        self._asked.decided(tx, request, RequestState.DECLINED, cid, reason)
        args = DeclineArgs(offered.their, cid, reason)
        self._outgoing.put(tx, pair, Cmd.DECLINE, args.value(), now_ms)

    def _waiting(self, tx: Tx, request: bytes) -> Offered:
        asked = self._asked.get(tx, request)
        offered = self.find(tx, request)
        if offered is None:
            raise NotFound("nothing was offered for this request: see `entrenous inbox`")
        if asked.state is not RequestState.OFFERED:
            raise UsageError(f"this request was {asked.state.value} already")
        return offered

    def taken_back(self, tx: Tx, pair: Pair, raw: bytes) -> bool:
        """The owner took back what it had offered; False if that is no offer of this peer's.

        Raises GrantRefused, WireError, BadSignature.
        """
        revocation = parse_revocation(raw)
        for offered in self._of(tx, revocation.dlg):
            grant, request = offered.bundle.grant, offered.request
            if (offered.own, offered.their) != (pair.own, pair.their):
                continue
            asked = self._asked.get(tx, request)
            if asked.state is RequestState.GRANTED:
                return False  # it is held by now, and ends as such
            check_revocation(revocation, [grant.delegation], offered.bundle.root.paths)
            if asked.state is RequestState.OFFERED:
                state, why = RequestState.REFUSED, "the offer was taken back"
                self._asked.decided(tx, request, state, None, why)
            return True
        return False

    # the owner's side

    def declined(self, tx: Tx, pair: Pair, args: DeclineArgs, now_ms: int) -> Value:
        """The reader does not agree to what this node offered: the grant ends.

        Said again, it changes nothing.  Raises GrantRefused for a grant that is not this peer's,
        or that it has accepted.
        """
        grant = self._lending.find(tx, args.grant)
        if grant is None or (grant.own, grant.their) != (pair.own, pair.their):
            raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
        if self._objects.has(tx, Kind.DECLINED, args.grant):
            return "known"
        if grant.keyset is not None:
            raise GrantRefused("this grant was accepted: it is given back otherwise", Code.REPLAY)
        self._objects.put(tx, Kind.DECLINED, args.grant, [now_ms, args.reason])
        if grant.ended_ms is None:
            self._lending.revoke(tx, args.grant, now_ms)
        return "known"

    def why_declined(self, tx: Tx, grant: bytes) -> tuple[int, str | None] | None:
        """When a reader declined a grant of ours, and why; None if it did not."""
        match self._objects.get(tx, Kind.DECLINED, grant):
            case [int(t_ms), str() | None as reason]:
                return t_ms, reason
            case _:
                return None


# An offer that nobody took is found for ever.
_NO_DAY = 0


def _of_grant(cid: bytes) -> Value:
    return ["grant", cid]


def _nobody(_tx: Tx, _pair: Pair, _bundle: Bundle, _request: bytes, _now_ms: int) -> None:
    """Nobody borrows."""
