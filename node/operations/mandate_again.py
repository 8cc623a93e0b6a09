"""Giving a mandate again that ended: one of those it names was followed by another persona, or its
giver has thought again."""

from __future__ import annotations

from ...protocol.errors import ProtocolError
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..errors import NotAllowed, NotFound, UsageError
from ..household.mandate_kept import MandateKept, Side
from ..node import Node
from ..peers.peers import Pair
from ..store.database import Tx
from .household import told
from .operation import Args, Emit, Host


async def mandate_again(host: Host, args: Args, emit: Emit) -> Value:
    """The same office, commands, limits and end, between who they all are now."""
    node, now_ms = host.node, host.node.clock.now_ms()

    def again(tx: Tx) -> MandateKept:
        given = {one.cid: one for one in node.mandates.all(tx) if one.side is Side.GIVEN}
        kept = given[args.id("mandate", given, "mandate that you gave")]
        match kept.status(now_ms):
            case GrantStatus.LIVE:
                raise UsageError("this mandate holds: there is nothing to give again")
            case GrantStatus.EXPIRED:
                raise UsageError("this mandate had run out: give one with another end")
            case _:
                pass
        if len(kept.chain) > 1:
            raise UsageError(
                "this mandate was passed on: once the one above it is held again, pass that on"
            )
        try:
            return _given(node, tx, kept, now_ms)
        except ProtocolError as error:
            raise NotAllowed(str(error)) from error

    return await told(node, again, now_ms)


def _given(node: Node, tx: Tx, kept: MandateKept, now_ms: int) -> MandateKept:
    mandate = kept.mandate
    if mandate.at_home:
        assert kept.own is not None
        assert kept.their is not None
        proxy = node.peers.pair(tx, kept.own, kept.their)
        return node.mandates.give_home(
            tx,
            proxy,
            office=mandate.office,
            limits=mandate.limits,
            exp_s=mandate.exp_s,
            now_ms=now_ms,
        )
    at = _pair(node, tx, mandate.principal, mandate.to)
    if kept.own is None or kept.their is None:
        proxy = _pair(node, tx, mandate.proxy, mandate.to)  # of the same household
    else:
        proxy = node.peers.pair(tx, kept.own, kept.their)
    return node.mandates.give(
        tx,
        proxy,
        at,
        office=mandate.office,
        commands=mandate.commands,
        exp_s=mandate.exp_s,
        now_ms=now_ms,
        onward=mandate.onward,
    )


def _pair(node: Node, tx: Tx, own: str, their: str) -> Pair:
    found = node.peers.find(tx, own, their)
    if found is None:
        raise NotFound("this node is not paired any more with one whom the mandate names")
    return found
