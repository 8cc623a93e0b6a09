"""Notices: what was said under a mandate, told to the one in whose name it was said.

    organisation ── /mandate/notice: the invocation, and the answer to it ──> principal

The organisation puts the notice aside in the unit of work that answers the proxy, so nothing is
done for a principal that it does not hear of.  The principal's node believes it if it gave such a
mandate, and writes into its own books what the proxy did there.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from ...protocol.command import Cmd, DecideArgs, MandateNoticeArgs, RequestArgs, parse_args
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.invocation import Invocation, parse_invocation
from ...protocol.mandate import Acted
from ...protocol.receipt import Answer, parse_answer
from ...protocol.wire import Value
from ..grants.inbox import Asked, Inbox, RequestState
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from .mandate_kept import MandateKept, Side
from .mandates import Mandates


class Notices:
    """Told where a mandate holds, heard where it was given."""

    def __init__(
        self, peers: Peers, outgoing: Outgoing, inbox: Inbox, asked: Inbox, mandates: Mandates
    ) -> None:
        self._peers = peers
        self._outgoing = outgoing
        self._inbox = inbox
        self._asked = asked
        self._mandates = mandates

    def tell(self, tx: Tx, own: Did, inv: Invocation, answer: Answer, now_ms: int) -> None:
        """Tell the principal what was done in its name."""
        principal = self._peers.find(tx, own, inv.sub)
        if principal is not None:
            args = MandateNoticeArgs(principal.their, inv.raw, answer.signed.raw)
            self._outgoing.put(tx, principal, Cmd.MANDATE_NOTICE, args.value(), now_ms)

    def told(self, tx: Tx, pair: Pair, args: MandateNoticeArgs, now_ms: int) -> Value:
        """The organisation tells what was done in our name: what follows from it, happens here.

        Raises GrantRefused for what no mandate of ours stands behind, WireError, CryptoError.
        """
        inv, answer = parse_invocation(args.inv), parse_answer(args.answer)
        answer.verify(pair.certificate, inv.cid)
        acted = acted_in(answer)
        if (acted.principal, acted.proxy) != (inv.sub, inv.iss) or inv.sub != pair.own:
            raise GrantRefused("this was not done in our name", Code.AUDIENCE)
        given = [
            kept
            for kept in self._mandates.all(tx)
            if kept.side is Side.GIVEN
            and kept.mandate.to == pair.their
            and kept.mandate.principal == pair.own
            and _behind(kept, inv, acted)
        ]
        if not given:
            raise GrantRefused("no mandate was given for this", Code.UNKNOWN_GRANT)
        if answer.code is Code.OK:
            self._follow(tx, pair, inv, now_ms)
        return "kept"

    def _follow(self, tx: Tx, pair: Pair, inv: Invocation, now_ms: int) -> None:
        """Our own books, after the proxy asked or decided for us."""
        args = parse_args(inv.cmd, inv.args)
        match args:
            case RequestArgs() if args.request.from_did == pair.own:
                asked = Asked(
                    pair.own,
                    pair.their,
                    args.request.encode(),
                    RequestState.WAITING,
                    now_ms,
                    None,
                    None,
                )
                self._asked.add(tx, args.request.cid, asked)
            case DecideArgs(bundle=None):
                found = self._inbox.find(tx, args.request)
                ours = found is not None and (found.own, found.their) == (pair.own, pair.their)
                if found is not None and ours and found.state is RequestState.WAITING:
                    state = RequestState.REFUSED
                    self._inbox.decided(tx, args.request, state, None, args.reason)
            case _:
                return


def acted_in(answer: Answer) -> Acted:
    """The two names of an answer.  Raises GrantRefused if it has none."""
    if answer.acted is None:
        raise GrantRefused("an answer does not say who acted for whom", Code.MALFORMED)
    return answer.acted


def _behind(kept: MandateKept, inv: Invocation, acted: Acted) -> bool:
    """Whether `inv` was said under the mandate `kept`, which this node gave: by its proxy, or by
    one to whom it was passed on, whom only the organisation knows."""
    first = kept.chain[0]
    if inv.prf[:1] not in {(link.cid,) for link in first.links if link.cmd == inv.cmd}:
        return False
    if len(inv.prf) > 1:
        return first.onward
    return (acted.proxy, acted.mandate) == (first.proxy, first.cid)
