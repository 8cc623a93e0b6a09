"""What the operations of a node answer, as a client sees it.

Days are those of `protocol/day.py` (UTC), times are milliseconds or seconds as the name ends, CIDs
are 36 bytes.  `short` is the shortest text that names the same thing here and now; every operation
that takes an id takes it, or any longer part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from ..protocol.card import Card, Change
from ..protocol.record import Batch
from ..protocol.terms import Terms
from ..protocol.window import Window
from ..protocol.wire import Value
from .grants.terms_report import Frugality, RequestMarks
from .imports.report import Preview as ImportPreview
from .imports.report import Progress as ImportProgress
from .imports.report import Report as ImportReport
from .imports.report import Skipped as ImportSkipped
from .imports.report import Source as ImportSource
from .imports.report import Undone

__all__ = [
    "AllowanceInfo",
    "AskedByFile",
    "BackedUp",
    "CardInfo",
    "CardVersion",
    "CollectionInfo",
    "Delivered",
    "DeliveryInfo",
    "DeliveryState",
    "Fetched",
    "GrantInfo",
    "ImportPreview",
    "ImportProgress",
    "ImportReport",
    "ImportSkipped",
    "ImportSource",
    "Invitation",
    "Invoked",
    "Level",
    "LogInfo",
    "LogSummary",
    "MandateInfo",
    "Paired",
    "Peer",
    "PersonInfo",
    "ProxyInfo",
    "QuotaInfo",
    "RecordRemoved",
    "Records",
    "RecordsAdded",
    "RequestInfo",
    "Revoked",
    "Source",
    "Sourced",
    "StandingInfo",
    "Status",
    "ToldBy",
    "Undone",
    "ViewInfo",
    "ViewRemoved",
    "ViewWaiting",
    "VouchAnswer",
    "VouchInfo",
]


# Where a field is named `bytes`, the type is named otherwise.
Cid: TypeAlias = bytes


@dataclass(frozen=True, slots=True)
class Status:
    """How a node is.  `device` is its DID, `outbox` counts what is still to be said.

    `rollback` says in words what this node can know about having been set back.
    """

    name: str
    role: str
    device: str
    addresses: tuple[str, ...]
    connected: int
    peers: int
    collections: int
    grants_given: int
    grants_held: int
    suspended: int
    outbox: int
    log_size: int
    log_number: int
    rollback: str
    version: str
    running: bool


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


@dataclass(frozen=True, slots=True)
class QuotaInfo:
    """What a peer has filled of this node's disk and may; `own` if that was set for it alone."""

    peer: str
    used_bytes: int
    most_bytes: int
    own: bool


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
class ViewWaiting:
    """A period of a view that is not told as it stands: its first day, its name, and why."""

    first: int
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ViewInfo:
    """A view of this node.  `view` is the word that names its kind.

    `periods` are those that are told, `lent` counts the grants on it that hold; `trouble` says
    why it was not derived when it was last looked at, if it was not.
    """

    path: str
    source: str
    view: str
    schema: str
    records: int
    periods: int
    waiting: tuple[ViewWaiting, ...]
    figure: str | None
    bands: tuple[str, ...]
    fields: tuple[str, ...]
    rule: str | None
    late_days: int
    again_days: int
    made_ms: int
    lent: int
    trouble: str | None


@dataclass(frozen=True, slots=True)
class ViewRemoved:
    """A view that was removed, and how many pages of it."""

    path: str
    pages: int


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
class PersonInfo:
    """One of the house: what is theirs, and which peers know them."""

    name: str
    number: int
    born: str | None
    collections: tuple[str, ...]
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MandateInfo:
    """A mandate, given, held or handed in here (`side`).

    `principal`, `proxy` and `at` are names, or DIDs of those who have none here; `passed_on` how
    many mandates stand above it.  One for the principal's own node may be for requests of some
    `peers` only, for some `purposes`, on some `collections`, granted until `until_s` at most.
    """

    id: bytes
    short: str
    side: str
    principal: str
    proxy: str
    at: str
    office: str
    commands: tuple[str, ...]
    onward: bool
    passed_on: int
    exp_s: int
    status: str
    t_ms: int
    ended_ms: int | None
    peers: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    until_s: int | None = None


@dataclass(frozen=True, slots=True)
class ProxyInfo:
    """A peer said that it would act for someone here, at `at`."""

    peer: str
    at: str
    exp_s: int
    t_ms: int


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


class DeliveryState(StrEnum):
    """Where a delivery stands: still to be handed over, in the peer's store, or turned away."""

    QUEUED = "queued"
    STORED = "stored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that this node made; `reason` says why it was refused, if it was."""

    statement: bytes
    path: str
    peer: str
    records: int
    first: int
    last: int
    parts: int
    state: DeliveryState
    reason: str | None


@dataclass(frozen=True, slots=True)
class DeliveryInfo:
    """A delivery, taken in (`way` is "in") or made ("out").  `peer` is a name or a DID.

    Of one that was taken in: how many of its records were `new`, the `same` as what others
    (`same_as`) had told, `differing` under the same name, or `ambiguous`; None where not counted.
    `erased` were left out because the person had erased them.
    """

    statement: bytes
    way: str
    peer: str
    path: str
    first: int
    last: int
    records: int
    t_ms: int
    state: DeliveryState
    new: int | None = None
    same: int | None = None
    differing: int | None = None
    ambiguous: int | None = None
    same_as: dict[str, int] = field(default_factory=lambda: dict[str, int]())
    erased: int = 0


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request: asked of this node (`inbox`) or by it (`asked`).

    `refusal` says what a no would mean; `grant` and `reason` what became of it; `standing` is that
    of the peer, None if it is gone.
    """

    id: bytes
    short: str
    peer: str
    items: tuple[Window, ...]
    purpose: str
    terms: Terms
    exp_s: int
    state: str
    t_ms: int
    refusal: str
    grant: bytes | None
    reason: str | None
    standing: StandingInfo | None
    # For whom of the house its peer knows this node; whom the asker acts for, if for another.
    people: tuple[str, ...] = ()
    principal: str | None = None
    # Who decided it for the owner of this node.
    decided_by: str | None = None
    # What is worth knowing of it; None for those that wait at another node.
    marks: RequestMarks | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A statement that came with records: verified on days `first … last`, or why not."""

    statement: bytes
    src: str
    first: int
    last: int
    verified: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a read under a grant brought; `batch` is None if no page came or opened."""

    batch: Batch | None
    schema: str | None
    pages: int
    bytes: int
    windows: int
    provenance: tuple[Source, ...]
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskedByFile:
    """How many reads wait for the next file to a peer that did not wait before: one a year."""

    reads: int


@dataclass(frozen=True, slots=True)
class GrantInfo:
    """A grant, `given` or `held`.

    `reads` counts the reads in the log; `acknowledged` is whether the reader holds the keys that
    are current (a held grant: whether its keys have come).  `chain` are its delegations as signed,
    root first.
    """

    id: bytes
    short: str
    side: str
    peer: str
    windows: tuple[Window, ...]
    purpose: str
    terms: Terms
    exp_s: int
    status: str
    issued_ms: int | None
    ended_ms: int | None
    reads: int
    acknowledged: bool
    chain: tuple[bytes, ...]
    # Who gave it for the owner of this node; for whom its reader reads, if for another.
    decided_by: str | None = None
    principal: str | None = None
    # The grant that it goes on from, the one that goes on from it; what its reader is asked to
    # delete (`owed`) or says that it deleted (`said`), and when.
    renews: bytes | None = None
    renewed_by: bytes | None = None
    deletion: str | None = None
    deletion_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was taken back.

    `survivors` other grants got new keys; under `still` the same reader goes on reading some of
    the same days.
    """

    revocations: tuple[bytes, ...]
    survivors: int
    still: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LogInfo:
    """One word of the log.  A receipt has grant, days, pages and bytes; an answer has a code."""

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


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup file that was written, and its size."""

    path: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Invoked:
    """The raw invocation that was sent, and the peer's signed answer."""

    token: bytes
    code: str
    out: Value


# health


class State(StrEnum):
    """How one thing stands: `note` is worth knowing, `wrong` keeps the node from its work."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.  `remedy` is what to do, empty if nothing is to be done."""

    check: str
    state: State
    sentence: str
    remedy: str = ""
