"""What an export brings: everything in it read and held against everything else, nothing written.

Each page of records is one line of the plan: where its lines are, of which day, told by whom.
Signed days are recomputed from records and salts and held against what their source signed, so a
folder that was altered cannot pass for delivered.  What does not fit is refused in one sentence.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...crypto.digest import equal
from ...crypto.errors import CryptoError
from ...crypto.merkle import HASH_BYTES, tree_hash
from ...protocol.cid import CID_BYTES, cid_from_text, cid_text
from ...protocol.collection import apart, check_path, is_kept_as
from ...protocol.columns import write_columns
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
from ...protocol.limits import PAGE_PLAIN_BYTES_MAX, PAGE_ROWS_MAX, STATEMENT_DAYS_MAX
from ...protocol.page import SALT_BYTES
from ...protocol.record import Batch, require_day, require_order
from ...protocol.record_text import batch_of_texts
from ...protocol.schema import Schema
from ...protocol.statement import Statement, day_leaf, parse_statement
from ...protocol.wire import Body, Value
from ..exchange.deliveries import Received
from ..household.household import Person
from ..imports.told_before import ToldCounts
from ..store.errors import StoreDamaged
from ..vault.journal import Import
from ..vault.left_out import LeftOutDay
from .inside import Inside

PEOPLE_FILE = "people.json"
SOURCES_FILE = "sources.jsonl"
IMPORTS_FILE = "imports.jsonl"
LEFT_OUT_FILE = "left-out.jsonl"
ORIGIN_BYTES_MAX = 64
# What a page holds beside its columns: names of the map, a salt.
_PAGE_HEAD_BYTES = 256
_PAGE_MAX = 2**62
_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class PlannedPage:
    """One page: its lines are bytes `first … end` of the records of its collection."""

    number: int
    source: int
    day: int
    count: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """Who told: what stands at the pages, as `Stored.origin` and `Stored.statement`."""

    path: str
    origin: bytes
    statement: bytes | None


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """A statement that was verified; `salts` by day, `pages` the day of each page."""

    statement: Statement
    path: str
    leaves: tuple[bytes, ...]
    salts: Mapping[int, bytes]
    pages: Mapping[int, int]
    counts: Mapping[int, int]
    received: Received


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


def plan_of_export(inside: Inside) -> ExportPlan:
    """Read and verify a whole export.  Raises ReaderError."""
    try:
        digest, manifest = inside.manifest()
        for one in manifest.files:
            inside.verify(one)
        return _Planning(inside, manifest).plan(digest)
    except (ProtocolError, CryptoError, StoreDamaged, binascii.Error) as error:
        raise inside.refusal(str(error).removesuffix("; nothing was taken in")) from error


def page_records(inside: Inside, schema: Schema, path: str, page: PlannedPage) -> Batch:
    """The records of one page of the plan, in order.  Raises ReaderError, ProtocolError."""
    if page.first == page.end:
        return Batch.empty(schema)
    raw = inside.between(records_file(path), page.first, page.end)
    rows = [read_record(line)[0] for line in raw.splitlines(keepends=True)]
    return _whole(schema, rows, page.day)


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
            origin = _hex(body, "origin", bytes_max=ORIGIN_BYTES_MAX)
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
            row = _import(line)
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
                digests.add(_bytes(item, _DIGEST_BYTES))
            day = LeftOutDay(day_from_text(body.text("day")), frozenset(digests))
            yield path, _hex(body, "import", bytes_max=ORIGIN_BYTES_MAX), day

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
            _check_signed(found, batch, signed)
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
            batch = _whole(schema, rows, day)
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
                    _check_signed(empty, Batch.empty(of.statement.schema), of)
                    yield empty
                elif page not in there:
                    raise WireError(f"a signed day of {path} lacks its records")

    def _lines(self, name: str) -> Iterator[Value]:
        if name in self._places:
            for _, line in self._inside.lines(name):
                yield dict(read_object(line, name, bytes_max=LINE_BYTES_MAX))


# --- one thing at a time --------------------------------------------------------------------------


def read_record(line: bytes) -> tuple[dict[str, object], int, int, bool]:
    """The fields of a record, its source, its page, and whether it is shown elsewhere."""
    found: dict[str, object] = dict(read_object(line, "a record", bytes_max=LINE_BYTES_MAX))
    source, page = found.pop("_source", None), found.pop("_page", None)
    again = found.pop("_again", False)
    if type(source) is not int or type(page) is not int or type(again) is not bool:
        raise WireError("a record does not say who told it, or on which page")
    if not (source > 0 and 0 <= page <= _PAGE_MAX):
        raise WireError("a record names a source or page that cannot be")
    return found, source, page, again


def _whole(schema: Schema, rows: Sequence[Mapping[str, object]], day: int) -> Batch:
    """The records of one page.  Raises RecordError."""
    batch = batch_of_texts(schema, rows)
    require_order(batch)
    require_day(batch, day)
    if len(write_columns(batch)) > PAGE_PLAIN_BYTES_MAX - _PAGE_HEAD_BYTES:
        raise WireError("records of one page are larger than a page")
    return batch


def _check_signed(page: PlannedPage, batch: Batch, signed: PlannedStatement | None) -> None:
    """Hold a signed day against its statement.  Raises WireError."""
    if signed is None:
        return
    statement = signed.statement
    if signed.pages.get(page.number) != page.day:
        raise WireError("records are said to be signed, and their statement has no such day")
    if batch.schema is not statement.schema:
        raise WireError("records are of another schema than their statement")
    leaf = day_leaf(statement.schema, page.day, signed.salts[page.day], batch)
    if not equal(leaf, signed.leaves[page.day - statement.first]):
        raise WireError("records of a day are not those that their source signed")


_STATEMENT_KEYS = (
    "statement",
    "signed",
    "src",
    "sub",
    "path",
    "kept_under",
    "schema",
    "first",
    "last",
    "leaves",
    "days",
    "received",
)


def read_statement(raw: bytes) -> PlannedStatement:
    """A statement with the salts of its days.

    Raises WireError, RecordError, CryptoError, StoreDamaged.
    """
    value = read_object(raw, "a statement", bytes_max=STATEMENT_BYTES_MAX)
    body = Body.open(dict(value), "a statement", _STATEMENT_KEYS)
    try:
        signed = base64.b64decode(body.text("signed", chars_max=16_384), validate=True)
    except ValueError:
        raise WireError("a statement is not written in base64") from None
    statement = parse_statement(signed)
    path = check_path(body.text("kept_under"))
    if cid_from_text(body.text("statement")) != statement.cid:
        raise WireError("a statement is named by the id of another one")
    if not is_kept_as(path, statement.path):
        raise WireError("a statement is of another collection than it is kept under")
    leaves = tuple(
        _bytes(item, HASH_BYTES) for item in body.items("leaves", items_max=STATEMENT_DAYS_MAX)
    )
    if len(leaves) != statement.days or not equal(tree_hash(leaves), statement.root):
        raise WireError("the days of a statement are not those that its source signed")
    salts: dict[int, bytes] = {}
    pages: dict[int, int] = {}
    counts: dict[int, int] = {}
    for item in body.items("days", items_max=STATEMENT_DAYS_MAX):
        one = Body.open(item, "a day of a statement", ("day", "page", "records", "salt"))
        day = day_from_text(one.text("day"))
        if not statement.first <= day <= statement.last or day in salts:
            raise WireError("a day of a statement is not one of it, or is there twice")
        salts[day] = _bytes(one.value("salt"), SALT_BYTES)
        counts[day] = one.integer("records", high=PAGE_ROWS_MAX)
        pages[one.integer("page", high=_PAGE_MAX)] = day
    if len(pages) != len(salts):
        raise WireError("two days of a statement are on one page")
    return PlannedStatement(
        statement, path, leaves, salts, pages, counts, _received(body, statement, path)
    )


def _received(body: Body, statement: Statement, path: str) -> Received:
    if body.value("received") is None:  # an older node did not keep it
        return Received(statement.cid, statement.src, path, statement.first, statement.last, 0, 0)
    one = body.body("received", ("records", "t_ms", "told"))
    told = one.value("told")
    return Received(
        statement.cid,
        statement.src,
        path,
        statement.first,
        statement.last,
        one.integer("records"),
        one.integer("t_ms"),
        None if told is None else ToldCounts.from_value(told),
    )


def _import(line: Value) -> Import:
    assert isinstance(line, dict)
    value: dict[str, Value] = dict(line)
    noted = value.pop("noted", None)
    for name in ("id", "plan"):
        value[name] = _bytes(value.get(name), None)
    for name in ("first", "last"):
        text = value.get(name)
        value[name] = day_from_text(text if isinstance(text, str) else "")
    if noted is not True:
        for name in ("beside", "same", "ambiguous", "same_as"):
            value.pop(name, None)
    try:
        return Import.from_value({"v": 1, **value})
    except ValueError as error:
        raise WireError("an import is in a state that is not known") from error


def _hex(body: Body, key: str, *, bytes_max: int) -> bytes:
    found = _bytes(body.value(key), None)
    if len(found) > bytes_max:
        raise WireError(f"{body.what}: {key} is too long")
    return found


def _bytes(item: Value, length: int | None) -> bytes:
    """Bytes written in hexadecimal, in its one spelling.  Raises WireError."""
    try:
        found = bytes.fromhex(item) if isinstance(item, str) else None
    except ValueError:
        found = None
    if found is None or found.hex() != item or (length is not None and len(found) != length):
        raise WireError("an export has bytes that are not written as they should be")
    return found
