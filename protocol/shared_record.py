"""Shared records: one record of which two sides each keep a copy, signed, with its whole history.

    person        proposed ───────────────> organisation      "my address is this"
    person       <─────────────── accepted  organisation      the same record, signed by it too
    person       <─────────────── disputed  organisation      its own copy as it stays, and why
    person        withdrawn ──────────────> organisation      "I ask for nothing any more"

A **version** is what one side says of the record from now on: the whole record, or null where there
should be none.  Each side signs versions of its own copy only, and nobody writes in another's.  To
accept is to sign the other's record as one's own copy; to dispute is to sign that one's own stays.

    by's copy     n=0 <── prev ── n=1 <── prev ── n=2        a chain of its own
                   │ seen          │ seen                     the newest of the other that it knew
    to's copy     …  <─────────── n=0                         (or the statement that it began with)

So two proposals made apart are two versions of two copies: neither overwrites the other, and `seen`
shows that neither knew of the other.  The two agree when both copies hold the same record, whatever
the way there; then anybody can be shown that both signed it (`shared_proof.py`).

What this does *not* do: change what a source has delivered.  Its statement stays as it was signed,
and stands at the beginning of the history (`Told`).

What follows what is `shared_copy.py`.  Source: docs/adr/0026-shared-records.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from ..crypto.canonical import encode
from ..crypto.keys import PersonaKey
from ..crypto.labels import Signed
from .cid import CID_BYTES, check_cid
from .collection import check_path
from .did import Did, check_did, did_of, public_of
from .errors import CapabilityError, Code, RecordError, StatementError, WireError
from .limits import (
    INTEGER_MAX,
    RECORD_ID_BYTES_MAX,
    SHARED_REASON_CHARS_MAX,
    SHARED_RECORD_BYTES_MAX,
    SHARED_TOLD_BYTES_MAX,
    SHARED_VERSION_BYTES_MAX,
    SHARED_VERSIONS_MAX,
    STATEMENT_BYTES_MAX,
)
from .record import Batch
from .schema import SCHEMAS, Schema
from .signed import SignedObject, parse, sign
from .statement import RecordProof, Statement, parse_statement, verify_record
from .view_path import is_view
from .wire import VERSION, Body, Value, decode

Record: TypeAlias = "Mapping[str, Value]"
Name: TypeAlias = "str | int"
"""What makes a record the same one: its id, or its time (milliseconds) if its schema has no id."""

_KEYS = ("v", "by", "to", "path", "schema", "id", "n", "prev", "seen", "word", "record", "reason")


class SharedWord(StrEnum):
    """What a version says of the copy that it is of."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DISPUTED = "disputed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class SharedName:
    """Which record: its collection as the source names it, its schema, and its own name."""

    path: str
    schema: Schema
    id: Name

    def value(self) -> dict[str, Value]:
        """Its part of a body; `name_from_body` reads it back."""
        return {"path": self.path, "schema": self.schema.name, "id": self.id}


@dataclass(frozen=True, slots=True)
class SharedVersion:
    """What `by` tells `to` that its copy of a record is from now on.

    `n` rises along a copy; `prev` is the CID of the version before it; `seen` names what the author
    knew of the other copy: a version of it, the statement that it began with, or nothing.
    """

    by: Did
    to: Did
    name: SharedName
    n: int
    prev: bytes | None
    seen: bytes | None
    word: SharedWord
    record: Record | None = field(repr=False)
    reason: str = field(repr=False)
    t_ms: int
    signed: SignedObject = field(repr=False)

    @property
    def cid(self) -> bytes:
        return self.signed.cid

    @property
    def raw(self) -> bytes:
        return self.signed.raw


def make_version(
    key: PersonaKey,
    *,
    to: Did,
    name: SharedName,
    n: int,
    prev: bytes | None,
    seen: bytes | None,
    word: SharedWord,
    record: Record | None,
    reason: str,
    t_ms: int,
) -> SharedVersion:
    """Sign a version of one's own copy.

    Raises RecordError for a record that is not one of its schema, or has another name; WireError.
    """
    body: dict[str, Value] = {
        "v": VERSION,
        "by": did_of(key.public),
        "to": to,
        **name.value(),
        "n": n,
        "prev": prev,
        "seen": seen,
        "word": word.value,
        "record": None if record is None else dict(record),
        "reason": reason,
        "t_ms": t_ms,
    }
    if record is not None:
        check_record(name, record)
    return parse_version(sign(Signed.SHARED_VERSION, body, key).raw)


def parse_version(raw: bytes) -> SharedVersion:
    """Read a version and verify the signature of `by`.

    Raises WireError, BadSignature, RecordError for a record that is not one of its schema, or has
    another name than the version says.
    """
    signed = parse(raw, Signed.SHARED_VERSION, bytes_max=SHARED_VERSION_BYTES_MAX)
    body = Body.open(signed.body, "a version of a shared record", (*_KEYS, "t_ms"))
    name = name_from_body(body)
    word = body.text("word")
    if word not in set(SharedWord):
        raise WireError("a version of a shared record: its word is not known")
    found = SharedVersion(
        check_did(body.text("by")),
        check_did(body.text("to")),
        name,
        body.integer("n", high=SHARED_VERSIONS_MAX - 1),
        _maybe_cid(body, "prev"),
        _maybe_cid(body, "seen"),
        SharedWord(word),
        _record(body, name),
        body.text("reason", chars_max=SHARED_REASON_CHARS_MAX),
        body.integer("t_ms"),
        signed,
    )
    if found.by == found.to:
        raise WireError("a version of a shared record is for the one who signed it")
    signed.verify(public_of(found.by))
    return found


def check_between(version: SharedVersion, *, by: Collection[Did], to: Collection[Did]) -> None:
    """Accept that `version` is what one side says to the other, each as one of the personas that it
    is or was.  Raises CapabilityError(audience)."""
    if version.by not in by or version.to not in to:
        raise CapabilityError("this version is of or for another persona", Code.AUDIENCE)


def same_record(one: Record | None, other: Record | None) -> bool:
    """Whether two copies hold the same, to the byte; two that hold none do."""
    return encode(_plain(one)) == encode(_plain(other))


def name_of(schema: Schema, record: Record) -> Name:
    """What names `record`: its id, or its time."""
    value = record["id" if schema.has_id else "time"]
    assert isinstance(value, (str, int))
    return value


def check_record(name: SharedName, record: Record) -> None:
    """Accept `record` as one that `name` can name.  Raises RecordError."""
    Batch.from_rows(name.schema, [record])
    if name_of(name.schema, record) != name.id:
        raise RecordError("a shared record keeps its name: this one has another")
    if len(encode(_plain(record))) > SHARED_RECORD_BYTES_MAX:
        raise RecordError(f"a shared record has at most {SHARED_RECORD_BYTES_MAX:,} bytes")


def check_name(path: str, schema: Schema, id: Name) -> SharedName:
    """The name of a record that can be shared.  Raises RecordError."""
    check_path(path)
    if is_view(path) or SCHEMAS.get(schema.name) is not schema:
        raise RecordError("a view is derived here: share the record that it is made from")
    if isinstance(id, str) != schema.has_id:
        raise RecordError(f"a record of {schema.name} is not named like this")
    return SharedName(path, schema, id)


def _plain(record: Record | None) -> Value:
    return None if record is None else dict(record)


def name_from_body(body: Body) -> SharedName:
    """The keys `path`, `schema` and `id` of a body.  Raises WireError, RecordError."""
    schema = SCHEMAS.get(body.text("schema"))
    if schema is None:
        raise RecordError("this program does not know the schema of this record")
    if schema.has_id:
        id: Name = body.text("id", chars_max=RECORD_ID_BYTES_MAX, chars_min=1)
    else:
        id = body.integer("id", low=-INTEGER_MAX)
    return check_name(body.text("path"), schema, id)


def _record(body: Body, name: SharedName) -> Record | None:
    record = body.value("record")
    if record is None:
        return None
    if not isinstance(record, dict):
        raise WireError("a version of a shared record: its record is not a map")
    check_record(name, record)
    return record


def _maybe_cid(body: Body, key: str) -> bytes | None:
    found = body.value(key)
    return None if found is None else check_cid(body.data(key, length=CID_BYTES))


# --- what a source has told -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """A record as a source delivered it: its statement, and the proof of this one record alone.

    It is the copy of `src` until that side signs a version.  Verified when made.
    """

    statement: Statement
    record: Record = field(repr=False)
    proof: RecordProof = field(repr=False)

    @property
    def src(self) -> Did:
        return self.statement.src

    @property
    def name(self) -> SharedName:
        schema = self.statement.schema
        return SharedName(self.statement.path, schema, name_of(schema, self.record))

    @property
    def raw(self) -> bytes:
        """`cb([statement, record, proof])`."""
        return encode([self.statement.raw, dict(self.record), self.proof.value()])


def parse_told(raw: bytes) -> Told:
    """Read what shows one delivered record, and verify all of it.

    Raises WireError, BadSignature, RecordError, StatementError.
    """
    match decode(raw, bytes_max=SHARED_TOLD_BYTES_MAX):
        case [bytes(statement), dict(record), proof] if len(statement) <= STATEMENT_BYTES_MAX:
            found = Told(parse_statement(statement), record, RecordProof.from_value(proof))
        case _:
            raise WireError("this does not show a record that was delivered")
    verify_record(found.statement, found.record, found.proof)
    check_name(found.name.path, found.name.schema, found.name.id)
    check_record(found.name, found.record)
    return found


def check_told(told: Told, name: SharedName, *, src: Collection[Did], sub: Collection[str]) -> None:
    """Accept that `told` is what one side delivered to the other of the record `name`, each as one
    of the personas that it is or was.

    Raises CapabilityError(audience), StatementError.
    """
    if told.statement.src not in src or told.statement.sub not in sub:
        raise CapabilityError("this was delivered by or to another persona", Code.AUDIENCE)
    if told.name != name:
        raise StatementError("this shows another record than the one that is spoken of")
