"""What a person wants to be said otherwise: `addresses=2 New Street, Lille`, field by field.

A field is spelled as in a whole record (`node/imports/spelled.py`); nothing after the `=` takes
away what may be absent.  Of a field that holds several values (a contact's `phones`), each one is
given by itself, as people write it: its labels are those of the value that it replaces, and an
address that is not in parts is a street.  A value that is written as the field holds it, with its
parts and labels, is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...protocol.contact import ADDRESS_PARTS, LISTS, Labelled, read_values, write_values
from ...protocol.errors import RecordError
from ...protocol.schema import Schema
from ...protocol.shared_record import Record
from ...protocol.wire import Value
from ..imports.spelled import spelled_field

# More changes than fields, several times over: a script that has gone wrong.
CHANGES_MAX = 64
_STREET = ADDRESS_PARTS.index("street")

Change = tuple[str, str]
"""A field and what it should say."""


def changed(schema: Schema, record: Record, changes: Sequence[Change]) -> dict[str, Value]:
    """`record` with `changes`.  Raises RecordError naming the field; its name cannot be changed."""
    name = "id" if schema.has_id else "time"
    found = dict(record)
    for field, texts in _by_field(changes).items():
        if field == name:
            raise RecordError(f"{name} is what names this record: it stays")
        found[field] = _said(schema, field, texts, record.get(field))
    return found


def _by_field(changes: Iterable[Change]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for field, text in changes:
        found.setdefault(field, []).append(text)
    return found


def _said(schema: Schema, field: str, texts: list[str], before: Value) -> Value:
    if field in LISTS and field in schema.by_name:
        return spelled_field(schema, field, _values(field, texts, before))
    if len(texts) > 1:
        raise RecordError(f"{field} is given twice")
    optional = field in schema.by_name and schema.by_name[field].optional
    return None if optional and not texts[0] else spelled_field(schema, field, texts[0])


def _values(field: str, texts: list[str], before: Value) -> str | None:
    """The text of a field of several values."""
    held = _held(before)
    values: list[Labelled] = []
    for place, text in enumerate(one for one in texts if one):
        written = _held(text) if ";" in text or "\t" in text else ()
        if written:
            values += written
            continue
        parts = [text]
        if field == "addresses":
            parts = [""] * len(ADDRESS_PARTS)
            parts[_STREET] = text
        labels = held[place].labels if place < len(held) else ()
        values.append(Labelled(tuple(parts), labels))
    return write_values(values)


def _held(text: Value) -> tuple[Labelled, ...]:
    """The values of a field; none of a text that is no list of them."""
    try:
        return read_values(text) if isinstance(text, str) else ()
    except RecordError:
        return ()
