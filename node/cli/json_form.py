"""The form of one command's JSON: its keys, and how the values of the node look in it.

Ids are CIDs in full (base32 text), days are UTC days as `YYYY-MM-DD`, what is not known is null.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias, cast

from ...protocol.cid import check_cid, cid_text
from ...protocol.currency import amount_text
from ...protocol.day import date_of
from ...protocol.errors import WireError
from ...protocol.remuneration import LICENCE, Remuneration
from ...protocol.window import Window

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of output: `lines` if each line is one such object, else one object in all."""

    lines: bool
    keys: Mapping[str, str]

    def of(self, thing: object) -> dict[str, Json]:
        """`thing`, a dataclass or a map with exactly these keys, as JSON."""
        found = plain(thing)
        assert isinstance(found, dict), "what is printed as JSON is an object"
        assert found.keys() == self.keys.keys(), sorted(found.keys() ^ self.keys.keys())
        return {key: found[key] for key in self.keys}


def one(**keys: str) -> Shape:
    """One object, with these keys and what each means."""
    return Shape(False, MappingProxyType(keys))


def lines(**keys: str) -> Shape:
    """An object on each line, with these keys and what each means."""
    return Shape(True, MappingProxyType(keys))


def plain(thing: object) -> Json:
    """Dataclasses, windows, days and CIDs as JSON has them."""
    match thing:
        case None | bool() | int() | str() if not isinstance(thing, Enum):
            return thing
        case Enum():
            return str(thing.value)
        case Window():
            days = {"first": date_of(thing.first), "last": date_of(thing.last)}
            return {"collection": thing.collection, **days}
        case Remuneration():
            return remuneration_form(thing)
        case bytes():
            return bytes_text(thing)
        case Mapping():
            pairs = cast("Mapping[str, object]", thing).items()
            return {key: plain(value) for key, value in pairs}
        case list() | tuple() | set():
            return [plain(item) for item in cast("Iterable[object]", thing)]
        case _ if is_dataclass(thing) and not isinstance(thing, type):
            return {
                field.name: _field(field.name, getattr(thing, field.name))
                for field in fields(thing)
            }
        case _:
            raise TypeError(f"{type(thing).__name__} has no form in JSON")


def remuneration_form(given: Remuneration) -> dict[str, Json]:
    """Amounts as text with the digits of their currency; and what it is given for."""
    cap = given.cap_minor
    return {
        "amount": amount_text(given.amount_minor, given.currency),
        "currency": given.currency,
        "per": given.per.value,
        "cap": None if cap is None else amount_text(cap, given.currency),
        "for": LICENCE,
    }


def bytes_text(data: bytes) -> str:
    """A CID as its text, other bytes as base64."""
    try:
        return cid_text(check_cid(data))
    except WireError:
        return base64.b64encode(data).decode()


def _field(name: str, value: object) -> Json:
    """A field of a dataclass: days go by the names `first` and `last`."""
    if name in ("first", "last") and isinstance(value, int):
        return date_of(value)
    return plain(value)
