"""How two tellings of one row become one: the rules by which devices that wrote apart converge.

Each function takes what two devices hold under one name and gives what both are to hold.  All are
joins: the order does not matter, nor how often, nor which device asks which; so any number of
devices that exchange in any order end with the same rows.  Where two values cannot both stand, a
rule says which does; where nothing in them tells, the greater bytes do, since any rule serves on
which all agree.

    R of a collection, what was removed   all that any device knows
    a grant, given or held                taken back > live > suspended; keys and numbers add up
    a request                             granted > ended > refused > declined > offered > waiting
    a persona, a pair                     the longer line; the newest certificate, its addresses
    an import                             the one that changed last
    what became of a grant                everything that happened, each event once
    standing terms, a device              the one that was set last

Source: docs/adr/0023-several-devices.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from ...crypto.canonical import encode
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..grants.grant_lines import Event, GrantLine
from ..grants.inbox import Asked, RequestState
from ..peers.peers import OwnPersona, Pair
from ..store.errors import StoreDamaged
from ..vault.journal import Import

_T = TypeVar("_T")

_KEPT: Final = {
    status: place
    for place, status in enumerate((GrantStatus.SUSPENDED, GrantStatus.LIVE, GrantStatus.REVOKED))
}
_STATES: Final = {
    state: place
    for place, state in enumerate(
        (
            RequestState.WAITING,
            RequestState.OFFERED,
            RequestState.DECLINED,
            RequestState.REFUSED,
            RequestState.ENDED,
            RequestState.GRANTED,
        )
    )
}


def given(one: GrantGiven, other: GrantGiven) -> GrantGiven:
    """A grant that this person gave.

    Taken back anywhere, it is taken back.  Kept again after a restore, it is live.  Of two sets of
    keys the later holds; both open something, so what opens adds up.
    """
    newer = max(one, other, key=lambda grant: (grant.n, grant.keyset or b""))
    return replace(
        newer,
        kept=_kept(one.kept, other.kept),
        ended_ms=_earlier(one.ended_ms, other.ended_ms),
        acknowledged=max(one.acknowledged, other.acknowledged),
        opens=tuple(sorted({*one.opens, *other.opens})),
    )


def held(one: GrantHeld, other: GrantHeld) -> GrantHeld:
    """A grant that this person holds."""
    first = _greater(one, other, lambda grant: grant.value())
    return replace(
        first,
        kept=_kept(one.kept, other.kept),
        ended_ms=_earlier(one.ended_ms, other.ended_ms),
        keysets=tuple(sorted({*one.keysets, *other.keysets})),
    )


def _kept(one: GrantStatus, other: GrantStatus) -> GrantStatus:
    return max(one, other, key=lambda status: _KEPT.get(status, len(_KEPT)))


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def asked(one: Asked, other: Asked) -> Asked:
    """A request.  What was granted anywhere is granted: the reader holds the bundle."""
    t_ms = min(one.t_ms, other.t_ms)
    told = (replace(row, t_ms=t_ms) for row in (one, other))
    return max(told, key=lambda row: (_STATES[row.state], encode(row.value())))


def imported(one: Import, other: Import) -> Import:
    """An import: the one that changed last."""
    return max(one, other, key=lambda row: (row.changed_ms, encode(row.value())))


def line(one: GrantLine, other: GrantLine) -> GrantLine:
    """What became of a grant: everything that happened."""
    first = _greater(replace(one, events=()), replace(other, events=()), lambda row: row.value())
    return replace(first, events=in_order({*one.events, *other.events}))


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Events as they are kept where several devices tell them."""
    return tuple(sorted(events, key=_place))


def _place(event: Event) -> tuple[int, str, bool, bytes]:
    return event.t_ms, event.what.value, event.cid is not None, event.cid or b""


def persona(one: OwnPersona, other: OwnPersona) -> OwnPersona:
    """A persona of a line: the one that has followed, which has a reader key more."""
    return max(one, other, key=lambda row: (len(row.readers), row.inception.signed.raw))


def pair(one: Pair, other: Pair) -> Pair:
    """A relationship.  The name is each device's own, the rest is what the longer line and the
    newest certificate say; a command that was withdrawn anywhere is withdrawn."""
    theirs = max(one, other, key=lambda row: (len(row.their_before), row.inception.signed.raw))
    shown = max(one, other, key=_certified)
    ours = max(one, other, key=lambda row: (len(row.own_after), list(row.own_after)))
    if shown.certificate.persona != theirs.inception.did:
        shown = theirs
    # Each step of either line steps the key: it is that of who has come further.
    further = max(one, other, key=_further)
    return replace(
        theirs,
        name=one.name,
        key=further.key,
        own_after=ours.own_after,
        certificate=shown.certificate,
        addresses=shown.addresses,
        withdrawn=one.withdrawn | other.withdrawn,
        paired_ms=min(one.paired_ms, other.paired_ms),
    )


def _further(row: Pair) -> tuple[int, bytes]:
    return len(row.own_after) + len(row.their_before), row.key.secret_bytes()


def _certified(row: Pair) -> tuple[int, int, bytes, list[str]]:
    certificate = row.certificate
    # One of the present persona of the peer, before any of an earlier one.
    line = len(row.their_before)
    return line, certificate.exp_s, certificate.signed.raw, list(row.addresses)


def union(one: Value, other: Value) -> Value:
    """Two lists of byte strings.  Raises StoreDamaged."""
    return [*sorted({*_bytes(one), *_bytes(other)})]


def _bytes(value: Value) -> Sequence[bytes]:
    found = [item for item in value if isinstance(item, bytes)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(found) != len(value):
        raise StoreDamaged("a set of names has not the form of one")
    return found


def statement(one: Value, other: Value) -> Value:
    """A statement as kept; a day that is not whole anywhere is not whole."""
    first = greater(_without_gone(one), _without_gone(other))
    gone = sorted({*_gone(one), *_gone(other)})
    return {**first, "gone": [*gone]} if gone and isinstance(first, Mapping) else first


def _without_gone(value: Value) -> Value:
    if not isinstance(value, Mapping):
        return value
    return {key: item for key, item in value.items() if key != "gone"}


def _gone(value: Value) -> list[int]:
    gone = value.get("gone") if isinstance(value, Mapping) else None
    return [day for day in gone if isinstance(day, int)] if isinstance(gone, list) else []


def greater(one: Value, other: Value) -> Value:
    """Of two values that say the same, or cannot both stand, the one with the greater bytes."""
    return max(one, other, key=encode)


def lesser(one: Value, other: Value) -> Value:
    """As `greater`, of what is named by something else: the smaller bytes."""
    return min(one, other, key=encode)


def _greater(one: _T, other: _T, value: Callable[[_T], Value]) -> _T:
    return max(one, other, key=lambda row: encode(value(row)))
