"""What became of what was asked in another's name, told to the one who asked.

    proxy ── /grant/request, for its principal ──> organisation       kept: asked under this mandate
    organisation ── /grant/decide ──> principal
                 └─ /mandate/outcome ──> proxy                        granted or refused, and why

The grant and its keys go to the principal alone; the proxy hears one word.  It hears nothing any
more once its mandate has ended: then its own book says that, and its principal knows the rest.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from ...protocol.command import Cmd, MandateOutcomeArgs
from ...protocol.errors import Code, GrantRefused
from ...protocol.mandate import Acted, acted_from_value
from ...protocol.request import parse_request
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..grants.inbox import Asked, Inbox, RequestState
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .mandate_kept import MandateKept, Side
from .mandates import Mandates


class Outcomes:
    """Told by whoever decides, heard by whoever asked for another."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        outgoing: Outgoing,
        asked: Inbox,
        mandates: Mandates,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._outgoing = outgoing
        self._asked = asked
        self._mandates = mandates

    # where it was asked

    def asked_under(self, tx: Tx, request: bytes, acted: Acted) -> None:
        """A request came in another's name: whoever brought it is told what becomes of it."""
        self._objects.add_if_new(tx, Kind.ASKED_UNDER, request, acted.value())

    def tell(self, tx: Tx, request: bytes, asked: Asked, reason: str | None, now_ms: int) -> None:
        """A request was decided (`asked` is how it stands now): the proxy who made it is told."""
        value = self._objects.get(tx, Kind.ASKED_UNDER, request)
        if value is None:
            return
        acted = acted_from_value(value)
        kept = self._mandates.find(tx, Side.LODGED, acted.mandate)
        proxy = self._peers.find(tx, asked.own, acted.proxy)
        if kept is None or kept.status(now_ms) is not GrantStatus.LIVE or proxy is None:
            return
        granted = asked.state is RequestState.GRANTED
        args = MandateOutcomeArgs(proxy.their, request, granted, reason)
        self._outgoing.put(tx, proxy, Cmd.MANDATE_OUTCOME, args.value(), now_ms)

    # at the proxy

    def heard(self, tx: Tx, pair: Pair, args: MandateOutcomeArgs, _now_ms: int) -> Value:
        """What became of a request that this node made for another.  Raises GrantRefused."""
        asked = self._asked.find(tx, args.request)
        if asked is None or (asked.own, asked.their) != (pair.own, pair.their):
            raise GrantRefused("this answers a request that was not made", Code.UNKNOWN_GRANT)
        if parse_request(asked.raw).from_did == pair.own:
            raise GrantRefused("this request was not made for another", Code.UNKNOWN_GRANT)
        if asked.state in (RequestState.WAITING, RequestState.ENDED):
            state = RequestState.GRANTED if args.granted else RequestState.REFUSED
            self._asked.decided(tx, args.request, state, None, args.reason)
        return "known"

    def ended(self, tx: Tx, kept: MandateKept) -> None:
        """A mandate that this node held has ended: what was asked under it, it hears no more of."""
        mandate = kept.mandate
        for cid, asked in self._asked.all(tx):
            if (
                asked.state is RequestState.WAITING
                and (asked.own, asked.their) == (mandate.proxy, mandate.to)
                and parse_request(asked.raw).from_did == mandate.principal
            ):
                reason = "the mandate has ended: its principal knows what becomes of this"
                self._asked.decided(tx, cid, RequestState.ENDED, None, reason)
