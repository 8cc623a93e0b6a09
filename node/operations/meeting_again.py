"""Operations on a peer that has lost its machine, as this node has: a place, and going there."""

from __future__ import annotations

from ...protocol.errors import ProtocolError
from ...protocol.limits import LINK_CHARS_MAX
from ...protocol.place import make_place, parse_place, place_link
from ...protocol.wire import Value
from ..errors import NodeError, UsageError
from ..results.peers import Invitation, Paired
from ..shape import to_value
from .operation import Args, Emit, Host


async def meeting_place(host: Host, args: Args, emit: Emit) -> Value:
    """A link that says where this node is, and opens nothing."""
    node = host.node
    addresses = node.addresses()
    if not addresses:
        raise NodeError("this node listens nowhere: start it with `entrenous up`")
    place = make_place(node.keystore.device.public, addresses, node.clock.now_ms())
    return to_value(Invitation(place_link(place), place.exp_s))


async def meet_again(host: Host, args: Args, emit: Emit) -> Value:
    """Go to where a peer says that it is."""
    node, name = host.node, args.text("peer")
    try:
        place = parse_place(args.text("link", LINK_CHARS_MAX))
    except ProtocolError as error:
        raise UsageError(str(error)) from error
    pair = await node.store.database.read(lambda tx: node.peers.named(tx, name))
    found = await node.meeting_again.meet(pair, place)
    return to_value(Paired(found.name, found.their_now))
