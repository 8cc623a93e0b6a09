"""Operations on what peers told of their standing terms: heard now, and kept from before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import trio

from ...protocol.command import Cmd, StandingArgs, parse_out
from ...protocol.errors import Code, RemoteProtocolError
from ...protocol.limits import STANDING_BYTES_MAX
from ...protocol.standing_terms_file import standing_from_mapping, standing_value
from ...protocol.wire import Value, decode
from ..errors import Away, NotAllowed, NotFound
from ..node import Node
from ..results.terms import StandingTold
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host

# A peer that is asked for its standing terms answers at once or is away.
ASK_S = 30.0


async def ask_standing_terms(host: Host, args: Args, emit: Emit) -> Value:
    """Ask a peer which of its standing terms it shows; what it told, kept too."""
    node, peer = host.node, args.text("peer")
    pair = await node.store.database.read(lambda tx: node.peers.named(tx, peer))
    try:
        with trio.fail_after(ASK_S):
            said = await node.exchange.say(pair, Cmd.STANDING, StandingArgs(pair.their).value())
    except trio.TooSlowError:
        raise Away(f"{pair.name} did not answer") from None
    if said.answer.code is not Code.OK:
        raise NotAllowed(f"{pair.name} does not answer this: {said.answer.code.value}")
    out = parse_out(Cmd.STANDING, said.answer.out)
    assert isinstance(out, bytes)
    rules = rules_told(out)
    now_ms = node.clock.now_ms()
    await node.store.database.write(lambda tx: node.standing_rules.heard(tx, pair, out, now_ms))
    return to_value(StandingTold(pair.name, now_ms, rules))


async def standing_told(host: Host, args: Args, emit: Emit) -> Value:
    """What a peer told of its standing terms when it was last asked; nobody is asked now."""
    node, peer = host.node, args.text("peer")
    return to_value(await node.store.database.read(lambda tx: _told(node, tx, peer)))


def _told(node: Node, tx: Tx, peer: str) -> StandingTold:
    pair = node.peers.named(tx, peer)
    kept = node.standing_rules.told_by(tx, pair)
    if kept is None:
        raise NotFound(
            f"{peer} was never asked for its standing terms: `entrenous terms standing of {peer}`"
        )
    heard_ms, raw = kept
    return StandingTold(peer, heard_ms, rules_told(raw))


def rules_told(out: bytes) -> tuple[Value, ...]:
    """What a peer told, read strictly and written again: nothing else reaches a screen.

    Raises WireError, RemoteProtocolError.
    """
    if not out:
        return ()
    told = decode(out, bytes_max=STANDING_BYTES_MAX)
    if not isinstance(told, dict):
        raise RemoteProtocolError("the peer told standing terms in a form that is none")
    value = standing_value(standing_from_mapping(told))
    assert isinstance(value, dict)
    rules = value["rules"]
    assert isinstance(rules, list)
    return tuple(cast("Iterable[Value]", rules))
