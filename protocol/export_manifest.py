"""The manifest of an export: what lies in the folder, with a digest of every file.

    manifest.json                      this; written last: a folder without it is not whole
    collections/<path>/records.jsonl   every telling of every record, one a line
    collections/<path>/records.csv     each fact once, as `read` shows it; if it was asked for
    statements/<cid>.json              what a source signed, with the salts of its days
    sources.jsonl, imports.jsonl, left-out.jsonl, people.json     who told what, whose it is
    peers, requests, grants, held, terms, receipts, certificates, cards (each .jsonl)
    shared, shared-versions (each .jsonl)

A folder from elsewhere is believed nothing: names of files are of this list and lead nowhere else,
every file that is read has the length and digest that stand here, and the digest of the manifest
itself names the export.  It is a digest, not a signature: who can change the folder can change
the manifest with it.  What a source signed stays provable all the same, by its statement.

Source: docs/export.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..crypto.digest import sha256
from .collection import check_path
from .day import UNDATED, date_of, day_of_date
from .errors import RecordError, WireError
from .json_text import read_object, write_object
from .limits import LINE_CHARS_MAX, STATEMENT_DAYS_MAX
from .schema import Schema, schema_named
from .wire import VERSION, Body, Value

NAME: Final = "manifest.json"
FORMAT: Final = "entrenous-export"
# A hundred thousand files of 200 bytes each: thirty statements a day for ten years.
MANIFEST_BYTES_MAX: Final = 64 * 1024 * 1024
FILES_MAX: Final = 200_000
COLLECTIONS_MAX: Final = 10_000
# One file of records: ten million lines.
FILE_BYTES_MAX: Final = 8 * 1024 * 1024 * 1024
# One line: a record has a dozen fields of at most a kilobyte, a statement 3,700 days of 200 bytes.
LINE_BYTES_MAX: Final = 1024 * 1024
STATEMENT_BYTES_MAX: Final = STATEMENT_DAYS_MAX * 300 + 16 * 1024

_KEYS = ("format", "v", "made_ms", "program", "from", "to", "collections", "files")
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILE = re.compile(r"(?:[a-z0-9-]{1,64}/){0,7}[A-Za-z0-9][A-Za-z0-9-]{0,127}\.[a-z]{1,8}")


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file: its place in the folder, its length in bytes, its SHA-256 (32 bytes)."""

    path: str
    size: int
    digest: bytes

    def value(self) -> dict[str, Value]:
        return {"path": self.path, "bytes": self.size, "sha256": self.digest.hex()}


@dataclass(frozen=True, slots=True)
class ExportedCollection:
    """One collection: `records` counts the lines, of which `facts` are not `_again`."""

    path: str
    schema: Schema
    interval_s: int
    records: int
    facts: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder holds.  `first … last` are the days that were asked for, None for all."""

    made_ms: int
    program: str
    first: int | None
    last: int | None
    collections: tuple[ExportedCollection, ...]
    files: tuple[ExportedFile, ...]

    def encode(self) -> bytes:
        """The file, to be read by people too."""
        head = write_object(
            {
                "format": FORMAT,
                "v": VERSION,
                "made_ms": self.made_ms,
                "program": self.program,
                "from": None if self.first is None else date_of(self.first),
                "to": None if self.last is None else date_of(self.last),
            }
        )
        collections = b",\n".join(
            write_object(
                {
                    "path": one.path,
                    "schema": one.schema.name,
                    "interval_s": one.interval_s,
                    "records": one.records,
                    "facts": one.facts,
                }
            ).rstrip()
            for one in self.collections
        )
        files = b",\n".join(write_object(one.value()).rstrip() for one in self.files)
        return (
            head.rstrip()[:-1]
            + b',\n"collections":[\n'
            + collections
            + b'\n],\n"files":[\n'
            + files
            + b"\n]}\n"
        )

    @property
    def by_path(self) -> Mapping[str, ExportedFile]:
        return {one.path: one for one in self.files}


def records_file(path: str, ending: str = "jsonl") -> str:
    """Where the records of a collection are."""
    return f"collections/{path}/records.{ending}"


def statement_file(cid: str) -> str:
    """Where a statement is; `cid` is its text."""
    return f"statements/{cid}.json"


def manifest_digest(raw: bytes) -> bytes:
    """What names an export."""
    return sha256(raw)


def parse_manifest(raw: bytes) -> Manifest:
    """Read a manifest from outside.  Raises WireError, RecordError."""
    what = "the manifest of an export"
    body = Body.open(read_object(raw, what, bytes_max=MANIFEST_BYTES_MAX), what, _KEYS)
    if body.text("format") != FORMAT:
        raise WireError("this is the manifest of something else than an export of entrenous")
    if body.integer("v") != VERSION:
        raise WireError("this export was written by a newer entrenous: update this program")
    collections = tuple(
        _collection(item) for item in body.items("collections", items_max=COLLECTIONS_MAX)
    )
    if len({one.path for one in collections}) != len(collections):
        raise WireError(f"{what} names a collection twice")
    files = tuple(file_from_value(item) for item in body.items("files", items_max=FILES_MAX))
    places = {one.path for one in files}
    if len(places) != len(files):
        raise WireError(f"{what} names a file twice")
    for one in collections:
        if records_file(one.path) not in places:
            raise WireError(f"{what} names {one.path} and no file with its records")
    return Manifest(
        body.integer("made_ms", low=0),
        body.text("program", chars_max=LINE_CHARS_MAX),
        _day(body.maybe_text("from")),
        _day(body.maybe_text("to")),
        collections,
        files,
    )


def day_text(day: int) -> str:
    """A day as exports have it: `2026-03-01`, or `undated`."""
    return date_of(day)


def day_from_text(text: str) -> int:
    """Raises RecordError."""
    return UNDATED if text == "undated" else day_of_date(text)


def _day(text: str | None) -> int | None:
    return None if text is None else day_from_text(text)


def _collection(item: Value) -> ExportedCollection:
    what = "a collection of an export"
    body = Body.open(item, what, ("path", "schema", "interval_s", "records", "facts"))
    schema = schema_named(body.text("schema"))
    interval_s = body.integer("interval_s", low=0)
    if bool(interval_s) and not schema.regular:
        raise RecordError("a collection of an export has an interval and is no series")
    return ExportedCollection(
        check_path(body.text("path")),
        schema,
        interval_s,
        body.integer("records", low=0),
        body.integer("facts", low=0),
    )


def file_from_value(item: Value) -> ExportedFile:
    """One file of an export.  Raises WireError."""
    body = Body.open(item, "a file of an export", ("path", "bytes", "sha256"))
    path, digest = body.text("path", chars_max=512), body.text("sha256")
    if not _FILE.fullmatch(path):
        raise WireError("an export names a file that has no place in it")
    if not _HEX.fullmatch(digest):
        raise WireError("an export gives a digest that is none")
    return ExportedFile(
        path, body.integer("bytes", low=0, high=FILE_BYTES_MAX), bytes.fromhex(digest)
    )
