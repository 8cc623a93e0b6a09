"""What a node knows about one call, as plain data: all that the door may look at beside the call.

It is fetched in the same unit of work that will act, so no check can be true of one moment and
acted on in another.

Source: formats.md, "Session", "Commands".
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from .command import OWN_NAME
from .counter import CounterWindow
from .did import Did
from .grant_status import GrantStatus
from .mandate import Lodged


@dataclass(frozen=True, slots=True)
class Pair:
    """Two personas that know each other: one of ours, one of theirs.

    `permits` are the commands that we let them say in their own name; the owner can withdraw each.
    `reads_only`: they are a processor, known here by the chain under which it reads, and say none.
    """

    ours: Did
    theirs: Did
    permits: frozenset[str] = OWN_NAME
    reads_only: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """A call came by hand, in parcel `n`; `taken` are the parcels taken of that device before."""

    n: int
    taken: CounterWindow


@dataclass(frozen=True, slots=True)
class Standing:
    """What this node knows about one call, as data.

    `device` is this device; `pair` the pair whose stream the call came on, None for a stranger;
    `grants` how each delegation of the chain stands, by CID (the root must be there; others only
    if they were taken back; of a processor's chain, those that were shown here); `spent` the
    invocations remembered, by CID.

    For a command that is said in another's name: `principal` is our pair with that other, None if
    there is none, and `mandates` what was handed in, by the CID of each delegation.

    `carried` says that it did not come on a stream: it may be older, and its parcel has a number.
    """

    device: Did
    pair: Pair | None
    grants: Mapping[bytes, GrantStatus]
    spent: Container[bytes]
    principal: Pair | None = None
    mandates: Mapping[bytes, Lodged] = field(default_factory=lambda: dict[bytes, Lodged]())
    carried: Carried | None = None
