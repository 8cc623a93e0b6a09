"""Statements: what a source signed, over plaintext.

    record i ── SHA-256(00 ‖ s_i ‖ cb(record)) ──┐
                                                 ├─ root_d ── SHA-256(00 ‖ b_d ‖ cb([d, n, root_d]))
    s_i, b_d ── HMAC(salt_d, …)                  │                        │ day leaf, one a day,
    (a regular series: one leaf over its columns)┘                        │ empty days too
                                                                        root ── signed

A statement outlives every re-encryption, for it knows nothing of pages.  Its days are dense, so in
a range proof the position of a leaf proves its day and its count proves that no record is missing
or added.  Leaves are blinded: the days beside those shown say nothing, not even whether they are
empty.  One record can be shown alone (`prove_record`) without `salt_d`, which would let its reader
try guesses on the others.

What this does *not* show: that what the source signed is true; that `sub`, the name by which the
source knows the person, is the persona who lends it now; anything about views, which carry no
source's signature.

Source: formats.md, "Statement".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..crypto.canonical import encode
from ..crypto.digest import equal, hmac_sha256
from ..crypto.entropy import Entropy
from ..crypto.errors import BadProof
from ..crypto.keys import PersonaKey
from ..crypto.labels import Signed
from ..crypto.merkle import (
    HASH_BYTES,
    inclusion_proof,
    leaf_hash,
    range_proof,
    root_of_range,
    tree_hash,
)
from . import limits
from .collection import check_path, is_kept_as
from .columns import write_columns
from .day import DAY_MAX, UNDATED
from .did import Did, check_did, did_of, public_of
from .errors import RecordError, StatementError, WireError
from .page import SALT_BYTES, OpenedPage, PageEntry
from .record import Batch
from .schema import Leaf, Schema, schema_named
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

_KEYS = ("v", "src", "sub", "path", "schema", "nonce", "from", "to", "root")
NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Statement:
    """A source's word for all records of one collection from day `first` to day `last`.

    `src` signed it; `sub` is the persona it is about; `root` is the RFC 9162 root over day leaves.
    """

    src: Did
    sub: Did
    path: str
    schema: Schema
    nonce: bytes
    first: int
    last: int
    root: bytes
    signed: SignedObject

    @property
    def days(self) -> int:
        """How many days, empty ones included."""
        return self.last - self.first + 1

    @property
    def cid(self) -> bytes:
        return self.signed.cid

    @property
    def raw(self) -> bytes:
        return self.signed.raw


@dataclass(frozen=True, slots=True)
class StatementDay:
    """One day of a statement: its salt (32 bytes), its records, its leaf.  Shows neither."""

    day: int
    salt: bytes
    batch: Batch
    leaf: bytes

    def __repr__(self) -> str:
        return f"<day {self.day}: {self.batch!r}>"


def make_statement(
    batch: Batch,
    salts: Mapping[int, bytes] | Entropy,
    *,
    key: PersonaKey,
    sub: str,
    path: str,
    first: int,
    last: int,
    nonce: bytes,
) -> tuple[Statement, list[StatementDay]]:
    """Sign that `batch`, in order, is everything from day `first` to day `last`.

    The days come back dense, empty ones included.  `salts` gives 32 bytes for each day, or draws
    them; `nonce` has 16 bytes.  Raises RecordError if a record lies outside the range.
    """
    schema = batch.schema
    _check_range(schema, first, last)
    by_day = dict(batch.by_day())
    if by_day and not first <= min(by_day) <= max(by_day) <= last:
        raise RecordError("a statement covers every day of its records")
    empty = Batch.empty(schema)
    days: list[StatementDay] = []
    for day in range(first, last + 1):
        salt = salts[day] if isinstance(salts, Mapping) else salts.random_bytes(SALT_BYTES)
        of_day = by_day.get(day, empty)
        days.append(StatementDay(day, salt, of_day, day_leaf(schema, day, salt, of_day)))
    body: dict[str, Value] = {
        "v": VERSION,
        "src": did_of(key.public),
        "sub": sub,
        "path": path,
        "schema": schema.name,
        "nonce": nonce,
        "from": first,
        "to": last,
        "root": tree_hash([day.leaf for day in days]),
    }
    return parse_statement(sign(Signed.STATEMENT, body, key).raw), days


def parse_statement(raw: bytes) -> Statement:
    """Read a statement from outside and verify its source's signature.

    Raises WireError, RecordError for a path, schema or range that does not exist, BadSignature.
    """
    signed = parse(raw, Signed.STATEMENT, bytes_max=limits.STATEMENT_BYTES_MAX)
    body = Body.open(signed.body, "a statement", _KEYS)
    src = check_did(body.text("src"))
    statement = Statement(
        src,
        check_did(body.text("sub")),
        check_path(body.text("path")),
        schema_named(body.text("schema")),
        body.data("nonce", length=NONCE_BYTES),
        body.integer("from", high=UNDATED),
        body.integer("to", high=UNDATED),
        body.data("root", length=HASH_BYTES),
        signed,
    )
    _check_range(statement.schema, statement.first, statement.last)
    signed.verify(public_of(src))
    return statement


def _check_range(schema: Schema, first: int, last: int) -> None:
    if not schema.dated:
        if not first == last == UNDATED:
            raise RecordError("a statement on undated records has no days")
    elif not 0 <= first <= last <= DAY_MAX:
        raise RecordError("a statement runs from a day to the same or a later one")
    elif last - first >= limits.STATEMENT_DAYS_MAX:
        raise RecordError(f"a statement covers at most {limits.STATEMENT_DAYS_MAX} days")


# --- leaves ---------------------------------------------------------------------------------------


def day_leaf(schema: Schema, day: int, salt_d: bytes, batch: Batch) -> bytes:
    """`SHA-256(00 ‖ b_d ‖ cb([d, count, root_d]))` of the records of one day, in order."""
    if len(salt_d) != SALT_BYTES:
        raise RecordError(f"a day's salt has {SALT_BYTES} bytes")
    if schema.leaf is Leaf.PAGE:
        root = leaf_hash(_record_salt(salt_d, 0) + write_columns(batch))
    else:
        root = tree_hash(_record_leaves(salt_d, batch))
    return _blinded_day(_day_blind(salt_d), day, len(batch), root)


def _blinded_day(blind: bytes, day: int, count: int, root: bytes) -> bytes:
    return leaf_hash(blind + encode([day, count, root]))


def _record_leaves(salt_d: bytes, batch: Batch) -> list[bytes]:
    return [_record_leaf(_record_salt(salt_d, i), row) for i, row in enumerate(batch.rows())]


def _record_leaf(salt: bytes, record: Mapping[str, Value]) -> bytes:
    return leaf_hash(salt + encode(record))


def _record_salt(salt_d: bytes, index: int) -> bytes:
    return hmac_sha256(salt_d, b"leaf" + index.to_bytes(4, "big"))


def _day_blind(salt_d: bytes) -> bytes:
    return hmac_sha256(salt_d, b"day")


# --- a range of days ------------------------------------------------------------------------------


def prove_days(leaves: Sequence[bytes], statement: Statement, first: int, last: int) -> list[bytes]:
    """The hashes that show days `first … last` to hold just the leaves at their places.

    `leaves` are those of all days of the statement.  Raises StatementError.
    """
    if len(leaves) != statement.days:
        raise StatementError(f"this statement has {statement.days} days, not {len(leaves)}")
    try:
        return range_proof(leaves, first - statement.first, last - statement.first)
    except BadProof as bad:
        raise StatementError("this statement does not cover all of these days") from bad


def verify_days(
    statement: Statement, first: int, days: Sequence[bytes], proof: Sequence[bytes]
) -> None:
    """Check that `days` (leaves, one a day from `first` on) are what the source signed.

    Raises StatementError.
    """
    try:
        root = root_of_range(statement.days, first - statement.first, days, proof)
    except BadProof as bad:
        raise StatementError("the proof of these days is not one of this statement") from bad
    if not equal(root, statement.root):
        raise StatementError("these days are not what the source signed")


def verify_pages(
    statement: Statement,
    first: int,
    pages: Sequence[tuple[PageEntry, OpenedPage]],
    proof: Sequence[bytes],
) -> None:
    """Check that `pages`, one a day from `first` on, hold everything the source signed for them.

    Raises StatementError: also if a day is missing or twice, or a page names another statement.
    """
    leaves: list[bytes] = []
    for day, (entry, page) in enumerate(pages, start=first):
        if entry.day != day:
            raise StatementError(f"day {day} of the statement does not have its one page")
        if entry.statement != statement.cid or page.salt_d is None:
            raise StatementError(f"the page of day {day} does not belong to this statement")
        # Whose it is, the last part of a path, is the owner's word and not the source's.
        if not is_kept_as(entry.path, statement.path) or page.batch.schema is not statement.schema:
            raise StatementError(f"the page of day {day} is of another collection")
        leaves.append(day_leaf(statement.schema, day, page.salt_d, page.batch))
    verify_days(statement, first, leaves, proof)


# --- one record alone -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordProof:
    """What shows one record without its day: `s_i`, `b_d` and two audit paths, from the leaf up."""

    day: int
    count: int
    index: int
    record_salt: bytes
    day_blind: bytes
    record_path: tuple[bytes, ...]
    day_path: tuple[bytes, ...]

    def value(self) -> list[Value]:
        """`[d, count, i, s_i, b_d, [hash…], [hash…]]`."""
        return [
            self.day,
            self.count,
            self.index,
            self.record_salt,
            self.day_blind,
            list(self.record_path),
            list(self.day_path),
        ]

    @classmethod
    def from_value(cls, value: Value) -> RecordProof:
        """Read a proof from outside.  Raises WireError."""
        match value:
            case [int(day), int(count), int(index), bytes(salt), bytes(blind), records, days] if (
                len(salt) == len(blind) == HASH_BYTES
                and 0 <= day <= UNDATED
                and 0 <= index < count <= limits.PAGE_ROWS_MAX
                and bool not in map(type, (day, count, index))
            ):
                return cls(day, count, index, salt, blind, read_hashes(records), read_hashes(days))
            case _:
                raise WireError("this is not the proof of one record")


def read_hashes(value: Value) -> tuple[bytes, ...]:
    """The hashes of a proof from outside.  Raises WireError."""
    if not isinstance(value, list) or len(value) > limits.PROOF_HASHES_MAX:
        raise WireError(f"a proof is a list of at most {limits.PROOF_HASHES_MAX} hashes")
    hashes: list[bytes] = []
    for found in value:
        if not isinstance(found, bytes) or len(found) != HASH_BYTES:
            raise WireError(f"a hash of a proof has {HASH_BYTES} bytes")
        hashes.append(found)
    return tuple(hashes)


def prove_record(
    statement: Statement, leaves: Sequence[bytes], day: StatementDay, index: int
) -> RecordProof:
    """Show the record at `index` of `day`, and nothing else of it.

    `leaves` are those of all days of the statement.  Raises StatementError if there is no such
    record, or the statement signs whole days.
    """
    if statement.schema.leaf is not Leaf.RECORD:
        raise StatementError("a regular series is signed by the day, not by the record")
    if not 0 <= index < len(day.batch) or len(leaves) != statement.days:
        raise StatementError("this statement does not have such a record")
    try:
        day_path = inclusion_proof(leaves, day.day - statement.first)
    except BadProof as bad:
        raise StatementError("this statement does not cover that day") from bad
    records = _record_leaves(day.salt, day.batch)
    return RecordProof(
        day.day,
        len(records),
        index,
        _record_salt(day.salt, index),
        _day_blind(day.salt),
        tuple(inclusion_proof(records, index)),
        tuple(day_path),
    )


def verify_record(statement: Statement, record: Mapping[str, Value], proof: RecordProof) -> None:
    """Check that the source signed `record`, as number `index` of `count` on its day.

    Raises StatementError, or RecordError if it is not a record of the statement's schema.
    """
    schema = statement.schema
    if schema.leaf is not Leaf.RECORD:
        raise StatementError("a regular series is signed by the day, not by the record")
    alone = Batch.from_rows(schema, [record])
    if [day for day, _ in alone.by_day()] != [proof.day]:
        raise StatementError("a record lies on another day than its proof says")
    leaf = _record_leaf(proof.record_salt, record)
    try:
        root_d = _root_of_path(proof.count, proof.index, leaf, proof.record_path)
        day = _blinded_day(proof.day_blind, proof.day, proof.count, root_d)
        root = _root_of_path(statement.days, proof.day - statement.first, day, proof.day_path)
    except BadProof as bad:
        raise StatementError("the proof of this record is not one of this statement") from bad
    if not equal(root, statement.root):
        raise StatementError("this record is not what the source signed")


def _root_of_path(size: int, index: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root to which an RFC 9162 audit path leads (2.1.3.2).  Raises BadProof.

    An audit path is the range proof of one leaf in another order: from the leaf up, where a range
    proof goes left to right.  What stands left of the leaf is met top down, so its hashes are
    reversed in front; what stands right of it is met bottom up already.
    """
    left: list[bytes] = []
    right: list[bytes] = []
    place, end = index, size - 1
    for sibling in path:
        if place & 1 or place == end:
            left.append(sibling)
            while place and not place & 1:
                place, end = place >> 1, end >> 1
        else:
            right.append(sibling)
        place, end = place >> 1, end >> 1
    return root_of_range(size, index, [leaf], [*reversed(left), *right])
