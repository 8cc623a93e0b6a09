"""What an export brings: everything in it read and held against everything else, nothing written.

Each page of records is one line of the plan: where its lines are, of which day, told by whom.
Signed days are recomputed from records and salts and held against what their source signed, so a
folder that was altered cannot pass for delivered.  What does not fit is refused in one sentence.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...crypto.errors import CryptoError
from ...protocol.cid import CID_BYTES, cid_from_text, cid_text
from ...protocol.collection import apart, check_path
from ...protocol.day import UNDATED, day_of
from ...protocol.errors import ProtocolError, WireError
from ...protocol.export_manifest import (
    LINE_BYTES_MAX,
    STATEMENT_BYTES_MAX,
    ExportedCollection,
    Manifest,
    day_from_text,
    records_file,
    statement_file,
)
from ...protocol.json_text import read_object
from ...protocol.limits import PAGE_ROWS_MAX
from ...protocol.reading import shown as shown_name
from ...protocol.record import Batch
from ...protocol.record_text import batch_of_texts
from ...protocol.schema import Schema
from ...protocol.wire import Body, Value
from ..household.household import Person
from ..shared.kept import SharedKept
from ..store.errors import StoreDamaged
from ..vault.journal import Import
from ..vault.left_out import LeftOutDay
from .inside import Inside
from .reimport_lines import (
    DIGEST_BYTES,
    PlannedPage,
    PlannedStatement,
    bytes_of,
    check_signed,
    hex_of,
    read_import,
    read_record,
    read_statement,
    whole_page,
)
from .shared_copies import SHARED_FILE, SHARED_VERSIONS_FILE, read_shared

PEOPLE_FILE = "people.json"
SOURCES_FILE = "sources.jsonl"
IMPORTS_FILE = "imports.jsonl"
LEFT_OUT_FILE = "left-out.jsonl"
ORIGIN_BYTES_MAX = 64


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """Who told: what stands at the pages, as `Stored.origin` and `Stored.statement`."""

    path: str
    origin: bytes
    statement: bytes | None


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """Everything that an export would bring."""

    digest: bytes
    manifest: Manifest
    pages: Mapping[str, Sequence[PlannedPage]]
    sources: Mapping[int, PlannedSource]
    statements: Mapping[bytes, PlannedStatement]
    imports: tuple[Import, ...]
    left_out: tuple[tuple[str, bytes, LeftOutDay], ...]
    people: tuple[Person, ...]
    whose: Mapping[str, tuple[int, ...]]
    shared: tuple[SharedKept, ...]


def plan_of_export(inside: Inside) -> ExportPlan:
    """Read and verify a whole export.  Raises ReaderError."""
    try:
        digest, manifest = inside.manifest()
        for one in manifest.files:
            inside.verify(one)
        return _Planning(inside, manifest).plan(digest)
    except (ProtocolError, CryptoError, StoreDamaged, binascii.Error) as error:
        said = str(error).removeprefix(f"{shown_name(inside.name)}: ")
        raise inside.refusal(said.removesuffix("; nothing was taken in")) from error


def page_records(inside: Inside, schema: Schema, path: str, page: PlannedPage) -> Batch:
    """The records of one page of the plan, in order.  Raises ReaderError, ProtocolError."""
    if page.first == page.end:
        return Batch.empty(schema)
    raw = inside.between(records_file(path), page.first, page.end)
    rows = [read_record(line)[0] for line in raw.splitlines(keepends=True)]
    return whole_page(schema, rows, page.day)


class _Planning:
    """Reads the files of one export, in the order in which one names the other."""

    def __init__(self, inside: Inside, manifest: Manifest) -> None:
        self._inside = inside
        self._manifest = manifest
        self._places = manifest.by_path

    def plan(self, digest: bytes) -> ExportPlan:
        paths = {one.path for one in self._manifest.collections}
        statements = {one.statement.cid: one for one in self._statements(paths)}
        sources = dict(self._sources(paths, statements))
        pages = {
            one.path: self._pages(one, sources, statements) for one in self._manifest.collections
        }
        people, whose = self._people(paths)
        return ExportPlan(
            digest,
            self._manifest,
            pages,
            sources,
            statements,
            tuple(self._imports(paths)),
            tuple(self._left_out(paths)),
            people,
            whose,
            tuple(read_shared(self._lines(SHARED_FILE), self._lines(SHARED_VERSIONS_FILE))),
        )

    # who told

    def _statements(self, paths: set[str]) -> Iterator[PlannedStatement]:
        for place in sorted(self._places):
            if not place.startswith("statements/"):
                continue
            with self._inside.open(place) as file:
                found = read_statement(file.read(STATEMENT_BYTES_MAX + 1))
            if place != statement_file(cid_text(found.statement.cid)):
                raise WireError("a statement lies under the name of another one")
            if found.path not in paths:
                raise WireError("a statement is of a collection that is not in the export")
            yield found

    def _sources(
        self, paths: set[str], statements: Mapping[bytes, PlannedStatement]
    ) -> Iterator[tuple[int, PlannedSource]]:
        seen: set[int] = set()
        for line in self._lines(SOURCES_FILE):
            body = Body.open(
                line, "a source", ("source", "path", "how", "who", "origin", "statement")
            )
            number, path = body.integer("source", low=1), check_path(body.text("path"))
            cid = body.maybe_text("statement")
            origin = hex_of(body, "origin", bytes_max=ORIGIN_BYTES_MAX)
            statement = None if cid is None else cid_from_text(cid)
            if number in seen or path not in paths:
                raise WireError("a source is named twice, or of no collection")
            if statement is not None:
                of = statements.get(statement)
                if of is None or of.path != path or origin != statement:
                    raise WireError("a source was delivered and its statement is not there")
            elif len(origin) == CID_BYTES and origin not in statements:
                raise WireError("a source was delivered and its statement is not there")
            seen.add(number)
            yield number, PlannedSource(path, origin, statement)

    def _imports(self, paths: set[str]) -> Iterator[Import]:
        for line in self._lines(IMPORTS_FILE):
            row = read_import(line)
            if row.path not in paths:
                raise WireError("an import is into a collection that is not in the export")
            yield row

    def _left_out(self, paths: set[str]) -> Iterator[tuple[str, bytes, LeftOutDay]]:
        for line in self._lines(LEFT_OUT_FILE):
            body = Body.open(line, "a note", ("path", "import", "day", "digests"))
            path = body.text("path")
            if path not in paths:
                raise WireError("a note is of a collection that is not in the export")
            digests: set[bytes] = set()
            for item in body.items("digests", items_max=PAGE_ROWS_MAX * 16):
                digests.add(bytes_of(item, DIGEST_BYTES))
            day = LeftOutDay(day_from_text(body.text("day")), frozenset(digests))
            yield path, hex_of(body, "import", bytes_max=ORIGIN_BYTES_MAX), day

    def _people(self, paths: set[str]) -> tuple[tuple[Person, ...], Mapping[str, tuple[int, ...]]]:
        if PEOPLE_FILE not in self._places:
            return (), {}
        with self._inside.open(PEOPLE_FILE) as file:
            raw = file.read(LINE_BYTES_MAX + 1)
        body = Body.open(
            read_object(raw, "the people", bytes_max=LINE_BYTES_MAX),
            "the people",
            ("people", "whose"),
        )
        people = tuple(Person.from_value(one) for one in body.items("people", items_max=99))
        if [one.number for one in people] != list(range(1, len(people) + 1)):
            raise WireError("the people of a household are numbered from 1 on")
        whose: dict[str, tuple[int, ...]] = {}
        for item in body.items("whose", items_max=10_000):
            match item:
                case [str(path), list(of)] if all(
                    type(one) is int and 1 <= one <= len(people) for one in of
                ):
                    whose[check_path(path)] = tuple(one for one in of if isinstance(one, int))
                case _:
                    raise WireError("whose a collection is has not the form of it")
        for path in paths:
            if any(number > len(people) for number in apart(path)[1]):
                raise WireError(f"nobody in this export is the person of {path}")
        return people, {path: of for path, of in whose.items() if path in paths}

    # records

    def _pages(
        self,
        collection: ExportedCollection,
        sources: Mapping[int, PlannedSource],
        statements: Mapping[bytes, PlannedStatement],
    ) -> list[PlannedPage]:
        path, schema = collection.path, collection.schema
        pages: list[PlannedPage] = []
        count = facts = 0
        intervals: set[object] = set()
        for found, batch, shown in self._read_pages(collection):
            source = sources.get(found.source)
            if source is None or source.path != path:
                raise WireError(f"records of {path} are told by nobody who is named")
            signed = None if source.statement is None else statements[source.statement]
            check_signed(found, batch, signed)
            if schema.regular:
                intervals.update(batch.columns["duration_s"])
            count += len(batch)
            facts += shown
            pages.append(found)
        if (count, facts) != (collection.records, collection.facts):
            raise WireError(f"{path} has {count} records, not as many as the manifest says")
        if len(intervals) > 1 or intervals - {collection.interval_s}:
            raise WireError(f"{path} has readings of another interval than the manifest says")
        pages += self._empty_days(path, pages, sources, statements)
        if len({page.number for page in pages}) != len(pages):
            raise WireError(f"records of one page of {path} stand apart")
        return sorted(pages, key=lambda page: page.number)

    def _read_pages(
        self, collection: ExportedCollection
    ) -> Iterator[tuple[PlannedPage, Batch, int]]:
        """Each page with its records, and how many of them are shown."""
        schema = collection.schema
        place = records_file(collection.path)
        rows: list[Mapping[str, object]] = []
        shown = first = 0
        key: tuple[int, int] | None = None

        def page(end: int) -> tuple[PlannedPage, Batch, int]:
            assert key is not None
            day = day_of(batch_of_texts(schema, rows[:1]).times[0]) if schema.dated else UNDATED
            batch = whole_page(schema, rows, day)
            return PlannedPage(key[1], key[0], day, len(rows), first, end), batch, shown

        end = 0
        for at, line in self._inside.lines(place):
            row, source, number, again = read_record(line)
            if key is not None and key != (source, number):
                yield page(at)
                rows, shown, first = [], 0, at
            if len(rows) >= PAGE_ROWS_MAX:
                raise WireError(f"a page of {collection.path} has more rows than a page holds")
            key = (source, number)
            rows.append(row)
            shown += not again
            end = at + len(line)
        if rows:
            yield page(end)

    def _empty_days(
        self,
        path: str,
        pages: Sequence[PlannedPage],
        sources: Mapping[int, PlannedSource],
        statements: Mapping[bytes, PlannedStatement],
    ) -> Iterator[PlannedPage]:
        """Days of statements on which nothing happened: they have a page too."""
        there = {page.number for page in pages}
        for number, source in sources.items():
            if source.path != path or source.statement is None:
                continue
            of = statements[source.statement]
            for page, day in of.pages.items():
                if of.counts[day] == 0:
                    empty = PlannedPage(page, number, day, 0, 0, 0)
                    check_signed(empty, Batch.empty(of.statement.schema), of)
                    yield empty
                elif page not in there:
                    raise WireError(f"a signed day of {path} lacks its records")

    def _lines(self, name: str) -> Iterator[Value]:
        if name in self._places:
            for _, line in self._inside.lines(name):
                yield dict(read_object(line, name, bytes_max=LINE_BYTES_MAX))
