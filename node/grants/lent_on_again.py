"""Lent on again: a grant goes on, and so does what its reader lends on of it.

    owner ──/grant/renew──> reader: a new grant, the same terms        its first keyset comes
                              └── of the grant before, what is lent on until its end ──> lent on

The terms are those that the owner agreed to, and they name the processor, so nobody is let in whom
the owner did not see.  Nothing is widened: days that went to the end of the grant go on to its new
end, others stay as they are.  What was lent on for a shorter time ends when it was to end; what was
taken back, or waits since a restore, is not lent on again.

Two devices of one reader lend on the very same: nothing in it is drawn.  So whoever takes one back
finds what goes on from it, at the owner too, by what it says itself (`nonce_after`).

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from ...crypto.digest import tag128
from ...crypto.errors import EntrenousError
from ...crypto.labels import Tag
from ...protocol.keyset import GrantKeys
from ...protocol.processor import may_process
from ...protocol.trust import GrantStatus
from ...protocol.window import Window
from ..peers.peers import Peers
from ..store.database import Tx
from .grant_held import GrantHeld
from .grant_lines import GrantLines, Side
from .grants_held import GrantsHeld
from .lending_on import LendingOn
from .lent_on import LentOn, LentOnSide

log = structlog.get_logger()

# Grants that go on from one another are followed so far: a renewal a day for two years and more.
FOLLOWED_MAX = 1_024


def nonce_after(before: bytes, root: bytes) -> bytes:
    """The nonce of what goes on from the delegation `before`, under the grant `root`."""
    return tag128(b"", Tag.LENT_ON_AGAIN, before, root)


@dataclass(frozen=True, slots=True)
class Reader:
    """What the one who lends on has: the grants held, their lines, what is lent on, the peers."""

    grants: GrantsHeld
    lines: GrantLines
    lending_on: LendingOn
    peers: Peers


def lend_on_again(reader: Reader, tx: Tx, held: GrantHeld, keys: GrantKeys, now_ms: int) -> int:
    """The first keys of `held` have come: of the grant that it goes on from, what is lent on is
    lent on of it; of how much."""
    before = _before(reader, tx, held)
    if before is None:
        return 0
    again, lending_on = 0, reader.lending_on
    known = {_nonce(one) for one in lending_on.of_root(tx, LentOnSide.GIVEN, held.cid)}
    # Its owner gave it again because one of the two is somebody else now.
    over = before.kept is GrantStatus.REVOKED
    for one in lending_on.of_root(tx, LentOnSide.GIVEN, before.cid):
        if one.ended_ms is not None or lending_on.is_suspended(tx, one):
            continue
        if over:
            lending_on.save(tx, replace(one, ended_ms=before.ended_ms or now_ms))
        if nonce_after(one.cid, held.cid) not in known:
            again += _goes_on(reader, tx, one, before, held, keys, now_ms)
        if over:
            # After it was told of what it goes on in, if it does: that keeps what it has read.
            lending_on.tell_over(tx, one, now_ms)
    return again


def _goes_on(
    reader: Reader,
    tx: Tx,
    one: LentOn,
    before: GrantHeld,
    held: GrantHeld,
    keys: GrantKeys,
    now_ms: int,
) -> bool:
    """Lend on of `held`, which goes on from `before`, what `one` lends on of that; whether."""
    if one.bundle.grant.exp_s != before.bundle.grant.exp_s:
        return False
    to = reader.peers.find(tx, one.own, one.their)
    if to is None or (may_process(one.bundle.terms, one.reader) and to.their_now != one.reader):
        log.warning("not_lent_on_again", reason="its reader is somebody else now")
        return False
    try:
        reader.lending_on.lend_on(
            tx,
            held,
            keys,
            to,
            one.reader,
            windows=windows_after(one.windows, before.windows, held.windows),
            exp_s=held.bundle.grant.exp_s,
            now_ms=now_ms,
            nonce=nonce_after(one.cid, held.cid),
        )
    except EntrenousError as error:
        # The keys that came are kept all the same.
        log.warning("not_lent_on_again", reason=str(error))
        return False
    return True


def windows_after(
    windows: Iterable[Window], before: Sequence[Window], after: Sequence[Window]
) -> tuple[Window, ...]:
    """The days of what goes on: `windows` of a grant on `before`, when it goes on on `after`."""
    found: list[Window] = []
    for one in windows:
        ends = {above.last for above in before if one in above}
        for above in after:
            if replace(one, last=one.first) in above:
                last = above.last if one.last in ends else min(one.last, above.last)
                found.append(replace(one, last=last))
                break
    return tuple(found)


def family(lending_on: LendingOn, lines: GrantLines, tx: Tx, one: LentOn) -> list[LentOn]:
    """`one`, and what it goes on from or what goes on from it, each that was not taken back: for
    whoever takes it back they are one."""
    side = Side.HELD if one.side is LentOnSide.GIVEN else Side.GIVEN
    above = _above(lines, tx, side, one.root)
    of_root = {root: lending_on.of_root(tx, one.side, root) for root in above}
    near: dict[bytes, list[LentOn]] = {}
    for it in (it for some in of_root.values() for it in some):
        before = _goes_on_from(it, above, of_root)
        if before is not None:
            near.setdefault(it.cid, []).append(before)
            near.setdefault(before.cid, []).append(it)
    found = {one.cid: one}
    looked = [one]
    for it in looked:
        fresh = [other for other in near.get(it.cid, ()) if other.cid not in found]
        found |= {other.cid: other for other in fresh}
        looked += fresh
    return [it for it in looked if it is one or it.ended_ms is None]


def _above(lines: GrantLines, tx: Tx, side: Side, root: bytes) -> dict[bytes, bytes | None]:
    """The grants that go on from one another, `root` among them, each with what it goes on from."""
    found: dict[bytes, bytes | None] = {}
    looked = [root]
    for cid in looked:
        line = lines.find(tx, side, cid)
        if cid in found or len(found) >= FOLLOWED_MAX:
            continue
        found[cid] = None if line is None else line.renews
        near = () if line is None else (line.renews, *line.renewed_by)
        looked += [it for it in near if it is not None]
    return found


def _goes_on_from(
    one: LentOn, above: Mapping[bytes, bytes | None], of_root: Mapping[bytes, Sequence[LentOn]]
) -> LentOn | None:
    """What `one` goes on from: of the grant before its own, or of one before that whose keys had
    not come when it was given again."""
    root = above.get(one.root)
    for _ in range(len(above)):
        if root is None:
            break
        for other in of_root.get(root, ()):
            if _nonce(one) == nonce_after(other.cid, one.root):
                return other
        root = above.get(root)
    return None


def renewed_after(lines: GrantLines, tx: Tx, side: Side, cid: bytes) -> Iterable[bytes]:
    """The grants that go on from `cid`, and from these."""
    found, looked = {cid}, [cid]
    for one in looked:
        line = lines.find(tx, side, one)
        fresh = [it for it in (() if line is None else line.renewed_by) if it not in found]
        found.update(fresh)
        looked += fresh[: FOLLOWED_MAX - len(looked)]
    return looked[1:]


def _before(reader: Reader, tx: Tx, held: GrantHeld) -> GrantHeld | None:
    """The grant that `held` goes on from."""
    cid = held.cid
    for _ in range(FOLLOWED_MAX):
        line = reader.lines.find(tx, Side.HELD, cid)
        if line is None or line.renews is None:
            return None
        cid = line.renews
        before = reader.grants.find(tx, cid)
        # One whose keys never came is passed over: nothing could be lent on of it.
        if before is None or before.keysets or before.kept is GrantStatus.REVOKED:
            return before
    return None


def _nonce(one: LentOn) -> bytes:
    return one.bundle.grant.delegation.nonce
