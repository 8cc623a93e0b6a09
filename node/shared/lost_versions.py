"""What became of a version of ours; and how a side that lost versions has them again.

    heard       the other side has it
    not-yet     it lacks what came before: it is told everything again, a while later
    replay      another version of ours stands at its place: we have lost some, and ask for them
    otherwise   it is no part of our copy, and neither is what followed

A side that was restored from before its own newest version has forgotten what it signed, and its
next word would be a second end of its copy.  It asks (`/record/recall`) once it is restored, and
whenever it is told so; the other side says again what it has after the versions that were named:
its own as it ever did, and the asker's by `/record/return`.

Nobody is believed.  What comes back must have been signed by a persona that this side is or was to
this peer, for a persona that the peer is or was, of this record, and must follow the newest version
that is known to have been heard (`protocol/shared_copy.py`).  A peer can so give back what was said
to it and nothing else; it can keep back the end of it, as if it had never heard, which a signed
answer in the log contradicts.  What this side signed meanwhile, not knowing, is set aside, shown as
not taken, and said again by its person or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...protocol.command import AnswerRecordArgs, Cmd, ProposeArgs, RecallArgs, ReturnArgs
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import TEXT_CHARS_MAX
from ...protocol.receipt import Answer
from ...protocol.shared_copy import check_next
from ...protocol.shared_record import (
    SharedVersion,
    check_between,
    check_told,
    parse_told,
    parse_version,
)
from ...protocol.wire import Value
from ..clock import Clock
from ..leave import Leaves
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair
from ..store.database import Tx
from .kept import SaidState, SharedKept, VersionKept
from .shared_records import SharedRecords, names

# When a peer that lacks the beginning of our copy is told it again: as who is away is tried.
RETELL_MS: Final = 600_000
# One answer to a recall costs up to 256 words: two at once for a record, then one in ten minutes.
RECALLS: Final = 2
RECALLS_PER_S: Final = 1 / 600
RECALLED_MAX: Final = 4_096
SET_ASIDE: Final = "you had signed another version before, which was lost here and is back"


class LostVersions:
    """Both sides of versions that one of them has lost."""

    def __init__(self, shared: SharedRecords, outgoing: Outgoing, clock: Clock) -> None:
        self._shared = shared
        self._outgoing = outgoing
        self._clock = clock
        self._leave = Leaves(RECALLS, RECALLS_PER_S, RECALLED_MAX)

    # what became of what was said

    def settled(
        self, tx: Tx, pair: Pair, args: ProposeArgs | AnswerRecordArgs, answer: Answer
    ) -> None:
        """The other side has a version of ours, or refused it for good."""
        version = parse_version(args.version)
        shared = self._shared.find(tx, Did(pair.own), pair.their, version.name)
        if shared is None or shared.find(version.cid) is None:
            return
        if answer.code is Code.OK:
            self._shared.keep(tx, shared.heard(version.cid))
        elif answer.code is Code.NOT_YET:
            self._tell_again(tx, pair, shared, version.cid)
        else:
            reason = answer.reason[:TEXT_CHARS_MAX]
            refused = self._shared.keep(tx, shared.refused(version.cid, reason))
            if answer.code is Code.REPLAY:
                self._ask(tx, pair, refused, self._clock.now_ms())

    def _tell_again(self, tx: Tx, pair: Pair, shared: SharedKept, cid: bytes) -> None:
        """The other side lacks what came before: it is told all of it, later."""
        until = [one.cid for one in shared.versions].index(cid) + 1
        told = [
            one for one in shared.versions[:until] if one.state is SaidState.HEARD or one.cid == cid
        ]
        self._say(tx, pair, shared, told, self._clock.now_ms() + RETELL_MS)

    # what was lost here

    def ask_all(self, tx: Tx, pair: Pair, now_ms: int) -> int:
        """This home was restored: ask a peer for what is newer of every record shared with it; how
        many."""
        found = [one for one in self._shared.with_peer(tx, pair) if one.brought is None]
        for shared in found:
            self._ask(tx, pair, shared, now_ms)
        return len(found)

    def _ask(self, tx: Tx, pair: Pair, shared: SharedKept, now_ms: int) -> None:
        mine = _last(one for one in shared.versions if _is_heard(shared, one))
        theirs = shared.copies.head(shared.their)
        args = RecallArgs(
            pair.their_now, shared.name, mine, None if theirs is None else theirs.cid
        ).value()
        for _, message in self._outgoing.waiting(tx, pair):
            if message.cmd is Cmd.RECALL and names(message.args, shared.name):
                return
        self._outgoing.put(tx, pair, Cmd.RECALL, args, now_ms)

    def returned(self, tx: Tx, pair: Pair, args: ReturnArgs, now_ms: int) -> Value:
        """A peer gives back what this node signed: its CID.  Said again, nothing changes.

        Raises WireError, BadSignature, RecordError, StatementError, CapabilityError, GrantRefused.
        """
        version = parse_version(args.version)
        check_between(version, by=pair.ours, to=pair.theirs)
        shared = self._shared.find(tx, Did(pair.own), pair.their, version.name)
        if shared is None:
            shared = self._begun(tx, pair, version, args.told)
        elif shared.find(version.cid) is not None:
            return version.cid
        found = shared.set_aside(SET_ASIDE)
        check_next(found.copies, version)
        self._shared.charge(tx, pair, len(version.raw) + len(args.told or b""))
        self._shared.keep(tx, found.adding(version, SaidState.HEARD, now_ms), version)
        return version.cid

    def _begun(self, tx: Tx, pair: Pair, version: SharedVersion, raw: bytes | None) -> SharedKept:
        """A record of which nothing is known here any more."""
        told = None if raw is None else parse_told(raw)
        if told is not None:
            both = ((*pair.ours,), (*pair.theirs,))
            src, sub = both if told.src in pair.ours else both[::-1]
            check_told(told, version.name, src=src, sub=sub)
        return self._shared.begun(tx, pair, version, told)

    # what the other side has lost

    def recalled(self, tx: Tx, pair: Pair, args: RecallArgs, now_ms: int) -> Value:
        """A peer has lost versions: how many will be said to it.  Raises GrantRefused(busy)."""
        shared = self._shared.find(tx, Did(pair.own), pair.their, args.name)
        if shared is None:
            return 0
        key = (pair.own, pair.their, args.name.path, args.name.id)
        if not self._leave.take(key, now_ms / 1000):
            raise GrantRefused("this was told a while ago: ask again later", Code.BUSY)
        told = [
            *_after(shared, args.mine, ours=False),
            *_after(shared, args.theirs, ours=True),
        ]
        told.sort(key=shared.versions.index)
        return self._say(tx, pair, shared, told, now_ms)

    def _say(
        self,
        tx: Tx,
        pair: Pair,
        shared: SharedKept,
        versions: Iterable[VersionKept],
        due_ms: int,
    ) -> int:
        """Put versions of both sides in the outbox, in this order, but for those that are there;
        how many."""
        waiting = [message.args.get("version") for _, message in self._outgoing.waiting(tx, pair)]
        there = {raw for raw in waiting if isinstance(raw, bytes)}
        said = 0
        for one in versions:
            version = one.version
            if version.raw in there:
                continue
            said += 1
            if shared.is_ours(version):
                self._shared.tell(tx, pair, shared, version, due_ms)
                continue
            told = shared.told
            begins = told is not None and version.prev is None
            args = ReturnArgs(
                pair.their_now, version.raw, told.raw if told is not None and begins else None
            )
            self._outgoing.put(tx, pair, Cmd.RETURN, args.value(), due_ms)
        return said


def _is_heard(shared: SharedKept, one: VersionKept) -> bool:
    return shared.is_ours(one.version) and one.state is SaidState.HEARD


def _last(versions: Iterable[VersionKept]) -> bytes | None:
    found = None
    for one in versions:
        found = one.cid
    return found


def _after(shared: SharedKept, head: bytes | None, *, ours: bool) -> list[VersionKept]:
    """What stands in one side's copy after `head`; all of it, if that is not known here."""
    chain = [
        one
        for one in shared.versions
        if one.state is not SaidState.REFUSED and shared.is_ours(one.version) is ours
    ]
    places = [place for place, one in enumerate(chain) if one.cid == head]
    return chain[places[0] + 1 :] if places else chain
