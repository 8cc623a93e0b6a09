"""The trace of a simulated world: what happened, in order, to the last byte.

An entry is one line: the world's time in microseconds, what happened, to whom, and for bytes that
were sent their digest.  The trace keeps one digest over all entries and over all bytes sent, so
that two runs of one seed are compared by 32 bytes; with `keep` it keeps the lines as well, and
with `keep_bytes` the bytes after them, which is what one reads when two runs differ.
"""

from __future__ import annotations

from collections import deque

import trio

from ..crypto.digest import sha256

# The running digest takes this many bytes at a time.
_CHUNK_BYTES = 256 * 1024
LAST_LINES_MAX = 100


class Trace:
    """Grows while a world runs."""

    def __init__(self, *, keep: bool = False, keep_bytes: bool = False) -> None:
        self._keep = keep or keep_bytes
        self._keep_bytes = keep_bytes
        self._lines: list[bytes] = []
        self._pending = bytearray()
        self._digest = sha256(b"")
        self._last: deque[bytes] = deque(maxlen=LAST_LINES_MAX)
        self.entries = 0
        self.bytes_sent = 0

    def event(self, what: str, *about: str) -> None:
        """Something happened."""
        self._add(" ".join((what, *about)), b"")

    def sent(self, sender: str, receiver: str, data: bytes) -> None:
        """Bytes were handed to the network."""
        self.bytes_sent += len(data)
        self._add(f"sent {sender} {receiver} {len(data)} {sha256(data).hex()}", data)

    def digest(self) -> bytes:
        """32 bytes over everything so far."""
        self._fold()
        return self._digest

    def to_bytes(self) -> bytes:
        """The lines, each followed by its bytes if those are kept."""
        return b"".join(self._lines)

    def last_lines(self, count: int) -> bytes:
        """The last lines, whether all are kept or not; at most `LAST_LINES_MAX`."""
        return b"".join(list(self._last)[-count:])

    def _add(self, line: str, data: bytes) -> None:
        self.entries += 1
        entry = f"{_now_us()} {line}\n".encode()
        self._pending += entry
        self._pending += data
        self._last.append(entry)
        if len(self._pending) >= _CHUNK_BYTES:
            self._fold()
        if self._keep:
            self._lines.append(entry)
            if data and self._keep_bytes:
                self._lines.append(data + b"\n")

    def _fold(self) -> None:
        if self._pending:
            self._digest = sha256(self._digest + self._pending)
            self._pending.clear()


def _now_us() -> int:
    try:
        return round(trio.current_time() * 1_000_000)
    except RuntimeError:  # outside a world, as when the trace is opened or closed
        return 0
