"""Deciding for another across nodes: what the principal's node lets its proxy see and decide.

    proxy ── /mandate/inbox ──> principal      the requests that the mandate covers, whole
    proxy ── /mandate/decide ──> principal     granted or refused: with the principal's persona and
                                               keys, on the principal's node; the CID of the grant

The door has held the words against the mandate's policy; here they are held against the request
itself, which the proxy does not choose: who asks, what for, and all of what.  A request that is
covered in part waits for the principal.  So do those of the proxy itself, and of relationships in
which other people of the house stand.

Said again, the same decision gets the same answer; another one is refused.  Who decided stands
beside the request, and both names in the signed answer.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.cid import CID_BYTES, cid_of
from ...protocol.command import (
    MandateDecideArgs,
    MandateInboxArgs,
    WaitingOut,
    WaitingRequest,
)
from ...protocol.did import Did, check_did
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import MANDATE_INBOX_BYTES_MAX
from ...protocol.mandate import Acted
from ...protocol.mandate_limits import Limits
from ...protocol.request import Request, parse_request
from ...protocol.wire import Body, Value, encode
from ..errors import NotFound, UsageError
from ..grants.expansion import expanded
from ..grants.inbox import Asked, Inbox, RequestState
from ..grants.lending import Lending
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from ..vault.collection import Collections
from .household import Household
from .mandate_kept import Side
from .mandates import Mandates


@dataclass(frozen=True, slots=True)
class DecidedFor:
    """Who decided a request for the owner of this node, under which mandate, by which words."""

    proxy: Did
    mandate: bytes
    said: bytes
    t_ms: int

    def value(self) -> Value:
        return {"proxy": self.proxy, "mandate": self.mandate, "said": self.said, "t_ms": self.t_ms}

    @classmethod
    def from_value(cls, value: Value) -> DecidedFor:
        body = Body.open(value, "who decided", ("proxy", "mandate", "said", "t_ms"))
        return cls(
            check_did(body.text("proxy")),
            body.data("mandate", length=CID_BYTES),
            body.data("said", length=CID_BYTES),
            body.integer("t_ms"),
        )


class DecidingFor:
    """What a proxy does at its principal's node."""

    def __init__(
        self,
        *,
        objects: Objects,
        peers: Peers,
        inbox: Inbox,
        lending: Lending,
        mandates: Mandates,
        household: Household,
        collections: Collections,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._inbox = inbox
        self._lending = lending
        self._mandates = mandates
        self._household = household
        self._collections = collections

    def by(self, tx: Tx, request: bytes) -> DecidedFor | None:
        """Who decided this request for the owner, or None if that was the owner."""
        return self._objects.read(tx, Kind.DECIDED_FOR, request, DecidedFor.from_value)

    def inbox(self, tx: Tx, pair: Pair, args: MandateInboxArgs, acted: Acted) -> Value:
        """The requests that wait and that the mandate covers, the oldest first, a page of them."""
        limits = self._limits(tx, acted)
        found = [
            (cid, asked)
            for cid, asked in self._inbox.all(tx)
            if asked.state is RequestState.WAITING
            and self._covered(tx, pair, limits, asked, parse_request(asked.raw))
        ]
        found.sort(key=lambda one: (one[1].t_ms, one[0]))
        if args.after is not None:
            places = [place for place, (cid, _) in enumerate(found) if cid == args.after]
            found = found[places[0] + 1 :] if places else found
        page: list[WaitingRequest] = []
        size = 0
        for _, asked in found:
            size += len(asked.raw) + 128
            if page and size > MANDATE_INBOX_BYTES_MAX:
                break
            name = self._peers.pair(tx, asked.own, asked.their).name
            page.append(WaitingRequest(asked.raw, asked.their, name, asked.t_ms))
        return WaitingOut(tuple(page), len(page) < len(found)).value()

    def decide(
        self, tx: Tx, pair: Pair, args: MandateDecideArgs, acted: Acted, now_ms: int
    ) -> Value:
        """Grant or refuse a request for the owner of this node; the grant's CID, or nothing.

        Raises GrantRefused for what the mandate does not cover, or what was decided otherwise.
        """
        said = cid_of(encode(args.value()))
        asked = self._inbox.find(tx, args.request)
        request = None if asked is None else parse_request(asked.raw)
        limits = self._limits(tx, acted)
        if (
            asked is None
            or request is None
            or not self._covered(tx, pair, limits, asked, request)
            or (args.peer, args.purpose) != (asked.their, request.purpose)
        ):
            # The same for one that is not there: what is not covered is not shown.
            raise GrantRefused("no such request waits for this proxy", Code.UNKNOWN_GRANT)
        if asked.state is not RequestState.WAITING:
            done = self.by(tx, args.request)
            if done is not None and (done.mandate, done.said) == (acted.mandate, said):
                return asked.grant or b""
            raise GrantRefused(f"this request was {asked.state.value} already", Code.REPLAY)
        try:
            grant = self._carry_out(tx, asked, request, args, now_ms)
        except (UsageError, NotFound) as error:
            raise GrantRefused(str(error), Code.MALFORMED) from error
        by = DecidedFor(acted.proxy, acted.mandate, said, now_ms)
        self._objects.put(tx, Kind.DECIDED_FOR, args.request, by.value())
        return grant

    def _carry_out(
        self, tx: Tx, asked: Asked, request: Request, args: MandateDecideArgs, now_ms: int
    ) -> bytes:
        if args.exp_s == 0:
            if args.items != request.items:
                raise GrantRefused("a refusal names all that was asked for", Code.MALFORMED)
            self._lending.refuse(tx, args.request, args.reason, now_ms)
            return b""
        if args.reason is not None:
            raise GrantRefused("a reason is for a refusal", Code.MALFORMED)
        windows = expanded(tx, self._collections, self._household, asked.own, args.items)
        for window in windows:
            if self._household.is_others(tx, asked.own, window.collection):
                raise GrantRefused(
                    f"{window.collection} belongs to somebody whom this peer does not know: "
                    "that waits for its owner",
                    Code.COLLECTION,
                )
        return self._lending.grant(tx, args.request, windows, args.exp_s, now_ms).cid

    def _limits(self, tx: Tx, acted: Acted) -> Limits:
        kept = self._mandates.find(tx, Side.GIVEN, acted.mandate)
        if kept is None:
            raise GrantRefused("this mandate is not one that this node gave", Code.UNKNOWN_GRANT)
        return kept.mandate.limits

    def _covered(self, tx: Tx, pair: Pair, limits: Limits, asked: Asked, request: Request) -> bool:
        """Whether the proxy of `pair` may decide this: not its own, and of the same people."""
        whose = self._household.of_persona(tx, asked.own)
        return (
            asked.their != pair.their
            and whose == self._household.of_persona(tx, pair.own)
            and limits.covers(asked.their, request)
        )
