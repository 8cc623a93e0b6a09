"""Purposes: what data may be asked for, as words that a program can compare and a person can read.

A purpose travels as text (`dpv:ServiceProvision`).  The vocabulary knows which of them are special
cases of which, and says each in English and French.  It explains and compares, and refuses nothing:
a purpose that is not in it is a purpose all the same, shown as unknown, and is under nothing but
itself.  So a rule for `dpv:Marketing` covers `dpv:TargetedAdvertising`, and a rule for a word of
one's own covers exactly that word.

The words stand in `purposes.toml` beside this file; who reads it is above this floor
(`node/grants/vocabulary.py`).

Source: Data Privacy Vocabulary 2.1, https://w3id.org/dpv.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from .errors import WireError
from .toml_text import toml_table

LANGUAGES: Final = ("en", "fr")
# Twice what the whole of DPV has.
PURPOSES_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose: `under` are those of which it is a special case, `labels` by language."""

    id: str
    under: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Purposes:
    """The vocabulary: every purpose by its identifier, in the order of the file."""

    version: str
    by_id: Mapping[str, Purpose]
    # For each purpose itself and everything that it is a special case of.
    _above: Mapping[str, frozenset[str]] = field(repr=False)

    def __contains__(self, purpose: str) -> bool:
        return purpose in self.by_id

    def above(self, purpose: str) -> frozenset[str]:
        """`purpose` itself and all that it is a special case of."""
        return self._above.get(purpose, frozenset((purpose,)))

    def is_under(self, purpose: str, wider: str) -> bool:
        """Whether `purpose` is `wider` or a special case of it."""
        return wider in self.above(purpose)

    def label(self, purpose: str, language: str = "en") -> str | None:
        """What `purpose` means in words; None for one that is not known."""
        found = self.by_id.get(purpose)
        if found is None:
            return None
        return found.labels.get(language, found.labels["en"])

    def shown(self, purpose: str, language: str = "en") -> str:
        """`Providing a service (dpv:ServiceProvision)`; an unknown one says that it is."""
        label = self.label(purpose, language)
        if label is None:
            unknown = "inconnu ici" if language == "fr" else "not a purpose that is known here"
            return f"{purpose} ({unknown})"
        return f"{label} ({purpose})"


def parse_purposes(text: str) -> Purposes:
    """Read the vocabulary from its file.

    Raises WireError if it is not one: a purpose without a label in each language, under one that
    is not there, or under itself by way of others.
    """
    try:
        table = toml_table(text)
    except ValueError as error:
        raise WireError(f"the purposes cannot be read: {error}") from error
    version, written = table.get("version"), table.get("purposes")
    if set(table) != {"version", "purposes"} or not isinstance(version, str):
        raise WireError("the purposes are a version and a table of purposes")
    if not isinstance(written, dict) or len(cast("dict[str, object]", written)) > PURPOSES_MAX:
        raise WireError(f"the purposes are a table of at most {PURPOSES_MAX}")
    by_id = {name: _purpose(name, one) for name, one in cast("dict[str, object]", written).items()}
    above: dict[str, frozenset[str]] = {}
    for name in by_id:
        _climb(name, by_id, above, ())
    return Purposes(version, by_id, above)


def _purpose(name: str, written: object) -> Purpose:
    found = cast("dict[str, object]", written) if isinstance(written, dict) else {}
    under = found.get("under")
    wider = cast("list[object]", under) if isinstance(under, list) else [None]
    above = tuple(one for one in wider if isinstance(one, str))
    labels = {key: text for key in LANGUAGES if isinstance(text := found.get(key), str) and text}
    if (
        found.keys() != {"under", *LANGUAGES}
        or len(above) != len(wider)
        or len(labels) < len(LANGUAGES)
    ):
        raise WireError(f"the purpose {name[:64]} is not `under` and a label in each language")
    return Purpose(name, above, labels)


def _climb(
    name: str,
    by_id: Mapping[str, Purpose],
    above: dict[str, frozenset[str]],
    way: tuple[str, ...],
) -> frozenset[str]:
    """Everything above `name`, itself included; fills `above` on its way."""
    if name in above:
        return above[name]
    if name in way:
        raise WireError(f"the purpose {name[:64]} is under itself")
    if name not in by_id:
        raise WireError(f"the purpose {way[-1][:64]} is under one that is not there: {name[:64]}")
    found = {name}
    for wider in by_id[name].under:
        found |= _climb(wider, by_id, above, (*way, name))
    above[name] = frozenset(found)
    return above[name]
