"""What the operations on this person's devices answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One device of this person.

    `this`: it is the one that answers.  `synced_ms`: when this device last had all that it had, or
    None.  `serves` says of this device whether it serves peers now, and of another None: only it
    knows; `why` is a sentence where there is something to say.  `serves_within_s`: how long it may
    serve without having spoken with another; None: always.
    """

    name: str
    device: str
    this: bool
    state: str
    since_ms: int
    synced_ms: int | None
    connected: bool
    serves: bool | None
    serves_within_s: int | None
    why: str | None


@dataclass(frozen=True, slots=True)
class DeviceLink:
    """A link by which one device can join, until `exp_s`."""

    link: str
    exp_s: int


@dataclass(frozen=True, slots=True)
class DeviceJoined:
    """A device that was taken among this person's."""

    name: str
    device: str


@dataclass(frozen=True, slots=True)
class DevicesSynced:
    """How many devices answered, of how many."""

    answered: int
    devices: int
