"""Stored pages: where each is kept, how it is vouched for, and opening what can be opened.

A page that was altered on disk, or whose row is gone, is named in `Reading.damaged`; the others
are still returned.  A fact that was told twice (a file and a delivery, two overlapping files)
appears once, as its source signed it if it did.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from ...crypto.errors import CryptoError
from ...crypto.key_tree import DayKeys
from ...protocol.day import UNDATED, date_of
from ...protocol.errors import ProtocolError
from ...protocol.page import PageEntry, open_page, parse_entry
from ...protocol.record import Batch, concat
from ...protocol.schema import Schema
from ...protocol.wire import Value
from ..store.errors import StoreDamaged
from ..store.pages import PageAt
from .tellers import Tellings

# What is read again is parsed once: half a year of readings is 180 entries of about 1 KB.
entry_of = lru_cache(maxsize=4096)(parse_entry)


@dataclass(frozen=True, slots=True)
class Came:
    """How a page of this vault came to be kept: see `Stored`."""

    origin: bytes
    writer: bytes
    lineage: bytes | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a page is kept and how it is vouched for.

    `owner` is "" for a page of this vault, else the DID that lent it.  `origin` names the import
    or delivery it came with.  `raw` is `cb(entry)`.  A page that was encrypted again `depth` times
    says the same as the page `lineage`, so that several devices know it as one.
    """

    owner: str
    path: str
    day: int
    seq: int
    segment: int
    index: int
    length: int
    statement: bytes | None
    origin: bytes
    writer: bytes
    raw: bytes
    lineage: bytes | None = None
    depth: int = 0

    @property
    def line(self) -> bytes:
        """The id of the page of which this is the last word: its own, unless it was encrypted
        again."""
        return self.lineage or entry_of(self.raw).page_id

    def value(self) -> Value:
        more: list[Value] = [] if self.lineage is None else [[self.lineage, self.depth]]
        return [
            self.day,
            self.seq,
            self.segment,
            self.index,
            self.length,
            self.statement,
            self.origin,
            self.writer,
            self.raw,
            *more,
        ]

    @classmethod
    def from_value(cls, owner: str, path: str, value: Value) -> Stored:
        match value:
            case [
                int(day),
                int(seq),
                int(segment),
                int(index),
                int(length),
                statement,
                bytes(origin),
                bytes(writer),
                bytes(raw),
                *more,
            ] if statement is None or isinstance(statement, bytes):
                one = cls(
                    owner, path, day, seq, segment, index, length, statement, origin, writer, raw
                )
                return one._of_line(more)
            case _:
                raise StoreDamaged("a row of the catalogue has not the form of one")

    def _of_line(self, more: Sequence[Value]) -> Stored:
        match more:
            case []:
                return self
            case [[bytes(lineage), int(depth)]] if depth > 0:
                return replace(self, lineage=lineage, depth=depth)
            case _:
                raise StoreDamaged("a row of the catalogue has not the form of one")

    def place(self) -> PageAt:
        """Where the ciphertext is.  A lent page is kept apart from one's own by its owner."""
        return PageAt(self.owner + self.path, self.day, self.writer, self.seq)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A page that could not be opened, named so that a person can find it."""

    path: str
    day: int
    page_id: bytes
    reason: str

    def sentence(self) -> str:
        day = "undated records" if self.day == UNDATED else date_of(self.day)
        return f"{self.path}, {day}: page {self.page_id.hex()[:8]} is damaged ({self.reason})"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read found: records in order of time, and the pages that would not open.

    `conflicts` counts the facts of which not everybody tells the same amount or value; `tellings`
    says who told what, where that was asked for.
    """

    batch: Batch
    pages: int
    damaged: tuple[Damaged, ...]
    conflicts: int = 0
    tellings: Tellings | None = None


Found = Iterable[tuple[Stored, bytes | None]]
"""Stored pages, each with its ciphertext, or None where the row is gone."""


def open_pages(schema: Schema, found: Found, keys_of: Callable[[PageEntry], DayKeys]) -> Reading:
    """Open what can be opened; name what cannot.  Of two records with one name, the signed wins."""
    signed: list[Batch] = []
    unsigned: list[Batch] = []
    damaged: list[Damaged] = []
    pages = 0
    for stored, ciphertext in found:
        pages += 1
        opened = open_stored(stored, ciphertext, keys_of)
        if isinstance(opened, Damaged):
            damaged.append(opened)
        else:
            (unsigned if stored.statement is None else signed).append(opened)
    return Reading(told_once(schema, [*signed, *unsigned]), pages, tuple(damaged))


def open_stored(
    stored: Stored, ciphertext: bytes | None, keys_of: Callable[[PageEntry], DayKeys]
) -> Batch | Damaged:
    """The records of one page, or why there are none."""
    entry = entry_of(stored.raw)
    if ciphertext is None:
        return Damaged(entry.path, entry.day, entry.page_id, "its bytes are gone")
    try:
        return open_page(entry, ciphertext, keys_of(entry).key(entry.day)).batch
    except (CryptoError, ProtocolError) as error:
        return Damaged(entry.path, entry.day, entry.page_id, str(error))


def names_of(batch: Batch) -> Sequence[Hashable]:
    """What makes each record the same fact as another one: its id, or its time if it has none."""
    return cast("Sequence[Hashable]", batch.columns["id"] if batch.schema.has_id else batch.times)


def told_once(schema: Schema, batches: Sequence[Batch]) -> Batch:
    """The records of all `batches` in order of time; of those with one name, the first told."""
    whole = concat(schema, batches)
    names = names_of(whole)
    if len(set(names)) == len(names):
        return whole.sorted()
    first_of: dict[Hashable, int] = {}
    for row, name in enumerate(names):
        first_of.setdefault(name, row)
    return rows_of(whole, list(first_of.values())).sorted()


def rows_of(batch: Batch, rows: Sequence[int]) -> Batch:
    """These rows of a batch, in this order."""
    if len(rows) == len(batch):
        return batch
    columns = {name: [column[row] for row in rows] for name, column in batch.columns.items()}
    return Batch(batch.schema, columns, batch.checked)
