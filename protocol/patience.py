"""How long one end waits for the peer: for its hello, for the rest of a frame, for a sign of life.

A frame has a fixed time and one second more for each 8 KiB that it announces, counted from its
first byte and not from its last: a peer that drips one byte a second is found out as surely as a
silent one.  Whoever has been silent is asked by a ping, soon if a call waits for it and rarely if
none does; anything it then sends is a sign of life.

The waits of calls are in `session_calls.py`.  Times are milliseconds.
"""

from __future__ import annotations

from .errors import Code, RemoteProtocolError
from .hello import StreamState
from .limits import (
    FRAME_MS,
    FRAME_RATE_BYTES,
    HELLO_MS,
    PING_IDLE_MS,
    PING_REPLY_MS,
    PING_WAITING_MS,
    PINGS_MAX,
    PINGS_WINDOW_MS,
)

_FOR_HELLO = (StreamState.FRESH, StreamState.AWAITING, StreamState.LISTENING)


class Patience:
    """The clocks of one end of a stream that concern the stream as a whole."""

    def __init__(self, now_ms: int) -> None:
        self._hello_by_ms = now_ms + HELLO_MS
        self._heard_ms = now_ms
        self._frame_ms: int | None = None
        self._asked_ms: int | None = None
        self._sent = 0
        self._pong: int | None = None
        self._window_ms = now_ms
        self._window_pings = 0

    def heard(self, now_ms: int) -> None:
        """Bytes came."""
        self._heard_ms = now_ms
        self._asked_ms = None

    def frame_read(self, now_ms: int, *, whole: bool, held: int) -> None:
        """The decoder was asked: it gave a `whole` frame, or `held` bytes are not one yet."""
        if whole or not held:
            self._frame_ms = None
        elif self._frame_ms is None:
            self._frame_ms = now_ms

    def _frame_by(self, missing: int | None) -> int | None:
        if missing is None or self._frame_ms is None:
            return None
        return self._frame_ms + FRAME_MS + 1000 * missing // FRAME_RATE_BYTES

    def deadline(self, state: StreamState, missing: int | None, waiting: bool) -> int | None:
        """The earliest time at which something is due in `state`.

        `missing` is the length announced by a frame that is not whole, `waiting` whether a call
        waits for the peer.
        """
        times = [self._frame_by(missing)]
        if state in _FOR_HELLO:
            times.append(self._hello_by_ms)
        if state is StreamState.OPEN:
            times.append(self._life_by(waiting))
        return min((at_ms for at_ms in times if at_ms is not None), default=None)

    def _life_by(self, waiting: bool) -> int:
        if self._asked_ms is not None:
            return self._asked_ms + PING_REPLY_MS
        return self._heard_ms + (PING_WAITING_MS if waiting else PING_IDLE_MS)

    def silent(self, state: StreamState, missing: int | None, now_ms: int) -> str | None:
        """Why the peer is given up at `now_ms`, or None."""
        frame_by_ms = self._frame_by(missing)
        if state in _FOR_HELLO and now_ms >= self._hello_by_ms:
            return "no hello came in time"
        if frame_by_ms is not None and now_ms >= frame_by_ms:
            return "a frame that began did not arrive in time"
        if self._asked_ms is not None and now_ms >= self._asked_ms + PING_REPLY_MS:
            return "the peer gives no sign of life"
        return None

    def ping_due(self, state: StreamState, waiting: bool, now_ms: int) -> bool:
        idle = state is StreamState.OPEN and self._asked_ms is None
        return idle and now_ms >= self._life_by(waiting)

    def pinged(self, now_ms: int) -> int:
        """We ask for a sign of life; the number of the ping."""
        if self._asked_ms is None:
            self._asked_ms = now_ms
        self._sent += 1
        return self._sent

    def ping(self, n: int, *, reply: bool, now_ms: int) -> None:
        """A ping came.  Raises RemoteProtocolError for too many, or a reply to one never sent."""
        if now_ms - self._window_ms >= PINGS_WINDOW_MS:
            self._window_ms, self._window_pings = now_ms, 0
        self._window_pings += 1
        if self._window_pings > PINGS_MAX:
            raise RemoteProtocolError(
                f"more than {PINGS_MAX} pings come in {PINGS_WINDOW_MS} ms", Code.TOO_MUCH
            )
        if not reply:
            # Only the last is answered: a peer that does not read cannot pile up replies here.
            self._pong = n
        elif not 0 < n <= self._sent:
            raise RemoteProtocolError("a reply comes to a ping that was not sent")

    def take_pong(self) -> int | None:
        """The number of the ping that a reply is owed to, once."""
        pong, self._pong = self._pong, None
        return pong
