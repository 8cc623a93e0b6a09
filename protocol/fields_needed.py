"""Fields needed: what of each schema a purpose has a use for, by a table that a person can read.

Whoever asks for more than its purpose needs is not refused for it; the figure is shown, with what
went into it.  A purpose without a table takes that of what it is a special case of; where several
are above it, what any of them needs counts as needed.  Where none has one, nothing is reckoned.

The table stands in `fields_needed.toml` beside this file; who reads it is above this floor
(`node/grants/vocabulary.py`).

Source: docs/terms.md, ADR 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from .errors import WireError
from .purposes import Purposes
from .schema import SCHEMAS, Schema
from .toml_text import toml_table

# In every record, and by themselves no news: what tells records apart, and on whose clock.
NOT_COUNTED: Final = frozenset(("id", "offset_min"))


@dataclass(frozen=True, slots=True)
class FieldsNeeded:
    """The table: purpose → schema → fields."""

    table: Mapping[str, Mapping[str, tuple[str, ...]]]
    purposes: Purposes

    def needed(self, purpose: str, schema: Schema) -> tuple[str, ...] | None:
        """The fields of `schema` that `purpose` needs, in the schema's order; None: not reckoned.

        A schema that the table does not know anywhere is not reckoned either.
        """
        if all(schema.name not in row for row in self.table.values()):
            return None
        found = self._row(purpose, schema.name)
        return None if found is None else tuple(one for one in counted(schema) if one in found)

    def _row(self, purpose: str, schema: str) -> frozenset[str] | None:
        if (own := self.table.get(purpose)) is not None:
            return frozenset(own.get(schema, ()))
        known = self.purposes.by_id.get(purpose)
        above = () if known is None else known.under
        rows = [row for wider in above if (row := self._row(wider, schema)) is not None]
        return frozenset(field for row in rows for field in row) if rows else None


def counted(schema: Schema) -> tuple[str, ...]:
    """The fields of a schema that count, in its order."""
    return tuple(field.name for field in schema.fields if field.name not in NOT_COUNTED)


def parse_fields_needed(text: str, purposes: Purposes) -> FieldsNeeded:
    """Read the table from its file.

    Raises WireError for a purpose, schema or field that is not known.
    """
    try:
        table = toml_table(text)
    except ValueError as error:
        raise WireError(f"the fields needed cannot be read: {error}") from error
    found: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for purpose, rows in table.items():
        if purpose not in purposes or not isinstance(rows, dict):
            raise WireError(f"the fields needed name no known purpose: {purpose[:64]}")
        found[purpose] = {
            name: _fields(purpose, name, fields)
            for name, fields in cast("dict[str, object]", rows).items()
        }
    return FieldsNeeded(found, purposes)


def _fields(purpose: str, name: str, fields: object) -> tuple[str, ...]:
    schema = SCHEMAS.get(name)
    items = cast("list[object]", fields) if isinstance(fields, list) else [None]
    known = () if schema is None else counted(schema)
    if schema is None or any(one not in known for one in items):
        raise WireError(f"the fields needed for {purpose} are not fields of {name[:64]}")
    return tuple(str(one) for one in items)
