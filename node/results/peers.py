"""What a node tells of its peers: who they are, how far they have shown it, what they may fill."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ...protocol.card import Card, Change
from .terms import Frugality


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link for one use, until `exp_s`.  Whoever reads it can use it."""

    link: str = field(repr=False)
    exp_s: int


@dataclass(frozen=True, slots=True)
class Paired:
    """A pairing that was made: the name by which the owner knows it, and the peer's DID."""

    name: str
    did: str


@dataclass(frozen=True, slots=True)
class Peer:
    """One relationship.  `own` and `their` are DIDs; `outbox` counts what waits for this peer."""

    name: str
    own: str
    their: str
    addresses: tuple[str, ...]
    paired_ms: int
    connected: bool
    outbox: int
    standing: StandingInfo
    # What it has filled of this node's disk, and may.
    stored_bytes: int
    quota_bytes: int
    # For whom of the house it knows this node; nobody: the home.
    people: tuple[str, ...] = ()
    # How often another persona has followed theirs and ours, and contradictions of their log.
    followed: int = 0
    follows: int = 0
    forks: int = 0
    # Whether they have not heard yet who we are now.
    unheard: bool = False


@dataclass(frozen=True, slots=True)
class QuotaInfo:
    """What a peer has filled of this node's disk and may; `own` if that was set for it alone."""

    peer: str
    used_bytes: int
    most_bytes: int
    own: bool


class Level(StrEnum):
    """How a peer is known; see `standing.py`."""

    DOMAIN = "domain"
    VOUCHED = "vouched"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StandingInfo:
    """How far a peer has shown to be who it says.

    `domain` has named its key; `why` says why none has.  `vouchers` are peers who vouch for it,
    `looks_like` peers whose names its own may be taken for.
    """

    level: Level
    domain: str | None
    vouchers: tuple[str, ...]
    why: str | None
    looks_like: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardVersion:
    """A version of a card: when it came here, and what it said otherwise than the one before."""

    n: int
    heard_ms: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class CardInfo:
    """A card: a peer's, or (`peer` None) this organisation's own.  The newest version is last."""

    peer: str | None
    card: Card
    cid: bytes
    versions: tuple[CardVersion, ...]
    standing: StandingInfo | None
    # What it asked of this node, against what its purposes need; None for one's own.
    frugality: Frugality | None = None


@dataclass(frozen=True, slots=True)
class VouchInfo:
    """A vouch that this person gives for a peer, and the peers that are told if they ask."""

    peer: str
    about: str
    t_ms: int
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VouchAnswer:
    """What a peer answered to a question: whether it vouches, or why it could not be asked."""

    peer: str
    vouches: bool
    failed: str | None
