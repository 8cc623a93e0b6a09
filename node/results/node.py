"""What a node tells of itself: how it is, what is wrong with it, what was kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...protocol.wire import Value


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
