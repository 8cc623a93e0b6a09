"""The calls of one session: which are open, how long each may wait, and which ended just now.

Calls are numbered by who makes them, odd from the dialler, even from the listener, each number
higher than all before.  So a number says whose call it is, and whether it ever was one.

A peer's call counts as open until our last word on it has *left*; only then may the peer, who
cannot have read it before, make another in its place.

Two ends see the end of a call at different moments.  A responder that refuses early still gets
the parts under way, a countersign, a withdrawal; a caller that countersigned the last window still
gets the refusal of a responder that had stopped waiting.  Such late frames are dropped, and
counted: a peer has only as many as an honest one could have had under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .call import CallEvent, CallState, step
from .errors import Code, LocalProtocolError, RemoteProtocolError
from .frame import Kind
from .limits import (
    CALL_ID_MAX,
    CALL_MS,
    CALLS_OPEN_MAX,
    DELIVERY_PARTS_MAX,
    LATE_CALLS_MAX,
    WINDOW_MS,
)
from .offer import Arriving, Offer

# How long we wait for the peer: (whether the call is ours, its state) -> milliseconds.  In the
# states left out it is our own program that has the next word.
PATIENCE_MS = {
    (True, CallState.ASKED): CALL_MS,
    (True, CallState.OFFERED): WINDOW_MS,
    (True, CallState.COUNTERSIGNED): CALL_MS,
    (True, CallState.WITHDRAWN): CALL_MS,
    (False, CallState.OFFERED): WINDOW_MS,
    (False, CallState.GIVEN): WINDOW_MS,
}
_LATE_OF_CALLER = frozenset((Kind.PAGE, Kind.COUNTERSIGN, Kind.REFUSE))
# A countersign and a withdrawal.
_LATE_WORDS = 2


@dataclass(slots=True)
class Call:
    """One open call.  `inv` is the CID of its invocation; `window` the number of the next one."""

    number: int
    ours: bool
    inv: bytes
    delivers: bool = False
    state: CallState = CallState.ASKED
    parts: int = 0
    window: int = 0
    last: bool = False
    arriving: Arriving | None = field(default=None, repr=False)

    def check_place(self, offer: Offer, *, by_us: bool) -> None:
        """Hold an offer against what is due: this invocation, the next window.

        Raises LocalProtocolError or RemoteProtocolError.
        """
        error = LocalProtocolError if by_us else RemoteProtocolError
        receipt = offer.receipt
        if self.delivers or self.parts:
            raise error("pages are offered to a call that delivers")
        if receipt.inv != self.inv:
            raise error("an offer's receipt names another invocation")
        if receipt.window != self.window:
            raise error(f"window {receipt.window} is offered where {self.window} is due")

    def take_window(self, offer: Offer) -> None:
        self.window += 1
        self.last = offer.receipt.last


class Calls:
    """The open calls of both sides of one session."""

    def __init__(self, *, dialler: bool) -> None:
        self._next = 1 if dialler else 2
        self._highest = 0
        self._open: dict[int, Call] = {}
        self._ours = 0
        # Of the peer's calls: open, or with a last word that has not left.
        self._theirs = 0
        self._late: dict[int, int] = {}
        self._deadlines: dict[int, int] = {}
        self.ours_max = CALLS_OPEN_MAX
        self.theirs_max = CALLS_OPEN_MAX

    @property
    def free(self) -> int:
        """How many more calls we may make now."""
        return self.ours_max - self._ours

    @property
    def next_number(self) -> int:
        """The number that our next call will have."""
        return self._next

    def ask(self, inv: bytes, *, delivers: bool, now_ms: int) -> Call:
        """Open a call of ours.  Raises LocalProtocolError if too many are open."""
        if self.free <= 0:
            raise LocalProtocolError(f"{self._ours} calls are open: wait until one has ended")
        if self._next > CALL_ID_MAX:
            raise LocalProtocolError("this session has had all its calls: open another")
        call = Call(self._next, True, inv, delivers)
        self._next += 2
        self._ours += 1
        self._open[call.number] = call
        self._deadlines[call.number] = now_ms + CALL_MS
        return call

    def asked(self, number: int, inv: bytes) -> None:
        """Open a call of the peer's.  Raises RemoteProtocolError."""
        if not self._of_peer(number) or number <= self._highest:
            raise RemoteProtocolError(f"call {number} is not the next call of the one who makes it")
        if self._theirs >= self.theirs_max:
            raise RemoteProtocolError(
                f"more calls than {self.theirs_max} are open at once",
                Code.TOO_MUCH if self.theirs_max == CALLS_OPEN_MAX else Code.UNPAIRED,
            )
        self._highest = number
        self._theirs += 1
        self._open[number] = Call(number, False, inv)

    def named(self, number: int, kind: Kind) -> Call | None:
        """The open call that a frame of the peer names; None if the frame comes late: drop it.

        Raises RemoteProtocolError for a call that is not, or no longer, there to name.
        """
        call = self._open.get(number)
        if call is not None:
            return call
        left = self._late.get(number, 0)
        allowed = kind in _LATE_OF_CALLER if self._of_peer(number) else kind is Kind.REFUSE
        if left == 0 or not allowed:
            raise RemoteProtocolError(
                f"a {kind.value} frame names call {number}, which is not open"
            )
        self._late[number] = left - 1
        return None

    def of(self, number: int, *, ours: bool) -> Call:
        """The open call that our program names.  Raises LocalProtocolError."""
        call = self._open.get(number)
        if call is None or call.ours is not ours:
            whose = "ours" if ours else "the peer's"
            raise LocalProtocolError(f"call {number} is not an open call of {whose}")
        return call

    def find(self, number: int) -> Call | None:
        return self._open.get(number)

    def step(self, call: Call, event: CallEvent, *, by_us: bool, now_ms: int) -> None:
        """Move `call` on.  Raises LocalProtocolError or RemoteProtocolError, and changes nothing.

        Waiting starts anew when the state changes; while pages of one window drip in it does not.
        """
        after = step(call.state, event, ours=by_us)
        if after is CallState.ENDED:
            self._end(call, by_us=by_us)
        elif after is not call.state:
            self.wait(call, after, now_ms)
        call.state = after

    def wait(self, call: Call, state: CallState, now_ms: int) -> None:
        """Start the time that the peer has in `state`."""
        patience_ms = PATIENCE_MS.get((call.ours, state))
        if patience_ms is None:
            self._deadlines.pop(call.number, None)
        else:
            self._deadlines[call.number] = now_ms + patience_ms

    def left(self) -> None:
        """Our last word on a call of the peer's left."""
        self._theirs -= 1

    def deadline(self) -> int | None:
        """The earliest time at which a call has waited too long, in ms."""
        return min(self._deadlines.values(), default=None)

    @property
    def waiting(self) -> bool:
        """Whether a call waits for the peer."""
        return bool(self._deadlines)

    def overdue(self, now_ms: int) -> list[Call]:
        """The calls that have waited too long, in order of their numbers."""
        return [self._open[n] for n, at_ms in sorted(self._deadlines.items()) if at_ms <= now_ms]

    def _of_peer(self, number: int) -> bool:
        return number > 0 and number % 2 != self._next % 2

    def _end(self, call: Call, *, by_us: bool) -> None:
        del self._open[call.number]
        self._deadlines.pop(call.number, None)
        if call.ours:
            self._ours -= 1
            late = 1 if by_us else 0
        elif by_us:
            parts = 0 if call.window else DELIVERY_PARTS_MAX - call.parts
            late = parts + _LATE_WORDS
        else:
            self._theirs -= 1
            late = 0
        if late:
            self._late[call.number] = late
            if len(self._late) > LATE_CALLS_MAX:
                del self._late[next(iter(self._late))]
