"""Grants that ended, or wait, because somebody lost a device and is another persona since: why.

    given, held     it was given again between who the two are now, or waits for that
    lent on, read   what it is of was given again, and it goes on in another, by the nonce that
    for another     follows from it; or its processor is somebody whom the terms do not name

It is seen in what is kept of both, and noted nowhere.  What was taken back has no other reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from ...protocol.did import Did
from ...protocol.grant import Bundle
from ...protocol.processor import may_process
from ...protocol.trust import GrantStatus
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..grants.lent_on import LentOn, LentOnSide
from ..grants.lent_on_again import nonce_after
from ..node import Node
from ..peers.peers import Pair
from ..results.grants import GrantInfo
from ..store.database import Tx

# Of many that look alike it is not said in which one goes on: each would be held against all.
_LOOKED_MAX: Final = 65_536
# Between what is lent on and what goes on from it, grants that were passed over.
_STEPS_MAX: Final = 16
_OVER: Final = (GrantStatus.REVOKED.value, GrantStatus.SUSPENDED.value)
_THE_OWNER: Final = "its owner"
_YOU: Final = "you"
Listed = Mapping[bytes, GrantGiven | GrantHeld | LentOn]


def with_reasons(
    node: Node,
    tx: Tx,
    listed: Sequence[GrantGiven | GrantHeld | LentOn],
    infos: Iterable[GrantInfo],
) -> list[GrantInfo]:
    """`infos`, which are of `listed` in this order, each with why it ended; what is read for
    another, or lent on, also with what it goes on in."""
    found = list(infos)
    goes_on = _goes_on(listed, {info.id: info.renewed_by for info in found})
    before = {after: cid for cid, after in goes_on.items()}
    by_cid: Listed = {one.cid: one for one in listed}
    for place, (one, info) in enumerate(zip(listed, found, strict=True)):
        if one.bundle.chain:
            after, earlier = goes_on.get(one.cid), before.get(one.cid)
            found[place] = replace(info, renews=earlier, renewed_by=after)
    renewed_by = {info.id: info.renewed_by for info in found}
    pairs: dict[tuple[str, str], Pair | None] = {}

    def pair_of(own: str, their: str) -> Pair | None:
        if (own, their) not in pairs:
            pairs[own, their] = node.peers.find(tx, own, their)
        return pairs[own, their]

    for place, (one, info) in enumerate(zip(listed, found, strict=True)):
        if info.status not in _OVER:
            continue
        following = renewed_by[one.cid]
        if following is None and isinstance(one, LentOn) and _ended_with(one, by_cid):
            following = renewed_by[one.root]
        goes_on_in = None if following is None else by_cid.get(following)
        found[place] = replace(info, why=_why(pair_of, one, goes_on_in, info))
    return found


def _ended_with(one: LentOn, by_cid: Listed) -> bool:
    """Whether what was lent on ended with what it was of, and not before."""
    root = by_cid.get(one.root)
    return root is not None and one.ended_ms in (None, root.ended_ms)


def _goes_on(
    listed: Sequence[GrantGiven | GrantHeld | LentOn], renewed_by: Mapping[bytes, bytes | None]
) -> dict[bytes, bytes]:
    """Of what was lent on, in which it goes on; `renewed_by` is what each grant goes on in."""
    chained = [one for one in listed if not isinstance(one, GrantGiven) and one.bundle.chain]
    by_nonce = {
        (one.bundle.root.cid, one.bundle.grant.delegation.nonce): one.cid for one in chained
    }
    found: dict[bytes, bytes] = {}
    alike: dict[object, list[GrantHeld]] = {}
    for one in chained:
        if isinstance(one, LentOn):
            roots = list(islice(_following(one.root, renewed_by), _STEPS_MAX))
            _look(one, roots, by_nonce, found)
        else:
            # Of the same owner, by whomever it was lent on; what was given again ends as it was to.
            key = one.own, one.their, one.via, one.bundle.grant.exp_s
            alike.setdefault(key, []).append(one)
    others: dict[object, list[GrantHeld]] = {}
    for some in alike.values():
        for one in some:
            _look(one, [other.bundle.root.cid for other in some], by_nonce, found)
            # By another persona of its owner, who is nobody that this node knew.
            looks = one.via, one.bundle.terms.cid, one.bundle.grant.exp_s, one.windows
            others.setdefault(looks, []).append(one)
    for some in others.values():
        over = [one for one in some if one.ended_ms is not None and one.cid not in found]
        if len(over) * len(some) <= _LOOKED_MAX:
            for one in over:
                _look(one, [other.bundle.root.cid for other in some], by_nonce, found)
    return found


def _look(
    one: GrantHeld | LentOn,
    roots: Iterable[bytes],
    by_nonce: Mapping[tuple[bytes, bytes], bytes],
    found: dict[bytes, bytes],
) -> None:
    """Note what goes on from `one` of the first of `roots` that anything does."""
    for root in dict.fromkeys(roots):
        after = by_nonce.get((root, nonce_after(one.cid, root)))
        if after is not None:
            found[one.cid] = after
            return


def _following(cid: bytes, renewed_by: Mapping[bytes, bytes | None]) -> Iterator[bytes]:
    """The grants that go on from `cid`, one from the other."""
    following = renewed_by.get(cid)
    while following is not None:
        yield following
        following = renewed_by.get(following)


def _why(
    pair_of: Callable[[str, str], Pair | None],
    one: GrantGiven | GrantHeld | LentOn,
    after: GrantGiven | GrantHeld | LentOn | None,
    info: GrantInfo,
) -> str:
    """Who is another persona since; empty where nobody is, or that is not why."""
    match one:
        case LentOn():
            return _why_lent_on(pair_of, one, after, info)
        case GrantHeld() if one.via is not None:
            pair, delegation = pair_of(*one.via), one.bundle.grant.delegation
            if pair is not None and delegation.aud in _left(pair.ours, pair.own_now):
                return _sentence(_YOU, "whom the terms do not name")
            if pair is not None and delegation.iss in _left(pair.theirs, pair.their_now):
                return _sentence(info.principal or pair.name)
            return "" if after is None else _between(one.bundle, after.bundle, _THE_OWNER, "")
        case GrantGiven():
            return "" if after is None else _between(one.bundle, after.bundle, _YOU, info.peer)
        case _ if after is not None:
            return _between(one.bundle, after.bundle, info.peer, _YOU)
        case _ if info.status == GrantStatus.SUSPENDED.value:
            pair, delegation = pair_of(one.own, one.their), one.bundle.root.delegation
            if pair is not None and delegation.iss in _left(pair.theirs, pair.their_now):
                return _sentence(info.peer)
            if pair is not None and delegation.aud in _left(pair.ours, pair.own_now):
                return _sentence(_YOU)
            return ""
        case _:
            return ""


def _why_lent_on(
    pair_of: Callable[[str, str], Pair | None],
    one: LentOn,
    after: GrantGiven | GrantHeld | LentOn | None,
    info: GrantInfo,
) -> str:
    given = one.side is LentOnSide.GIVEN
    if given and may_process(one.bundle.terms, one.reader) is not None:
        pair = pair_of(one.own, one.their)
        if pair is not None and one.reader in _left(pair.theirs, pair.their_now):
            return _sentence(info.peer, "whom the terms do not name")
    if after is None:
        return ""
    owner, reader = (_THE_OWNER, _YOU) if given else (_YOU, info.principal or "its reader")
    return _between(one.bundle, after.bundle, owner, reader)


def _between(old: Bundle, new: Bundle, owner: str, reader: str) -> str:
    """Whose persona differs in the grants at the root of two that follow one another."""
    before, now = old.root.delegation, new.root.delegation
    if before.iss != now.iss:
        return _sentence(owner)
    return _sentence(reader) if before.aud != now.aud and reader else ""


def _left(line: Iterable[Did], now: Did) -> set[Did]:
    return set(line) - {now}


def _sentence(who: str, more: str = "") -> str:
    verb = "are" if who == _YOU else "is"
    words = f"{who} lost a device, and {verb} another persona since"
    return f"{words}, {more}" if more else words
