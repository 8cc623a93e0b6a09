"""How a vector is written: cases that hold, faults that are refused, and values as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from entrenous.crypto.canonical import Link, Value
from entrenous.protocol.cid import cid_text

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Case:
    """What goes in and what comes out; `kind` says of what."""

    name: str
    kind: str
    input: Mapping[str, Json]
    output: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Fault:
    """The case `of` with other values at some places: refused, and why.

    `put` goes from a dotted place in the input of the case to what stands there instead, so that
    nothing but the fault can be the reason.
    """

    name: str
    of: str
    why: str
    put: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Subject:
    """One file."""

    name: str
    about: str
    cases: Sequence[Case]
    refused: Sequence[Fault] = ()
    shared: Mapping[str, Json] = field(default_factory=dict[str, Json])

    def value(self) -> dict[str, Json]:
        return {
            "about": self.about,
            "shared": self.shared,
            "cases": [
                {"name": c.name, "kind": c.kind, "input": c.input, "output": c.output}
                for c in self.cases
            ],
            "refused": [
                {"name": f.name, "of": f.of, "class": f.why, "put": f.put} for f in self.refused
            ],
        }


def hexes(items: Iterable[bytes]) -> list[Json]:
    return [item.hex() for item in items]


def plain(value: Value) -> Json:
    """A CBOR value as JSON: bytes and links are maps of one key."""
    match value:
        case bytes():
            return {"hex": value.hex()}
        case Link():
            return {"link": cid_text(value.cid)}
        case bool() | str() | None:
            return value
        case int():
            return value if abs(value) < 2**53 else {"integer": str(value)}
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case _:
            return [plain(item) for item in value]
