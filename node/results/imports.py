"""What an import tells: what a file would bring, what it did bring, where each source stands.

Every one of these is plain enough to be JSON as it is (`dataclasses.asdict`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...protocol.reading import Decimal, ItemSummary
from ..vault.journal import Import


@dataclass(frozen=True, slots=True)
class PreviewSource:
    """The records of one source inside a file.  Days are dates, `sums` exact by unit."""

    source: str
    count: int
    days: int
    first: str
    last: str
    sums: dict[str, Decimal]

    @classmethod
    def of(cls, item: ItemSummary) -> PreviewSource:
        return cls(item.source, item.count, item.days, item.first, item.last, dict(item.sums))


@dataclass(frozen=True, slots=True)
class PreviewItem:
    """What a file would bring to one path.  The counts are those of `doubles.py`.

    `state` is that of an earlier import of the same file, None for none; `refused` the sentence
    with which the vault would refuse it.
    """

    path: str
    sources: tuple[PreviewSource, ...]
    new: int
    duplicates: int
    differing: int
    state: str | None
    refused: str | None
    same: int = 0
    ambiguous: int = 0
    same_as: dict[str, int] = field(default_factory=lambda: dict[str, int]())


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import of one file would write."""

    file: str
    reader: str
    items: tuple[PreviewItem, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import of one file did at one path.  `already`: it was done before, nothing changed.

    `records` is what this import keeps in all, `new` what it told just now and nobody before.
    """

    id: str
    file: str
    reader: str
    path: str
    new: int
    records: int
    duplicates: int
    differing: int
    already: bool
    notes: tuple[str, ...]
    same: int = 0
    ambiguous: int = 0
    same_as: dict[str, int] = field(default_factory=lambda: dict[str, int]())


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file of a folder or archive that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one call: each (file, path), and the files left out."""

    imported: tuple[Imported, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one file is at one path."""

    file: str
    path: str
    days_done: int
    days_total: int


@dataclass(frozen=True, slots=True)
class Source:
    """One source and its state, as a list shows it.  Times are milliseconds."""

    id: str
    file: str
    reader: str
    path: str
    state: str
    records: int
    duplicates: int
    differing: int
    days_done: int
    days_total: int
    changed_ms: int
    last_success_ms: int | None
    next_step: str
    same: int = 0
    ambiguous: int = 0
    same_as: dict[str, int] = field(default_factory=lambda: dict[str, int]())

    @classmethod
    def of(cls, row: Import) -> Source:
        return cls(
            id=row.id.hex(),
            file=row.file,
            reader=row.reader,
            path=row.path,
            state=row.state.value,
            records=row.records,
            duplicates=row.duplicates,
            differing=row.differing,
            same=row.same,
            ambiguous=row.ambiguous,
            same_as=dict(row.same_as),
            days_done=row.done_pieces,
            days_total=row.pieces,
            changed_ms=row.changed_ms,
            last_success_ms=row.done_ms,
            next_step=row.next_step(),
        )


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo removed; nothing if the import was undone already."""

    id: str
    path: str
    pages: int
    records: int
