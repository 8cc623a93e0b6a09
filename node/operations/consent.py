"""A grant as a consent record, for offices and auditors."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...protocol.consent_record import ConsentEvent, ConsentFacts, Event, consent_document
from ...protocol.wire import Value
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..grants.grant_lines import Happened, Side
from ..grants.inbox import Asked
from ..node import Node
from ..results.log import ConsentWritten
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host

_HAPPENED = {
    Happened.GIVEN: ConsentEvent.GIVEN,
    Happened.RENEWED: ConsentEvent.RENEWED,
    Happened.REVOKED: ConsentEvent.WITHDRAWN,
}


async def consent(host: Host, args: Args, emit: Emit) -> Value:
    """The consent record and receipt of a grant that this node gave or holds."""
    node = host.node
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> ConsentFacts:
        found = {one.cid: one for one in node.borrowing.all(tx)}
        both: dict[bytes, GrantGiven | GrantHeld] = {**found}
        both.update({one.cid: one for one in node.lending.all(tx)})
        return _facts(node, tx, both[args.id("grant", both, "grant")], now_ms)

    facts = await node.store.database.read(unit)
    text = json.dumps(consent_document(facts, now_ms), ensure_ascii=False, indent=2)
    return to_value(ConsentWritten(facts.grant, text))


def _facts(node: Node, tx: Tx, grant: GrantGiven | GrantHeld, now_ms: int) -> ConsentFacts:
    delegation = grant.bundle.grant.delegation
    return ConsentFacts(
        grant=grant.cid,
        subject=delegation.sub or delegation.iss,
        controller=delegation.aud,
        windows=grant.windows,
        terms=grant.bundle.terms,
        exp_s=grant.bundle.grant.exp_s,
        delegations=tuple(one.cid for one in grant.bundle.links),
        events=tuple(sorted(_events(node, tx, grant, now_ms), key=lambda one: one.t_ms)),
    )


def _events(node: Node, tx: Tx, grant: GrantGiven | GrantHeld, now_ms: int) -> Iterator[Event]:
    """What was asked, given, renewed, taken back; an end by itself is said by the one who gave."""
    giver, controller = grant.bundle.grant.delegation.iss, grant.bundle.grant.delegation.aud
    side = Side.GIVEN if isinstance(grant, GrantGiven) else Side.HELD
    if grant.request is not None and (asked := _asked(node, tx, grant.request)) is not None:
        yield Event(asked.t_ms, ConsentEvent.REQUESTED, controller, grant.request)
    line = node.lending.lines.find(tx, side, grant.cid)
    events = () if line is None else line.events
    ended = False
    for event in events:
        what = _HAPPENED.get(event.what)
        if what is not None:
            ended = ended or what is ConsentEvent.WITHDRAWN
            yield Event(event.t_ms, what, giver, event.cid)
    exp_ms = grant.bundle.grant.exp_s * 1000
    if not ended and now_ms > exp_ms:
        yield Event(exp_ms, ConsentEvent.EXPIRED, giver, None)


def _asked(node: Node, tx: Tx, request: bytes) -> Asked | None:
    return node.inbox.find(tx, request) or node.asked.find(tx, request)
