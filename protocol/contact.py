"""Contacts: how several values, each with its labels, stand in one text of a record.

A person has three telephones, and each is somebody's word for it: `cell`, `work`, `fax`.  Columns
hold whole numbers, decimals and text, so a field of `contact/1` that holds several values is a text
of one form, and of that form only:

    field   value, one a line (LF)
    value   its parts with `;` between, then its labels, each after a TAB
    escape  `\\\\` a backslash, `\\;` a semicolon, `\\n` a line feed, `\\t` a TAB

    +33 6 12 34 56 78 ⇥ cell ⇥ home
    +33 1 23 45 67 89 ⇥ work

Values to text is a bijection: a field without a value is absent, never an empty text, and what
could be written in a second way is refused.  Parts are what is structured: of an address its seven
components (post office box, extended, street, locality, region, code, country), of an organisation
its name and units.  Labels are lower case by convention; what is one is not fixed.

A day in `birthday` or `anniversary` is `1996-04-15`; what is not known of it is left out as in
vCard 4: `1996-04`, `1996`, `--0415`, `--04`, `---15`.  Any other text is a day in words.

Source: RFC 6350 for what the fields mean; the form of the text is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .errors import RecordError

# The fields of `contact/1` whose text has this form.
LISTS: Final = frozenset(
    {"nickname", "organisation", "phones", "emails", "addresses", "urls", "messaging"}
    | {"categories"}
)
ADDRESS_PARTS: Final = (
    "box",
    "extended",
    "street",
    "locality",
    "region",
    "code",
    "country",
)
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", "\n": "\\n", "\t": "\\t"})
_UNESCAPED: Final = {"n": "\n", "t": "\t"}
# The alternatives have no first character in common: one way to match, in one pass.
_PART = re.compile(r"(?:^|;)((?:[^\\;]|\\.)*)")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One value of a contact: its parts (one, unless it is structured) and its labels."""

    parts: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The parts that say something, for the eye."""
        return ", ".join(part for part in self.parts if part)


def write_values(values: Iterable[Labelled]) -> str | None:
    """The text of a field that holds `values`; None for none."""
    lines = [_line(value) for value in values]
    return "\n".join(lines) if lines else None


def read_values(text: str | None) -> tuple[Labelled, ...]:
    """The values of a field.  Raises RecordError for a text that `write_values` does not write."""
    if text is None:
        return ()
    values = tuple(map(_value, text.split("\n")))
    if write_values(values) != text:
        raise RecordError("a field of a contact is not a list of values as it is written")
    return values


def _line(value: Labelled) -> str:
    if not value.parts:
        raise RecordError("a value of a contact has no parts")
    head = ";".join(part.translate(_ESCAPES) for part in value.parts)
    return "\t".join((head, *(label.translate(_ESCAPES) for label in value.labels)))


def _value(line: str) -> Labelled:
    head, *labels = line.split("\t")
    parts: Sequence[str] = _PART.findall(head)
    return Labelled(tuple(map(_plain, parts)), tuple(map(_plain, labels)))


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: _UNESCAPED.get(found[1], found[1]), text)
