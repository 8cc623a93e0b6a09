"""Operations that answer what a person asks about the past, each with what shows it."""

from __future__ import annotations

from ...protocol.wire import Value
from ..errors import NotFound
from ..node import Node
from ..results.history import HistoryEvent
from ..shape import to_value
from ..store.database import Tx
from .household import names_of
from .operation import Args, Emit, Host


async def ready(node: Node) -> None:
    """Bring lines and index up to date, so that an answer leaves nothing out."""
    database = node.store.database
    if not await database.read(node.lending.lines.complete):
        await database.write(lambda tx: fill_lines(node, tx))
    await node.rows.catch_up()


def fill_lines(node: Node, tx: Tx) -> int:
    """The lines of grants that an older version kept; how many were missing."""
    held = [(one, _asked_ms(node, tx, one.request) or 0) for one in node.borrowing.all(tx)]
    return node.lending.lines.fill(tx, node.lending.all(tx), held)


def _asked_ms(node: Node, tx: Tx, request: bytes | None) -> int | None:
    asked = None if request is None else node.asked.find(tx, request)
    return None if asked is None else asked.t_ms


async def who(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    path = args.collection("path")
    await ready(node)
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> list[HistoryEvent]:
        found = node.history.who(tx, path, names_of(node, tx), now_ms)
        if not found and node.vault.collections.find(tx, path) is None:
            raise NotFound(f"there is no collection {path}, and none was ever lent here")
        return found

    return await _emitted(emit, await node.store.database.read(unit))


async def history(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    name = args.text("peer")
    await ready(node)
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> list[HistoryEvent]:
        pair = node.peers.named(tx, name)
        return node.history.of_peer(tx, pair, names_of(node, tx), now_ms)

    return await _emitted(emit, await node.store.database.read(unit))


async def _emitted(emit: Emit, events: list[HistoryEvent]) -> Value:
    for event in events:
        await emit.item(to_value(event))
    return None
