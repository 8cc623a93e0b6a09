"""Sealing: the records of a day become an encrypted page, on their way to the store.

Nothing here is stored; `vault.py` decides when, and whether it must be done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

from ...crypto.entropy import Entropy
from ...crypto.key_tree import DayKeys
from ...protocol.did import Did
from ...protocol.errors import RecordError
from ...protocol.limits import PAGE_PLAIN_BYTES_MAX, PAGE_ROWS_MAX
from ...protocol.page import PageEntry, seal_page
from ...protocol.record import Batch
from ...protocol.schema import Schema

# Half of what a page holds, so that one more contact is not one more page of a few.
UNDATED_PAGE_BYTES = PAGE_PLAIN_BYTES_MAX // 2
UNDATED_PAGE_ROWS_MAX = PAGE_ROWS_MAX


@dataclass(frozen=True, slots=True)
class Piece:
    """The records of one day from one source.  `salt` is the source's, if it signed a statement."""

    day: int
    batch: Batch
    salt: bytes | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """One committed chunk: `pages` and `records` in it, and how much of the whole is done now."""

    pages: int
    records: int
    pages_done: int
    pages_total: int


@dataclass(frozen=True, slots=True)
class SealedPage:
    """A page on its way to the store.  `raw` is `cb(entry)`."""

    entry: PageEntry
    raw: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """Pieces of one path, encrypted under `gen` and not stored yet.

    The pieces are kept beside the pages: if the generation moves on, they are encrypted again.
    `interval_s` is that of a regular series, 0 for any other.
    """

    path: str
    schema: Schema
    interval_s: int
    gen: bytes
    statement: bytes | None
    pieces: Sequence[Piece]
    pages: Sequence[SealedPage]

    @property
    def records(self) -> int:
        return sum(page.entry.count for page in self.pages)


def seal_pieces(
    path: str,
    schema: Schema,
    pieces: Sequence[Piece],
    *,
    keys: DayKeys,
    epoch: bytes,
    gen: bytes,
    statement: bytes | None,
    writer: Did,
    entropy: Entropy,
) -> Sealed:
    """Encrypt each of `pieces`, which are of `path` and `schema`.

    Raises RecordError for what no page may hold, and for several intervals.
    """
    interval = interval_of(schema, pieces)
    pages: list[SealedPage] = []
    for piece in pieces:
        entry, ciphertext = seal_page(
            piece.batch,
            day_key=keys.key(piece.day),
            path=path,
            day=piece.day,
            epoch=epoch,
            gen=gen,
            statement=statement,
            salt_d=piece.salt,
            writer=writer,
            entropy=entropy,
        )
        pages.append(SealedPage(entry, entry.encoded(), ciphertext))
    return Sealed(path, schema, interval, gen, statement, pieces, pages)


def pieces_of(batch: Batch) -> list[Piece]:
    """The records of a batch by day, in order; undated ones in as many pieces as pages they need.

    A day is as large as life; an address book is as large as somebody made it.
    """
    days = batch.sorted().by_day()
    if batch.schema.dated:
        return [Piece(day, records) for day, records in days]
    return [Piece(day, some) for day, records in days for some in _split(records)]


def _split(batch: Batch) -> Iterator[Batch]:
    """An undated batch in slices that a page holds with room to spare."""
    texts = [
        (cell if isinstance(cell, str) else "" for cell in column)
        for column in batch.columns.values()
    ]
    first = size = 0
    for row, cells in enumerate(zip(*texts, strict=True)):
        # A decimal takes nine bytes, an offset four.
        more = sum(len(cell.encode()) + 16 for cell in cells)
        if row > first and (
            size + more > UNDATED_PAGE_BYTES or row - first >= UNDATED_PAGE_ROWS_MAX
        ):
            yield batch.slice(first, row)
            first, size = row, 0
        size += more
    yield batch.slice(first, len(batch))


def interval_of(schema: Schema, pieces: Sequence[Piece]) -> int:
    """The one interval of a regular series in seconds; 0 for other schemas and for no records.

    Raises RecordError for several.
    """
    if not schema.regular:
        return 0
    intervals = set(
        chain.from_iterable(
            cast("Sequence[int]", piece.batch.columns["duration_s"]) for piece in pieces
        )
    )
    if len(intervals) > 1:
        raise RecordError(f"one collection has one interval length; here are {len(intervals)}")
    return intervals.pop() if intervals else 0
