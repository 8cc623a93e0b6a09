"""What a node tells of deliveries, as sender and as recipient."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


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
