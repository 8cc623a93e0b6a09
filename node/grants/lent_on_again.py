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

from collections.abc import Iterable, Sequence
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
from .grant_lines import GrantLines, Happened, Side
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
    found, before, root = [one], one, one.root
    for _ in range(FOLLOWED_MAX):
        line = lines.find(tx, side, root)
        if line is None or line.renews is None:
            break
        root = line.renews
        earlier = [
            it
            for it in lending_on.of_root(tx, one.side, root)
            if _nonce(before) == nonce_after(it.cid, before.root)
        ]
        if earlier:
            before = earlier[0]
            found.append(before)
    after = one
    for root in renewed_after(lines, tx, side, one.root):
        nonce = nonce_after(after.cid, root)
        later = [it for it in lending_on.of_root(tx, one.side, root) if _nonce(it) == nonce]
        if later:
            after = later[0]
            found.append(after)
    return [it for it in found if it is one or it.ended_ms is None]


def renewed_after(lines: GrantLines, tx: Tx, side: Side, cid: bytes) -> Iterable[bytes]:
    """The grants that go on from `cid`, one from the other."""
    for _ in range(FOLLOWED_MAX):
        line = lines.find(tx, side, cid)
        events = () if line is None else line.events
        following = next((one.cid for one in events if one.what is Happened.RENEWED), None)
        if following is None:
            return
        yield following
        cid = following


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
