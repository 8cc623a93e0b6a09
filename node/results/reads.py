"""What a node tells of reads under a grant."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.record import Batch


@dataclass(frozen=True, slots=True)
class Source:
    """A statement that came with records: verified on days `first … last`, or why not."""

    statement: bytes
    src: str
    first: int
    last: int
    verified: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a read under a grant brought; `batch` is None if no page came or opened."""

    batch: Batch | None
    schema: str | None
    pages: int
    bytes: int
    windows: int
    provenance: tuple[Source, ...]
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskedByFile:
    """How many reads wait for the next file to a peer that did not wait before: one a year."""

    reads: int
