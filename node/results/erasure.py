"""What operations that destroy have to tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: `records`, as `tellings` on `pages` pages.

    `told` are the names of the readers whose terms bind them to delete what they read, and who are
    asked to; `free` of those whose terms do not.  `grants` are the grants under which they did;
    `files` were read back without a trace of it.
    """

    path: str
    records: int
    tellings: int
    pages: int
    told: tuple[str, ...]
    grants: tuple[bytes, ...]
    files: int
    free: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErasureProgress:
    """How far the erasure of a collection and its views is."""

    path: str
    months_done: int
    months_total: int


@dataclass(frozen=True, slots=True)
class ErasedItem:
    """Of one collection: `records` were erased on days `first … last`, the last at `last_ms`."""

    path: str
    records: int
    first: int
    last: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Lifted:
    """`records` of `path` may come again."""

    path: str
    records: int


@dataclass(frozen=True, slots=True)
class LeaveTaken:
    """`grants` were taken back; names of the peers who know it, and of those who could not be
    told."""

    grants: int
    told: tuple[str, ...]
    untold: tuple[str, ...]
