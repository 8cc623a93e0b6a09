"""Shared records of this node: what it signs of its own copies, and what peers say of theirs.

    propose, withdraw, accept, dispute    sign the next version of the own copy: row and outbox
    proposed, answered                    a peer's version, through the door: checked, kept, CID

Each is one unit of work, in which the row, the version and what is to be said stand or fall
together, and each is idempotent on the CID of the version: what is said twice is kept once and
answered alike.  What a peer says is held against both histories (`protocol/shared_copy.py`) before
a byte of it is kept, and is charged to its quota.

What became of a version of ours, and how lost ones come back, is `lost_versions.py`; erasing is
`erased_copies.py`.  What was erased here is not taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from ...protocol.command import AnswerRecordArgs, Cmd, ProposeArgs
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import SHARED_VERSIONS_MAX
from ...protocol.shared_copy import CopyState, check_next
from ...protocol.shared_record import (
    Record,
    SharedName,
    SharedVersion,
    SharedWord,
    Told,
    check_between,
    check_told,
    make_version,
    parse_told,
    parse_version,
    same_record,
)
from ...protocol.wire import Value
from ..errors import UsageError
from ..household.household import Household
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Objects
from ..vault.collection import Collections
from ..vault.erased import Erased
from .in_store import SharedInStore, followed_in
from .kept import SaidState, SharedKept

# Proposals of one peer that wait for an answer: beyond that it is pestering.
SHARED_WAITING_MAX = 64
# Records shared with one peer: a row of contacts, of contracts, some years of contested bookings.
SHARED_OF_ONE_MAX = 1_024

Charge: TypeAlias = "Callable[[Tx, Pair, int], None]"
"""Takes so many bytes from a peer's quota, or raises GrantRefused."""

# What is said by `/record/propose`; the other words are answers.
PROPOSING = (SharedWord.PROPOSED, SharedWord.WITHDRAWN)
# The commands that carry a version.
SAID = (Cmd.PROPOSE, Cmd.ANSWER_RECORD, Cmd.RETURN)


class SharedRecords(SharedInStore):
    """Both copies of every shared record."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        collections: Collections,
        household: Household,
        outgoing: Outgoing,
        erased: Erased,
        charge: Charge,
    ) -> None:
        super().__init__(objects, peers)
        self._collections = collections
        self._household = household
        self._outgoing = outgoing
        self._erased = erased
        self.charge = charge

    # on another device of the same person

    def was_erased(self, tx: Tx, shared: SharedKept) -> bool:
        """Whether this record was erased from the collection that it belongs to."""
        return bool(self._erased.days_of(tx, shared.kept, shared.name.id))

    def forget_erased(self, tx: Tx, path: str) -> int:
        """Forget what is shared of the records that were erased from `path`; how many.

        Whoever erased them has told the other side.
        """
        gone = [one for one in self.all(tx) if one.kept == path and self.was_erased(tx, one)]
        for shared in gone:
            self.remove(tx, shared)
        return len(gone)

    def remove(self, tx: Tx, shared: SharedKept) -> None:
        """Forget a record, and say nothing more of it."""
        pair = self._peers.find(tx, shared.own, shared.their)
        if pair is not None:
            self.say_no_more(tx, pair, shared)
        self.forget(tx, shared)

    def say_no_more(self, tx: Tx, pair: Pair, shared: SharedKept) -> None:
        """What waits in the outbox of this record goes out of it: it holds the record."""
        raws = {one.version.raw for one in shared.versions}
        for id, message in self._outgoing.waiting(tx, pair):
            of_record = message.cmd in SAID and message.args.get("version") in raws
            if of_record or (message.cmd is Cmd.RECALL and names(message.args, shared.name)):
                self._outgoing.drop(tx, id)

    # one's own copy

    def propose(
        self,
        tx: Tx,
        pair: Pair,
        name: SharedName,
        record: Record | None,
        reason: str,
        now_ms: int,
        *,
        kept_as: str,
        told: Told | None,
    ) -> SharedKept:
        """Ask `pair` to hold `record` too; `told` shows what it had delivered, `kept_as` is the
        collection here.  Raises UsageError where nothing would change, WireError, RecordError."""
        own = Did(pair.own)
        shared = self.find(tx, own, pair.their, name)
        if shared is None:
            if len(self.waiting_of(tx, pair)) >= SHARED_OF_ONE_MAX:
                raise UsageError(f"{SHARED_OF_ONE_MAX:,} records are shared with {pair.name}")
            shared = SharedKept(own, pair.their, name, kept_as, told, (), followed_in(pair))
            # What a person says by hand they mean: it may come again.
            days = self._erased.days_of(tx, kept_as, name.id)
            self._erased.forget(tx, kept_as, {day: [name.id] for day in days})
        _check_there(shared, pair)
        mine, theirs = shared.mine, shared.theirs
        if mine.said and mine.state is not CopyState.HELD and same_record(mine.record, record):
            raise UsageError(f"this is what you have told {pair.name} already")
        if theirs.said and same_record(theirs.record, record):
            head = shared.copies.head(pair.their)
            hint = "" if head is None else ": `entrenous shared accept` says that you hold it too"
            raise UsageError(f"this is what {pair.name} has{hint}")
        return self._say(tx, pair, shared, SharedWord.PROPOSED, record, reason, now_ms)

    def withdraw(self, tx: Tx, shared: SharedKept, reason: str, now_ms: int) -> SharedKept:
        """Ask no more: the own copy is again what it was.  Raises UsageError."""
        _check_here(shared)
        mine = shared.mine
        if mine.state not in (CopyState.PROPOSED, CopyState.DISPUTED):
            raise UsageError("you have proposed nothing here that could be withdrawn")
        pair = self._peers.pair(tx, shared.own, shared.their)
        return self._say(tx, pair, shared, SharedWord.WITHDRAWN, mine.ground, reason, now_ms)

    def accept(
        self, tx: Tx, shared: SharedKept, cid: bytes, reason: str, now_ms: int
    ) -> SharedKept:
        """Hold what the other side holds by its version `cid`.

        Raises UsageError if that is not its newest any more, or the two are the same already.
        """
        head = self._newest(shared, cid)
        given = [one.word for one in shared.copies.answers(head)]
        if SharedWord.ACCEPTED in given:
            raise UsageError("you have accepted this already")
        if shared.copies.agree:
            raise UsageError("you both hold the same already: there is nothing to accept")
        pair = self._peers.pair(tx, shared.own, shared.their)
        return self._say(tx, pair, shared, SharedWord.ACCEPTED, head.record, reason, now_ms)

    def dispute(
        self, tx: Tx, shared: SharedKept, cid: bytes, reason: str, now_ms: int, held: Record | None
    ) -> SharedKept:
        """Keep one's own copy against the version `cid`, and say why.

        `held` is what this side holds where it has said nothing of the record yet.
        Raises UsageError as `accept`.
        """
        head = self._newest(shared, cid)
        if head.word is not SharedWord.PROPOSED:
            raise UsageError("nothing is proposed here that you could dispute")
        if SharedWord.ACCEPTED in [one.word for one in shared.copies.answers(head)]:
            raise UsageError("you have accepted this already, and that is final")
        mine = shared.mine
        record = mine.record if mine.said else held
        if same_record(record, head.record):
            raise UsageError("you hold the same: there is nothing to dispute")
        pair = self._peers.pair(tx, shared.own, shared.their)
        return self._say(tx, pair, shared, SharedWord.DISPUTED, record, reason, now_ms)

    def _newest(self, shared: SharedKept, cid: bytes) -> SharedVersion:
        _check_here(shared)
        head = shared.copies.head(shared.their)
        if head is None:
            raise UsageError("the other side has said nothing of this record that you could answer")
        if head.cid != cid:
            raise UsageError("the other side has said something else since: look at it again")
        return head

    def _say(
        self,
        tx: Tx,
        pair: Pair,
        shared: SharedKept,
        word: SharedWord,
        record: Record | None,
        reason: str,
        now_ms: int,
    ) -> SharedKept:
        """Sign the next version of the own copy, keep it, and put it in the outbox."""
        _check_there(shared, pair)
        copies = shared.copies
        mine, head = copies.head(shared.own), copies.head(shared.their)
        signed = [one.version.n for one in shared.versions if shared.is_ours(one.version)]
        if len(signed) >= SHARED_VERSIONS_MAX:
            raise UsageError(f"{SHARED_VERSIONS_MAX} versions of your copy are kept: no more")
        told = shared.told
        seen = head.cid if head is not None else None if told is None else told.statement.cid
        version = make_version(
            self._peers.persona(tx, shared.own).key,
            to=pair.their_now,
            name=shared.name,
            n=max(signed, default=-1) + 1,
            prev=None if mine is None else mine.cid,
            seen=seen,
            word=word,
            record=record,
            reason=reason,
            t_ms=now_ms,
        )
        check_next(copies, version)
        self.tell(tx, pair, shared, version, now_ms)
        return self.keep(tx, shared.adding(version, SaidState.SAID, now_ms), version)

    def tell(
        self, tx: Tx, pair: Pair, shared: SharedKept, version: SharedVersion, due_ms: int
    ) -> None:
        """Put a version of ours in the outbox; the first one shows what had been delivered."""
        if version.word not in PROPOSING:
            answer = AnswerRecordArgs(pair.their_now, version.raw)
            self._outgoing.put(tx, pair, Cmd.ANSWER_RECORD, answer.value(), due_ms)
            return
        told = shared.told
        shows = told is not None and told.src in pair.theirs and version.prev is None
        asked = ProposeArgs(
            pair.their_now, version.raw, told.raw if told is not None and shows else None
        )
        self._outgoing.put(tx, pair, Cmd.PROPOSE, asked.value(), due_ms)

    # the other side's copy

    def proposed(self, tx: Tx, pair: Pair, args: ProposeArgs, now_ms: int) -> Value:
        """A peer proposes a change, or withdraws it: the CID of its version.

        Raises WireError, BadSignature, RecordError, StatementError, CapabilityError, GrantRefused.
        """
        version = parse_version(args.version)
        if version.word not in PROPOSING:
            raise GrantRefused("an answer is not said as a proposal", Code.COMMAND)
        told = None if args.told is None else parse_told(args.told)
        if told is not None:
            check_told(told, version.name, src=pair.ours, sub=pair.theirs)
        return self._heard(tx, pair, version, told, now_ms)

    def answered(self, tx: Tx, pair: Pair, args: AnswerRecordArgs, now_ms: int) -> Value:
        """A peer answers what was proposed: the CID of its version.  Raises as `proposed`."""
        version = parse_version(args.version)
        if version.word in PROPOSING:
            raise GrantRefused("a proposal is not said as an answer", Code.COMMAND)
        return self._heard(tx, pair, version, None, now_ms)

    def _heard(
        self, tx: Tx, pair: Pair, version: SharedVersion, told: Told | None, now_ms: int
    ) -> Value:
        check_between(version, by=pair.theirs, to=pair.ours)
        shared = self.find(tx, Did(pair.own), pair.their, version.name)
        if shared is None:
            shared = self.begun(tx, pair, version, told)
        elif shared.find(version.cid) is not None:
            return version.cid
        check_next(shared.copies, version)
        after = shared.adding(version, SaidState.HEARD, now_ms)
        if after.waits and not shared.waits:
            self._check_waiting(tx, pair)
        self.charge(tx, pair, len(version.raw) + (0 if told is None else len(told.raw)))
        self.keep(tx, after, version)
        return version.cid

    def begun(self, tx: Tx, pair: Pair, version: SharedVersion, told: Told | None) -> SharedKept:
        """A record that is not shared here until now, as the first version of it comes.

        Raises GrantRefused.
        """
        own = Did(pair.own)
        path = self._household.kept_under(tx, own, version.name.path)
        collection = self._collections.find(tx, path)
        schema = version.name.schema
        if collection is not None and collection.pages and collection.schema is not schema:
            sentence = f"{version.name.path} holds other records here than {schema.name}"
            raise GrantRefused(sentence, Code.COLLECTION)
        if self._erased.days_of(tx, path, version.name.id):
            raise GrantRefused("this record was erased here, and is not taken again", Code.REVOKED)
        if len(self.waiting_of(tx, pair)) >= SHARED_OF_ONE_MAX:
            raise GrantRefused("no more records are shared with this peer", Code.TOO_MUCH)
        return SharedKept(own, pair.their, version.name, path, told, (), followed_in(pair))

    def _check_waiting(self, tx: Tx, pair: Pair) -> None:
        if sum(self.waiting_of(tx, pair)) >= SHARED_WAITING_MAX:
            sentence = f"{SHARED_WAITING_MAX} proposals wait for an answer already"
            raise GrantRefused(sentence, Code.TOO_MUCH)

    def stale(self, tx: Tx, own: Did, their: Did, raw: bytes) -> bool:
        """Whether a version that waits to be said is none any more: the one before it was refused,
        or the record was erased here."""
        version = parse_version(raw)
        shared = self.find(tx, own, their, version.name)
        kept = None if shared is None else shared.find(version.cid)
        return kept is None or kept.state is SaidState.REFUSED


def _check_here(shared: SharedKept) -> None:
    """Raises UsageError for a record that an export brought."""
    if shared.brought is not None:
        raise UsageError(
            "this record came with an export, and the keys of both sides did not: it can be shown "
            "and proven; to go on, meet the other side and propose it anew"
        )


def _check_there(shared: SharedKept, pair: Pair) -> None:
    """Raises UsageError where the other side takes no word of this record."""
    if shared.is_left:
        raise UsageError(
            f"{pair.name} has erased its copies of this record, and takes no word on it"
        )


def names(args: Mapping[str, Value], name: SharedName) -> bool:
    """Whether the arguments of a command name this record."""
    return all(args.get(key) == value for key, value in name.value().items())
