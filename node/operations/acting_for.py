"""Operations of a proxy with a node of its own: what waits at its principal, and deciding it."""

from __future__ import annotations

from ...protocol.command import Cmd, MandateInboxArgs, WaitingOut, WaitingRequest, parse_out
from ...protocol.errors import Code, ProtocolError
from ...protocol.limits import TEXT_CHARS_MAX
from ...protocol.processor import may_process
from ...protocol.trust import GrantStatus
from ...protocol.window import within
from ...protocol.wire import Value
from ..errors import NotAllowed, NotFound, UsageError
from ..exchange.exchange import refusal_of
from ..household.household import HOME
from ..household.mandate_kept import MandateKept
from ..household.waiting_for import WaitingFor
from ..node import Node
from ..peers.peers import Pair
from ..results.grants import RequestInfo
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host, shorts

# More pages than this of what waits are not a person's inbox.
_PAGES_MAX = 64


async def lend_on(host: Host, args: Args, emit: Emit) -> Value:
    """Let a peer read, for the owner of this node, some of what another peer granted it."""
    node = host.node
    peer, at = args.text("peer"), args.text("at")
    windows, exp_s = args.windows("windows"), args.integer("exp_s")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> bytes:
        to, owner = node.peers.named(tx, peer), node.peers.named(tx, at)
        live = [
            held
            for held in node.borrowing.all(tx)
            if (held.own, held.their, held.via) == (owner.own, owner.their, None)
            and held.status(now_ms) is GrantStatus.LIVE
        ]
        fit = [held for held in live if within(windows, held.windows)]
        if not fit:
            raise NotAllowed(f"no grant of {at} opens all of these days: see `entrenous grants`")
        # Under terms that name it, it is a processor; else a proxy, whom the owner knows.
        named = [one for one in fit if may_process(one.bundle.terms, to.their_now)]
        if not named and any(may_process(one.bundle.terms, it) for one in fit for it in to.theirs):
            raise NotAllowed(
                f"the terms that {at} agreed to name who {peer} was before it lost a device: ask "
                f"again with `entrenous ask … --processor {peer}`, so that {at} sees who reads"
            )
        held = max(named or fit, key=lambda one: one.bundle.grant.exp_s)
        reader = to.their_now if named else node.proxies.known_as(tx, to, owner, now_ms)
        keys = node.borrowing.keys(tx, held)
        try:
            made = node.lending_on.lend_on(
                tx, held, keys, to, reader, windows=windows, exp_s=exp_s, now_ms=now_ms
            )
        except ProtocolError as error:
            raise UsageError(str(error)) from error
        return made.cid

    grant = await node.store.database.write(unit)
    node.outgoing.notify()
    return {"grant": grant}


async def waiting_for(host: Host, args: Args, emit: Emit) -> Value:
    """What waits at a principal: asked of its node, or with `kept` as it was seen last."""
    node, kept = host.node, args.flag("kept")
    name = args.text("principal")
    now_ms = node.clock.now_ms()

    def look(tx: Tx) -> tuple[Pair, MandateKept]:
        pair = principal_named(node, tx, name)
        return pair, node.mandates.home(tx, pair, now_ms)

    if not kept:
        await _seen(node, *(await node.store.database.read(look)))

    def unit(tx: Tx) -> list[RequestInfo]:
        pair = principal_named(node, tx, name)
        found = node.waiting_elsewhere.all(tx, pair)
        short = shorts(cid for cid, _ in found)
        return [_info(cid, short[cid], one, pair.name) for cid, one in found]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def _seen(node: Node, pair: Pair, mandate: MandateKept) -> None:
    """Ask the principal's node what waits, page by page, and keep it."""
    found: list[WaitingRequest] = []
    after: bytes | None = None
    whole = False
    for _ in range(_PAGES_MAX):
        args = MandateInboxArgs(pair.their, after)
        said = await node.exchange.say(pair, Cmd.MANDATE_INBOX, args.value(), mandate=mandate.cid)
        if said.answer.code is not Code.OK:
            raise refusal_of(said.answer, pair.name)
        page = parse_out(Cmd.MANDATE_INBOX, said.answer.out)
        assert isinstance(page, WaitingOut)
        found += page.requests
        whole = not page.more
        if whole or not page.requests:
            break
        after = page.requests[-1].request.cid
    await node.store.database.write(
        lambda tx: node.waiting_elsewhere.seen(tx, pair, found, whole=whole)
    )


async def decide_for(host: Host, args: Args, emit: Emit) -> Value:
    """Decide, for a principal with a node of its own: said to that node as soon as it is there."""
    node = host.node
    name, granting = args.text("principal"), args.flag("grant")
    windows, exp_s = args.maybe_windows("windows"), args.maybe_integer("exp_s")
    reason = args.maybe_text("reason", TEXT_CHARS_MAX)
    if granting and reason is not None:
        raise UsageError("a reason is for a refusal")
    if not granting and (windows is not None or exp_s is not None):
        raise UsageError("a refusal has no days and no end")
    if granting and exp_s is not None and exp_s <= now_s(node):
        raise UsageError("a grant ends in the future")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> bytes:
        pair = principal_named(node, tx, name)
        mandate = node.mandates.home(tx, pair, now_ms)
        seen = dict(node.waiting_elsewhere.all(tx, pair))
        request = args.id("request", seen, "request")
        wanted = seen[request].request
        node.waiting_elsewhere.decide(
            tx,
            pair,
            mandate,
            request,
            windows=wanted.items if windows is None else windows,
            exp_s=(wanted.exp_s if exp_s is None else exp_s) if granting else 0,
            reason=reason,
            now_ms=now_ms,
        )
        return request

    request = await node.store.database.write(unit)
    node.outgoing.notify()
    return {"request": request}


def now_s(node: Node) -> int:
    return node.clock.now_ms() // 1000


def principal_named(node: Node, tx: Tx, name: str) -> Pair:
    """The peer for whom this node decides.  Raises NotFound, UsageError for one of the house."""
    try:
        pair = node.peers.named(tx, name)
    except NotFound:
        people = {person.name.casefold() for person in node.household.all(tx)}
        if name.strip().casefold() in {HOME, *people}:
            raise UsageError(f"what waits for {name} waits in your own inbox") from None
        raise
    return pair


def _info(cid: bytes, short: str, one: WaitingFor, principal: str) -> RequestInfo:
    request = one.request
    return RequestInfo(
        id=cid,
        short=short,
        peer=one.name,
        items=request.items,
        purpose=request.purpose,
        terms=request.terms,
        exp_s=request.exp_s,
        state=one.state.value,
        t_ms=one.t_ms,
        refusal=request.refusal,
        grant=one.grant,
        reason=one.reason,
        standing=None,
        principal=principal,
    )
