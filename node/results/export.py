"""What an export has to tell: how far it is, and what it wrote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """`done` of `total` months of `path` are written; `collections` of `of` are behind it."""

    path: str
    done: int
    total: int
    collections: int
    of: int


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export.  `bytes` in all `files`; `digest` (hex) names it, as its manifest's.

    `resumed` counts collections that an earlier, interrupted run had finished.  `damaged` has a
    sentence for each page that could not be opened and is missing.
    """

    folder: str
    digest: str
    collections: int
    records: int
    facts: int
    statements: int
    files: int
    bytes: int
    resumed: int
    damaged: tuple[str, ...]
