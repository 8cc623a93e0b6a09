"""What the operations on helpers answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HelperInfo:
    """A peer that serves for this node while it is away (`side` "ours"), or for which this node
    does ("theirs").

    `readers` are those whom it may serve, by the names that this node has for them; `pages` and
    `bytes` are what this node keeps for it; `until_ms` is when the last lease ends that was given.
    """

    peer: str
    side: str
    state: str
    readers: tuple[str, ...]
    pages: int
    bytes: int
    asked_ms: int
    until_ms: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class NotHeard:
    """A helper that has not heard of an end yet: it may serve until `until_ms` at most."""

    peer: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class HelperRemoved:
    """A helper that is none any more: if it has not heard, it may serve until `until_ms`."""

    until_ms: int | None
