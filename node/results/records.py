"""What a node tells of its collections and the records in them."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.record import Batch


@dataclass(frozen=True, slots=True)
class RecordsAdded:
    """Records that were declared: `new` are durable, those at the places `there` were there."""

    path: str
    new: int
    there: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RecordRemoved:
    """A declared record that was taken out; it has an id or a time, or both."""

    path: str
    id: str | None
    t_ms: int | None


@dataclass(frozen=True, slots=True)
class AllowanceInfo:
    """A local program that may add records of `schema` to `path`, or could (`status`).

    `program` and `node` are DIDs, `delegation` is the token that the owner signed; `records` counts
    what was new, `last_ms` is the last push; `socket` is None while no node runs.
    """

    name: str
    id: bytes
    path: str
    schema: str
    program: str
    node: str
    exp_s: int
    per_minute: int
    status: str
    connections: int
    made_ms: int
    ended_ms: int | None
    last_ms: int | None
    records: int
    socket: str | None
    delegation: bytes


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """One collection of this node's vault; `first` and `last` are None while it is empty.

    `same` and `differing` count records whose fact somebody had told before, as they came.
    `whose` are the people of the house to whom it belongs; nobody: the home.
    """

    path: str
    schema: str
    records: int
    pages: int
    first: int | None
    last: int | None
    whose: tuple[str, ...] = ()
    same: int = 0
    differing: int = 0


@dataclass(frozen=True, slots=True)
class Records:
    """Records that were read, in order of time, and a sentence for each page that did not open.

    `conflicts` counts those of which not everybody told the same amount or value.
    """

    batch: Batch
    pages: int
    damaged: tuple[str, ...]
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class ToldBy:
    """Who told records: `how` is delivered, imported or declared, `who` a peer or a file."""

    how: str
    who: str
    import_id: str | None
    statement: bytes | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Sourced:
    """Records, and for each who told it: (number in `tellers`, fields in which it differs).

    The one shown comes first.  `ambiguous` records might be the same as others and stand apart.
    """

    records: Records
    tellers: tuple[ToldBy, ...]
    tellings: tuple[tuple[tuple[int, tuple[str, ...]], ...], ...]
    ambiguous: int
