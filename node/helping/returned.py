"""Returned: what helpers have served in this node's name, as they tell it.

A helper says each window with the call that asked for it, the lease that it served under, and what
was signed.  Nothing of that is its word alone: the lease is signed by our own persona, the call by
the reader, the receipt by the helper's device and, but for a last window left unanswered, by the
reader too.  What does not go together is refused.  What does is logged here, once, as read by the
reader and served by the helper.

A helper can keep silent.  What it hides of a read, the reader's own log has; and the receipts that
it does tell name one another, so what is missing between two of them is seen (`log verify`).

Everything here is a function of a transaction.
"""

from __future__ import annotations

from ...protocol.capability import Invocation, parse_invocation
from ...protocol.command import Cmd, HelperReceiptArgs
from ...protocol.did import public_of
from ...protocol.errors import CapabilityError, Code, GrantRefused
from ...protocol.grant import parse_read_args
from ...protocol.helped import is_lease
from ...protocol.limits import CLOCK_SKEW_S_MAX, LEASE_S_MAX
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.receipt import Receipt, ReceiptBody, parse_receipt
from ...protocol.wire import Value
from ..errors import NotFound
from ..grants.grant_given import GrantGiven
from ..grants.lending import Lending
from ..log.receipts import Receipts, Way
from ..log.subject import Subject
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from .helpers import Helpers


class Returned:
    """Takes in what helpers have served."""

    def __init__(
        self, peers: Peers, helpers: Helpers, lending: Lending, receipts: Receipts
    ) -> None:
        self._peers = peers
        self._helpers = helpers
        self._lending = lending
        self._receipts = receipts

    def told(self, tx: Tx, pair: Pair, args: HelperReceiptArgs, now_ms: int) -> Value:
        """A helper tells of a window that it served.

        Raises GrantRefused, CapabilityError, WireError, BadSignature for what does not hold.
        """
        if self._helpers.find(tx, pair) is None:
            raise GrantRefused("you were not asked to help", Code.UNKNOWN_GRANT)
        lease = parse_certificate(args.lease)
        receipt = parse_receipt(args.receipt)
        body = receipt.body
        call = parse_invocation(args.call)
        grant = self._lending.find(tx, body.dlg)
        if grant is None:
            raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
        self._check_lease(tx, lease, grant, body, now_ms)
        receipt.verify(lease)
        path = _check_call(call, body)
        reader = self._peers.pair(tx, grant.own, grant.their)
        if body.reader not in reader.theirs:
            raise CapabilityError("a window was read by another than the grant is for", _AUD)
        known = self._receipts.find(tx, receipt.cid)
        if known is not None:
            if isinstance(known.word, Receipt) and known.word.one_sided and not receipt.one_sided:
                self._receipts.countersigned(tx, receipt)
            return "known"
        self._receipts.add(
            tx,
            Way.HELPER,
            grant.own,
            grant.their,
            receipt,
            grant.k_grant,
            lease,
            Subject(Cmd.READ, None, path),
            call=call.raw if receipt.one_sided else None,
        )
        return "known"

    def _check_lease(
        self, tx: Tx, lease: Certificate, grant: GrantGiven, body: ReceiptBody, now_ms: int
    ) -> None:
        """The lease is ours, for the one who serves, and held when the window was signed."""
        try:
            ours = self._peers.persona_as(tx, lease.persona)
        except NotFound as error:
            raise CapabilityError("a lease is not one that this node gave", _AUD) from error
        if not is_lease(lease) or ours.did != grant.bundle.root.delegation.iss:
            raise CapabilityError("a lease is not for this grant", _AUD)
        lease.check(body.t_ms, public_of(body.server), Cmd.READ)
        if lease.exp_s * 1000 - body.t_ms > (LEASE_S_MAX + CLOCK_SKEW_S_MAX) * 1000:
            raise CapabilityError("a window was signed before its lease began", Code.NOT_YET)
        if body.t_ms > now_ms + CLOCK_SKEW_S_MAX * 1000:
            raise CapabilityError("a window is dated in the future", Code.NOT_YET)


_AUD = Code.AUDIENCE


def _check_call(call: Invocation, body: ReceiptBody) -> str:
    """The signed call is the one that a window answers; the collection that it asked for."""
    if (call.cid, call.iss, call.aud) != (body.inv, body.reader, body.server):
        raise CapabilityError("a window answers another call than the one shown", Code.MALFORMED)
    if call.cmd != Cmd.READ or call.prf != (body.dlg,):
        raise CapabilityError("a window was read under another grant", Code.MALFORMED)
    asked = parse_read_args(call.args).window
    if not asked.first <= body.first <= body.last_day <= asked.last:
        raise CapabilityError("a window holds days that were not asked for", Code.DAYS)
    return asked.collection
