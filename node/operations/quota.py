"""How much a peer may fill of this node's disk: asked, and set."""

from __future__ import annotations

from ...protocol.wire import Value
from ..results.peers import QuotaInfo
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host


async def quota(host: Host, args: Args, emit: Emit) -> Value:
    """The quota of `peer`."""
    node, peer = host.node, args.text("peer")

    def unit(tx: Tx) -> QuotaInfo:
        found = node.quotas.of(tx, node.peers.named(tx, peer))
        return QuotaInfo(peer, found.used, found.most, found.own)

    return to_value(await node.store.database.read(unit))


async def set_quota(host: Host, args: Args, emit: Emit) -> Value:
    """Let `peer` fill `most` bytes; without it, as much as everyone."""
    node, peer, most = host.node, args.text("peer"), args.maybe_integer("most")

    def unit(tx: Tx) -> QuotaInfo:
        found = node.quotas.allow(tx, node.peers.named(tx, peer), most)
        return QuotaInfo(peer, found.used, found.most, found.own)

    return to_value(await node.store.database.write(unit))
