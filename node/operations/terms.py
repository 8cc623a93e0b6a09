"""Operations on terms: shown whole, held against standing rules, offered and agreed to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ...protocol.cid import cid_of
from ...protocol.did import Did, check_did
from ...protocol.errors import ProtocolError
from ...protocol.limits import (
    CLAUSES_MAX,
    LINE_CHARS_MAX,
    RECIPIENTS_MAX,
    TEXT_CHARS_MAX,
)
from ...protocol.request import Request, parse_request
from ...protocol.standing_terms_file import standing_value
from ...protocol.terms import Clause, Force, Terms
from ...protocol.terms_enforced import LICENCE, always_held, shown_clauses
from ...protocol.terms_narrowing import differences, narrowed
from ...protocol.terms_odrl import Agreed, Policy, odrl
from ...protocol.window import Window
from ...protocol.wire import Value
from ..errors import UsageError
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..grants.inbox import Asked, Inbox, RequestState
from ..grants.offered import Offered
from ..grants.tying import is_same, ties
from ..grants.vocabulary import purposes
from ..node import Node
from ..peers.peers import Pair
from ..results.terms import (
    ClauseInfo,
    JudgementInfo,
    RequestMarks,
    TermsInfo,
)
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host

# A peer that is asked for its standing terms answers at once or is away.
ASK_S = 30.0
_LANGUAGES = ("en", "fr")
# The arguments by which a decision narrows terms.
NARROWING = ("retention_days", "recipients", "clauses")


# --- shown ----------------------------------------------------------------------------------------


async def terms_show(host: Host, args: Args, emit: Emit) -> Value:
    """The terms of one request, offer or grant, of either side."""
    node = host.node
    language = args.maybe_text("language") or "en"
    if language not in _LANGUAGES:
        raise UsageError(f"terms are shown in {' or '.join(_LANGUAGES)}")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> TermsInfo:
        given = {one.cid: one for one in node.lending.all(tx)}
        held = {one.cid: one for one in node.borrowing.all(tx)}
        asked_of_us, asked = dict(node.inbox.all(tx)), dict(node.asked.all(tx))
        cid = args.id("id", (*given, *held, *asked_of_us, *asked), "request or grant")
        if (grant := given.get(cid) or held.get(cid)) is not None:
            return _of_grant(node, tx, grant, language, now_ms)
        side = "in" if cid in asked_of_us else "out"
        request = asked_of_us[cid] if side == "in" else asked[cid]
        return _of_request(node, tx, cid, request, side, language)

    return to_value(await node.store.database.read(unit))


def _of_grant(
    node: Node, tx: Tx, grant: GrantGiven | GrantHeld, language: str, now_ms: int
) -> TermsInfo:
    delegation, bundle = grant.bundle.grant.delegation, grant.bundle
    side = "given" if isinstance(grant, GrantGiven) else "held"
    inbox = node.inbox if side == "given" else node.asked
    asked = None if grant.request is None else inbox.find(tx, grant.request)
    wanted = bundle.terms if asked is None else parse_request(asked.raw).terms
    agreed = Agreed(
        Policy.AGREEMENT,
        grant.cid,
        bundle.root.delegation.iss,
        delegation.aud,
        grant.windows,
        bundle.terms,
        bundle.grant.exp_s,
        {"delegation": grant.cid, "bundle": cid_of(bundle.signed.raw), "terms": bundle.terms.cid},
    )
    pair = node.peers.find(tx, grant.own, grant.their)
    state, changes = grant.status(now_ms).value, differences(wanted, bundle.terms)
    return _info(agreed, "grant", side, _name(pair, grant.their), state, changes, language)


def _of_request(
    node: Node, tx: Tx, cid: bytes, asked: Asked, side: str, language: str
) -> TermsInfo:
    request = parse_request(asked.raw)
    offered = None if side == "in" else node.offers.find(tx, cid)
    windows: Sequence[Window] = request.items
    terms, exp_s, kind, changes = request.terms, request.exp_s, "request", tuple[str, ...]()
    if offered is not None and asked.state is RequestState.OFFERED:
        grant = offered.bundle.grant
        windows, terms, exp_s, kind = grant.windows, offered.bundle.terms, grant.exp_s, "offer"
        changes = differences(request.terms, terms)
    owner = Did(asked.own) if side == "in" else check_did(asked.their)
    agreed = Agreed(
        Policy.REQUEST,
        cid,
        owner,
        request.from_did,
        windows,
        terms,
        exp_s,
        {"request": cid, "terms": terms.cid},
    )
    name = _name(node.peers.find(tx, asked.own, asked.their), asked.their)
    return _info(agreed, kind, side, name, asked.state.value, changes, language)


def _name(pair: Pair | None, did: Did) -> str:
    return did if pair is None else pair.name


def _info(
    agreed: Agreed,
    kind: str,
    side: str,
    peer: str,
    state: str,
    changes: tuple[str, ...],
    language: str,
) -> TermsInfo:
    terms = agreed.terms
    return TermsInfo(
        id=agreed.cid,
        kind=kind,
        side=side,
        peer=peer,
        assigner=agreed.assigner,
        assignee=agreed.assignee,
        windows=tuple(agreed.windows),
        terms=terms,
        label=purposes().label(terms.purpose, language),
        exp_s=agreed.exp_s,
        state=state,
        clauses=tuple(
            ClauseInfo(one.text, one.force.value, one.claimed.value, one.in_words)
            for one in shown_clauses(terms, language)
        ),
        held_to=always_held(language),
        licence=LICENCE[language],
        changes=changes,
        odrl=cast("dict[str, Value]", odrl(agreed, language)),
    )


# --- marks on requests ----------------------------------------------------------------------------


def marks_of(
    node: Node, tx: Tx, side: Inbox, found: Sequence[tuple[bytes, Asked]]
) -> list[RequestMarks]:
    """What is worth knowing of each of the requests of one side, in their order."""
    ours = side is node.asked
    read = [(cid, asked, parse_request(asked.raw)) for cid, asked in found]
    alike: dict[tuple[str, str, str], list[tuple[Asked, Request]]] = {}
    marks: list[RequestMarks] = []
    for _, asked, request in sorted(read, key=lambda one: one[1].t_ms):
        alike.setdefault((asked.own, asked.their, request.purpose), []).append((asked, request))
    for cid, asked, request in read:
        same = alike[asked.own, asked.their, request.purpose]
        marks.append(_marks(node, tx, cid, asked, request, same, ours=ours))
    return marks


def _marks(
    node: Node,
    tx: Tx,
    cid: bytes,
    asked: Asked,
    request: Request,
    same: Sequence[tuple[Asked, Request]],
    *,
    ours: bool,
) -> RequestMarks:
    before = [
        one
        for one, other in same
        if one.raw != asked.raw and one.t_ms <= asked.t_ms and is_same(request, other)
    ]
    frugality = node.frugalities.of_request(tx, asked)
    judged = None if ours else node.standing_rules.judged(tx, cid)
    changes = () if judged is None else judged.changes
    offered: Offered | None = node.offers.find(tx, cid) if ours else None
    windows: tuple[Window, ...] = ()
    if offered is not None:
        changes = differences(request.terms, offered.bundle.terms)
        windows = offered.bundle.grant.windows
    return RequestMarks(
        label=purposes().label(request.purpose),
        tied=ties(request, frugality.lines),
        asked=len(before) + 1,
        refused=sum(one.state is RequestState.REFUSED for one in before),
        rule=None if judged is None else judged.rule,
        why=None if judged is None else judged.why,
        changes=changes,
        frugality=frugality,
        offered=windows,
    )


async def frugality(host: Host, args: Args, emit: Emit) -> Value:
    """How frugal a peer is, over all that it ever asked of this node."""
    node, peer = host.node, args.text("peer")
    found = await node.store.database.read(
        lambda tx: node.frugalities.of_peer(tx, node.peers.named(tx, peer))
    )
    return to_value(found)


# --- narrowing ------------------------------------------------------------------------------------


def narrowed_terms(args: Args, asked: Terms) -> Terms | None:
    """The terms that a decision gives in place of those asked for; None if it leaves them.

    Raises UsageError.
    """
    retention_days = args.maybe_integer("retention_days")
    recipients = _texts(args, "recipients", RECIPIENTS_MAX, LINE_CHARS_MAX)
    clauses = _texts(args, "clauses", CLAUSES_MAX, TEXT_CHARS_MAX)
    if retention_days is None and recipients is None and not clauses:
        return None
    for name in recipients or ():
        if name not in asked.recipients:
            raise UsageError(f"{name} is not among the recipients that were asked for")
    chosen = None
    if recipients is not None:
        chosen = [name for name in asked.recipients if name in recipients]
    try:
        return narrowed(
            asked,
            retention_days=retention_days,
            recipients=chosen,
            clauses=[Clause(text, Force.PROMISED) for text in clauses or ()],
        )
    except ProtocolError as error:
        raise UsageError(str(error)) from error


def _texts(args: Args, key: str, items_max: int, chars_max: int) -> tuple[str, ...] | None:
    if args.body.value(key) is None:
        return None
    found = args.items(key, items_max)
    texts = tuple(one for one in found if isinstance(one, str) and len(one) <= chars_max)
    if len(texts) != len(found):
        raise UsageError(f"{args.body.what}: {key} holds something that is not a short text")
    return texts


async def accept_offer(host: Host, args: Args, emit: Emit) -> Value:
    node, now_ms = host.node, host.node.clock.now_ms()

    def unit(tx: Tx) -> bytes:
        request = args.id("request", (cid for cid, _ in node.asked.all(tx)), "request")
        return node.offers.accept(tx, request, now_ms)

    grant = await node.store.database.write(unit)
    node.outgoing.notify()
    return {"grant": grant}


async def decline_offer(host: Host, args: Args, emit: Emit) -> Value:
    node, now_ms = host.node, host.node.clock.now_ms()
    reason = args.maybe_text("reason", TEXT_CHARS_MAX)

    def unit(tx: Tx) -> None:
        request = args.id("request", (cid for cid, _ in node.asked.all(tx)), "request")
        node.offers.decline(tx, request, reason, now_ms)

    await node.store.database.write(unit)
    node.outgoing.notify()
    return None


# --- standing terms -------------------------------------------------------------------------------


async def standing_terms(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    return standing_value(await node.store.database.read(node.standing_rules.get))


async def set_standing_terms(host: Host, args: Args, emit: Emit) -> Value:
    node, written = host.node, args.mapping("terms")
    made = await node.store.database.write(lambda tx: node.standing_rules.set(tx, written))
    return standing_value(made)


async def check_standing_terms(host: Host, args: Args, emit: Emit) -> Value:
    """What the rules in force make of a request that is here.  Nothing is decided."""
    node, now_ms = host.node, host.node.clock.now_ms()

    def unit(tx: Tx) -> JudgementInfo:
        request = args.id("request", (cid for cid, _ in node.inbox.all(tx)), "request")
        made = node.standing_rules.check(tx, request, now_ms)
        exp_s = made.exp_s or None
        return JudgementInfo(
            made.does.value, made.rule, made.why, made.windows, exp_s, made.changes
        )

    return to_value(await node.store.database.read(unit))
