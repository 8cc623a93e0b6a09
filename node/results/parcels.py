"""What is told of parcels: what waits for whom, what a parcel holds, what came of taking one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What became of one thing in a parcel."""

    DONE = "done"
    # Nothing new: it was done when it came another way, or in a taking that was cut short.
    BEFORE = "before"
    REFUSED = "refused"
    # An answer that says: not now.  What it answers goes on waiting.
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for `peer`: a command that was tried `tries` times, or, without one, what goes by
    file only: answers to what it said by file, windows of pages that it reads, signatures for
    windows that it lent.  `bytes` are those of the parts that follow a delivery."""

    peer: str
    cmd: str | None
    answers: int
    bytes: int
    tries: int
    due_ms: int | None
    windows: int = 0
    signatures: int = 0
    # It is said over no link any more, because what came in answer was none.
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class SaidAgain:
    """`again` messages for `peer` that were given up are tried again."""

    peer: str
    again: int


@dataclass(frozen=True, slots=True)
class ParcelWritten:
    """A parcel that was written for `peer`: how many `calls`, `answers`, `windows` of pages and
    `signatures` for windows it holds, how many calls are `left` for the next, until when (seconds)
    it can be taken.  `notes` say which reads by file were given up."""

    path: str
    peer: str
    number: int
    calls: int
    answers: int
    left: int
    until_s: int
    bytes: int
    windows: int = 0
    signatures: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParcelWindow:
    """A window of pages: of `path` (empty if not known any more), days `first … last`; `number`
    counts from 0, `final` is the last of its read."""

    path: str
    first: int
    last: int
    number: int
    final: bool
    pages: int


@dataclass(frozen=True, slots=True)
class ParcelItem:
    """A command of the peer (`answer` false), or its answer to a command of ours; null where it
    answers nothing that is known.  `reason` is whoever's who refused.

    A `window` with an answer is one that came; without, one of ours that the peer has signed for.
    """

    cmd: str | None
    answer: bool
    fate: Fate
    reason: str | None
    window: ParcelWindow | None = None


@dataclass(frozen=True, slots=True)
class ParcelTaken:
    """A parcel of `peer` that was taken; `before` if that was done already, and nothing changed."""

    peer: str
    number: int
    made_ms: int
    before: bool
    items: tuple[ParcelItem, ...]
