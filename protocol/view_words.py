"""Views by the words in which a person names them, and which of them is enough for what.

The table of what is enough stands in `view_enough.toml` beside this file; who reads it is above
this floor.

Source: ADR 20, docs/views.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from .errors import RecordError, WireError
from .purposes import Purposes
from .schema import METER_READING, SCHEMAS, TRANSACTION, Schema
from .toml_text import toml_table
from .view import AGAIN_DAYS, LATE_DAYS, Band, Figure, Kind, View
from .view_path import Every

# word -> (kind, how long its periods are); `fields` has days, or none if its collection has none
WORDS: Final[Mapping[str, tuple[Kind, Every]]] = {
    "daily-energy": (Kind.ENERGY, Every.DAILY),
    "monthly-energy": (Kind.ENERGY, Every.MONTHLY),
    "monthly-payments": (Kind.PAYMENTS, Every.MONTHLY),
    "monthly-categories": (Kind.CATEGORIES, Every.MONTHLY),
    "monthly-band": (Kind.BAND, Every.MONTHLY),
    "fields": (Kind.FIELDS, Every.DAILY),
}
# Views that need no word more than their name, by what the collection holds.
OFFERED: Final[Mapping[str, tuple[str, ...]]] = {
    METER_READING.name: ("daily-energy", "monthly-energy"),
    TRANSACTION.name: ("monthly-categories", "monthly-payments"),
}
# The rule by which categories are sorted unless another is named.
USUAL_RULE: Final = "budget"


def view_of_words(
    word: str,
    source: str,
    schema: Schema,
    *,
    name: str | None = None,
    figure: str | None = None,
    bands: Sequence[Band] = (),
    fields: Sequence[str] = (),
    rule: str | None = None,
    late_days: int | None = None,
    again_days: int | None = None,
) -> View:
    """The view that these words name.  Raises RecordError for what does not go together."""
    if word not in WORDS:
        raise RecordError(f"there is no view {word!r}; there are {', '.join(WORDS)}")
    kind, every = WORDS[word]
    if kind is Kind.FIELDS and not schema.dated:
        every = Every.UNDATED
    try:
        chosen = None if figure is None else Figure(figure)
    except ValueError as error:
        raise RecordError(f"there is no figure {figure!r}") from error
    return View(
        source,
        schema,
        kind,
        every,
        name or kind.value,
        chosen,
        tuple(bands),
        tuple(fields),
        (rule or USUAL_RULE) if kind is Kind.CATEGORIES else rule,
        LATE_DAYS if late_days is None else late_days,
        AGAIN_DAYS if again_days is None else again_days,
    )


def word_of(view: View) -> str:
    """How a person names a view of this kind."""
    if view.kind is Kind.FIELDS:
        return "fields"
    return next(word for word, form in WORDS.items() if form == (view.kind, view.every))


# --- what is enough -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enough:
    """The view that is enough, and why."""

    view: str
    why: str


@dataclass(frozen=True, slots=True)
class ViewsEnough:
    """The table: purpose → schema → the view that is enough."""

    table: Mapping[str, Mapping[str, Enough]]
    purposes: Purposes

    def enough(self, purpose: str, schema: Schema) -> Enough | None:
        """The view that is enough for `purpose`, None where nothing is reckoned.

        A purpose without a table takes the first of those that it is a special case of.
        """
        if (row := self.table.get(purpose)) is not None:
            return row.get(schema.name)
        known = self.purposes.by_id.get(purpose)
        for wider in () if known is None else known.under:
            if (found := self.enough(wider, schema)) is not None:
                return found
        return None


def parse_views_enough(text: str, purposes: Purposes) -> ViewsEnough:
    """Read the table from its file.  Raises WireError for one that is not well formed."""
    table: dict[str, dict[str, Enough]] = {}
    for purpose, row in toml_table(text).items():
        if purpose not in purposes or not isinstance(row, Mapping):
            raise WireError(f"views that are enough: {purpose} is not a purpose with its table")
        table[purpose] = {
            schema: _enough(purpose, schema, said)
            for schema, said in cast("Mapping[str, object]", row).items()
        }
    return ViewsEnough(table, purposes)


def _enough(purpose: str, schema: str, said: object) -> Enough:
    match said:
        case {"view": str(view), "why": str(why)} if (
            len(cast("Mapping[str, object]", said)) == 2
            and view in WORDS
            and schema in SCHEMAS
            and why
        ):
            return Enough(view, why)
        case _:
            raise WireError(f"views that are enough: {purpose} says of {schema} what is no view")
