"""Terms: what a grant is for, in words that both sides name by one CID.

`T`, the CID of the terms, stands in the policy of the delegation and is repeated in every read, so
a reader signs each time what it reads for.  Each clause says honestly whether software *enforces*
it or the reader only *promised* it.  Terms are not signed: the request, the bundle and the
reader's acceptance, which name them by CID, are.

Source: formats.md, "Grant".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import cast

from .cid import cid_of
from .errors import WireError
from .limits import (
    CLAUSES_MAX,
    LINE_CHARS_MAX,
    RECIPIENTS_MAX,
    RETENTION_DAYS_MAX,
    TERMS_BYTES_MAX,
    TEXT_CHARS_MAX,
)
from .remuneration import Per, Remuneration, remuneration_from_mapping, remuneration_from_value
from .wire import VERSION, Body, Value, decode, encode

_KEYS = ("v", "purpose", "retention_days", "recipients", "remuneration", "clauses")


class Force(StrEnum):
    """What stands behind a clause."""

    ENFORCED = "enforced"
    PROMISED = "promised"


@dataclass(frozen=True, slots=True)
class Clause:
    """One duty, in the words a person reads."""

    text: str
    force: Force


@dataclass(frozen=True, slots=True)
class Terms:
    """What data is lent for.

    `purpose` is a DPV term such as `dpv:ServiceProvision`; `retention_days` counts from each read;
    `recipients` are others who will see the data, in words; `remuneration` is what is given for
    the licence: counted by both sides, or in words by which nobody counts, or None.
    """

    purpose: str
    retention_days: int
    recipients: tuple[str, ...]
    remuneration: str | Remuneration | None
    clauses: tuple[Clause, ...]

    @property
    def paid(self) -> bool:
        """Whether anything is given in return, in whatever form it is said."""
        return bool(self.remuneration)

    @property
    def paid_by_read(self) -> bool:
        """Whether each read adds to what is owed, as far as both sides count it."""
        given = self.remuneration
        return isinstance(given, Remuneration) and given.per in (Per.READ, Per.WINDOW_DAY)

    def with_recipients(self, recipients: tuple[str, ...]) -> Terms:
        """The same terms, with these recipients."""
        return replace(self, recipients=recipients)

    def value(self) -> Value:
        given = self.remuneration
        return {
            "v": VERSION,
            "purpose": self.purpose,
            "retention_days": self.retention_days,
            "recipients": list(self.recipients),
            "remuneration": given.value() if isinstance(given, Remuneration) else given,
            "clauses": [[clause.text, clause.force.value] for clause in self.clauses],
        }

    def encode(self) -> bytes:
        return encode(self.value())

    @property
    def cid(self) -> bytes:
        """`T`: 36 bytes."""
        return _cid(self)


@lru_cache(maxsize=1024)
def _cid(terms: Terms) -> bytes:
    return cid_of(terms.encode())


def parse_terms(raw: bytes) -> Terms:
    """Read terms from their bytes.  Raises WireError."""
    return terms_from_value(decode(raw, bytes_max=TERMS_BYTES_MAX))


def terms_from_value(value: Value) -> Terms:
    """Read terms from a decoded value.  Raises WireError."""
    body = Body.open(value, "terms", _KEYS)
    recipients: list[str] = []
    for recipient in body.items("recipients", items_max=RECIPIENTS_MAX):
        if not isinstance(recipient, str) or not 1 <= len(recipient) <= LINE_CHARS_MAX:
            raise WireError(f"terms: a recipient is not a line of 1 to {LINE_CHARS_MAX} characters")
        recipients.append(recipient)
    clauses = tuple(_clause(item) for item in body.items("clauses", items_max=CLAUSES_MAX))
    return Terms(
        body.text("purpose", chars_min=1),
        body.integer("retention_days", high=RETENTION_DAYS_MAX),
        tuple(recipients),
        _remuneration(body),
        clauses,
    )


def _remuneration(body: Body) -> str | Remuneration | None:
    value = body.value("remuneration")
    if isinstance(value, Mapping):
        return remuneration_from_value(value)
    return body.maybe_text("remuneration", chars_max=TEXT_CHARS_MAX)


def _clause(item: Value) -> Clause:
    if not isinstance(item, list) or len(item) != 2:
        raise WireError("terms: a clause is not a pair of text and force")
    text, force = item
    if not isinstance(text, str) or not 1 <= len(text) <= TEXT_CHARS_MAX:
        raise WireError(f"terms: a clause is not text of 1 to {TEXT_CHARS_MAX} characters")
    if force not in (Force.ENFORCED, Force.PROMISED):
        raise WireError('terms: a clause is neither "enforced" nor "promised"')
    return Clause(text, Force(force))


def terms_from_mapping(mapping: Mapping[str, object], *, purpose: str | None = None) -> Terms:
    """Terms as a person writes them in a file: keys may be left out, clauses may be bare text.

    A bare clause is a promise: nobody gets to claim enforcement by leaving a word out.  `purpose`
    is used where the file names none, and must agree where it does.  Raises WireError, naming
    the key.
    """
    unknown = sorted(str(key) for key in mapping if key not in _KEYS)
    if unknown:
        raise WireError(f"terms: the key {unknown[0][:64]!r} is not known")
    written = mapping.get("purpose", purpose)
    if purpose is not None and written != purpose:
        raise WireError("terms: the purpose in the file is not the purpose that was asked for")
    clauses = mapping.get("clauses", [])
    if not isinstance(clauses, (list, tuple)):
        raise WireError("terms: clauses is not a list")
    value: dict[str, object] = {
        "v": mapping.get("v", VERSION),
        "purpose": written,
        "retention_days": mapping.get("retention_days", 0),
        "recipients": mapping.get("recipients", []),
        "remuneration": _written_remuneration(mapping.get("remuneration")),
        "clauses": [_written_clause(clause) for clause in cast("list[object]", clauses)],
    }
    return terms_from_value(cast("Value", value))


def _written_remuneration(written: object) -> object:
    """As it stands on the wire: a map may be written as a person writes amounts."""
    if isinstance(written, Mapping):
        return remuneration_from_mapping(cast("Mapping[str, object]", written)).value()
    return written


def _written_clause(clause: object) -> object:
    if isinstance(clause, str):
        return [clause, Force.PROMISED.value]
    if isinstance(clause, Mapping):
        pairs = list(cast("Mapping[object, object]", clause).items())
        if len(pairs) != 1 or pairs[0][0] not in (Force.ENFORCED, Force.PROMISED):
            raise WireError(
                "terms: a clause is a sentence, or `promised: ` or `enforced: ` and one"
            )
        force, text = pairs[0]  # `- promised: no profiling`, as one writes it in YAML
        return [text, force]
    return clause
