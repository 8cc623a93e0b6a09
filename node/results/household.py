"""What a node tells of the people of its household, and of acting for one another."""

from __future__ import annotations

from dataclasses import dataclass


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
