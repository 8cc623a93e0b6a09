"""One call: a question, its parts, and how it ends.

Both ends of a stream run the same table for the same call.  The *caller* asks, sends parts,
countersigns, withdraws; the *responder* answers, refuses, or offers windows of pages.

    asked ──answer──▸ ended                         a command
    asked ──offer──▸ offered ──pages──▸ given       a read: window by window,
        given ──countersign──▸ countersigned        the next only after the last was countersigned,
        given ──last countersign──▸ ended           and the last countersign ends it

A call that the caller withdraws is *withdrawn*: what the responder had already sent still comes
and is dropped, until the responder's last word.  A call that the responder refuses is over for it
at once: what the caller had already sent may still come (`session_calls.py` counts it).

The table does not know which end it runs at; `step` blames our own program for our events and
the peer for the peer's.

Source: formats.md, "Session" and "Reading, receipts, log".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from .errors import LocalProtocolError, RemoteProtocolError


class CallState(StrEnum):
    ASKED = "asked"
    OFFERED = "offered"
    GIVEN = "given"
    COUNTERSIGNED = "countersigned"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


class CallEvent(StrEnum):
    """What can happen to a call; the value reads after "caller" or "responder"."""

    PART = "sends a part"
    COUNTERSIGN = "countersigns"
    COUNTERSIGN_LAST = "countersigns the last window"
    WITHDRAW = "withdraws"
    OFFER = "offers pages"
    OFFER_EMPTY = "offers an empty window"
    PAGE = "sends pages"
    PAGE_LAST = "sends the last pages of a window"
    ANSWER = "answers"
    REFUSE = "refuses"


BY_CALLER = frozenset(
    (CallEvent.PART, CallEvent.COUNTERSIGN, CallEvent.COUNTERSIGN_LAST, CallEvent.WITHDRAW)
)

_S, _E = CallState, CallEvent
CALL: Mapping[tuple[CallState, CallEvent], CallState] = MappingProxyType(
    {
        (_S.ASKED, _E.PART): _S.ASKED,
        (_S.ASKED, _E.WITHDRAW): _S.WITHDRAWN,
        (_S.ASKED, _E.OFFER): _S.OFFERED,
        (_S.ASKED, _E.OFFER_EMPTY): _S.GIVEN,
        (_S.ASKED, _E.ANSWER): _S.ENDED,
        (_S.ASKED, _E.REFUSE): _S.ENDED,
        (_S.OFFERED, _E.WITHDRAW): _S.WITHDRAWN,
        (_S.OFFERED, _E.PAGE): _S.OFFERED,
        (_S.OFFERED, _E.PAGE_LAST): _S.GIVEN,
        (_S.OFFERED, _E.REFUSE): _S.ENDED,
        (_S.GIVEN, _E.COUNTERSIGN): _S.COUNTERSIGNED,
        (_S.GIVEN, _E.COUNTERSIGN_LAST): _S.ENDED,
        (_S.GIVEN, _E.WITHDRAW): _S.WITHDRAWN,
        (_S.GIVEN, _E.REFUSE): _S.ENDED,
        (_S.COUNTERSIGNED, _E.WITHDRAW): _S.WITHDRAWN,
        (_S.COUNTERSIGNED, _E.OFFER): _S.OFFERED,
        (_S.COUNTERSIGNED, _E.OFFER_EMPTY): _S.GIVEN,
        (_S.COUNTERSIGNED, _E.ANSWER): _S.ENDED,
        (_S.COUNTERSIGNED, _E.REFUSE): _S.ENDED,
        # What crossed the withdrawal on its way is dropped.
        (_S.WITHDRAWN, _E.OFFER): _S.WITHDRAWN,
        (_S.WITHDRAWN, _E.OFFER_EMPTY): _S.WITHDRAWN,
        (_S.WITHDRAWN, _E.PAGE): _S.WITHDRAWN,
        (_S.WITHDRAWN, _E.ANSWER): _S.ENDED,
        (_S.WITHDRAWN, _E.REFUSE): _S.ENDED,
    }
)


def step(state: CallState, event: CallEvent, *, ours: bool) -> CallState:
    """The state after `event`, which this end (`ours`) or the peer wants.

    Raises LocalProtocolError or RemoteProtocolError if the table has no such step.
    """
    after = CALL.get((state, event))
    if after is None:
        who = "caller" if event in BY_CALLER else "responder"
        error = LocalProtocolError if ours else RemoteProtocolError
        raise error(f"the {who} {event.value} when the call is {state.value}")
    return after
