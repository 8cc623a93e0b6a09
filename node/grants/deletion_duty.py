"""Deletion duty: what was read under a grant goes when the grant ends, where its terms say so.

    owner   the end of a grant ──/grant/delete──> reader: noted
            erasing what was lent ──────────────>         (`erasure.py`)
    reader  noted ──> rows removed ──> traces overwritten ──> signed ──/grant/deleted──> owner

The reader's node notes the duty by itself when it hears of the revocation, or when the grant runs
out; the owner's word is for one that did not hear.  It removes the pages of these days, with the
salts without which no copy of them opens, and the grant's keys if nothing is left that they open.
Days that another grant of the same owner opens, which holds, stay; not those whose owner erased
the data itself.  Then it says so, signed by the persona that read: a statement, not a proof.

Each step is durable before the next, and each can be done again, so a node that is killed anywhere
goes on where it was.  What was lent on goes the same way (`deletion_down.py`).  What a peer cannot
ask for: deleting under terms that have no such duty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from ...protocol.cid import CID_BYTES
from ...protocol.command import Cmd, DeleteArgs, DeletedArgs
from ...protocol.day import month_of
from ...protocol.deletion import make_deletion
from ...protocol.did import Did
from ...protocol.duty import Duty, has_duty
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import TIME_S_MAX, WINDOWS_MAX
from ...protocol.trust import GrantStatus
from ...protocol.window import Window, joined, shared_days, window_from_value
from ...protocol.wire import Body, Value
from ..checkpoint import UNWATCHED, Checkpoint
from ..clock import Clock
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..steps import DeleteStep
from ..store.database import Tx
from ..store.errors import StoreError
from ..store.objects import Kind
from ..store.store import Store
from ..vault.collection import Collections
from ..vault.stored import Stored
from .borrowing import Borrowing
from .deletion_down import DeletionDown
from .erased_asked import ErasedAsked, asked_from_value, asked_value, with_asked
from .grant_given import GrantGiven
from .grant_held import GrantHeld
from .grant_lines import GrantLine, Happened, Side
from .lending import Lending

log = structlog.get_logger()

# Words that one reader is heard to say of one grant: one for each erasure of what it was lent.
DELETIONS_OF_ONE_MAX = 4_096
# When the first grant with this duty runs out.
_NEXT = "next-duty-ends"
# Its end was noted, by this device.
_HERE = "deletion-noted"


@dataclass(frozen=True, slots=True)
class Due:
    """What this node is to delete of what it read under `grant`; `pages` are gone already."""

    grant: bytes
    windows: tuple[Window, ...]
    erased: bool
    t_ms: int
    pages: int = 0

    def value(self) -> Value:
        return {
            "grant": self.grant,
            "windows": [window.value() for window in self.windows],
            "erased": self.erased,
            "t_ms": self.t_ms,
            "pages": self.pages,
        }

    @classmethod
    def from_value(cls, value: Value) -> Due:
        body = Body.open(value, "a duty", ("grant", "windows", "erased", "t_ms", "pages"))
        windows = body.items("windows", items_max=2 * WINDOWS_MAX)
        return cls(
            body.data("grant", length=CID_BYTES),
            tuple(window_from_value(item, body.what) for item in windows),
            body.flag("erased"),
            body.integer("t_ms"),
            body.integer("pages"),
        )


class DeletionDuty:
    """Both sides of deleting what was read."""

    def __init__(
        self,
        *,
        store: Store,
        peers: Peers,
        collections: Collections,
        lending: Lending,
        borrowing: Borrowing,
        down: DeletionDown,
        outgoing: Outgoing,
        clock: Clock,
        checkpoint: Checkpoint = UNWATCHED,
    ) -> None:
        self._store = store
        self._objects = store.objects
        self._peers = peers
        self._collections = collections
        self._lending = lending
        self._borrowing = borrowing
        self._down = down
        self._outgoing = outgoing
        self._clock = clock
        self._checkpoint = checkpoint
        # Whether something may be due; set in units of work, which run in another thread.
        self._noted = True
        # What stays beside the grant whose duty is being done, as of which lines (`_stays`).
        self._staying: tuple[Value, tuple[Window, ...]] | None = None

    # the owner

    def given_ended(self, tx: Tx, grant: GrantGiven, now_ms: int) -> None:
        """A grant that this node gave has ended: its reader is asked, if its terms say so."""
        if has_duty(grant.bundle.terms, Duty.DELETE_AT_END) and grant.keyset is not None:
            pair = self._peers.find(tx, grant.own, grant.their)
            if pair is None:
                return
            # A grant has no more windows than one word of this kind.
            args = DeleteArgs(grant.their, grant.cid, grant.windows, erased=False)
            self._outgoing.put(tx, pair, Cmd.DELETE, args.value(), now_ms)
            self._lending.lines.happened(tx, Side.GIVEN, grant.cid, Happened.DELETE_ASKED, now_ms)
            self._down.asked_of(tx, grant.cid, now_ms)

    def heard(self, tx: Tx, pair: Pair, args: DeletedArgs, now_ms: int) -> Value:
        """A reader says that it has deleted, or passes on that one below it has: the word is kept.

        Raises GrantRefused.
        """
        deletion = args.deletion
        if self._down.heard(tx, pair, deletion, now_ms):
            return "known"
        grant = self._lending.find(tx, deletion.dlg)
        if grant is None or (grant.own, grant.their) != (pair.own, pair.their):
            raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
        if deletion.by not in pair.theirs:
            raise GrantRefused("a deletion is signed by another persona", Code.AUDIENCE)
        if self._objects.has(tx, Kind.DELETION, deletion.cid):
            return "known"
        of_grant: Value = ["of", grant.cid]
        if self._objects.standing(tx, Kind.DELETION, of_grant) >= DELETIONS_OF_ONE_MAX:
            raise GrantRefused("enough was said of this grant", Code.TOO_MUCH)
        raw = deletion.signed.raw
        if self._objects.add_if_new(tx, Kind.DELETION, deletion.cid, raw):
            self._objects.count_about(tx, Kind.DELETION, of_grant, 1)
            self._lending.lines.happened(
                tx, Side.GIVEN, grant.cid, Happened.DELETED, deletion.t_ms, deletion.cid
            )
        return "known"

    # the reader

    def asked(self, tx: Tx, pair: Pair, args: DeleteArgs, now_ms: int) -> Value:
        """The owner asks for it, or who lent it on.  Raises GrantRefused if the terms do not hold
        this duty."""
        held = self._borrowing.find(tx, args.grant)
        who = (pair.own, pair.their)
        if held is None or who not in (held.keyed, (held.own, held.their)):
            raise GrantRefused("this is about a grant that is not held", Code.UNKNOWN_GRANT)
        if not has_duty(held.bundle.terms, Duty.DELETE_AT_END):
            raise GrantRefused("the terms of this grant do not ask for deletion", Code.TERMS)
        if not args.erased and held.status(now_ms) is GrantStatus.LIVE:
            raise GrantRefused("this grant holds: what was read under it stays", Code.UNKNOWN_GRANT)
        windows = shared_days(args.windows, held.windows)
        line = self._borrowing.lines.find(tx, Side.HELD, held.cid)
        seen_to = line is not None and self._seen_to(tx, line)
        if windows and (args.erased or not seen_to):
            self._note(tx, held, windows, now_ms, erased=args.erased)
            self._borrowing.lines.happened(tx, Side.HELD, held.cid, Happened.DELETE_ASKED, now_ms)
            self._down.ask(tx, held, windows, now_ms, erased=args.erased)
            if args.erased and self._peers.device_persona(tx) is not None:
                self._tell_devices(tx, held, windows, now_ms)
        return "noted"

    def _tell_devices(
        self, tx: Tx, held: GrantHeld, windows: tuple[Window, ...], now_ms: int
    ) -> None:
        value = self._objects.get(tx, Kind.ERASED_ASKED, held.cid)
        known: ErasedAsked = {} if value is None else asked_from_value(value)
        asked = with_asked(known, windows, held.windows, now_ms)
        self._objects.put(tx, Kind.ERASED_ASKED, held.cid, asked_value(asked))

    def asked_elsewhere(self, tx: Tx, grant: bytes, windows: Iterable[Window], now_ms: int) -> None:
        """Another device of this person was asked to delete days that their owner has erased: this
        one deletes its own copies.  Who reads below was asked by that one."""
        held = self._borrowing.find(tx, grant)
        days = () if held is None else shared_days(windows, held.windows)
        if held is not None and days:
            self._note(tx, held, days, now_ms, erased=True)

    def held_ended(self, tx: Tx, held: GrantHeld, now_ms: int) -> None:
        """A grant that is held has ended: its own terms may say what follows."""
        if has_duty(held.bundle.terms, Duty.DELETE_AT_END):
            self._note(tx, held, held.windows, now_ms, erased=False)
            self._borrowing.lines.happened(tx, Side.HELD, held.cid, Happened.DELETE_ASKED, now_ms)
            self._down.ask(tx, held, held.windows, now_ms, erased=False)

    def leave(self, tx: Tx, now_ms: int) -> set[Did]:
        """This node is about to be no more: what it would have to delete at the end of grants that
        hold, it deletes now; to whom it will say so."""
        told: set[Did] = set()
        for line in self._borrowing.lines.all(tx):
            if line.side is not Side.HELD or not line.delete_at_end or self._seen_to(tx, line):
                continue
            held = self._borrowing.find(tx, line.cid)
            if held is not None:
                self._note(tx, held, held.windows, now_ms, erased=True)
                told.add(held.keyed[1])
        return told

    def run_out(self, tx: Tx, now_ms: int) -> int:
        """Note the duty of grants that have run out by the clock; how many."""
        if now_ms <= self._next_end_s(tx) * 1000:
            return 0
        noted, next_s = 0, TIME_S_MAX
        for line in self._borrowing.lines.all(tx):
            if line.side is not Side.HELD or not line.delete_at_end or self._seen_to(tx, line):
                continue
            if now_ms <= line.exp_s * 1000:
                next_s = min(next_s, line.exp_s)
                continue
            held = self._borrowing.find(tx, line.cid)
            if held is not None:
                self.held_ended(tx, held, now_ms)
                noted += 1
        self._objects.put(tx, Kind.SETTING, _NEXT, next_s)
        return noted

    def held_began(self, tx: Tx, held: GrantHeld) -> None:
        """A grant came: the clock is looked at no later than its end, and its days stay."""
        self._staying = None
        if has_duty(held.bundle.terms, Duty.DELETE_AT_END):
            end_s = min(self._next_end_s(tx), held.bundle.grant.exp_s)
            self._objects.put(tx, Kind.SETTING, _NEXT, end_s)

    def _next_end_s(self, tx: Tx) -> int:
        value = self._objects.get(tx, Kind.SETTING, _NEXT)
        return value if isinstance(value, int) else 0

    def _note(
        self, tx: Tx, held: GrantHeld, windows: Sequence[Window], now_ms: int, *, erased: bool
    ) -> None:
        name: Value = [held.cid, erased]
        before = self._objects.read(tx, Kind.DELETE_DUE, name, Due.from_value)
        if before is not None:
            windows = _few([*before.windows, *windows])
        pages = 0 if before is None else before.pages
        due = Due(held.cid, tuple(windows), erased, now_ms, pages)
        self._objects.put(tx, Kind.DELETE_DUE, name, due.value())
        self._noted = True
        if not erased:
            self._objects.put(tx, Kind.SETTING, [_HERE, held.cid], True)

    def _seen_to(self, tx: Tx, line: GrantLine) -> bool:
        """Whether the end of a grant was noted, by this device: what became of it is told by all
        devices of a person, and each deletes its own copies.  What its owner asked while it held is
        no such word.

        (A home of an older version has noted it nowhere, and has one device.)
        """
        if self._objects.has(tx, Kind.SETTING, [_HERE, line.cid]):
            return True
        return line.asked_at_end and self._peers.device_persona(tx) is None

    # doing it

    async def run(self) -> None:
        """Do what is due, until cancelled; looked at whenever there may be something to say."""
        while True:
            changed = self._outgoing.changed
            if self._noted:
                self._noted = False
                try:
                    await self.work()
                except StoreError as error:
                    # Nothing was half done, and the duty stands.
                    self._noted = True
                    log.error("not_deleted", kind=type(error).__name__)
            await changed.wait()

    def waiting(self, tx: Tx) -> list[tuple[Value, Due]]:
        """What is due and not done."""
        return self._objects.read_all(tx, Kind.DELETE_DUE, Due.from_value)

    async def work(self) -> int:
        """Do everything that is due; how many duties.  Raises StoreError."""
        done = 0
        database = self._store.database
        while waiting := await database.read(self.waiting):
            self._checkpoint.reached(DeleteStep.NOTED)
            for name, _ in waiting:
                self._staying = None
                while await database.write(partial(self._remove, name)):
                    self._checkpoint.reached(DeleteStep.REMOVED)
                # Only then is it said: whoever is killed here comes by again.
                await database.erase(_nothing)
                self._checkpoint.reached(DeleteStep.ERASED)
                done += await database.write(partial(self._say, name))
                self._checkpoint.reached(DeleteStep.SIGNED)
                self._outgoing.notify()
        return done

    def _remove(self, name: Value, tx: Tx) -> bool:
        """Remove the pages of one month; False if there are none left to remove."""
        due = self._objects.read(tx, Kind.DELETE_DUE, name, Due.from_value)
        held = None if due is None else self._borrowing.find(tx, due.grant)
        if due is None or held is None:
            return False
        stays = () if due.erased else self._stays(tx, held)
        for window in due.windows:
            collection = self._collections.find(tx, window.collection, held.their)
            months = () if collection is None else collection.months
            for month in months:
                if not month_of(window.first) <= month <= month_of(window.last):
                    continue
                gone = self._borrowing.pages.forget(
                    tx, held.their, window, month, partial(_stays_on, stays)
                )
                if gone:
                    fresh = replace(due, pages=due.pages + gone)
                    self._objects.put(tx, Kind.DELETE_DUE, name, fresh.value())
                    return True
        return False

    def _stays(self, tx: Tx, held: GrantHeld) -> tuple[Window, ...]:
        """The days that other grants of the same owner open, which hold.

        Looked for among all grants: once for a duty, not once for each month that goes; again
        where a grant came, or another device told of one.
        """
        of: Value = [held.cid, *self._store.stamps.of(tx, (Kind.GRANT_LINE.value,))]
        if self._staying is None or self._staying[0] != of:
            now_ms = self._clock.now_ms()
            holding = (GrantStatus.LIVE, GrantStatus.NOT_YET, GrantStatus.SUSPENDED)
            windows = joined(
                window
                for line in self._borrowing.lines.all(tx)
                if line.side is Side.HELD and line.their == held.their and line.cid != held.cid
                if line.status_at(now_ms) in holding
                for window in line.windows
            )
            self._staying = of, windows
        return self._staying[1]

    def _say(self, name: Value, tx: Tx) -> bool:
        """What is due is done: say so to the owner, signed; False if it was said before."""
        due = self._objects.read(tx, Kind.DELETE_DUE, name, Due.from_value)
        if due is None:
            return False
        self._objects.delete(tx, Kind.DELETE_DUE, name)
        held = self._borrowing.find(tx, due.grant)
        # Who reads for another was granted by them, and says it to them: they pass it on.
        pair = None if held is None else self._peers.find(tx, *held.keyed)
        if held is None or pair is None:
            return False
        stays = () if due.erased else self._stays(tx, held)
        left = sum(
            self._borrowing.pages.count(tx, held.their, window, partial(_stays_on, stays))
            for window in due.windows
        )
        if not left and not due.erased:
            self._borrowing.forget_keys(tx, held)
        now_ms = self._clock.now_ms()
        # What was lent on is answered for by who it was lent on to: whoever lent it knows no other.
        reader = held.own if held.via is None else held.bundle.grant.delegation.aud
        persona = self._peers.persona if held.via is None else self._peers.persona_as
        deletion = make_deletion(
            persona(tx, reader).key,
            dlg=held.cid,
            pages=due.pages,
            left=left,
            t_ms=now_ms,
        )
        self._borrowing.lines.happened(
            tx, Side.HELD, held.cid, Happened.DELETED, now_ms, deletion.cid
        )
        args = DeletedArgs(pair.their, deletion)
        self._outgoing.put(tx, pair, Cmd.DELETED, args.value(), now_ms)
        return True


def _stays_on(windows: Sequence[Window], stored: Stored) -> bool:
    return any(
        stored.path == window.collection and window.first <= stored.day <= window.last
        for window in windows
    )


def _few(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The same days, or where that are too many spans, one for each collection: what is deleted
    beside them can be read again while the grant holds."""
    found = joined(windows)
    if len(found) <= 2 * WINDOWS_MAX:
        return found
    spans: dict[tuple[str, bool], Window] = {}
    for one in found:
        first = spans.get((one.collection, one.undated), one)
        spans[one.collection, one.undated] = replace(first, last=one.last)
    return tuple(sorted(spans.values()))


def _nothing(_tx: Tx) -> None:
    """Nothing more is deleted; what was is overwritten."""
