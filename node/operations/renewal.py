"""Operations on how long a grant goes on."""

from __future__ import annotations

from ...protocol.request import parse_request
from ...protocol.wire import Value
from ..errors import UsageError
from ..grants.renewal import Renewing
from ..results.history import Renewed
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host


async def renew(host: Host, args: Args, emit: Emit) -> Value:
    """Renew a grant that was given, or ask for one that is held to go on."""
    node = host.node
    exp_s, each_s = args.maybe_integer("exp_s"), args.maybe_integer("each_s")
    never = args.body.value("never") is True
    if never and (exp_s is not None or each_s is not None):
        raise UsageError("what is not renewed by itself any more has no end and no length")
    if not never and exp_s is None:
        raise UsageError("a renewal says until when")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> Renewed:
        given = {one.cid for one in node.lending.lines.all(tx) if one.side.value == "given"}
        held = {one.cid for one in node.lending.lines.all(tx) if one.side.value == "held"}
        cid = args.id("grant", given | held, "grant")
        if cid not in given:
            if never or each_s is not None:
                raise UsageError("its owner says whether this grant is renewed by itself")
            assert exp_s is not None
            request = node.renewals.ask(tx, cid, exp_s, now_ms)
            asked = parse_request(node.asked.get(tx, request).raw)
            return Renewed(cid, cid, request, asked.items, exp_s, None)
        if never:
            node.renewals.always(tx, cid, None, now_ms)
            return Renewed(cid, cid, None, node.lending.get(tx, cid).windows, None, None)
        assert exp_s is not None
        if each_s is not None:
            rule = Renewing(each_s, exp_s)
            node.renewals.always(tx, cid, rule, now_ms)
            always = {"each_s": each_s, "until_s": exp_s}
            return Renewed(cid, cid, None, node.lending.get(tx, cid).windows, None, always)
        new = node.renewals.renew(tx, cid, exp_s, now_ms)
        return Renewed(new.cid, cid, None, new.windows, new.exp_s, None)

    done = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(done)
