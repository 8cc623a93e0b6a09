"""What was lent on, as history tells it: to whom, until when, what became of it.

Of a processor the owner of the data knows what the terms call it, and what it has signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ..protocol.did import Did
from ..protocol.trust import GrantStatus
from .grants.grant_lines import Happened
from .grants.lending_on import LendingOn
from .grants.lent_on import LentOn, LentOnSide
from .log.receipts import Way
from .results.history import HistoryEvent
from .store.database import Tx


def lent_on_events(lent: Iterable[LentOn], names: Mapping[str, str]) -> Iterator[HistoryEvent]:
    """What was lent on to a proxy or a processor, and what became of it."""
    for one in lent:
        reader = names.get(one.reader, one.reader)
        began = HistoryEvent(
            t_ms=one.t_ms,
            what="lent-on",
            way=Way.GIVEN.value,
            peer=names.get(one.their, one.their),
            windows=one.windows,
            purpose=one.bundle.terms.purpose,
            grant=one.cid,
            until_ms=one.bundle.grant.exp_s * 1000,
            note=f"{names.get(one.giver, one.giver)} lets {reader} read it",
            cids=(one.cid, one.root),
        )
        yield began
        plain = replace(began, purpose=None, until_ms=None, cids=(one.cid,))
        if one.ended_ms is not None:
            note = f"what {reader} read for {names.get(one.giver, one.giver)}"
            yield replace(plain, t_ms=one.ended_ms, what="taken-back", note=note)
        if one.asked_ms is not None:
            note = f"and what {reader} read of it"
            yield replace(plain, t_ms=one.asked_ms, what=Happened.DELETE_ASKED.value, note=note)
        if one.deleted is not None:
            deleted = one.deleted
            yield replace(
                plain,
                t_ms=deleted.t_ms,
                what=Happened.DELETED.value,
                note=f"signed by {reader}: {deleted.pages:,} pages gone, {deleted.left:,} left",
                cids=(one.cid, deleted.cid),
            )


def reading_now(
    lending_on: LendingOn, tx: Tx, names: Mapping[str, str], now_ms: int
) -> Iterator[HistoryEvent]:
    """Who may read here now under what a reader of ours lends on, beside that reader."""
    for one in lending_on.all(tx):
        live = lending_on.status(tx, one, now_ms) is GrantStatus.LIVE
        if live and one.side is LentOnSide.HERE:
            yield HistoryEvent(
                t_ms=one.t_ms,
                what="may-read",
                way=Way.GIVEN.value,
                peer=names.get(one.reader, one.reader),
                windows=one.windows,
                purpose=one.bundle.terms.purpose,
                grant=one.cid,
                until_ms=one.bundle.grant.exp_s * 1000,
                note=f"for {names.get(one.giver, one.giver)}, to whom you granted it",
                cids=(one.cid, one.root),
            )


def readers_below(lent: Iterable[LentOn], own: Did, their: Did) -> list[Did]:
    """Who reads here under what our reader `their` lends on."""
    return sorted(
        {
            one.reader
            for one in lent
            if one.side is LentOnSide.HERE and (one.own, one.their) == (own, their)
        }
    )
