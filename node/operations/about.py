"""Operations about the node itself and the peers it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...protocol.did import did_of
from ...protocol.errors import ProtocolError
from ...protocol.pairing import parse_link
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..errors import NodeError, UsageError
from ..log.head import HeadState
from ..results.node import Status
from ..results.peers import Invitation, Paired, Peer
from ..shape import to_value
from ..store.database import Tx
from .household import NAMES_CHARS_MAX, people_named
from .operation import Args, Emit, Host

LINK_CHARS_MAX = 4_096


async def status(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    connected = node.links.connected
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> Status:
        given, peers = node.lending.all(tx), node.peers.all(tx)
        return Status(
            name=node.config.name,
            role=node.config.role.value,
            device=did_of(node.keystore.device.public),
            addresses=tuple(node.addresses()),
            connected=sum((one.own, one.their) in connected for one in peers),
            peers=len(peers),
            collections=len(node.vault.collections.all(tx)),
            grants_given=sum(one.status(now_ms) is GrantStatus.LIVE for one in given),
            grants_held=sum(
                one.status(now_ms) is GrantStatus.LIVE for one in node.borrowing.all(tx)
            ),
            suspended=sum(one.status(now_ms) is GrantStatus.SUSPENDED for one in given),
            outbox=node.store.outbox.count(tx),
            log_size=node.store.log.size(tx),
            log_number=node.keystore.log_number,
            rollback=_rollback(host),
            version=host.version,
            running=host.running,
        )

    return to_value(await node.store.database.read(unit))


def _rollback(host: Host) -> str:
    """What this node can know about having been set back to an older state."""
    links, head = host.node.links, host.node.log_head
    if head.state is HeadState.BEHIND:
        return f"{head.by} holds a newer state: this home is an old copy, and serves nothing"
    if links.contradicted:
        many = len(links.contradicted)
        who = "1 peer holds" if many == 1 else f"{many} peers hold"
        return f"{who} receipts that this node does not know"
    if head.state is HeadState.WAITING:
        return "not confirmed yet: nothing is served until a witness has confirmed the log"
    if head.state is HeadState.CONFIRMED:
        return f"confirmed by {head.by}"
    if links.connected:
        many = len(links.connected)
        whom = "the 1 peer that is connected knows"
        if many > 1:
            whom = f"the {many} peers that are connected know"
        return f"no sign of it: {whom} nothing that this node does not"
    return "cannot be noticed alone"


async def stop(host: Host, args: Args, emit: Emit) -> Value:
    if host.stop is None:
        raise NodeError("no node runs on this home")
    host.stop()
    return None


async def invite(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    label = args.maybe_text("label")
    names = args.maybe_text("people", NAMES_CHARS_MAX)
    now_ms = node.clock.now_ms()
    made = await node.store.database.write(
        lambda tx: node.meeting.invite(
            tx, node.addresses(), label, now_ms, people_named(node, tx, names)
        )
    )
    return to_value(Invitation(made.link(), made.exp_s))


async def pair(host: Host, args: Args, emit: Emit) -> Value:
    name = args.maybe_text("name")
    try:
        scanned = parse_link(args.text("link", LINK_CHARS_MAX))
    except ProtocolError as error:
        raise UsageError(str(error)) from error
    node, names = host.node, args.maybe_text("people", NAMES_CHARS_MAX)
    people = await node.store.database.read(lambda tx: people_named(node, tx, names))
    made = await node.exchange.pair(scanned, name, people)
    return to_value(Paired(made.name, made.their))


async def peers(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    connected = node.links.connected
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> Sequence[Peer]:
        standings = node.standings.all(tx, now_ms)
        forks = Counter((one.own, one.their) for one in node.witnessing.forks(tx))
        return [
            Peer(
                name=pair.name,
                own=pair.own,
                their=pair.their,
                addresses=pair.addresses,
                paired_ms=pair.paired_ms,
                connected=(pair.own, pair.their) in connected,
                outbox=len(node.store.outbox.waiting_for(tx, pair.their)),
                people=node.household.names(tx, node.household.of_persona(tx, pair.own)),
                standing=standings[pair.own, pair.their],
                stored_bytes=node.quotas.of(tx, pair).used,
                quota_bytes=node.quotas.of(tx, pair).most,
                followed=len(pair.their_before),
                follows=len(pair.own_after),
                forks=forks[pair.own, pair.their],
                unheard=node.lines.owed(tx, pair),
            )
            for pair in node.peers.all(tx)
        ]

    for peer in await node.store.database.read(unit):
        await emit.item(to_value(peer))
    return None
