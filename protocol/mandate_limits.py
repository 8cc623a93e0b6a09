"""What a mandate for the principal's own node leaves to its proxy: the policy, understood.

A mandate that holds elsewhere says one thing, `[["==", ".to", organisation]]`.  One for the
principal's own node may say more, in this order and in no other form:

    ["or", [["==", ".peer", P], …]]                           requests of these peers only
    ["or", [["==", ".purpose", Q], …]]                        for these purposes only
    ["all", ".items", ["or", [["==", ".[0]", C],
                              ["like", ".[0]", "C/*"], …]]]   of these collections, and below them
    ["<=", ".exp", S]                                         nothing granted for longer than this

Each may be left out.  The same limits choose what the proxy is shown: a request of which any part
is outside them waits for the principal, whole.

Source: ADR 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .collection import check_path
from .did import Did, check_did
from .errors import CapabilityError, Code, RecordError, WireError
from .limits import LINE_CHARS_MAX, MANDATE_LIMITS_MAX, TIME_S_MAX
from .request import Request
from .wire import Value


@dataclass(frozen=True, slots=True)
class Limits:
    """What of the principal's requests a proxy may decide; an empty tuple, or None: any."""

    peers: tuple[Did, ...] = ()
    purposes: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    until_s: int | None = None

    def policy(self, to: Did) -> list[Value]:
        """The `pol` of a delegation at `to`."""
        pol: list[Value] = [["==", ".to", to]]
        if self.peers:
            pol.append(["or", [["==", ".peer", peer] for peer in self.peers]])
        if self.purposes:
            pol.append(["or", [["==", ".purpose", purpose] for purpose in self.purposes]])
        if self.collections:
            paths: list[Value] = []
            for path in self.collections:
                paths += [["==", ".[0]", path], ["like", ".[0]", f"{path}/*"]]
            pol.append(["all", ".items", ["or", paths]])
        if self.until_s is not None:
            pol.append(["<=", ".exp", self.until_s])
        return pol

    def covers(self, peer: Did, request: Request) -> bool:
        """Whether all of `request`, by `peer`, may be decided, if only for a part of its time."""
        return (
            (not self.peers or peer in self.peers)
            and (not self.purposes or request.purpose in self.purposes)
            and all(self.covers_path(item.collection) for item in request.items)
        )

    def covers_path(self, path: str) -> bool:
        return not self.collections or any(
            path == one or path.startswith(one + "/") for one in self.collections
        )


def check_limits(limits: Limits) -> Limits:
    """Accept limits of which each is possible and none stands twice.  Raises CapabilityError."""
    for some in (limits.peers, limits.purposes, limits.collections):
        if len(some) > MANDATE_LIMITS_MAX or len(set(some)) != len(some):
            raise _other(f"it has more than {MANDATE_LIMITS_MAX} of a kind, or one twice")
    if any(not 0 < len(purpose) <= LINE_CHARS_MAX for purpose in limits.purposes):
        raise _other("a purpose is not a line")
    if limits.until_s is not None and not 0 <= limits.until_s <= TIME_S_MAX:
        raise _other("its time is impossible")
    try:
        for peer in limits.peers:
            check_did(peer)
        for path in limits.collections:
            check_path(path)
    except (WireError, RecordError) as error:
        raise _other(str(error)) from error
    return limits


def parse_limits(pol: Sequence[Value]) -> tuple[Did, Limits]:
    """Read back what `Limits.policy` gave: where it holds, and what it leaves to the proxy.

    Raises CapabilityError(malformed) for any other policy.
    """
    match list(pol):
        case [["==", ".to", str(to)], *rest]:
            limits = check_limits(_limits(rest))
        case _:
            raise _other("it holds at one place, and says so first")
    # One form only: what was read, written again, is the same, to the last element.
    if limits.policy(Did(to)) != list(pol):
        raise _other("it has another form")
    try:
        return check_did(to), limits
    except WireError as error:
        raise _other(str(error)) from error


def _limits(rest: Sequence[Value]) -> Limits:
    found = Limits()
    for statement in rest:
        match statement:
            case ["or", [["==", ".peer", _], *_] as some]:
                peers = tuple(Did(one) for one in _texts(some, ".peer"))
                found = Limits(peers, found.purposes, found.collections, found.until_s)
            case ["or", [["==", ".purpose", _], *_] as some]:
                purposes = _texts(some, ".purpose")
                found = Limits(found.peers, purposes, found.collections, found.until_s)
            case ["all", ".items", ["or", [*some]]]:
                paths = _texts(some[::2], ".[0]")
                found = Limits(found.peers, found.purposes, paths, found.until_s)
            case ["<=", ".exp", int(until_s)] if type(until_s) is int:
                found = Limits(found.peers, found.purposes, found.collections, until_s)
            case _:
                raise _other("it says what no mandate says")
    return found


def _texts(some: Sequence[Value], selector: str) -> tuple[str, ...]:
    texts: list[str] = []
    for one in some:
        match one:
            case ["==", str(named), str(text)] if named == selector:
                texts.append(text)
            case _:
                raise _other("it says what no mandate says")
    return tuple(texts)


def _other(why: str) -> CapabilityError:
    return CapabilityError(f"this is not the policy of a mandate: {why}", Code.MALFORMED)
