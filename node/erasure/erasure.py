"""Erasing: one record, or a whole collection, gone from the files of this node.

    find ──> claim: readers told, what must go is noted ──> months, one unit each ──> the rest

A page that holds an erased record is written again without it, under the present generation; its
old ciphertext is overwritten, and with the row of the catalogue goes its salt, so that every copy
of the old page that lies elsewhere opens for nobody.  A day that a source had signed is not whole
any more: what is left of it says who delivered it and carries no signature, and the statement is
shown for the days around it.

A record told by several is one fact: all its tellings go.  What remains is a tombstone without
content (`erased.py`), so that a delivery or an import does not bring it back unnoticed.

Readers whose terms bind them to are asked to delete what they read (`/grant/delete`).  A grant on
them goes on, and serves what is left.  Out of reach are backups that were made before, and what
readers keep in spite of it: the command says so.

The copies of a record that is shared with somebody (`node/shared/erased_copies.py`) go with it,
here: the other side is told, keeps its own, and what it says of it later is not taken.

A collection goes month by month, each in a unit of its own; a claim in the store brings what was
cut short to its end.  What comes to the collection after the claim is another matter and stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TypeAlias

from ...protocol.command import Cmd
from ...protocol.command_after import DeleteArgs
from ...protocol.day import UNDATED
from ...protocol.duty import Duty, has_duty
from ...protocol.limits import WINDOWS_MAX
from ...protocol.record import Batch
from ...protocol.view_path import is_view, source_of
from ...protocol.window import Window
from ...protocol.wire import Body, Value
from ..checkpoint import UNWATCHED, Checkpoint
from ..clock import Clock
from ..errors import NotFound, UsageError
from ..exchange.deliveries import Received
from ..exchange.quotas import Quotas
from ..grants.grant_lines import Happened, Side
from ..grants.lending import Lending
from ..peers.outgoing import Outgoing
from ..peers.peers import Peers
from ..reads.serving import Serving
from ..shared.erased_copies import ErasedCopies
from ..store.database import Tx
from ..store.objects import Kind
from ..vault.journal import Event, Journal, State, after
from ..vault.kept_pages import PAGE_COUNTER
from ..vault.stored import Damaged, Stored, entry_of, names_of, open_stored
from ..vault.vault import Vault
from ..views.views import Views
from .found_fact import FoundFact, fact_named, pages_around
from .sweeping import write_without

# Pieces of what was overwritten, by which the files are read back afterwards.
NEEDLES_MAX = 64
_NEEDLE_BYTES = 48


class Step(StrEnum):
    """The numbered steps of erasing a collection, as a `Checkpoint` is told them."""

    CLAIMED = "erase 1 claimed"
    MONTH = "erase 2 month"
    DONE = "erase 3 done"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased: `records` and `tellings` of them on `pages` pages of `path`.

    `lent` are the grants under which their days were.  `needles` are bytes that were in the files.
    """

    path: str
    records: int
    tellings: int
    pages: int
    lent: tuple[bytes, ...]
    needles: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A collection that is being erased: its pages with a number below `below`."""

    path: str
    below: int
    t_ms: int

    def value(self) -> Value:
        return {"v": 1, "path": self.path, "below": self.below, "t_ms": self.t_ms}

    @classmethod
    def from_value(cls, value: Value) -> Claim:
        body = Body.open(value, "an erasure in the store", ("v", "path", "below", "t_ms"))
        return cls(body.text("path"), body.integer("below"), body.integer("t_ms"))


@dataclass(slots=True)
class _Gone:
    """What a unit took out, while it does."""

    tellings: int = 0
    pages: int = 0
    names: defaultdict[int, set[Hashable]] = field(
        default_factory=lambda: defaultdict[int, set[Hashable]](set)
    )
    needles: list[bytes] = field(default_factory=lambda: list[bytes]())

    @property
    def records(self) -> int:
        return sum(map(len, self.names.values()))

    def page(self, ciphertext: bytes | None) -> None:
        self.pages += 1
        if ciphertext is not None and len(self.needles) < NEEDLES_MAX:
            middle = len(ciphertext) // 2
            self.needles.append(ciphertext[middle : middle + _NEEDLE_BYTES])


class _MovedError(Exception):
    """A page was written anew between looking and erasing."""


Tell: TypeAlias = Callable[[int, int], None]
"""Is told how many months of an erasure are done, and how many there are."""


class Erasing:
    """Erases from one vault."""

    def __init__(
        self,
        *,
        vault: Vault,
        views: Views,
        lending: Lending,
        peers: Peers,
        outgoing: Outgoing,
        serving: Serving,
        shared: ErasedCopies,
        quotas: Quotas,
        clock: Clock,
        checkpoint: Checkpoint = UNWATCHED,
    ) -> None:
        self._vault = vault
        self._views = views
        self._lending = lending
        self._peers = peers
        self._outgoing = outgoing
        self._serving = serving
        self._shared = shared
        self._quotas = quotas
        self._clock = clock
        self._checkpoint = checkpoint
        self._store = vault.store
        self._database = vault.store.database
        self._objects = vault.store.objects
        self._journal = Journal(vault.store.objects)

    # one record

    async def find(self, path: str, name: str | int) -> FoundFact:
        """The one fact of `path` that `name` names: an id or its beginning, or a time.

        Raises NotFound, UsageError for several, or where it is a view.
        """
        _check_own(path)
        around = await self._database.read(partial(pages_around, self._vault, path))
        return await self._vault.offload.run(lambda: fact_named(self._vault, path, around, name))

    async def erase_record(self, path: str, name: str | int) -> Erasure:
        """Erase one record, however many told it.  Raises as `find`, and StoreError."""
        async with self._vault.alone_on(path):
            while True:
                try:
                    fact = await self.find(path, name)
                except NotFound:
                    return await self._erase_shared(path, {name})
                with suppress(_MovedError):
                    done = await self._database.erase(partial(self._without, fact))
                    break
            self.settled(path)
        self._outgoing.notify()
        return done

    def _without(self, fact: FoundFact, tx: Tx) -> Erasure:
        """The pages that hold the record, again without it."""
        gone, path = _Gone(), fact.path
        days = sorted(fact.names)
        stored = [
            one
            for day in days
            for one in self._vault.stored(tx, path, day, day)
            if one.seq in fact.rows
        ]
        if len(stored) != len(fact.rows):
            raise _MovedError
        for one, ciphertext in self._vault.ciphertexts(tx, stored):
            opened = open_stored(one, ciphertext, self._vault.keys_of)
            if isinstance(opened, Damaged):
                raise _MovedError
            self._rewrite(tx, one, opened, fact.rows[one.seq])
            gone.page(ciphertext)
            gone.tellings += len(fact.rows[one.seq])
        self._vault.erased.add(tx, path, fact.names, self._clock.now_ms())
        self._shared.forget(tx, path, {name for names in fact.names.values() for name in names})
        lent = self._tell(tx, path, [(day, day) for day in days])
        return Erasure(path, 1, gone.tellings, gone.pages, lent, tuple(gone.needles))

    def _rewrite(self, tx: Tx, page: Stored, batch: Batch, rows: frozenset[int]) -> None:
        """The page again without these rows, and what its import had brought."""
        if (row_of := self._journal.find(tx, page.origin)) is not None:
            fewer = max(0, row_of.records - len(rows))
            self._journal.put(tx, replace(row_of, records=fewer, changed_ms=self._clock.now_ms()))
        write_without(self._vault, self._quotas, tx, page, batch, rows)

    # a collection

    async def erase_collection(self, path: str, tell: Tell | None = None) -> Erasure:
        """Erase a whole collection, and the views of it; `tell` hears how many months are done of
        how many.  Raises NotFound, StoreError.

        What was cut short goes on when it is asked for again, or when the node next keeps house.
        """
        _check_own(path)
        try:
            claim, lent = await self._database.write(partial(self._claim, path))
        except NotFound:
            return await self._erase_shared(path, None)
        self._outgoing.notify()
        self._checkpoint.reached(Step.CLAIMED)
        return replace(await self._carry_out(claim, tell), lent=lent)

    async def _erase_shared(self, path: str, names: set[str | int] | None) -> Erasure:
        """What is not in the vault may still be shared with somebody.  Raises NotFound."""
        gone = await self._database.erase(lambda tx: self._shared.forget(tx, path, names))
        if not gone:
            known = await self._database.read(lambda tx: self._vault.collections.find(tx, path))
            if names and known is not None:
                raise NotFound(f"{path} has no such record")
            raise NotFound(f"there is no collection {path}: see `entrenous collections`")
        self.settled(path)
        self._outgoing.notify()
        return Erasure(path, gone, 0, 0, (), ())

    async def go_on(self) -> int:
        """Bring to their end the erasures that were cut short; how many.  Raises StoreError."""
        claims = await self._database.read(
            lambda tx: [Claim.from_value(one) for _, one in self._objects.all(tx, Kind.ERASING)]
        )
        for claim in claims:
            await self._carry_out(claim)
        return len(claims)

    def _claim(self, path: str, tx: Tx) -> tuple[Claim, tuple[bytes, ...]]:
        value = self._objects.get(tx, Kind.ERASING, path)
        if value is not None:
            return Claim.from_value(value), ()
        self._vault.collections.get(tx, path)
        now_ms = self._clock.now_ms()
        claim = Claim(path, self._store.ledger.counter(tx, PAGE_COUNTER), now_ms)
        self._objects.put(tx, Kind.ERASING, path, claim.value())
        return claim, self._tell(tx, path, [(0, UNDATED)])

    async def _carry_out(self, claim: Claim, tell: Tell | None = None) -> Erasure:
        """Take out all that a claim names, month by month."""
        whole = _Gone()
        records = done = 0
        async with self._vault.alone_on(claim.path):
            paths = await self._database.read(partial(self._with_views, claim.path))
            total = sum(len(months) for _, months in paths)
            for path, months in paths:
                for month in months:
                    unit = partial(self._month, claim, path, month)
                    gone = await self._database.erase(unit)
                    records += gone.records if path == claim.path else 0
                    whole.tellings += gone.tellings if path == claim.path else 0
                    whole.pages += gone.pages
                    whole.needles += gone.needles[: NEEDLES_MAX - len(whole.needles)]
                    self.settled(path)
                    self._checkpoint.reached(Step.MONTH)
                    done += 1
                    if tell is not None:
                        tell(done, total)
            await self._database.erase(partial(self._rest, claim))
            self.settled(claim.path)
        self._checkpoint.reached(Step.DONE)
        return Erasure(claim.path, records, whole.tellings, whole.pages, (), tuple(whole.needles))

    def _with_views(self, path: str, tx: Tx) -> list[tuple[str, tuple[int, ...]]]:
        """The collection and the views of it, with the months of each."""
        return [
            (one.path, one.months)
            for one in self._vault.collections.all(tx)
            if one.path == path or (is_view(one.path) and source_of(one.path) == path)
        ]

    def _month(self, claim: Claim, path: str, month: int, tx: Tx) -> _Gone:
        """Take out the pages of one month, and note the names of what was on them."""
        gone = _Gone()
        doomed = [
            one
            for one in self._vault.stored_of_month(tx, path, month)
            if path != claim.path or one.seq < claim.below
        ]
        for stored, ciphertext in self._vault.ciphertexts(tx, doomed):
            gone.page(ciphertext)
            opened = open_stored(stored, ciphertext, self._vault.keys_of)
            if not isinstance(opened, Damaged):
                gone.tellings += len(opened)
                gone.names[stored.day].update(names_of(opened))
        numbers = {one.seq for one in doomed}
        self._vault.remove_of_months(tx, path, (month,), lambda page: page.seq in numbers)
        if path == claim.path:
            self._vault.erased.add(tx, path, gone.names, claim.t_ms)
        else:
            self._views.kept.take_out(tx, path, month)
        return gone

    def _rest(self, claim: Claim, tx: Tx) -> None:
        """What was kept about the pages that are gone, and what was shared of them."""
        self._shared.forget(tx, claim.path, before_ms=claim.t_ms)
        path, collection = claim.path, self._vault.collections.find(tx, claim.path)
        if collection is not None:
            left = self._vault.stored(tx, path, 0, UNDATED)
            standing = {one.statement for one in left} | {one.origin for one in left}
            for row in self._journal.all(tx):
                if row.path == path and row.id not in standing:
                    self._gone(tx, "imports", row.id, claim)
                    self._objects.delete(tx, Kind.IMPORT, row.id)
            for name, value in self._objects.all(tx, Kind.DELIVERY):
                if isinstance(name, list) and name[:1] == ["in"]:
                    one = Received.from_value(value)
                    if one.path == path and one.statement not in standing:
                        self._gone(tx, "delivered", name, claim)
                        self._gone(tx, "statements", one.statement, claim)
                        self._objects.delete(tx, Kind.DELIVERY, name)
                        self._objects.delete(tx, Kind.STATEMENT, one.statement)
                        self._quotas.give_back(tx, one.statement)
            if not left:
                for month in collection.months:
                    self._objects.delete(tx, Kind.LEFT_OUT, [path, month])
                self._vault.collections.forget(tx, path)
        self._objects.delete(tx, Kind.ERASING, path)

    def _gone(self, tx: Tx, space: str, name: Value, claim: Claim) -> None:
        """A row does not come back from another device of this person."""
        if self._peers.device_persona(tx) is not None:
            self._objects.put(tx, Kind.ROW_GONE, [space, name], claim.t_ms)

    def lift(self, tx: Tx, path: str) -> int:
        """What was erased of `path` may come again, from files imported before too; how much."""
        now_ms = self._clock.now_ms()
        for row in self._journal.all(tx):
            if row.path == path and row.state is State.DONE:
                reopened = after(row.state, Event.NEIGHBOUR_UNDONE)
                self._journal.put(tx, replace(row, state=reopened, changed_ms=now_ms))
        return self._vault.erased.lift(tx, path)

    # both

    def _tell(self, tx: Tx, path: str, days: Sequence[tuple[int, int]]) -> tuple[bytes, ...]:
        """Ask those who were ever lent these days to delete them, where the terms bind them to; all
        grants under which they were lent.  Under other terms a peer has no hold on their disk."""
        now_ms = self._clock.now_ms()
        lent: list[bytes] = []
        for grant in self._lending.all(tx):
            windows = tuple(_overlaps(grant.windows, path, days))
            pair = self._peers.find(tx, grant.own, grant.their)
            if not windows or grant.keyset is None or pair is None:
                continue
            lent.append(grant.cid)
            if not has_duty(grant.bundle.terms, Duty.DELETE_AT_END):
                continue
            args = DeleteArgs(grant.their, grant.cid, windows, True)
            self._outgoing.put(tx, pair, Cmd.DELETE, args.value(), now_ms)
            self._lending.lines.happened(tx, Side.GIVEN, grant.cid, Happened.DELETE_ASKED, now_ms)
        return tuple(lent)

    def settled(self, path: str) -> None:
        """Nothing that was read before is remembered."""
        self._vault.changed(path)
        self._serving.forget()
        self._store.sealer.forget()
        entry_of.cache_clear()


def _check_own(path: str) -> None:
    if is_view(path):
        raise UsageError(f"{path} is a view: erase what it is made from, or `view remove` it")


def _overlaps(
    windows: Iterable[Window], path: str, days: Sequence[tuple[int, int]]
) -> list[Window]:
    """The parts of `windows` of `path` that lie on `days`; too many are told as one span."""
    found = [
        Window(path, max(window.first, first), min(window.last, last))
        for window in windows
        if window.collection == path
        for first, last in days
        if window.first <= last and first <= window.last
    ]
    if len(found) <= WINDOWS_MAX:
        return found
    return [Window(path, min(one.first for one in found), max(one.last for one in found))]
