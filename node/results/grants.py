"""What a node tells of requests and grants, given and held."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.terms import Terms
from ...protocol.window import Window
from .helpers import NotHeard
from .peers import StandingInfo
from .terms import RequestMarks


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
    # When its reader agreed to it, as far as this node has heard.
    accepted_ms: int | None = None
    # Who may serve it while its owner is away.
    helpers: tuple[str, ...] = ()
    # Of what is lent on: who did not take it, and why, in their words.
    turned_away: str = ""
    # Of one that ended or waits for another reason than that it was taken back: why.
    why: str = ""


@dataclass(frozen=True, slots=True)
class ProcessingInfo:
    """A peer for whom this node processes since `t_ms`; `grants` it has lent on here."""

    peer: str
    t_ms: int
    grants: int


@dataclass(frozen=True, slots=True)
class EncryptedAgain:
    """`pages` were claimed to be encrypted again, and are."""

    pages: int


@dataclass(frozen=True, slots=True)
class EncryptingProgress:
    """So many of all `pages` are encrypted again."""

    done: int
    pages: int


@dataclass(frozen=True, slots=True)
class RevokedBefore:
    """A grant that had been taken back already, and when: nothing was changed."""

    grant: bytes
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was taken back: of each of `grants` one of `revocations` says so.

    `survivors` other grants got new keys; under `still` the same reader goes on reading some of
    the same days.  `not_heard` are helpers that may serve until they hear of it, or their leases
    end.  `before` is what was named, and had been taken back before.
    """

    revocations: tuple[bytes, ...]
    survivors: int
    still: tuple[bytes, ...]
    not_heard: tuple[NotHeard, ...] = ()
    grants: tuple[bytes, ...] = ()
    before: tuple[RevokedBefore, ...] = ()
