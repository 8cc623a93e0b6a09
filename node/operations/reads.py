"""Operations on what peers lend, without asking them now: reads by file, and what was kept."""

from __future__ import annotations

from ...protocol.wire import Value
from ..node import Node
from ..reads.lent_windows import Lent
from ..results.reads import AskedByFile, Source
from ..shape import to_value
from ..store.database import Tx
from .data import emit_batch
from .operation import Args, Emit, Host


async def fetch_by_file(host: Host, args: Args, emit: Emit) -> Value:
    node, peer, window = host.node, args.text("from"), args.window("collection")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> int:
        return node.parcel_fetching.ask(tx, node.peers.named(tx, peer), window, now_ms)

    return to_value(AskedByFile(await node.store.database.write(unit)))


async def kept(host: Host, args: Args, emit: Emit) -> Value:
    node, peer, window = host.node, args.text("from"), args.window("collection")
    pair = await node.store.database.read(lambda tx: node.peers.named(tx, peer))
    return await emit_lent(node, emit, await node.kept_reads.read(pair, window))


async def emit_lent(node: Node, emit: Emit, lent: Lent) -> Value:
    """Hand over what was lent: records as items, and what vouches for them at the end."""
    if lent.batch is not None:
        await emit_batch(node, emit, lent.batch)
    provenance = [
        Source(
            one.statement.cid,
            one.statement.src,
            one.first,
            one.last,
            one.reason is None,
            one.reason,
        )
        for one in lent.provenance
    ]
    return {
        "schema": None if lent.batch is None else lent.batch.schema.name,
        "pages": lent.pages,
        "bytes": lent.size,
        "windows": lent.windows,
        "provenance": to_value(provenance),
        "damaged": [damaged.sentence() for damaged in lent.damaged],
    }
