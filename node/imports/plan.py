"""The plan of an import: what a reader made of one file, by path and day, before anything is done.

A plan is a function of the file's bytes, the reader and the path asked for: read again after a
crash, it is the same plan, and a number of finished pieces says where to go on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import TypeAlias, cast

from ...crypto.digest import sha256
from ...protocol.collection import check_domain
from ...protocol.errors import ReaderError
from ...protocol.reading import (
    UNSAID,
    Extract,
    ExtractItem,
    Reader,
    Settings,
    read_by,
    reader_for,
    refusal,
)
from ...protocol.schema import Schema
from ...protocol.wire import Value
from ..errors import NodeError
from ..vault.journal import import_id, plan_of
from ..vault.sealing import Piece, interval_of, pieces_of
from .files import HandedIn

READERS = "entrenous.readers"


# Under which path the records of a path are kept: whose they are (`household.py`).
Placing: TypeAlias = Callable[[str], str]


def unmoved(path: str) -> str:
    return path


@dataclass(frozen=True, slots=True)
class Plan:
    """The pieces of one file for one path, in order of day.  `digest` is over what they hold.

    `said`: a person said how the file is to be read.
    """

    id: bytes
    path: str
    reader: str
    schema: Schema
    interval_s: int
    pieces: Sequence[Piece]
    digest: bytes
    said: bool = False


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that was read: its extract, and a plan for each path."""

    name: str
    extract: Extract
    plans: tuple[Plan, ...]
    into: str | None = None
    place: Placing = unmoved

    def path_of(self, item: ExtractItem) -> str:
        """Where an item goes: its own path, or the one that was asked for; then whose it is."""
        return self.place(item.path if item.beside or self.into is None else self.into)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Pieces of whole days, and how many of the plan are done once these are."""

    pieces: Sequence[Piece]
    done: int


def installed_readers() -> tuple[Reader, ...]:
    """The readers that are installed, by name.  Raises NodeError for one that cannot be loaded."""
    found: list[Reader] = []
    for point in sorted(entry_points(group=READERS), key=lambda point: point.name):
        try:
            found.append(cast("Reader", point.load()))
        except Exception as error:  # whatever a foreign module raises while it is imported
            raise NodeError(f"the reader {point.name} cannot be loaded: {error}") from error
    return tuple(found)


def read_file(
    file: HandedIn,
    readers: Iterable[Reader],
    into: str | None,
    place: Placing = unmoved,
    settings: Settings = UNSAID,
) -> ReadFile:
    """Read one file and plan its import; `place` gives the path under which one is kept.

    Raises ReaderError, RecordError, NotFound."""
    name = file.name
    data = file.read()
    reader = reader_for(readers, data, name, settings)
    try:
        extract = read_by(reader, data, name, settings)
    except ReaderError:
        raise
    except Exception as error:  # a foreign reader, on a file from anywhere
        raise refusal(name, f"the reader {reader.name} failed on this file") from error
    if not any(len(item.batch) for item in extract.items):
        raise refusal(name, "there are no records in this file")
    paths = sorted({item.path for item in extract.items if not item.beside})
    if into is not None and len(paths) > 1:
        raise refusal(name, f"the file brings several collections ({', '.join(paths)}), not one")
    read = ReadFile(name, extract, (), into, place)
    items: defaultdict[str, list[ExtractItem]] = defaultdict(list)
    for item in extract.items:
        items[read.path_of(item)].append(item)
    digest = sha256(data)
    # Read otherwise, the same bytes are another plan.
    how: list[Value] = [reader.name, *_said(settings)]
    plans = tuple(_plan(digest, path, some, reader.name, how) for path, some in items.items())
    return replace(read, plans=plans)


def _said(settings: Settings) -> list[Value]:
    return [f"{name}={getattr(settings, name)}" for name in sorted(settings.said)]


def _plan(
    file_digest: bytes, path: str, items: Sequence[ExtractItem], reader: str, how: Sequence[Value]
) -> Plan:
    schemas = {item.batch.schema.name: item.batch.schema for item in items}
    if len(schemas) > 1:
        raise ReaderError(f"{path} would hold records of several schemas")
    (schema,) = schemas.values()
    pieces = [piece for item in items for piece in pieces_of(item.batch)]
    pieces.sort(key=lambda piece: piece.day)  # stable: of one day, in the order of the file
    days: list[Value] = [[piece.day, len(piece.batch)] for piece in pieces]
    return Plan(
        id=import_id(file_digest, check_domain(path)),
        path=path,
        reader=reader,
        schema=schema,
        interval_s=interval_of(schema, pieces),
        pieces=pieces,
        digest=plan_of([*how, schema.name, days]),
        said=len(how) > 1,
    )


def chunks_of(plan: Plan, first: int, size: int) -> Iterator[Chunk]:
    """The pieces from number `first` on, about `size` a chunk and no day in two chunks.

    So doubles within a day are seen without looking into a chunk that is not committed yet.  A plan
    with nothing left still has one empty chunk, by which the journal is closed.
    """
    pieces = plan.pieces
    start = first
    while True:
        end = min(start + size, len(pieces))
        while 0 < end < len(pieces) and pieces[end].day == pieces[end - 1].day:
            end += 1
        yield Chunk(pieces[start:end], end)
        if end == len(pieces):
            return
        start = end
