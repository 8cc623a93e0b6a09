"""The journal of imports: one row for each (file, path), changed together with the pages.

    (none) ── begin ──> begun ── finish, with the last chunk ──> done
    begun, done, reopened ── undo ──> undone ── begin ──> begun
    begun, done ── a neighbour undone ──> reopened ── begin ──> begun

An import is named by the digest of the file's bytes and the path it goes to, so the same file is
known again under any name.  `done_pieces` says how far it came; a row and the pages it counts are
written in one transaction, so after a crash the row says exactly what is there.

A file that is done is begun again only if its reader makes something else of it than it did.

An import that found records there already, word for word, noted them (`left_out.py`): when the one
that brought them is undone, they stay as this one's.

`reopened`: an import of an earlier version found records there and did not note which.  When the
other one is undone, what they shared is gone, and importing the file again brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ...crypto.canonical import encode
from ...crypto.digest import tag128
from ...crypto.labels import Tag
from ...protocol.collection import check_path
from ...protocol.day import date_of
from ...protocol.limits import FILE_ROWS_MAX, LINE_CHARS_MAX
from ...protocol.wire import Body, Value
from ..errors import NotFound
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects

IMPORT_ID_BYTES = 16
_KEYS = (
    "v",
    "id",
    "file",
    "reader",
    "path",
    "state",
    "plan",
    "pieces",
    "done_pieces",
    "records",
    "duplicates",
    "differing",
    "first",
    "last",
    "changed_ms",
    "done_ms",
)
# Kept since records that were left out are noted: an older row lacks these.
_LATER_KEYS = ("beside", "same", "ambiguous", "same_as")
SAME_AS_MAX = 64


class State(StrEnum):
    """Where an import stands."""

    BEGUN = "begun"
    DONE = "done"
    UNDONE = "undone"
    REOPENED = "reopened"


class Event(StrEnum):
    """What happens to one."""

    BEGIN = "begin"
    FINISH = "finish"
    UNDO = "undo"
    NEIGHBOUR_UNDONE = "a neighbour undone"


TRANSITIONS: Final[Mapping[tuple[State | None, Event], State]] = {
    (None, Event.BEGIN): State.BEGUN,
    (State.BEGUN, Event.BEGIN): State.BEGUN,
    (State.BEGUN, Event.FINISH): State.DONE,
    (State.BEGUN, Event.UNDO): State.UNDONE,
    (State.BEGUN, Event.NEIGHBOUR_UNDONE): State.REOPENED,
    (State.DONE, Event.BEGIN): State.BEGUN,
    (State.DONE, Event.UNDO): State.UNDONE,
    (State.DONE, Event.NEIGHBOUR_UNDONE): State.REOPENED,
    (State.UNDONE, Event.BEGIN): State.BEGUN,
    (State.REOPENED, Event.BEGIN): State.BEGUN,
    (State.REOPENED, Event.UNDO): State.UNDONE,
    (State.REOPENED, Event.NEIGHBOUR_UNDONE): State.REOPENED,
}


@dataclass(frozen=True, slots=True)
class Import:
    """One row.  Days are numbers; times are milliseconds, `done_ms` None until the first success.

    `plan` is a digest over what the reader made of the file: a reader that changed meanwhile makes
    another, and then the cursor `done_pieces` means nothing any more.
    `duplicates` were there already word for word, `differing` under the same name with other
    content (`beside` of those were written too), `same` under another name; `ambiguous` might have
    been (`doubles.py`).  `same_as` says who had told the duplicates and the same, and how many.
    `noted`: what was left out is noted, so that it outlives whoever told it first; an import of an
    earlier version did not, and is reopened.
    """

    id: bytes
    file: str
    reader: str
    path: str
    state: State
    plan: bytes
    pieces: int
    done_pieces: int
    records: int
    duplicates: int
    differing: int
    first: int
    last: int
    changed_ms: int
    done_ms: int | None
    beside: int = 0
    same: int = 0
    ambiguous: int = 0
    same_as: Mapping[str, int] = field(default_factory=lambda: dict[str, int]())
    noted: bool = True

    def value(self) -> Value:
        return {
            "v": 1,
            "id": self.id,
            "file": self.file,
            "reader": self.reader,
            "path": self.path,
            "state": self.state.value,
            "plan": self.plan,
            "pieces": self.pieces,
            "done_pieces": self.done_pieces,
            "records": self.records,
            "duplicates": self.duplicates,
            "differing": self.differing,
            "first": self.first,
            "last": self.last,
            "changed_ms": self.changed_ms,
            "done_ms": self.done_ms,
            **(self._later() if self.noted else {}),
        }

    def _later(self) -> dict[str, Value]:
        return {
            "beside": self.beside,
            "same": self.same,
            "ambiguous": self.ambiguous,
            "same_as": write_same_as(self.same_as),
        }

    @classmethod
    def from_value(cls, value: Value) -> Import:
        noted = isinstance(value, dict) and _LATER_KEYS[0] in value
        body = Body.open(value, "an import", _KEYS + (_LATER_KEYS if noted else ()))
        return cls(
            id=body.data("id", length=IMPORT_ID_BYTES),
            file=body.text("file", chars_max=LINE_CHARS_MAX),
            reader=body.text("reader", chars_max=LINE_CHARS_MAX),
            path=check_path(body.text("path")),
            state=State(body.text("state")),
            plan=body.data("plan", length=IMPORT_ID_BYTES),
            pieces=body.integer("pieces"),
            done_pieces=body.integer("done_pieces"),
            records=body.integer("records", high=FILE_ROWS_MAX * 1_000),
            duplicates=body.integer("duplicates"),
            differing=body.integer("differing"),
            first=body.integer("first"),
            last=body.integer("last"),
            changed_ms=body.integer("changed_ms"),
            done_ms=body.maybe_integer("done_ms"),
            beside=body.integer("beside") if noted else 0,
            same=body.integer("same") if noted else 0,
            ambiguous=body.integer("ambiguous") if noted else 0,
            same_as=read_same_as(body.items("same_as", items_max=SAME_AS_MAX)) if noted else {},
            noted=noted,
        )

    def next_step(self) -> str:
        """What a person would do with this source now."""
        if self.state is State.BEGUN:
            part = f"{self.done_pieces} of {self.pieces} days"
            return f"it was cut short after {part}: import the file again to go on from there"
        if self.state is State.UNDONE:
            return "import the file again to have it back"
        if self.state is State.REOPENED:
            return "records that it shared with an undone import are gone: import the file again"
        return f"import a newer file for what comes after {date_of(self.last)}"


def write_same_as(same_as: Mapping[str, int]) -> Value:
    """`[[who, count], …]`, those with most first, at most SAME_AS_MAX."""
    most = sorted(same_as.items(), key=lambda item: (-item[1], item[0]))
    return [[who, count] for who, count in most[:SAME_AS_MAX]]


def read_same_as(items: Sequence[Value]) -> dict[str, int]:
    """`[[who, count], …]` as it stands in the store.  Raises StoreDamaged."""
    found: dict[str, int] = {}
    for item in items:
        match item:
            case [str(who), int(count)]:
                found[who] = count
            case _:
                raise StoreDamaged("a count in the store has not the form of one")
    return found


def import_id(file_digest: bytes, path: str) -> bytes:
    """The name of one file's records at one path: the same whenever both are."""
    return tag128(b"", Tag.IMPORT, file_digest, path)


def plan_of(parts: Value) -> bytes:
    """A digest over the plan of an import."""
    return tag128(b"", Tag.IMPORT, "plan", encode(parts))


class Journal:
    """The rows, in the store."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def find(self, tx: Tx, id: bytes) -> Import | None:
        value = self._objects.get(tx, Kind.IMPORT, id)
        return None if value is None else Import.from_value(value)

    def get(self, tx: Tx, id: bytes) -> Import:
        """Raises NotFound."""
        if (found := self.find(tx, id)) is None:
            raise NotFound(f"there is no import {id.hex()}: see `entrenous imports`")
        return found

    def put(self, tx: Tx, row: Import) -> None:
        self._objects.put(tx, Kind.IMPORT, row.id, row.value())

    def standing(self, tx: Tx) -> list[bytes]:
        """The ids of the imports that are not undone, in the order in which they were begun."""
        return [row.id for row in self.all(tx) if row.state is not State.UNDONE]

    def all(self, tx: Tx) -> list[Import]:
        """Every import, in the order in which they were first begun."""
        return [Import.from_value(value) for _, value in self._objects.all(tx, Kind.IMPORT)]


def after(state: State | None, event: Event) -> State:
    """The state that follows.  Raises StoreDamaged where none does."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise StoreDamaged(f"an import that is {state} cannot {event}") from None
