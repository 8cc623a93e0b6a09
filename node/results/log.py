"""What the operations on the witnessed log answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

# Where a field is named `bytes`, the type is named otherwise.
Cid: TypeAlias = bytes


@dataclass(frozen=True, slots=True)
class WitnessInfo:
    """A peer that witnesses this node's log (`side` "ours"), or whose log this node witnesses
    ("theirs").

    `size` is that of the newest checkpoint cosigned, at `cosigned_ms`; `older_ms` is when the
    peer's log came back with an older state, `forks` counts contradictions that were kept.
    """

    peer: str
    side: str
    state: str
    size: int
    cosigned_ms: int | None
    older_ms: int | None
    forks: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """A checkpoint: the signed note as text, and what is in it.

    `published`: it is padded and leaves the node; `cosigned` names the peers that have cosigned.
    """

    note: str
    size: int
    root: str
    published: bool
    cosigned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForkInfo:
    """Two heads of a peer's log that were not shown to go together, as signed notes.

    `succession`: of a log that was closed, the signed object by which another follows it.
    """

    peer: str
    judgement: str
    t_ms: int
    kept: str
    shown: str
    succession: Cid | None = None


@dataclass(frozen=True, slots=True)
class ProofMade:
    """A proof file: of the word at `index`, in the checkpoint of `size` leaves."""

    proof: bytes
    index: int
    size: int
    cosigned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConsentWritten:
    """The consent record and receipt of a grant, as JSON-LD."""

    grant: bytes
    text: str


@dataclass(frozen=True, slots=True)
class LogInfo:
    """One word of the log.  A receipt has grant, days, pages and bytes; an answer has a code, and
    `cmd`, the command that it answers (None in rows of older versions)."""

    index: int
    kind: str
    peer: str
    way: str
    grant: Cid | None
    collections: tuple[str, ...]
    window: int | None
    first: int | None
    last: int | None
    pages: int
    bytes: int
    two_sided: bool
    t_ms: int
    code: str | None
    # Who acted for whom, if someone did.
    principal: str | None = None
    proxy: str | None = None
    id: Cid | None = None
    cmd: str | None = None
    # The helper that served for the owner; whom this node served for, if for another.
    helper: str | None = None
    helped: str | None = None


@dataclass(frozen=True, slots=True)
class LogSummary:
    """What verifying the log found: `size` leaves under `root`, all as they were signed.

    `receipts` carry both signatures, `one_sided` the server's only; `gaps` counts words of a peer
    that follow one which this node did not live to keep.  `number` counts restores.
    `checkpoints` are kept and lead to the same roots, the largest that a witness has cosigned has
    `cosigned` leaves.
    """

    number: int
    size: int
    root: bytes
    receipts: int
    one_sided: int
    answers: int
    gaps: int
    checkpoints: int = 0
    cosigned: int = 0
