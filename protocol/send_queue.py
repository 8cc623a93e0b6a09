"""What one end of a stream has still to send, in the order that keeps small calls quick.

Small frames go first, in the order in which they were queued.  Bulk (the pages of a window, the
parts of a delivery) follows one frame at a time, the calls taking turns, so that a question asked
during a large read waits for one frame and not for all of it.  Within a call order is kept: what
announces bulk is a small frame queued before it, and nothing small of the same call is queued
while its bulk is under way, except a refusal, which drops it.

Each frame may carry a mark that comes out when the frame leaves: a call counts as open until its
last word left, so a peer that asks and never reads cannot pile up answers here.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .frame import Buffer, encode_page_frame
from .limits import PAGE_SLICE_BYTES, SEND_BYTES


@dataclass(frozen=True, slots=True)
class Mark:
    """What left: bulk of `call` (`last` of it or not), or its last word (`final`)."""

    call: int
    last: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class _Small:
    data: bytes
    mark: Mark | None


class SendQueue:
    """Frames waiting to leave one end of a stream."""

    def __init__(self) -> None:
        self._small: deque[_Small] = deque()
        self._bulk: OrderedDict[int, deque[Buffer]] = OrderedDict()

    def small(self, data: bytes, mark: Mark | None = None) -> None:
        """Queue an encoded frame."""
        self._small.append(_Small(data, mark))

    def parts(self, call: int, parts: Sequence[bytes]) -> None:
        """Queue the parts of a delivery: one page frame each."""
        if parts:
            self._bulk[call] = deque(parts)

    def pages(self, call: int, pages: Sequence[bytes]) -> None:
        """Queue the pages of a window, in frames cut without regard to pages."""
        self._bulk[call] = deque(_slices(pages))

    def drop(self, call: int) -> None:
        """Forget the bulk of `call` that has not left."""
        self._bulk.pop(call, None)

    def clear(self) -> None:
        self._small.clear()
        self._bulk.clear()

    def pop(self) -> tuple[bytes, Sequence[Mark]]:
        """The bytes to send next (empty if there are none), and the marks of what left by it."""
        if self._small:
            return self._pop_small()
        if not self._bulk:
            return b"", ()
        call, frames = self._bulk.popitem(last=False)
        data = encode_page_frame(call, (frames.popleft(),))
        if frames:
            self._bulk[call] = frames
        return data, (Mark(call, last=not frames),)

    def _pop_small(self) -> tuple[bytes, Sequence[Mark]]:
        frames: list[bytes] = []
        marks: list[Mark] = []
        size = 0
        while self._small and (not frames or size + len(self._small[0].data) <= SEND_BYTES):
            item = self._small.popleft()
            frames.append(item.data)
            size += len(item.data)
            if item.mark is not None:
                marks.append(item.mark)
        return frames[0] if len(frames) == 1 else b"".join(frames), marks


def _slices(pages: Sequence[bytes]) -> Iterator[Buffer]:
    view = memoryview(b"".join(pages))
    for at in range(0, len(view), PAGE_SLICE_BYTES):
        yield view[at : at + PAGE_SLICE_BYTES]
