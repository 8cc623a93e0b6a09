"""Operations of a processor, and of those who have one: for whom this node processes."""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.errors import ProtocolError
from ...protocol.limits import LINE_CHARS_MAX, RECIPIENTS_MAX
from ...protocol.processor import Processor
from ...protocol.terms import Terms
from ...protocol.wire import Value
from ..errors import UsageError
from ..node import Node
from ..peers.pair import Pair
from ..results.grants import ProcessingInfo
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host


async def processing(host: Host, args: Args, emit: Emit) -> Value:
    """For whom this node processes."""
    node = host.node

    def unit(tx: Tx) -> list[ProcessingInfo]:
        return [_info(node, tx, pair, t_ms) for pair, t_ms in node.processors.processing_for(tx)]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def processing_add(host: Host, args: Args, emit: Emit) -> Value:
    """Take what `peer` lends on to this node."""
    now_ms = host.node.clock.now_ms()
    processors = host.node.processors
    return await _changed(host, args, lambda tx, pair: processors.process_for(tx, pair, now_ms))


async def processing_remove(host: Host, args: Args, emit: Emit) -> Value:
    """Take no more of it."""
    now_ms = host.node.clock.now_ms()
    processors = host.node.processors
    return await _changed(host, args, lambda tx, pair: processors.stop_for(tx, pair, now_ms))


async def _changed(host: Host, args: Args, change: Callable[[Tx, Pair], None]) -> Value:
    node, peer, now_ms = host.node, args.text("peer"), host.node.clock.now_ms()

    def unit(tx: Tx) -> ProcessingInfo:
        pair = node.peers.named(tx, peer)
        change(tx, pair)
        return _info(node, tx, pair, now_ms)

    return to_value(await node.store.database.write(unit))


def _info(node: Node, tx: Tx, pair: Pair, t_ms: int) -> ProcessingInfo:
    return ProcessingInfo(pair.name, t_ms, node.processors.held_of(tx, pair))


def processors_named(args: Args) -> tuple[str, ...]:
    """The peers that a request is to name as processors."""
    value = args.body.value("processors")
    names: list[str] = []
    for name in value if isinstance(value, list) else ():
        if not isinstance(name, str) or len(name) > LINE_CHARS_MAX:
            raise UsageError("a processor is the name of a peer")
        names.append(name)
    if len(names) > RECIPIENTS_MAX:
        raise UsageError(f"terms name at most {RECIPIENTS_MAX} recipients")
    return tuple(names)


def with_processors(node: Node, tx: Tx, terms: Terms, names: tuple[str, ...], owner: Pair) -> Terms:
    """`terms` that name the peers `names` as processors of the data of `owner`.  Raises NotFound,
    UsageError."""
    lines: list[str] = []
    for name in names:
        pair = node.peers.named(tx, name)
        if pair.their == owner.their:
            raise UsageError(f"{name} is whose data is asked for: a processor is somebody else")
        try:
            lines.append(Processor(pair.name, pair.their_now).line())
        except ProtocolError as error:
            raise UsageError(str(error)) from error
    known = terms.recipients
    return terms.with_recipients((*known, *(one for one in lines if one not in known)))
