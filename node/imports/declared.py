"""Declared records: few at a time, from many at once, each durable before it is acknowledged.

    add() ─┐
    add() ─┼─ waiting for one path ──▶ one unit: doubles out, a page a day, a segment ──▶ fsync
    add() ─┘        ▲                                      │
                    └───────── every caller is told ◀──────┘

While one group is on its way to the disk the next one gathers, so the busier a path, the larger its
pages.  A record that the group cannot hold (another schema, another interval) is tried alone, so
that it fails alone.

Doubles are told by name, the id or else the time, within the record's own day.  The names of the
days written to last are kept, so that no page is opened again for the next record of a day; they
are forgotten when anything else writes to the path or removes from it.

Pages keep by their origin who told what is on them: the person by hand (`DECLARED`), or one
program that pushes (`origin_of`).  No source's word stands behind either.

What it does not do: change a record.  A second telling of a name is a double, whatever it says; a
slip is mended by taking the record out (`mending.py`) and adding it again.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncGenerator, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import outcome
import trio

from ...protocol.collection import check_domain
from ...protocol.currency import is_currency
from ...protocol.day import UNDATED, day_of
from ...protocol.errors import RecordError
from ...protocol.record import Batch, concat
from ..errors import NodeError
from ..store.database import Tx
from ..store.errors import StoreError, StoreInterrupted
from ..vault.compaction import PAGES_MIN, compact_day
from ..vault.erased import Tombstones
from ..vault.origin import DECLARED
from ..vault.sealing import pieces_of
from ..vault.stored import Damaged, names_of, open_stored, rows_of
from ..vault.vault import Vault

# Callers whose records share one page: each waits for at most this many others.
GROUP_CALLERS_MAX = 512
# Records of one call; more is a file.
CALL_RECORDS_MAX = 1_024
# Names kept, all paths together: about 100 bytes each.
NAMES_MAX = 200_000
# Twice what compaction asks for, so that each merge is worth its transaction.
COMPACT_AFTER_PAGES = 2 * PAGES_MIN


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the records of one call: `new` ones are durable, `doubles` were there.

    `there` are the places of the doubles in the call.
    """

    new: int
    doubles: int
    there: tuple[int, ...] = field(default=(), compare=False)


@dataclass(slots=True, eq=False)
class _Waiting:
    batch: Batch
    task: trio.lowlevel.Task
    told: bool = False

    def tell(self, what: outcome.Value[object] | outcome.Error) -> None:
        """Let the caller go on with `what`, if it was not told already."""
        if not self.told:
            self.told = True
            trio.lowlevel.reschedule(self.task, what)


@dataclass(frozen=True, slots=True)
class _Done:
    """What a unit did: names that it found on days not known before, and names that it added."""

    added: tuple[Added, ...]
    found: Mapping[int, set[Hashable]]
    told: Mapping[int, set[Hashable]]


class _Names:
    """The names on the days last written to, bounded; valid while nobody else changes the path."""

    def __init__(self, names_max: int) -> None:
        self._names_max = names_max
        self._count = 0
        self._days: OrderedDict[tuple[str, int], set[Hashable]] = OrderedDict()
        self._changes: dict[str, int] = {}

    def of(self, path: str, days: Iterable[int], changes: int) -> dict[int, set[Hashable]]:
        """The days that are known.  `changes` is the vault's number for `path` now."""
        if self._changes.get(path) != changes:
            for key in [key for key in self._days if key[0] == path]:
                self._drop(key)
        return {day: self._days[path, day] for day in days if (path, day) in self._days}

    def keep(self, path: str, done: _Done, changes: int) -> None:
        """Add what a committed unit found and told."""
        self._changes[path] = changes
        for day, some in (*done.found.items(), *done.told.items()):
            names = self._days.setdefault((path, day), set())
            self._count += len(some - names)
            names |= some
            self._days.move_to_end((path, day))
        while self._count > self._names_max:
            self._drop(next(iter(self._days)))

    def _drop(self, key: tuple[str, int]) -> None:
        self._count -= len(self._days.pop(key))


class Declared:
    """The queue.  `serve` runs for as long as the node does."""

    def __init__(self, vault: Vault, *, names_max: int = NAMES_MAX) -> None:
        self._vault = vault
        self._names = _Names(names_max)
        self._lines: defaultdict[tuple[str, bytes], deque[_Waiting]] = defaultdict(deque)
        self._pages: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._busy: set[tuple[str, bytes]] = set()
        self._nursery: trio.Nursery | None = None

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is added, until cancelled; what waits then is told that it was not stored."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            for line in self._lines.values():
                while line:
                    line.popleft().tell(outcome.Error(_closing()))

    @asynccontextmanager
    async def at_hand(self) -> AsyncGenerator[None]:
        """The queue runs while the context lasts: as it does anyway, or for this alone."""
        if self._nursery is not None:
            yield
            return
        async with trio.open_nursery() as nursery:
            await nursery.start(self.serve)
            yield
            nursery.cancel_scope.cancel()

    async def add(self, path: str, batch: Batch, *, origin: bytes = DECLARED) -> Added:
        """Add a few records to `path`; when this returns they are durable.

        A cancelled caller is done or not started.  Raises RecordError (and nothing of `batch` is
        stored), StoreError, NodeError if the queue is not running.
        """
        check_domain(path)
        batch = batch.check()
        if len(batch) > CALL_RECORDS_MAX:
            raise RecordError(f"at most {CALL_RECORDS_MAX} records are added at a time")
        _check_currencies(batch)
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._nursery is None:
            raise _closing()
        key = (path, origin)
        line = self._lines[key]
        place = _Waiting(batch, trio.lowlevel.current_task())
        line.append(place)
        if key not in self._busy:
            self._busy.add(key)
            self._nursery.start_soon(self._drain, key)

        def withdraw(_raise_cancel: object) -> trio.lowlevel.Abort:
            try:
                line.remove(place)
            except ValueError:
                return trio.lowlevel.Abort.FAILED
            return trio.lowlevel.Abort.SUCCEEDED

        added: Added = await trio.lowlevel.wait_task_rescheduled(withdraw)
        return added

    async def _drain(self, key: tuple[str, bytes]) -> None:
        """Commit what waits for one path, group by group, until nothing does."""
        path, origin = key
        line = self._lines[key]
        try:
            async with self._vault.alone_on(path):
                while line:
                    taken = [line.popleft() for _ in range(min(len(line), GROUP_CALLERS_MAX))]
                    # Whoever was taken is told: a group that commits unheard would be added twice.
                    with trio.CancelScope(shield=True):
                        try:
                            await self._answer(path, origin, taken)
                        finally:
                            # Also where this task dies otherwise than by an error: nobody who was
                            # taken from the line can be told by anyone else.
                            for place in taken:
                                place.tell(outcome.Error(_interrupted()))
                        await self._compact(path)
                    await trio.lowlevel.checkpoint_if_cancelled()
        finally:
            self._busy.discard(key)
            if not line:
                self._lines.pop(key, None)

    async def _answer(self, path: str, origin: bytes, taken: Sequence[_Waiting]) -> None:
        """Commit one group and tell each caller; a group that is refused, one by one."""
        try:
            added = await self._commit(path, origin, [place.batch for place in taken])
        except RecordError as error:
            if len(taken) > 1:
                for place in taken:
                    await self._answer(path, origin, [place])
                return
            taken[0].tell(outcome.Error(error))
        except Exception as error:
            for place in taken:
                place.tell(outcome.Error(_again(error)))
        else:
            for place, one in zip(taken, added, strict=True):
                place.tell(outcome.Value(one))

    async def _commit(
        self, path: str, origin: bytes, batches: Sequence[Batch]
    ) -> tuple[Added, ...]:
        vault = self._vault
        days = {day for batch in batches for day in _days(batch)}
        known = self._names.of(path, days, vault.changes(path))
        done = await vault.store.database.write(
            lambda tx: self._unit(tx, path, origin, batches, known)
        )
        vault.changed(path)
        self._names.keep(path, done, vault.changes(path))
        for day in days:
            self._pages[path, day] += 1
        return done.added

    async def _compact(self, path: str) -> None:
        """Merge the pages of each day that gathered many.  Nobody waits for it."""
        full = [key for key, pages in self._pages.items() if pages >= COMPACT_AFTER_PAGES]
        for _, day in (key for key in full if key[0] == path):
            del self._pages[path, day]
            # A disk that is full says so to the next caller; this is only tidying.
            with suppress(StoreError):
                await self._vault.store.database.write(partial(self._tidy, path, day))

    def _tidy(self, path: str, day: int, tx: Tx) -> int:
        return compact_day(self._vault, tx, path, day)

    def _unit(
        self,
        tx: Tx,
        path: str,
        origin: bytes,
        batches: Sequence[Batch],
        known: Mapping[int, set[Hashable]],
    ) -> _Done:
        schema = batches[0].schema
        found: dict[int, set[Hashable]] = {}
        told: defaultdict[int, set[Hashable]] = defaultdict(set)
        fresh: list[Batch] = []
        added: list[Added] = []
        erased = self._erased(tx, path, batches)
        for batch in batches:
            kept: list[int] = []
            for row, (day, name) in enumerate(zip(_days(batch), names_of(batch), strict=True)):
                if day not in known and day not in found:
                    found[day] = self._on_day(tx, path, day)
                there = known[day] if day in known else found[day]
                if origin != DECLARED and self._vault.erased.is_erased(erased, path, day, name):
                    continue  # a program does not bring back what a person erased
                if name not in there and name not in told[day]:
                    told[day].add(name)
                    kept.append(row)
            fresh.append(rows_of(batch, kept))
            there_rows = tuple(sorted(set(range(len(batch))).difference(kept)))
            added.append(Added(len(kept), len(there_rows), there_rows))
        whole = concat(schema, fresh)
        if erased and origin == DECLARED:
            self._vault.erased.forget(tx, path, told)  # who says it again by hand means it
        if len(whole):
            self._vault.write_now(tx, path, schema, pieces_of(whole), origin=origin)
        return _Done(tuple(added), found, told)

    def _erased(self, tx: Tx, path: str, batches: Sequence[Batch]) -> Tombstones:
        days = {day for batch in batches for day in _days(batch)}
        return self._vault.erased.of(tx, path, days)

    def _on_day(self, tx: Tx, path: str, day: int) -> set[Hashable]:
        """The names on one day, from its pages.  A page that will not open names nothing."""
        names: set[Hashable] = set()
        stored = self._vault.stored(tx, path, day, day)
        for one, ciphertext in self._vault.ciphertexts(tx, stored):
            opened = open_stored(one, ciphertext, self._vault.keys_of)
            if not isinstance(opened, Damaged):
                names.update(names_of(opened))
        return names


def _days(batch: Batch) -> list[int]:
    return list(map(day_of, batch.times)) if batch.schema.dated else [UNDATED] * len(batch)


def _check_currencies(batch: Batch) -> None:
    """Who tells a record by hand or by program writes its currency as ISO 4217 does; what a file
    says is its source's own.  Raises RecordError."""
    column = batch.columns["currency"] if "currency" in batch.schema.by_name else ()
    for code in set(column):
        if not is_currency(str(code), past=True):
            raise RecordError(f"{str(code)[:16]!r} is not a currency of ISO 4217, such as EUR")


def _closing() -> NodeError:
    return NodeError("the node is closing; this was not stored")


def _interrupted() -> StoreError:
    return StoreInterrupted(
        "this was interrupted; it is not known whether it was stored: add it again"
    )


def _again(error: Exception) -> Exception:
    # An own exception for each caller: raising adds to its traceback.
    try:
        return type(error)(*error.args)
    except TypeError:
        return error
