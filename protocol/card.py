"""Cards: an organisation's signed page about itself.

Who it is, how it earns, what it holds of a person, what of that it does not hand back and why, who
works for it, and what went wrong.  It is one signed object, said to every person it is paired with
and again when it changes.  `n` rises and the highest wins, so an older card that somebody kept
cannot take the place of a newer one; it is never below the clock, so that an organisation that was
restored from a backup does not use a number twice.

A card is the organisation's word, and no more: its signature shows who said it, not that it is
true.  The `domain` is a claim until that domain has named this persona (`well_known.py`).

Source: docs/adr/0015-organisation-identity.md.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeAlias, TypeVar, cast

from ..crypto.keys import PersonaKey
from ..crypto.labels import Signed
from .collection import check_path
from .did import Did, check_did, did_of, public_of
from .domain import check_domain_name
from .errors import LocalProtocolError, WireError
from .limits import CARD_BYTES_MAX, CARD_ITEMS_MAX, LINE_CHARS_MAX, TEXT_CHARS_MAX
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

NAME_CHARS_MAX = 64
T = TypeVar("T")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Who:
    """The organisation as the law knows it; `data_protection` is whom to write to about data."""

    legal_name: str
    registration: str | None
    address: str | None
    contact: str | None
    data_protection: str | None


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that it holds of a person: `collection` is the path, or its first parts."""

    collection: str
    what: str
    purpose: str
    retention: str
    legal_basis: str


@dataclass(frozen=True, slots=True)
class KeptBack:
    """Something that it holds and does not hand back, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Processor:
    """Who works on the data for it: `country` is two letters (ISO 3166-1)."""

    name: str
    country: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Incident:
    """What went wrong: on `date` (YYYY-MM-DD), for how many `people` (None: not known)."""

    date: str
    what: str
    people: int | None
    done: str


Item: TypeAlias = Holding | KeptBack | Processor | Incident
"""What the lists of a card hold."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says.  `t_ms` is when, by the organisation's clock."""

    did: Did
    n: int
    t_ms: int
    name: str
    domain: str | None
    who: Who
    earns: str
    holds: tuple[Holding, ...]
    keeps_back: tuple[KeptBack, ...]
    processors: tuple[Processor, ...]
    incidents: tuple[Incident, ...]

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "did": self.did,
            "n": self.n,
            "t_ms": self.t_ms,
            "name": self.name,
            "domain": self.domain,
            "who": _plain(self.who),
            "earns": self.earns,
            "holds": [_plain(one) for one in self.holds],
            "keeps_back": [_plain(one) for one in self.keeps_back],
            "processors": [_plain(one) for one in self.processors],
            "incidents": [_plain(one) for one in self.incidents],
        }


@dataclass(frozen=True, slots=True)
class SignedCard:
    """A card whose signature was verified."""

    card: Card
    signed: SignedObject = field(repr=False)

    @property
    def raw(self) -> bytes:
        return self.signed.raw

    @property
    def cid(self) -> bytes:
        return self.signed.cid


_KEYS = ("v", *(one.name for one in fields(Card)))


def make_card(key: PersonaKey, card: Card) -> SignedCard:
    """Sign `card`.  Raises LocalProtocolError if it is not the persona's own, WireError."""
    if card.did != did_of(key.public):
        raise LocalProtocolError("a card is signed by the persona that it is about")
    signed = sign(Signed.CARD, card.value(), key)
    if len(signed.raw) > CARD_BYTES_MAX:
        raise WireError(f"a card of {len(signed.raw):,} bytes passes the limit of {CARD_BYTES_MAX}")
    return parse_card(signed.raw)


def parse_card(raw: bytes) -> SignedCard:
    """Read a card and verify its persona's signature.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.CARD, bytes_max=CARD_BYTES_MAX)
    card = card_from_value(signed.body)
    signed.verify(public_of(card.did))
    return SignedCard(card, signed)


def card_from_value(value: Value) -> Card:
    """Read what a card says from its decoded body.  Raises WireError, RecordError for a path."""
    body = Body.open(value, "a card", _KEYS)
    domain = body.maybe_text("domain")
    return Card(
        did=check_did(body.text("did")),
        n=body.integer("n", low=1),
        t_ms=body.integer("t_ms"),
        name=_line(body, "name", NAME_CHARS_MAX),
        domain=None if domain is None else check_domain_name(domain),
        who=_who(body),
        earns=_line(body, "earns", TEXT_CHARS_MAX),
        holds=_list(body, "holds", _HOLDING, _holding),
        keeps_back=_list(body, "keeps_back", _KEPT_BACK, _kept_back),
        processors=_list(body, "processors", _PROCESSOR, _processor),
        incidents=_list(body, "incidents", _INCIDENT, _incident),
    )


def _names(kind: type[Who | Item]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


_WHO, _HOLDING, _KEPT_BACK = _names(Who), _names(Holding), _names(KeptBack)
_PROCESSOR, _INCIDENT = _names(Processor), _names(Incident)


def _plain(thing: Who | Item) -> dict[str, Value]:
    return {one.name: getattr(thing, one.name) for one in fields(thing)}


def _who(body: Body) -> Who:
    who = body.body("who", _WHO)
    return Who(
        _line(who, "legal_name"),
        _maybe_line(who, "registration"),
        _maybe_line(who, "address"),
        _maybe_line(who, "contact"),
        _maybe_line(who, "data_protection"),
    )


def _holding(one: Body) -> Holding:
    return Holding(
        check_path(one.text("collection")),
        _line(one, "what"),
        _line(one, "purpose"),
        _line(one, "retention"),
        _line(one, "legal_basis"),
    )


def _kept_back(one: Body) -> KeptBack:
    return KeptBack(_line(one, "what"), _line(one, "why", TEXT_CHARS_MAX))


def _processor(one: Body) -> Processor:
    country = one.text("country")
    if _COUNTRY.fullmatch(country) is None:
        raise WireError(f"{one.what}: country is not two capital letters, such as FR")
    return Processor(_line(one, "name"), country, _line(one, "purpose"))


def _incident(one: Body) -> Incident:
    date = one.text("date")
    try:
        if datetime.date.fromisoformat(date).isoformat() != date:
            raise ValueError(date)
    except ValueError:
        raise WireError(f"{one.what}: date is not a day, such as 2026-03-01") from None
    return Incident(
        date,
        _line(one, "what", TEXT_CHARS_MAX),
        one.maybe_integer("people"),
        _line(one, "done", TEXT_CHARS_MAX),
    )


def _list(body: Body, key: str, keys: Sequence[str], read: Callable[[Body], T]) -> tuple[T, ...]:
    items = body.items(key, items_max=CARD_ITEMS_MAX)
    return tuple(
        read(Body.open(item, f"{body.what}: {key}, number {number}", keys))
        for number, item in enumerate(items, 1)
    )


def _line(body: Body, key: str, chars_max: int = LINE_CHARS_MAX) -> str:
    """Text that can be seen: it is read by people, and compared by them."""
    text = body.text(key, chars_max=chars_max, chars_min=1)
    if not text.isprintable() or text.strip() != text:
        raise WireError(f"{body.what}: {key} is not one line of text that can be seen")
    return text


def _maybe_line(body: Body, key: str) -> str | None:
    return None if body.value(key) is None else _line(body, key)


# --- as a person writes it ------------------------------------------------------------------------

_WRITTEN = ("name", "domain", "who", "earns", "holds", "keeps_back", "processors", "incidents")
_LISTS: Mapping[str, tuple[str, ...]] = {
    "holds": _HOLDING,
    "keeps_back": _KEPT_BACK,
    "processors": _PROCESSOR,
    "incidents": _INCIDENT,
}


def card_from_mapping(
    written: Mapping[str, object], *, did: Did, n: int, t_ms: int, name: str
) -> Card:
    """A card as it is written in a file; `name` is used where the file gives none.

    Lists and what may be null may be left out, nothing else may.  Raises WireError naming the key,
    RecordError for a path.
    """
    _refuse_unknown(written, _WRITTEN, "a card")
    who = written.get("who")
    if not isinstance(who, Mapping):
        raise WireError("a card: who is missing; it says at least the legal_name")
    _refuse_unknown(cast("Mapping[str, object]", who), _WHO, "a card: who")
    value: dict[str, object] = {
        "v": VERSION,
        "did": did,
        "n": n,
        "t_ms": t_ms,
        "name": written.get("name", name),
        "domain": written.get("domain"),
        "who": {**dict.fromkeys(_WHO), **cast("Mapping[str, object]", who)},
        "earns": written.get("earns"),
    }
    for key, keys in _LISTS.items():
        items = written.get(key, [])
        if not isinstance(items, list):
            raise WireError(f"a card: {key} is not a list")
        value[key] = [_written_item(item, key, keys) for item in cast("list[object]", items)]
    # Every accessor of `Body` checks the type of what it gives.
    return card_from_value(cast("Value", value))


def _written_item(item: object, key: str, keys: Sequence[str]) -> object:
    if not isinstance(item, Mapping):
        raise WireError(f"a card: {key} holds something that is not a map of {', '.join(keys)}")
    found = cast("Mapping[str, object]", item)
    _refuse_unknown(found, keys, f"a card: {key}")
    return {"people": None, **found} if key == "incidents" else dict(found)


def _refuse_unknown(written: Mapping[str, object], keys: Sequence[str], what: str) -> None:
    unknown = sorted(str(key) for key in written if key not in keys)
    if unknown:
        raise WireError(f"{what}: the key {unknown[0][:64]!r} is not known")


# --- what changed ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two cards: `before` is None for what is new, `after` for what went."""

    field: str
    before: str | None
    after: str | None


def changes(old: Card, new: Card) -> tuple[Change, ...]:
    """What `new` says otherwise than `old`, in the order of a card's fields.

    Items of lists are compared whole: one that was reworded went and came.
    """
    found: list[Change] = []
    for key in ("name", "domain", "earns"):
        found += _changed(key, getattr(old, key), getattr(new, key))
    for key in _WHO:
        found += _changed(f"who: {key}", getattr(old.who, key), getattr(new.who, key))
    for key in _LISTS:
        before = [one_line(item) for item in getattr(old, key)]
        after = [one_line(item) for item in getattr(new, key)]
        found += [Change(key, item, None) for item in before if item not in after]
        found += [Change(key, None, item) for item in after if item not in before]
    return tuple(found)


def one_line(item: Item) -> str:
    """An item of a card in one line of words."""
    match item:
        case Holding():
            return (
                f"{item.collection}: {item.what}; for {item.purpose}; kept {item.retention}; "
                f"legal basis: {item.legal_basis}"
            )
        case KeptBack():
            return f"{item.what}: {item.why}"
        case Processor():
            return f"{item.name} ({item.country}): {item.purpose}"
        case Incident():
            people = "people not counted" if item.people is None else f"people: {item.people:,}"
            return f"{item.date}: {item.what} ({people}); done: {item.done}"


def _changed(key: str, before: str | None, after: str | None) -> list[Change]:
    return [] if before == after else [Change(key, before, after)]
