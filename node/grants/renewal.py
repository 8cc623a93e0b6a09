"""Renewal: a grant goes on for longer, as a new delegation that names the one before it.

    owner   renew ──/grant/renew──> reader: the same terms, no wider days? then held and accepted
                                      └──/grant/accept──> keyset: the next nodes of the tree
    reader  asks to go on: an ordinary request, for what it holds, until later

A delegation ends when it says it ends, and no cover of keys passes that day, so to go on is to give
again: a new delegation, its own key, its own keyset.  The old one stays until its end, so that the
reader has no gap.  Days that the old one cut off at its end go on to the new end, as far as they
were asked for; days that the owner narrowed stay as narrow.

A grant is renewed by itself only where its owner said so (`always`): so long at a time, at most
until a day that they chose, and never one that was taken back or is suspended.  On paid terms a
renewal is an answer to its reader, who has asked for it: nobody comes to owe more by what another
renews.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from ...crypto.errors import EntrenousError
from ...protocol.command import Cmd, RenewArgs
from ...protocol.day import TIME_MAX_MS, day_of
from ...protocol.grant import was_asked
from ...protocol.request import Request, parse_request
from ...protocol.trust import GrantStatus
from ...protocol.window import Window, opened_until
from ...protocol.wire import Body, Value
from ..errors import NotAllowed, UsageError
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .borrowing import Borrowing
from .grant_given import GrantGiven
from .grant_lines import Happened, Side
from .inbox import Asked, Inbox, RequestState
from .lending import GRANT_LIFE_S_MAX, Lending

log = structlog.get_logger()

_DAY_S = 86_400
# A renewal that comes by itself comes while the old grant still has this long: a reader that is
# away for a few days has the new keys before the old ones end.
AHEAD_S_MAX = 7 * _DAY_S
EACH_S_MIN = _DAY_S
_PAID = "on paid terms a grant goes on when its reader asks for it: that request waits in the inbox"


@dataclass(frozen=True, slots=True)
class Renewing:
    """What an owner said once: renew by itself, `each_s` at a time, never beyond `until_s`."""

    each_s: int
    until_s: int

    def value(self) -> Value:
        return {"each_s": self.each_s, "until_s": self.until_s}

    @classmethod
    def from_value(cls, value: Value) -> Renewing:
        body = Body.open(value, "a renewal in the store", ("each_s", "until_s"))
        return cls(body.integer("each_s"), body.integer("until_s"))

    @property
    def ahead_s(self) -> int:
        """How long before its end a grant is renewed."""
        return min(self.each_s // 4, AHEAD_S_MAX)


class Renewals:
    """Both sides of going on with a grant."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        lending: Lending,
        borrowing: Borrowing,
        inbox: Inbox,
        asked: Inbox,
        outgoing: Outgoing,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._lending = lending
        self._borrowing = borrowing
        self._inbox = inbox
        self._asked = asked
        self._outgoing = outgoing

    # the owner

    def renew(
        self,
        tx: Tx,
        cid: bytes,
        exp_s: int,
        now_ms: int,
        waiting: Sequence[tuple[bytes, Asked]] | None = None,
    ) -> GrantGiven:
        """Go on with a grant that this node gave, until `exp_s`; its reader is told, and what it
        asked for to this end is answered.  `waiting` is the inbox, if it was looked at before.

        Raises NotFound, UsageError for one that was taken back, or for no longer than it holds.
        """
        old = self._lending.get(tx, cid)
        self._check(tx, old, exp_s, now_ms)
        windows = self.windows(tx, old, exp_s)
        if not windows:
            raise UsageError("none of the days of this grant would be left")
        pair = self._peers.pair(tx, old.own, old.their)
        terms = old.bundle.terms
        answered = self._asks_for(tx, old, windows, exp_s, waiting)
        if terms.paid and not answered:
            raise UsageError(_PAID)
        new = self._lending.give(
            tx, pair, windows, terms, exp_s, old.request, now_ms, renews=old.cid
        )
        self._lending.lines.happened(tx, Side.GIVEN, old.cid, Happened.RENEWED, now_ms, new.cid)
        if not terms.paid:
            args = RenewArgs(old.their, old.cid, new.bundle.signed.raw)
            self._outgoing.put(tx, pair, Cmd.RENEW, args.value(), now_ms)
        for cid in answered:
            self._lending.answer(tx, cid, new, now_ms)
        standing = self.standing(tx, cid)
        if standing is not None:
            self._objects.delete(tx, Kind.RENEWING, cid)
            self._objects.put(tx, Kind.RENEWING, new.cid, standing.value())
        return new

    def _check(self, tx: Tx, old: GrantGiven, exp_s: int, now_ms: int) -> None:
        # As it is kept, whatever the clock says: one that was suspended and has run out meanwhile
        # may have been taken back before the restore.
        if old.kept in (GrantStatus.REVOKED, GrantStatus.SUSPENDED):
            raise UsageError(f"this grant is {old.kept.value}: it is not renewed")
        if old.request is None:
            raise UsageError("this grant answers no request: nothing says how far it may go on")
        if self.renewed_by(tx, old.cid) is not None:
            raise UsageError("this grant was renewed already: renew the one that goes on from it")
        if exp_s <= old.exp_s:
            raise UsageError("a renewal ends later than the grant does")
        if not now_ms < exp_s * 1000 <= now_ms + GRANT_LIFE_S_MAX * 1000:
            raise UsageError("a grant ends in the future, and within ten years")

    def _asks_for(
        self,
        tx: Tx,
        old: GrantGiven,
        windows: Sequence[Window],
        exp_s: int,
        waiting: Sequence[tuple[bytes, Asked]] | None,
    ) -> list[bytes]:
        """What waits of the reader of `old` to go on with it on `windows`, as `ask` writes it: a
        renewal answers it, for its owner does what was asked, if in another way."""
        first = None if old.request is None else self._inbox.find(tx, old.request)
        items = old.windows if first is None else parse_request(first.raw).items
        same = (items, old.windows, _going_on(old.windows, old.exp_s, items))
        terms = old.bundle.terms
        found: list[bytes] = []
        for cid, asked in self._inbox.waiting(tx) if waiting is None else waiting:
            if (asked.own, asked.their) != (old.own, old.their):
                continue
            request = parse_request(asked.raw)
            if (
                request.terms == terms
                and request.items in same
                and was_asked(windows, request.items)
                # Where it costs, longer is more than was asked for.
                and (exp_s <= request.exp_s or not terms.paid)
                and self._inbox.get(tx, cid).state is RequestState.WAITING
            ):
                found.append(cid)
        return found

    def answered_before(self, tx: Tx, pair: Pair, cid: bytes, now_ms: int) -> bool:
        """A request has come for what was given while it was on its way: to go on with a grant that
        has been renewed for as long, or longer.  It is answered with the renewal."""
        asked = self._inbox.get(tx, cid)
        request = parse_request(asked.raw)
        if asked.state is not RequestState.WAITING or request.terms.paid:
            return False
        for new in self._lending.ever_of(tx, pair.own, pair.their):
            if (
                new.status(now_ms) is not GrantStatus.LIVE
                or new.exp_s < request.exp_s
                or new.bundle.terms != request.terms
            ):
                continue
            line = self._lending.lines.find(tx, Side.GIVEN, new.cid)
            old = None if line is None or line.renews is None else line.renews
            before = None if old is None else self._lending.find(tx, old)
            waiting = [(cid, asked)]
            if before and self._asks_for(tx, before, new.windows, new.exp_s, waiting):
                self._lending.answer(tx, cid, new, now_ms)
                return True
        return False

    def renewed_by(self, tx: Tx, cid: bytes) -> bytes | None:
        """The grant that goes on from the one given as `cid`."""
        line = self._lending.lines.find(tx, Side.GIVEN, cid)
        events = () if line is None else line.events
        return next((one.cid for one in events if one.what is Happened.RENEWED), None)

    def family(self, tx: Tx, cid: bytes, now_ms: int) -> list[bytes]:
        """The grant given as `cid`, and of those that it goes on from, or that go on from it, each
        that still holds: for whoever takes it back they are one."""
        found = [cid]
        for one in found:
            line = self._lending.lines.find(tx, Side.GIVEN, one)
            near = () if line is None else (line.renews, *line.renewed_by)
            found += [it for it in near if it is not None and it not in found]
        return [one for one in found if one == cid or self._stands(tx, one, now_ms)]

    def _stands(self, tx: Tx, cid: bytes, now_ms: int) -> bool:
        given = self._lending.find(tx, cid)
        ended = (GrantStatus.REVOKED, GrantStatus.EXPIRED)
        return given is not None and given.status(now_ms) not in ended

    def windows(self, tx: Tx, old: GrantGiven, exp_s: int) -> tuple[Window, ...]:
        """The days of a renewal until `exp_s`: those of `old`; what its end cut off goes on, as
        far as it was asked for."""
        asked = None if old.request is None else self._inbox.find(tx, old.request)
        items = () if asked is None else parse_request(asked.raw).items
        return opened_until(_going_on(old.windows, old.exp_s, items), exp_s)

    # by itself

    def standing(self, tx: Tx, cid: bytes) -> Renewing | None:
        """How the grant given as `cid` is renewed by itself."""
        return self._objects.read(tx, Kind.RENEWING, cid, Renewing.from_value)

    def always(self, tx: Tx, cid: bytes, rule: Renewing | None, now_ms: int) -> None:
        """Renew a grant by itself from now on, or no more.  Raises NotFound, UsageError."""
        old = self._lending.get(tx, cid)
        if rule is None:
            if not self._objects.delete(tx, Kind.RENEWING, cid):
                raise UsageError("this grant is not renewed by itself")
            return
        if rule.each_s < EACH_S_MIN:
            raise UsageError("a grant is renewed for a day at a time, or more")
        self._check(tx, old, rule.until_s, now_ms)
        if old.bundle.terms.paid:
            raise UsageError("on paid terms a grant goes on when its reader asks for it, each time")
        self._objects.put(tx, Kind.RENEWING, cid, rule.value())

    def renew_due(self, tx: Tx, now_ms: int) -> int:
        """Renew what its owner said is renewed by itself, and is about to end; how many."""
        renewed = 0
        waiting: Sequence[tuple[bytes, Asked]] | None = None
        for cid, rule in self._objects.read_all(tx, Kind.RENEWING, Renewing.from_value):
            old = self._lending.find(tx, cid) if isinstance(cid, bytes) else None
            if old is None or old.kept is GrantStatus.REVOKED:
                self._objects.delete(tx, Kind.RENEWING, cid)
                continue
            if now_ms < (old.exp_s - rule.ahead_s) * 1000:
                continue
            exp_s = min(max(old.exp_s, now_ms // 1000) + rule.each_s, rule.until_s)
            if exp_s <= old.exp_s or exp_s * 1000 <= now_ms:
                self._objects.delete(tx, Kind.RENEWING, cid)  # as far as its owner wanted
                continue
            if old.kept is GrantStatus.SUSPENDED:
                if old.status(now_ms) is GrantStatus.EXPIRED:  # it can be confirmed no more
                    self._objects.delete(tx, Kind.RENEWING, cid)
                continue
            if waiting is None:
                waiting = self._inbox.waiting(tx)  # once for all of a night
            try:
                self.renew(tx, old.cid, exp_s, now_ms, waiting)
                renewed += 1
            except EntrenousError as error:
                # It cannot go on; whoever keeps house has more to do than this one.
                self._objects.delete(tx, Kind.RENEWING, cid)
                log.warning("not_renewed", reason=str(error))
        return renewed

    # the reader

    def ask(self, tx: Tx, cid: bytes, exp_s: int, now_ms: int) -> bytes:
        """Ask the owner to go on with a grant that is held, until `exp_s`; the request's CID.

        It is a request like any other, on the terms that hold, and for what was asked before; of
        collections of which fewer days were granted, for these.  Raises NotFound, UsageError,
        NotAllowed for what is read for another.
        """
        held = self._borrowing.get(tx, cid)
        if held.via is not None:
            raise NotAllowed("this is read for another: they ask for it to go on")
        if exp_s <= held.bundle.grant.exp_s or exp_s * 1000 <= now_ms:
            raise UsageError("a renewal ends later than the grant does")
        asked = None if held.request is None else self._asked.find(tx, held.request)
        before = None if asked is None else parse_request(asked.raw)
        terms = held.bundle.terms
        pair = self._peers.pair(tx, held.own, held.their)
        items = held.windows if before is None else before.items
        if {one.collection for one in items} == {one.collection for one in held.windows}:
            # What its owner has narrowed is not asked for anew under the name of going on.
            items = _going_on(held.windows, held.bundle.grant.exp_s, items)
        request = Request(
            pair.own_now,
            items,
            terms.purpose,
            terms,
            exp_s,
            "" if before is None else before.refusal,
        )
        return self._borrowing.ask(tx, pair, request, now_ms)

    def renewed(self, tx: Tx, pair: Pair, args: RenewArgs, now_ms: int) -> Value:
        """The owner goes on with a grant that is held: see `Borrowing.renewed`."""
        return self._borrowing.renewed(tx, pair, args, now_ms)


def _going_on(windows: Sequence[Window], exp_s: int, items: Sequence[Window]) -> tuple[Window, ...]:
    """`windows` of a grant until `exp_s`: what that end cut off goes on as far as `items` asked."""
    cut = day_of(min(exp_s * 1000, TIME_MAX_MS))
    return tuple(
        replace(window, last=_asked_until(window, items))
        if not window.undated and window.last == cut
        else window
        for window in windows
    )


def _asked_until(window: Window, items: Sequence[Window]) -> int:
    """The last day up to which what `window` begins was asked for."""
    first = replace(window, last=window.first)
    return max((item.last for item in items if was_asked([first], [item])), default=window.last)
