"""Operations on requests and grants, of both sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...protocol.capability import issue_invocation, parse_delegation, parse_invocation
from ...protocol.command import Cmd
from ...protocol.did import check_did
from ...protocol.errors import ProtocolError
from ...protocol.grant import Bundle, issue_sub_grant
from ...protocol.limits import (
    CHAIN_MAX,
    INVOCATION_LIFE_S,
    TEXT_CHARS_MAX,
    TOKEN_BYTES_MAX,
)
from ...protocol.request import Request, parse_request
from ...protocol.terms import Terms, terms_from_mapping
from ...protocol.trust import GrantStatus
from ...protocol.window import Window
from ...protocol.wire import Value
from ..errors import UsageError
from ..grants.expansion import expanded
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..grants.inbox import Asked, Inbox, RequestState
from ..household.mandate_kept import Side
from ..node import Node
from ..peers.peers import Pair
from ..results.grants import GrantInfo, RequestInfo, Revoked, RevokedBefore
from ..results.node import Invoked
from ..results.peers import StandingInfo
from ..shape import to_value
from ..steps import GrantStep, RevokeStep
from ..store.database import Tx
from .as_of import ReadCounts, as_it_stood, lent_on_stood, shown_at
from .followed_grants import with_reasons
from .helpers import not_heard, with_helpers
from .history import ready
from .household import acting_for, check_whose, names_of, through
from .lent_on import lent_on_infos, lent_on_taken_back
from .operation import Args, Emit, Host, shorts
from .processing import processors_named, with_processors
from .reads import emit_lent
from .terms import NARROWING, marks_of, narrowed_terms

NONCE_BYTES = 16


# --- requests -------------------------------------------------------------------------------------


async def ask(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    purpose = args.text("purpose")
    terms = _terms(args, purpose)
    items = args.windows("items")
    if not items:
        raise UsageError("a request asks for some days of a collection")
    exp_s = args.integer("exp_s")
    refusal = args.text("refusal", TEXT_CHARS_MAX)
    to, principal = args.text("to"), args.maybe_text("acting_for")
    processors = processors_named(args)
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> bytes:
        pair = node.peers.named(tx, to)
        mandate: bytes | None = None
        asker = pair.own_now
        if principal is not None:
            kept = acting_for(node, tx, principal, pair, Cmd.REQUEST, now_ms)
            mandate, asker = kept.cid, kept.mandate.principal
        agreed = with_processors(node, tx, terms, processors, pair)
        request = Request(asker, items, purpose, agreed, exp_s, refusal)
        return node.borrowing.ask(tx, pair, request, now_ms, mandate)

    cid = await node.store.database.write(unit)
    node.outgoing.notify()
    return {"request": cid}


def _terms(args: Args, purpose: str | None) -> Terms:
    try:
        return terms_from_mapping(args.mapping("terms"), purpose=purpose)
    except ProtocolError as error:
        raise UsageError(str(error)) from error


async def inbox(host: Host, args: Args, emit: Emit) -> Value:
    return await _requests(host.node, host.node.inbox, emit)


async def asked(host: Host, args: Args, emit: Emit) -> Value:
    return await _requests(host.node, host.node.asked, emit)


async def _requests(node: Node, side: Inbox, emit: Emit) -> Value:
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> list[RequestInfo]:
        names = _names(node.peers.all(tx))
        personas, known = names_of(node, tx), node.household.all(tx, removed=True)
        called = {person.number: person.name for person in known}
        found = side.all(tx)
        short = shorts(cid for cid, _ in found)
        standings = node.standings.all(tx, now_ms)
        infos = [_request_info(cid, short[cid], one, names, standings) for cid, one in found]
        marks = marks_of(node, tx, side, found)
        for place, (_, one) in enumerate(found):
            numbers = node.household.of_persona(tx, one.own)
            people = tuple(called[number] for number in numbers if number in called)
            asker = parse_request(one.raw).from_did
            ours = side is node.asked and asker != one.own
            principal = personas.get(asker, asker) if ours else None
            by = None if side is node.asked else node.deciding_for.by(tx, infos[place].id)
            decider = None if by is None else personas.get(by.proxy, by.proxy)
            infos[place] = replace(
                infos[place],
                people=people,
                principal=principal,
                decided_by=decider,
                marks=marks[place],
            )
            declined = None if one.grant is None else node.offers.why_declined(tx, one.grant)
            if declined is not None and side is node.inbox:
                state, (_, why) = RequestState.DECLINED.value, declined
                infos[place] = replace(infos[place], state=state, reason=why)
            if ours and one.state is RequestState.WAITING and not _may_hear(node, tx, one, now_ms):
                infos[place] = replace(infos[place], state=RequestState.ENDED.value)
        return infos

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


def _may_hear(node: Node, tx: Tx, asked: Asked, now_ms: int) -> bool:
    """Whether what was asked for another can still be told here: its mandate holds."""
    asker = parse_request(asked.raw).from_did
    return any(
        kept.side is Side.HELD
        and (kept.mandate.proxy, kept.mandate.to) == (asked.own, asked.their)
        and kept.mandate.principal == asker
        and kept.status(now_ms) is GrantStatus.LIVE
        for kept in node.mandates.all(tx)
    )


def _request_info(
    cid: bytes,
    short: str,
    asked: Asked,
    names: Mapping[tuple[str, str], str],
    standings: Mapping[tuple[str, str], StandingInfo],
) -> RequestInfo:
    request = parse_request(asked.raw)
    return RequestInfo(
        id=cid,
        short=short,
        peer=names.get((asked.own, asked.their), asked.their),
        items=request.items,
        purpose=request.purpose,
        terms=request.terms,
        exp_s=request.exp_s,
        state=asked.state.value,
        t_ms=asked.t_ms,
        refusal=request.refusal,
        grant=asked.grant,
        reason=asked.reason,
        standing=standings.get((asked.own, asked.their)),
    )


async def decide(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    granting = args.flag("grant")
    windows = args.maybe_windows("windows")
    exp_s = args.maybe_integer("exp_s")
    reason = args.maybe_text("reason", TEXT_CHARS_MAX)
    principal, others = args.maybe_text("acting_for"), args.body.value("others") is True
    if granting and reason is not None:
        raise UsageError("a reason is for a refusal")
    if not granting and (windows is not None or exp_s is not None):
        raise UsageError("a refusal has no days and no end")
    if not granting and any(args.body.value(key) is not None for key in NARROWING):
        raise UsageError("a refusal has no terms")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> bytes | None:
        request = args.id("request", (cid for cid, _ in node.inbox.all(tx)), "request")
        acting = None if principal is None else through(node, tx, principal, request, now_ms)
        if not granting:
            node.lending.refuse(tx, request, reason, now_ms, acting)
            return None
        asked = node.inbox.get(tx, request)
        wanted = parse_request(asked.raw)
        days: Sequence[Window] = wanted.items if windows is None else windows
        if windows is None:
            days = expanded(tx, node.vault.collections, node.household, asked.own, days)
        if not others:
            check_whose(node, tx, asked.own, [one.collection for one in days])
        until_s = wanted.exp_s if exp_s is None else exp_s
        terms = narrowed_terms(args, wanted.terms)
        given = node.lending.grant(tx, request, days, until_s, now_ms, acting, terms)
        node.checkpoint.reached(GrantStep.DECIDED)
        return given.cid

    grant = await node.store.database.write(unit)
    if grant is not None:
        node.checkpoint.reached(GrantStep.COMMITTED)
    node.outgoing.notify()
    return {"grant": grant}


# --- grants ---------------------------------------------------------------------------------------


async def grants(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    at_ms = args.maybe_integer("at_ms")
    now_ms = node.clock.now_ms()
    await ready(node)

    def unit(tx: Tx) -> list[GrantInfo]:
        names = _names((*node.peers.all(tx), *node.peers.reading(tx)))
        lines = {(line.side, line.cid): line for line in node.lending.lines.all(tx)}
        given, held = shown_at(node, tx, lines, at_ms)
        reads = ReadCounts(node, tx)
        both: list[GrantGiven | GrantHeld] = [*given, *held]
        short = shorts(one.cid for one in both)
        personas = names_of(node, tx)
        infos = [
            as_it_stood(_grant_info(one, names, short, reads, now_ms), lines, at_ms) for one in both
        ]
        lent_on = node.lending_on.all(tx)
        infos += lent_on_infos(node, tx, lent_on, reads, now_ms)
        for place, held_one in enumerate(held, len(given)):
            if held_one.via is not None:
                principal = personas.get(held_one.via[1], held_one.via[1])
                infos[place] = replace(infos[place], principal=principal)
        for place, one in enumerate(given):
            by = None if one.request is None else node.deciding_for.by(tx, one.request)
            if by is not None:
                decider = personas.get(by.proxy, by.proxy)
                infos[place] = replace(infos[place], decided_by=decider)
        infos[: len(both)] = with_helpers(node, tx, both, infos)
        infos = with_reasons(node, tx, [*both, *lent_on], infos)
        here = infos[: len(both)]
        return [*here, *(it for it in infos[len(both) :] if lent_on_stood(node, tx, it, at_ms))]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


def _grant_info(
    one: GrantGiven | GrantHeld,
    names: Mapping[tuple[str, str], str],
    short: Mapping[bytes, str],
    reads: ReadCounts,
    now_ms: int,
) -> GrantInfo:
    given = isinstance(one, GrantGiven)
    reader = one.their if given else one.own
    if isinstance(one, GrantGiven):
        acknowledged = one.n > 0 and one.n == one.acknowledged
    else:
        acknowledged = bool(one.keysets)
    return GrantInfo(
        id=one.cid,
        short=short[one.cid],
        side="given" if given else "held",
        peer=names.get((one.own, one.their), one.their),
        windows=one.windows,
        purpose=one.bundle.terms.purpose,
        terms=one.bundle.terms,
        exp_s=one.bundle.grant.exp_s,
        status=one.status(now_ms).value,
        issued_ms=one.issued_ms if isinstance(one, GrantGiven) else None,
        ended_ms=one.ended_ms,
        reads=reads.of(one.bundle.root.cid, reader),
        acknowledged=acknowledged,
        chain=_chain(one.bundle),
    )


def _chain(bundle: Bundle) -> tuple[bytes, ...]:
    return tuple(link.delegation.raw for link in bundle.links)


async def revoke(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer = args.maybe_text("peer")
    if (peer is None) == (args.body.value("grant") is None):
        raise UsageError("either a grant is taken back, or all of a peer's")
    now_ms = node.clock.now_ms()
    over: list[bytes] = []

    def unit(tx: Tx) -> Revoked:
        nonlocal over
        if peer is None:
            given = [one.cid for one in node.lending.all(tx)]
            lent_on = {one.cid for one in node.lending_on.all(tx)}
            cid = args.id("grant", (*given, *lent_on), "grant")
            if cid in lent_on:
                done = lent_on_taken_back(node, tx, cid, now_ms)
                node.checkpoint.reached(RevokeStep.DECIDED)
                return done
            over = node.renewals.family(tx, cid, now_ms)
        else:
            over = _standing(node, tx, node.peers.named(tx, peer), now_ms)
        # What is named may have been taken back before, and go on in one that holds.
        named = [node.lending.get(tx, one) for one in over]
        before = [one for one in named if one.kept is GrantStatus.REVOKED]
        ended = {one.cid for one in before}
        taken = [node.lending.revoke(tx, one, now_ms) for one in over if one not in ended]
        node.checkpoint.reached(RevokeStep.DECIDED)
        still = {cid for one in taken for cid in one.still}
        still.update(cid for one in before for cid in node.lending.still(tx, one, now_ms))
        return Revoked(
            tuple(one.revocation for one in taken),
            # The last rotation is the one whose survivors stay.
            taken[-1].survivors if taken else 0,
            tuple(sorted(still - set(over))),
            grants=tuple(one.grant for one in taken),
            before=tuple(RevokedBefore(one.cid, one.ended_ms) for one in before),
        )

    done = await node.store.database.write(unit)
    node.checkpoint.reached(RevokeStep.COMMITTED)
    node.outgoing.notify()
    return to_value(replace(done, not_heard=await not_heard(host, over)))


def _standing(node: Node, tx: Tx, pair: Pair, now_ms: int) -> list[bytes]:
    ended = (GrantStatus.REVOKED, GrantStatus.EXPIRED)
    return [
        one.cid
        for one in node.lending.ever_of(tx, pair.own, pair.their)
        if one.status(now_ms) not in ended
    ]


async def keep(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> None:
        given = [one.cid for one in node.lending.all(tx)]
        lent_on = {one.cid: one.root for one in node.lending_on.all(tx)}
        cid = args.id("grant", (*given, *lent_on), "grant")
        if cid not in lent_on:
            node.lending.keep(tx, cid, now_ms)
            return
        held = node.borrowing.get(tx, lent_on[cid])
        node.lending_on.keep(tx, held, node.borrowing.keys(tx, held), cid, now_ms)
        node.borrowing.lent_on_kept(tx, held.cid, now_ms)

    await node.store.database.write(unit)
    node.outgoing.notify()
    return None


# --- reading what was lent ------------------------------------------------------------------------


async def fetch(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer, window = args.text("from"), args.window("collection")
    name = args.maybe_text("acting_for")

    def look(tx: Tx) -> tuple[Pair, Pair | None]:
        return node.peers.named(tx, peer), None if name is None else node.peers.named(tx, name)

    pair, principal = await node.store.database.read(look)
    return await emit_lent(node, emit, await node.fetcher.fetch(pair, window, principal))


# --- tokens ---------------------------------------------------------------------------------------


async def delegate(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    terms = _terms(args, None)
    windows = args.windows("windows")
    exp_s = args.integer("exp_s")
    try:
        aud = check_did(args.text("to_did"))
    except ProtocolError as error:
        raise UsageError(str(error)) from error

    def unit(tx: Tx) -> bytes:
        cid = args.id("grant", (one.cid for one in node.borrowing.all(tx)), "grant")
        held = node.borrowing.get(tx, cid)
        issued = issue_sub_grant(
            node.peers.persona(tx, held.own).key,
            held.bundle.links,
            aud=aud,
            windows=windows,
            terms=terms,
            exp_s=exp_s,
            nonce=node.entropy.random_bytes(NONCE_BYTES),
        )
        return issued.delegation.raw

    return {"token": await node.store.database.read(unit)}


async def invoke(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer = args.text("peer")
    proofs = _proofs(args.items("proofs", CHAIN_MAX + 1))
    token = args.maybe_data("token", TOKEN_BYTES_MAX)
    pair = await node.store.database.read(lambda tx: node.peers.named(tx, peer))
    if token is None:
        token = await _signed_now(node, pair, args.text("cmd"), args.mapping("args"), proofs)
    said = await node.exchange.invoke(pair, parse_invocation(token), proofs)
    return to_value(Invoked(token, said.answer.code.value, said.answer.out))


async def _signed_now(
    node: Node, pair: Pair, cmd: str, args: Mapping[str, Value], proofs: Sequence[bytes]
) -> bytes:
    """An invocation of ours; its subject is the root of its proofs, or ourselves without any."""
    link = await node.links.link_to(pair)
    persona = await node.store.database.read(lambda tx: node.peers.persona(tx, pair.own))
    chain = [parse_delegation(proof) for proof in proofs]
    sub = persona.did if not chain else chain[0].iss
    return issue_invocation(
        persona.key,
        sub=sub,
        cmd=cmd,
        args=args,
        prf=[one.cid for one in chain],
        exp=node.clock.now_ms() // 1000 + INVOCATION_LIFE_S,
        nonce=node.entropy.random_bytes(NONCE_BYTES),
        aud=link.server.device,
    ).raw


def _proofs(items: Sequence[Value]) -> list[bytes]:
    proofs: list[bytes] = []
    for item in items:
        if not isinstance(item, bytes) or len(item) > TOKEN_BYTES_MAX:
            raise UsageError(f"a proof is a token of at most {TOKEN_BYTES_MAX} bytes")
        proofs.append(item)
    return proofs


def _names(pairs: Iterable[Pair]) -> dict[tuple[str, str], str]:
    return {(pair.own, pair.their): pair.name for pair in pairs}
