"""What the operations on shared records answer, as a client sees it.

A record is `{field: value|null}` as the formats have it, a decimal `[mantissa, scale]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...protocol.wire import Value


@dataclass(frozen=True, slots=True)
class CopyInfo:
    """One side's copy: `state` as in `protocol/shared_copy.py`, what it holds, and its last word.

    `said`: whether its side has said what it holds; where this node has not, `record` is what its
    vault has.  `version`, `n`, `word`, `t_ms` are None while it has signed nothing.
    """

    state: str
    said: bool
    record: Value = field(repr=False)
    version: bytes | None
    n: int | None
    word: str | None
    reason: str
    t_ms: int | None


@dataclass(frozen=True, slots=True)
class SharedInfo:
    """One shared record.  `state` says how the two stand: `node/shared/kept.py`.

    `record` is its id, or None where its schema has none: then `time_ms` names it.  `differing`
    are the fields in which the copies differ; `told` is the statement that it began with, which
    `told_by_us` says is this side's;
    `refused` why the other side did not take the last version of ours, if it did not.  `brought`:
    it came with an export, and can be shown and proven; nobody here can say more of it.
    """

    id: bytes
    peer: str
    path: str
    kept: str
    schema: str
    record: str | None
    time_ms: int | None
    state: str
    agree: bool
    differing: tuple[str, ...]
    mine: CopyInfo
    theirs: CopyInfo
    told: bytes | None
    refused: str
    versions: int
    brought: bool = False
    told_by_us: bool = False


@dataclass(frozen=True, slots=True)
class SharedStep:
    """One version in the history of both: `by` is `you` or `them`.

    `answers` is the version that it accepts or disputes; `changed` are the fields in which it
    differs from its own side's copy before; `state` is `said`, `heard` or `refused`.
    """

    id: bytes
    by: str
    n: int
    word: str
    answers: bytes | None
    record: Value = field(repr=False)
    changed: tuple[str, ...]
    reason: str
    t_ms: int
    state: str
    refusal: str


@dataclass(frozen=True, slots=True)
class SharedProofMade:
    """A proof file: its bytes, and what is in it."""

    id: bytes
    proof: bytes = field(repr=False)
    agree: bool
    versions: int
