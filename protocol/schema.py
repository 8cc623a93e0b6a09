"""Schemas: what the records of a collection look like.

A schema is named `name/version` and never redefined; a change is a new version.  It fixes the
dtype of every column, so that a set of records has exactly one form as columns and a source can
sign that form.  Rows are in order of (time, id); a schema without an `id` field has time as its
id, and then no two rows share a time.  An undated schema has an `id` and no `time`: its rows are
in order of the id, and all of them stand in the one place of what has no day.

`leaf` says what a source's statement commits to: each record (so that one can be shown alone) or
the day as a whole.  A schema of the second kind is a regular series, whose pages are never
compressed: their size is then a function of how many rows they hold, and does not tell who is
away.

A **projection** is a schema with some fields of another one: `transaction/1:amount,currency`.  Its
name says all of it, so that it needs no table and a reader can tell what was left out.

Source: formats.md, "Page" and "Statement"; ADR 20.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from weakref import WeakValueDictionary

from ..crypto.canonical import encode
from . import limits
from .day import TIME_MAX_MS, TIME_MIN_MS
from .errors import RecordError

# dtype -> (struct code, bytes a value, lowest, highest) of whole numbers, little-endian
INTEGERS: Final[Mapping[str, tuple[str, int, int, int]]] = {
    f"{sign}{bits}": (
        code.upper() if sign == "u" else code,
        bits // 8,
        0 if sign == "u" else -(1 << bits - 1),
        (1 << bits) - 1 if sign == "u" else (1 << bits - 1) - 1,
    )
    for bits, code in ((8, "b"), (16, "h"), (32, "i"), (64, "q"))
    for sign in "iu"
}


class Leaf(StrEnum):
    """What one leaf of a statement's day covers."""

    RECORD = "record"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Field:
    """One column.  `low` and `high` bound a whole number's value, or a text's UTF-8 bytes.

    A decimal has neither: its mantissa is any 64-bit integer, its scale 0 to `SCALE_MAX`.
    """

    name: str
    dtype: str
    optional: bool = False
    low: int = 0
    high: int = 0

    @property
    def code(self) -> str:
        """The dtype as it stands in the columns: `?` before one that may be absent."""
        return f"?{self.dtype}" if self.optional else self.dtype


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Schema:
    """The columns of one kind of record.  `bucket` in bytes."""

    name: str
    fields: tuple[Field, ...]
    bucket: int
    leaf: Leaf
    dated: bool = True
    by_name: Mapping[str, Field] = field(init=False, repr=False, compare=False)
    # (field, cb of its key ‖ the head of a pair ‖ cb of its dtype), in the order of a canonical map
    layout: tuple[tuple[Field, bytes], ...] = field(init=False, repr=False, compare=False)
    has_id: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered = sorted(self.fields, key=lambda f: (len(f.name.encode()), f.name.encode()))
        layout = tuple((f, encode(f.name) + b"\x82" + encode(f.code)) for f in ordered)
        object.__setattr__(self, "by_name", {f.name: f for f in self.fields})
        object.__setattr__(self, "layout", layout)
        object.__setattr__(self, "has_id", "id" in self.by_name)

    @property
    def regular(self) -> bool:
        """A regular series: signed by the day, and stored in pages of one size."""
        return self.leaf is Leaf.PAGE


# The widest offset from UTC ever in use is under 16 hours; 18 is ISO 8601 practice.
_OFFSET_MIN = 18 * 60
_TIME = Field("time", "d64", low=TIME_MIN_MS, high=TIME_MAX_MS)
_OFFSET = Field("offset_min", "i16", low=-_OFFSET_MIN, high=_OFFSET_MIN)

TRANSACTION = Schema(
    name="transaction/1",
    fields=(
        Field("id", "str", low=1, high=limits.RECORD_ID_BYTES_MAX),
        _TIME,
        _OFFSET,
        Field("amount", "dec"),
        Field("currency", "str", low=1, high=limits.RECORD_UNIT_BYTES_MAX),
        Field("label", "str", high=limits.RECORD_TEXT_BYTES_MAX),
        Field("counterparty", "str", optional=True, high=limits.RECORD_TEXT_BYTES_MAX),
        Field("kind", "str", high=limits.RECORD_UNIT_BYTES_MAX),
    ),
    bucket=1024,
    leaf=Leaf.RECORD,
)

# An account as its bank describes it at one moment, and usually one balance of it then.
ACCOUNT = Schema(
    name="account/1",
    fields=(
        Field("id", "str", low=1, high=limits.RECORD_ID_BYTES_MAX),
        _TIME,
        _OFFSET,
        Field("kind", "str", high=limits.RECORD_UNIT_BYTES_MAX),
        Field("currency", "str", low=1, high=limits.RECORD_UNIT_BYTES_MAX),
        Field("balance", "dec", optional=True),
        Field("balance_kind", "str", optional=True, high=limits.RECORD_UNIT_BYTES_MAX),
        Field("iban", "str", optional=True, low=1, high=limits.IBAN_BYTES_MAX),
        Field("number", "str", optional=True, low=1, high=limits.ACCOUNT_NUMBER_BYTES_MAX),
        Field("holder", "str", optional=True, high=limits.RECORD_TEXT_BYTES_MAX),
        Field("name", "str", optional=True, high=limits.RECORD_TEXT_BYTES_MAX),
        Field("institution", "str", optional=True, high=limits.RECORD_TEXT_BYTES_MAX),
    ),
    bucket=1024,
    leaf=Leaf.RECORD,
)

METER_READING = Schema(
    name="meter-reading/1",
    fields=(
        _TIME,
        _OFFSET,
        Field("duration_s", "u32", high=limits.INTERVAL_S_MAX),
        Field("value", "dec"),
        Field("unit", "str", low=1, high=limits.RECORD_UNIT_BYTES_MAX),
        Field("quality", "str", optional=True, high=limits.RECORD_UNIT_BYTES_MAX),
    ),
    bucket=2048,
    leaf=Leaf.PAGE,
)


def _text(name: str, high: int = limits.RECORD_TEXT_BYTES_MAX) -> Field:
    return Field(name, "str", optional=True, high=high)


# Undated: what is known of somebody now.  The fields that hold several values, with their labels,
# are texts of the form that `contact.py` writes and reads.
CONTACT = Schema(
    name="contact/1",
    fields=(
        Field("id", "str", low=1, high=limits.RECORD_ID_BYTES_MAX),
        Field("kind", "str", high=limits.RECORD_UNIT_BYTES_MAX),
        Field("name", "str", high=limits.RECORD_TEXT_BYTES_MAX),
        _text("family"),
        _text("given"),
        _text("additional"),
        _text("prefix"),
        _text("suffix"),
        _text("nickname"),
        _text("organisation"),
        _text("title"),
        _text("role"),
        _text("phones", limits.CONTACT_TEXT_BYTES_MAX),
        _text("emails", limits.CONTACT_TEXT_BYTES_MAX),
        _text("addresses", limits.CONTACT_TEXT_BYTES_MAX),
        _text("urls", limits.CONTACT_TEXT_BYTES_MAX),
        _text("messaging", limits.CONTACT_TEXT_BYTES_MAX),
        _text("birthday"),
        _text("anniversary"),
        _text("categories"),
        _text("note", limits.CONTACT_TEXT_BYTES_MAX),
        _text("rev", limits.RECORD_UNIT_BYTES_MAX),
    ),
    bucket=4096,
    leaf=Leaf.RECORD,
    dated=False,
)


# What views hold (`view_figures.py`).  `time` is the first moment of the period's first day, UTC.
_OF_PERIOD = (
    Field("id", "str", low=1, high=limits.RECORD_ID_BYTES_MAX),
    _TIME,
    _OFFSET,
    Field("period_days", "u16", low=1, high=31),
    Field("figure", "str", low=1, high=limits.RECORD_UNIT_BYTES_MAX),
)

PERIOD_SUM = Schema(
    name="period-sum/1",
    fields=(
        *_OF_PERIOD,
        _text("category", limits.RECORD_UNIT_BYTES_MAX),
        Field("value", "dec"),
        Field("unit", "str", low=1, high=limits.RECORD_UNIT_BYTES_MAX),
    ),
    bucket=1024,
    leaf=Leaf.RECORD,
)

# A figure that lies from `low` (if there is one) up to, not including, `high` (if there is one).
PERIOD_BAND = Schema(
    name="period-band/1",
    fields=(
        *_OF_PERIOD,
        Field("band", "str", low=1, high=limits.RECORD_UNIT_BYTES_MAX),
        Field("low", "dec", optional=True),
        Field("high", "dec", optional=True),
        Field("unit", "str", low=1, high=limits.RECORD_UNIT_BYTES_MAX),
    ),
    bucket=1024,
    leaf=Leaf.RECORD,
)

SCHEMAS: Final[Mapping[str, Schema]] = {
    s.name: s for s in (TRANSACTION, ACCOUNT, METER_READING, CONTACT)
}
# Nobody tells such records: a node derives them.
VIEW_SCHEMAS: Final[Mapping[str, Schema]] = {s.name: s for s in (PERIOD_SUM, PERIOD_BAND)}

# As much as an entry of a page has room for.
NAME_CHARS_MAX: Final = 64
# What every record has, and so every projection of it.
KEPT: Final = ("id", "time", "offset_min")
# One object a name for as long as anybody holds it: schemas are compared by identity, and a peer
# may name any of a million.
_projections: WeakValueDictionary[str, Schema] = WeakValueDictionary()


def schema_named(name: str) -> Schema:
    """The schema called `name`, e.g. `meter-reading/1` or `transaction/1:amount,currency`.

    Raises RecordError.
    """
    schema = SCHEMAS.get(name) or VIEW_SCHEMAS.get(name)
    if schema is not None:
        return schema
    base, colon, fields = name.partition(":")
    if not colon or base not in SCHEMAS:
        raise RecordError("this program does not know the schema of these records")
    found = projection(SCHEMAS[base], fields.split(","))
    if found.name != name:  # one name for one schema
        raise RecordError("a projection names its fields once, in the order of its schema")
    return found


def projection(schema: Schema, fields: Iterable[str]) -> Schema:
    """The schema of records of `schema` with these fields only, beside those of `KEPT`.

    Raises RecordError for fields that it has not, for none, and for a regular series, whose pages
    would no longer be of one size.
    """
    chosen = set(fields)
    if schema.regular or schema.name not in SCHEMAS:
        raise RecordError(f"records of {schema.name} have no fields to leave out")
    known = [f.name for f in schema.fields if f.name not in KEPT]
    if not chosen or not chosen <= set(known):
        raise RecordError(f"fields of {schema.name} are {', '.join(known)}: choose some")
    name = f"{schema.name}:{','.join(one for one in known if one in chosen)}"
    if len(name) > NAME_CHARS_MAX:
        raise RecordError("these are more fields than the name of a projection has room for")
    found = _projections.get(name)
    if found is None:
        found = _projections[name] = Schema(
            name,
            tuple(f for f in schema.fields if f.name in KEPT or f.name in chosen),
            schema.bucket,
            schema.leaf,
            schema.dated,
        )
    return found
