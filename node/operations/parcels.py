"""Operations on parcels: what waits for whom, writing it to a file, taking a file."""

from __future__ import annotations

from dataclasses import replace

from ...protocol.command import Cmd, DeliverArgs, parse_args
from ...protocol.wire import Value
from ..errors import NotAllowed
from ..node import Node
from ..peers.outgoing import Message, message_of
from ..peers.peers import Pair
from ..results.parcels import SaidAgain, Waiting
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host


async def outbox(host: Host, args: Args, emit: Emit) -> Value:
    node, peer = host.node, args.maybe_text("peer")

    def unit(tx: Tx) -> list[Waiting]:
        pairs = node.peers.all(tx) if peer is None else [node.peers.named(tx, peer)]
        return _waiting(node, tx, pairs)

    for one in await node.store.database.read(unit):
        await emit.item(to_value(one))
    return None


async def outbox_again(host: Host, args: Args, emit: Emit) -> Value:
    """What was given up for a peer is tried again."""
    node, peer = host.node, args.text("peer")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> SaidAgain:
        pair = node.peers.named(tx, peer)
        return SaidAgain(pair.name, node.outgoing.again(tx, pair, now_ms))

    again = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(again)


def _waiting(node: Node, tx: Tx, pairs: list[Pair]) -> list[Waiting]:
    found: list[Waiting] = []
    names = {(pair.own, pair.their): pair.name for pair in pairs}
    items = node.store.outbox.all(tx)
    for item in items:
        message = message_of(item)
        name = names.get((message.own, message.their))
        if name is not None:
            size = _parts_bytes(message)
            due_ms = None if item.given_up else item.due_ms
            waiting = Waiting(name, message.cmd.value, 0, size, item.tries, due_ms)
            found.append(replace(waiting, given_up=item.given_up))
    for pair in pairs:
        words, reads = node.parcel_books.of(tx, pair).words, node.reads_by_file.of(tx, pair)
        for read in reads.asked:
            if read.inv is None:
                found.append(Waiting(pair.name, Cmd.READ.value, 0, 0, len(read.tries), None))
        windows, signatures = sum(one.due for one in reads.served), len(reads.signatures)
        if words or windows or signatures:
            waits = (len(words), 0, 0, None, windows, signatures)
            found.append(Waiting(pair.name, None, *waits))
    return sorted(found, key=lambda one: one.peer)


def _parts_bytes(message: Message) -> int:
    if message.cmd is not Cmd.DELIVER:
        return 0
    args = parse_args(message.cmd, message.args)
    assert isinstance(args, DeliverArgs)
    return sum(length for _, length in args.parts)


async def write_parcel(host: Host, args: Args, emit: Emit) -> Value:
    await _check_head(host)
    return to_value(await host.node.parcel_writing.write(args.text("peer"), args.path("path")))


async def take(host: Host, args: Args, emit: Emit) -> Value:
    await _check_head(host)
    return to_value(await host.node.parcel_taking.take(args.path("path")))


async def _check_head(host: Host) -> None:
    """Nothing is said or served by file either by a home that is known to be an old copy."""
    if await host.node.store.database.read(host.node.witnesses.behind) is not None:
        raise NotAllowed("this home is an old copy of one that went on: it serves nothing")
