"""What the operations on the witnessed log answer."""

from __future__ import annotations

from dataclasses import dataclass


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
    """Two heads of a peer's log that were not shown to go together, as signed notes."""

    peer: str
    judgement: str
    t_ms: int
    kept: str
    shown: str


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
