"""What stands in the files of an export, read one line or one file at a time.

Each is held against what it says of itself: a statement against its id and its root, the records
of a signed day against the leaf that their source signed.  Whether they fit one another is
`reimport_plan.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...crypto.digest import equal
from ...crypto.merkle import HASH_BYTES, tree_hash
from ...protocol.cid import cid_from_text
from ...protocol.collection import check_path, is_kept_as
from ...protocol.columns import write_columns
from ...protocol.errors import WireError
from ...protocol.export_manifest import (
    LINE_BYTES_MAX,
    STATEMENT_BYTES_MAX,
    day_from_text,
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
from ..imports.told_before import ToldCounts
from ..vault.journal import Import

# What a page holds beside its columns: names of the map, a salt.
_PAGE_HEAD_BYTES = 256
_PAGE_MAX = 2**62
DIGEST_BYTES = 8


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
class PlannedStatement:
    """A statement that was verified; `salts` by day, `pages` the day of each page."""

    statement: Statement
    path: str
    leaves: tuple[bytes, ...]
    salts: Mapping[int, bytes]
    pages: Mapping[int, int]
    counts: Mapping[int, int]
    received: Received


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


def whole_page(schema: Schema, rows: Sequence[Mapping[str, object]], day: int) -> Batch:
    """The records of one page.  Raises RecordError."""
    batch = batch_of_texts(schema, rows)
    require_order(batch)
    require_day(batch, day)
    if len(write_columns(batch)) > PAGE_PLAIN_BYTES_MAX - _PAGE_HEAD_BYTES:
        raise WireError("records of one page are larger than a page")
    return batch


def check_signed(page: PlannedPage, batch: Batch, signed: PlannedStatement | None) -> None:
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
        bytes_of(item, HASH_BYTES) for item in body.items("leaves", items_max=STATEMENT_DAYS_MAX)
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
        salts[day] = bytes_of(one.value("salt"), SALT_BYTES)
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


def read_import(line: Value) -> Import:
    """A row of the journal of imports.  Raises WireError, StoreDamaged."""
    assert isinstance(line, dict)
    value: dict[str, Value] = dict(line)
    noted = value.pop("noted", None)
    for name in ("id", "plan"):
        value[name] = bytes_of(value.get(name), None)
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


def hex_of(body: Body, key: str, *, bytes_max: int) -> bytes:
    """Up to `bytes_max` bytes under `key`, written in hexadecimal.  Raises WireError."""
    found = bytes_of(body.value(key), None)
    if len(found) > bytes_max:
        raise WireError(f"{body.what}: {key} is too long")
    return found


def bytes_of(item: Value, length: int | None) -> bytes:
    """Bytes written in hexadecimal, in its one spelling.  Raises WireError."""
    try:
        found = bytes.fromhex(item) if isinstance(item, str) else None
    except ValueError:
        found = None
    if found is None or found.hex() != item or (length is not None and len(found) != length):
        raise WireError("an export has bytes that are not written as they should be")
    return found
