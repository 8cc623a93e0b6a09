"""Operations on helpers: who serves while this node is away, and for whom it does."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import trio

from ...protocol.limits import ADDRESSES_MAX, HELP_SHELVES_MAX, TEXT_CHARS_MAX
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..errors import UsageError
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..node import Node
from ..peers.peers import Pair
from ..results.grants import GrantInfo
from ..results.helpers import HelperInfo, NotHeard
from ..shape import to_value
from ..store.database import Tx
from .household import names_of
from .operation import Args, Emit, Host

T = TypeVar("T")

# How long a revocation waits for helpers to hear of it, before it says which have not.
HEARD_S = 2.0


async def helpers(host: Host, args: Args, emit: Emit) -> Value:
    """Who helps this node, and whom this node helps."""
    node = host.node
    for one in await node.store.database.read(lambda tx: list(_infos(node, tx))):
        await emit.item(to_value(one))
    return None


def _infos(node: Node, tx: Tx) -> Iterator[HelperInfo]:
    names = names_of(node, tx)
    now_ms = node.clock.now_ms()
    for one in node.helpers.all(tx):
        until_s = node.helpers.until_s(tx, one, now_ms)
        readers = {names.get(it.their, it.their) for it in node.helpers.leases(tx, one)}
        yield HelperInfo(
            peer=node.peers.pair(tx, one.own, one.their).name,
            side="ours",
            state=one.state.value,
            readers=tuple(sorted(readers)),
            pages=0,
            bytes=0,
            asked_ms=one.asked_ms,
            until_ms=None if until_s is None else until_s * 1000,
            reason=one.reason,
        )
    for kept in node.shelves.all(tx):
        pair = node.peers.pair(tx, kept.own, kept.their)
        shelves = node.shelves.of(tx, pair)
        pages, size = node.shelves.pages.count(tx, kept.their)
        ends = [one.lease.exp_s * 1000 for one in shelves]
        yield HelperInfo(
            peer=pair.name,
            side="theirs",
            state=kept.consent.value,
            readers=tuple(sorted(names.get(one.reader, one.reader) for one in shelves)),
            pages=pages,
            bytes=size,
            asked_ms=kept.asked_ms,
            until_ms=max((end for end in ends if end > now_ms), default=None),
            reason=None,
        )


async def helper_add(host: Host, args: Args, emit: Emit) -> Value:
    """Ask a peer to serve while this node is away; `readers` alone, if any are named."""
    node, now_ms = host.node, host.node.clock.now_ms()
    readers = args.items("readers", HELP_SHELVES_MAX)
    if not all(isinstance(one, str) for one in readers):
        raise UsageError("readers are named by the names of peers")

    def step(tx: Tx, pair: Pair) -> None:
        only = [node.peers.named(tx, str(one)) for one in readers]
        node.helpers.add(tx, pair, only, now_ms)

    await _with_peer(node, args, step)
    node.leasing.soon()
    return None


async def helper_remove(host: Host, args: Args, emit: Emit) -> Value:
    """Let a peer help no more."""
    node, now_ms = host.node, host.node.clock.now_ms()
    until_s = await _with_peer(node, args, lambda tx, pair: node.helpers.remove(tx, pair, now_ms))
    return {"until_ms": None if until_s is None else until_s * 1000}


async def helper_allow(host: Host, args: Args, emit: Emit) -> Value:
    """Help a peer that asked."""
    node, now_ms = host.node, host.node.clock.now_ms()
    addresses = tuple(node.addresses()[:ADDRESSES_MAX])
    await _with_peer(node, args, lambda tx, pair: node.shelves.allow(tx, pair, addresses, now_ms))
    return None


async def helper_refuse(host: Host, args: Args, emit: Emit) -> Value:
    """Help it not, or not any more: what was kept for it goes, and its traces too."""
    node, now_ms = host.node, host.node.clock.now_ms()
    peer, reason = args.text("peer"), args.maybe_text("reason", TEXT_CHARS_MAX)
    await node.store.database.erase(
        lambda tx: node.shelves.refuse(tx, node.peers.named(tx, peer), reason, now_ms)
    )
    node.outgoing.notify()
    return None


async def _with_peer(node: Node, args: Args, step: Callable[[Tx, Pair], T]) -> T:
    """What one `step` with the peer that is named gives, in one commit.  Raises NotFound,
    UsageError."""
    peer = args.text("peer")
    given = await node.store.database.write(lambda tx: step(tx, node.peers.named(tx, peer)))
    node.outgoing.notify()
    return given


async def not_heard(host: Host, grants: Sequence[bytes]) -> tuple[NotHeard, ...]:
    """The helpers that may still serve under one of these grants, until when at most: those that
    are there have a moment to hear that it is over."""
    node = host.node

    def look(tx: Tx) -> list[tuple[str, int]]:
        return node.helpers.not_heard(tx, grants, node.clock.now_ms())

    found = await node.store.database.read(look)
    if host.running:
        with trio.move_on_after(HEARD_S):
            while found:
                await trio.sleep(0.05)
                found = await node.store.database.read(look)
    return tuple(NotHeard(name, until_s * 1000) for name, until_s in found)


def with_helpers(
    node: Node, tx: Tx, grants: Sequence[GrantGiven | GrantHeld], infos: Sequence[GrantInfo]
) -> Iterator[GrantInfo]:
    """With who may serve each grant that holds while its owner is away."""
    for grant, info in zip(grants, infos, strict=False):
        names: Sequence[str] = ()
        if info.status == GrantStatus.LIVE.value:
            if isinstance(grant, GrantGiven):
                names = node.helpers.for_reader(tx, grant.own, grant.their)
            elif (pair := node.peers.find(tx, grant.own, grant.their)) is not None:
                names = [one.name for one in node.served_by.of(tx, pair)]
        yield replace(info, helpers=tuple(names))
