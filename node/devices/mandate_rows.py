"""Mandates, as two devices compare them: given, held, handed in here, and what was done under them.

    mandate-ends    who ended which: all that any device heard
    mandates        ended at the earlier moment; who ended anywhere has ended
    proxies         as whom somebody would act: what was said last
    decided-for     who decided a request for another: the first
    asked-under     under which mandate a request came: the same everywhere
    sent-for        what this person decided as a proxy: granted > refused > failed > sent

What waits at a principal is not brought: it is looked up there whenever somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ...crypto.canonical import encode
from ...protocol.errors import WireError
from ...protocol.mandate import acted_from_value, parse_end
from ...protocol.wire import Value
from ..household.deciding_for import DecidedFor
from ..household.mandate_kept import MandateKept, ProxyKept
from ..household.mandates import Mandates
from ..household.waiting_for import Stage, WaitingFor
from ..store.database import Tx
from ..store.objects import Kind, Objects
from . import joins
from .row_spaces import Rows, RowSpace, as_kept, named, plain, same
from .space import Space, Taking

_STAGES: Final = {
    stage: place
    for place, stage in enumerate(
        (Stage.WAITING, Stage.SENT, Stage.FAILED, Stage.REFUSED, Stage.GRANTED)
    )
}


def mandate_spaces(objects: Objects, mandates: Mandates) -> Iterable[Space]:
    """In the order in which they are fetched."""
    ends: Rows[bytes] = Rows(_end, same, min)
    yield RowSpace("mandate-ends", Kind.MANDATE_END, objects, ends)
    yield RowSpace("mandates", Kind.MANDATE, objects, _mandates(mandates))
    proxies = Rows(lambda _name, value: ProxyKept.from_value(value), as_kept, proxy)
    yield RowSpace("proxies", Kind.PROXY, objects, proxies)
    decisions = Rows(lambda _name, value: DecidedFor.from_value(value), as_kept, decided)
    yield RowSpace("decided-for", Kind.DECIDED_FOR, objects, decisions)
    yield RowSpace("asked-under", Kind.ASKED_UNDER, objects, plain(_acted, joins.lesser))
    yield RowSpace("sent-for", Kind.WAITING_FOR, objects, _sent_for())


def mandate(one: MandateKept, other: MandateKept) -> MandateKept:
    """A mandate.  Who ended it anywhere has ended it, at the earlier moment."""
    first = min(one, other, key=lambda it: (it.t_ms, encode(replace(it, ended_ms=None).value())))
    moments = [it.ended_ms for it in (one, other) if it.ended_ms is not None]
    return replace(first, ended_ms=min(moments, default=None))


def proxy(one: ProxyKept, other: ProxyKept) -> ProxyKept:
    """What was said last."""
    return max(one, other, key=lambda it: (it.t_ms, encode(it.value())))


def decided(one: DecidedFor, other: DecidedFor) -> DecidedFor:
    """Who decided first."""
    return min(one, other, key=lambda it: (it.t_ms, encode(it.value())))


def waiting(one: WaitingFor, other: WaitingFor) -> WaitingFor:
    """How far a decision has come."""
    return max(one, other, key=lambda it: (_STAGES[it.state], encode(it.value())))


def _mandates(mandates: Mandates) -> Rows[MandateKept]:
    def keep(
        tx: Tx, _name: Value, before: MandateKept | None, row: MandateKept, _taking: Taking
    ) -> None:
        mandates.adopt(tx, row, before)

    read = named("a mandate", MandateKept.from_value, lambda row: [row.side.value, row.cid])
    return Rows(read, as_kept, mandate, keep=keep)


def _sent_for() -> Rows[WaitingFor]:
    return Rows(
        named(
            "a request", WaitingFor.from_value, lambda row: [row.own, row.their, row.request.cid]
        ),
        as_kept,
        waiting,
        told=lambda row: row.state is not Stage.WAITING,
    )


def _end(name: Value, value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise WireError("the end of a mandate is a signed word")
    end = parse_end(value)
    if name != [end.mandate, end.by]:
        raise WireError("the end of a mandate stands under another name than its own")
    return value


def _acted(value: Value) -> Value:
    acted_from_value(value)
    return value
