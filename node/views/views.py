"""Views: the node derives them by itself, and publishes of each what the closed-period rule allows.

    months of the collection ── changed, or waiting since another day? ──▶ read as a person reads
        ──▶ derive ──▶ one unit: what stands there is what was read? grants? ──▶ pages in, pages out

One month of one view is one piece of work.  It is read and worked out outside the transaction; the
unit then looks whether the pages that it was read from are still those that there are, decides each
period by `protocol.view.next_step`, and commits pages and memory together.  Killed anywhere, the
next look finds the month as it was or as it is to be.

A record that two sources told counts once, because the month is read by `Vault.read`; and an import
undone or a record taken out is another month to look at, because its pages are others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
import trio

from ...crypto.digest import blake2b128
from ...protocol.day import DAY_MAX, DAY_MS, UNDATED, month_of
from ...protocol.did import did_of
from ...protocol.errors import RecordError
from ...protocol.period import first_of_month, last_of, last_of_month
from ...protocol.view import Known, Step, View, is_closed, next_step, published
from ...protocol.view_figures import PeriodTold, derive, is_complete
from ...protocol.window import Window
from ...protocol.wire import encode
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..errors import NodeError, NotFound, UsageError
from ..grants.lending import Lending
from ..steps import ViewStep
from ..store.database import Tx
from ..store.errors import StoreError
from ..vault.compaction import emptied
from ..vault.origin import DERIVED
from ..vault.recognition import MARGIN_DAYS
from ..vault.sealing import pieces_of
from ..vault.stored import Stored, entry_of
from ..vault.vault import Vault
from .kept import MonthKept, ViewKept, ViewsKept
from .rules import InstalledRules, Rules

log = structlog.get_logger()

VIEWS_MAX = 256
# A record of the last local day may lie on the UTC day after; one that lies later is of no day of
# the period, wherever it was told.
_SURELY_AFTER_DAYS = 2
_OPEN, _GAPS, _HELD, _SOON = "open", "incomplete", "held", "told a short while ago"


@dataclass(frozen=True, slots=True)
class _Month:
    """One month of a view as it was read: `seen` digests the pages, `told` what they come to."""

    month: int
    seen: bytes
    last_page: int
    told: Mapping[int, PeriodTold]


@dataclass(slots=True)
class _Looked:
    """When a view was last looked at, so that a quiet minute costs nothing."""

    changes: int = -1
    today: int = -1
    lock: trio.Lock = field(default_factory=trio.Lock)


class Views:
    """The views of one node."""

    def __init__(
        self,
        vault: Vault,
        lending: Lending,
        clock: Clock,
        checkpoint: Checkpoint,
        rules: Rules | None = None,
    ) -> None:
        self._vault = vault
        self._lending = lending
        self._clock = clock
        self._checkpoint = checkpoint
        self.rules: Rules = rules or InstalledRules()
        self._looked: dict[str, _Looked] = {}
        self.kept = ViewsKept(vault.store.objects)
        # Why a view was not derived when it was last looked at, in a sentence.
        self.trouble: dict[str, str] = {}
        # Whether this device is the one that derives a view, of those that a person has.
        self.derives: Callable[[Tx, ViewKept], bool] = _alone

    # making and removing

    async def add(self, view: View) -> ViewKept:
        """Make a view and derive what may be told of it.

        Raises NotFound for a collection that is not there, RecordError, UsageError.
        """
        self._check(view)
        now_ms = self._clock.now_ms()

        def unit(tx: Tx) -> ViewKept:
            source = self._vault.collections.get(tx, view.source)
            if source.schema is not view.schema:
                raise RecordError(f"{view.source} holds {source.schema.name}")
            if source.interval_s * 1000 > DAY_MS:
                raise UsageError(
                    f"{view.source} has a reading every {source.interval_s} s: that is coarse "
                    "enough to be lent as it is"
                )
            if (found := self.kept.find(tx, view.path)) is not None:
                if found.view == view and self.derives(tx, found):
                    return found
                if found.view == view:  # from now on, this device derives it
                    return self._make(tx, view, now_ms)
                raise UsageError(f"there is another view at {view.path}: name this one otherwise")
            if len(self.kept.all(tx)) >= VIEWS_MAX:
                raise UsageError(f"there are {VIEWS_MAX} views already")
            return self._make(tx, view, now_ms)

        kept = await self._vault.store.database.write(unit)
        await self.catch_up(only=view.path)
        return kept

    def _make(self, tx: Tx, view: View, now_ms: int) -> ViewKept:
        before = self.kept.ever(tx, view.path)
        # Never before what it takes the place of, whatever the clock says.
        made_ms = now_ms if before is None else max(now_ms, before.made_ms + 1)
        kept = ViewKept(view, made_ms, by=did_of(self._vault.device))
        self.kept.put(tx, kept)
        return kept

    async def remove(self, path: str) -> int:
        """Remove a view and overwrite its pages; how many.

        Raises NotFound, UsageError while somebody may read it.
        """
        async with self._of(path).lock:

            def unit(tx: Tx) -> int:
                kept = self.get(tx, path)
                if self._lending.live_on(tx, path, self._clock.now_ms()):
                    raise UsageError(
                        f"{path} is lent: take its grants back first (`entrenous grants`)"
                    )
                collection = self._vault.collections.find(tx, path)
                for month in () if collection is None else collection.months:
                    self.kept.take_out(tx, path, month)
                self.kept.put(tx, replace(kept, removed=True))
                return 0 if collection is None else self._vault.remove(tx, path, _is_derived)

            pages = await self._vault.store.database.erase(unit)
            self._vault.changed(path)
            self._looked.pop(path, None)
        return pages

    def get(self, tx: Tx, path: str) -> ViewKept:
        """Raises NotFound."""
        if (found := self.kept.find(tx, path)) is None:
            raise NotFound(f"there is no view {path}: see `entrenous views`")
        return found

    def _check(self, view: View) -> None:
        if view.rule is not None:
            self.rules.named(view.rule)

    def _of(self, path: str) -> _Looked:
        return self._looked.setdefault(path, _Looked())

    # deriving

    async def catch_up(self, *, only: str | None = None, release: Collection[int] = ()) -> int:
        """Look at every view (or one), and publish what may be told; how many periods changed.

        `release`: first days of periods that the person lets be told as they are now.
        """
        changed = 0
        for kept in await self._vault.store.database.read(self._derived_here):
            if only not in (None, kept.view.path):
                continue
            try:
                changed += await self._catch_up(kept.view, frozenset(release))
            except (NotFound, NodeError) as error:  # its rule is not installed any more
                self.trouble[kept.view.path] = str(error)
        return changed

    def _derived_here(self, tx: Tx) -> list[ViewKept]:
        return [kept for kept in self.kept.all(tx) if self.derives(tx, kept)]

    async def run(self, every_s: float) -> None:
        """Look at all views now and again, until cancelled."""
        while True:
            try:
                await self.catch_up()
            except StoreError as error:
                # A full disk: a month is published whole or not at all, and later.
                log.error("views_not_derived", kind=type(error).__name__)
            await trio.sleep(every_s)

    async def _catch_up(self, view: View, release: frozenset[int]) -> int:
        looked = self._of(view.path)
        changed = 0
        async with looked.lock:
            if view.rule is not None:
                self.rules.named(view.rule)
            changes = self._vault.changes(view.source)
            today = self._clock.now_ms() // DAY_MS
            if (looked.changes, looked.today) == (changes, today) and not release:
                return 0
            complete = True
            self.trouble.pop(view.path, None)
            for month in await self._vault.store.database.read(lambda tx: self.months(tx, view)):
                outcome = await self._month(view, month, release)
                changed += outcome or 0
                complete = complete and outcome is not None
            if complete:
                looked.changes, looked.today = changes, today
        return changed

    def months(self, tx: Tx, view: View) -> list[int]:
        """The months of which anything may lie in the collection, by its own local days."""
        if self.kept.find(tx, view.path) is None:
            return []
        months: set[int] = set()
        for path in (view.source, view.path):  # of a source that is gone, what was told goes too
            if (collection := self._vault.collections.find(tx, path)) is not None:
                months.update(collection.months)
        if view.every.period is None:
            return [UNDATED] if UNDATED in months else []
        months.discard(UNDATED)
        around = {other for month in months for other in (month - 1, month, month + 1)}
        return sorted(month for month in around if 0 <= month <= month_of(DAY_MAX))

    async def _month(self, view: View, month: int, release: frozenset[int]) -> int | None:
        """One month: how many periods changed, None if it changed under our hands."""
        database = self._vault.store.database
        last_page, seen, kept = await database.read(lambda tx: self._state(tx, view, month))
        today = self._clock.now_ms() // DAY_MS
        looked_at = _stamp(seen, today) if kept.waiting else seen
        if kept.seen == looked_at and not release & kept.waiting.keys():
            return 0
        told = await self._derive(view, month)
        if told is None:
            return 0
        self._checkpoint.reached(ViewStep.DERIVED)
        found = _Month(month, seen, last_page, told)
        # What was published may go, and is overwritten then.
        write = database.erase if kept.periods else database.write
        changed = await write(partial(self._publish, view, found, release))
        if changed:
            self._vault.changed(view.path)
        self._checkpoint.reached(ViewStep.PUBLISHED)
        return changed

    def _state(self, tx: Tx, view: View, month: int) -> tuple[int, bytes, MonthKept]:
        """The last day with pages that matters to a month, a digest of what it is derived from,
        and what was published of it."""
        first, last = _days_of(month)
        margin = 0 if month == UNDATED else MARGIN_DAYS + _SURELY_AFTER_DAYS
        stored = self._vault.stored(
            tx, view.source, max(first - margin, 0), min(last + margin, UNDATED)
        )
        last_page = max((one.day for one in stored), default=-1)
        source = self._vault.collections.find(tx, view.source)
        if source is not None and month != UNDATED:
            dated = [one for one in source.months if one != UNDATED]
            if dated and dated[-1] > month:
                last_page = max(last_page, self._last_page(tx, view.source, dated, month))
        version = "" if view.rule is None else self.rules.named(view.rule).version
        pages = sorted(entry_of(one.raw).page_id for one in stored)
        after = min(last_page, last + _SURELY_AFTER_DAYS)
        digest = blake2b128(encode([view.value(), version, after, pages]))
        return last_page, digest, self.kept.month(tx, view.path, month)

    def _last_page(self, tx: Tx, path: str, months: list[int], above: int) -> int:
        """The last day with a page, of the months after `above`; a month stays known when its
        pages are gone."""
        for month in reversed(months):
            if month <= above:
                break
            if days := [one.day for one in self._vault.stored_of_month(tx, path, month)]:
                return max(days)
        return -1

    async def _derive(self, view: View, month: int) -> Mapping[int, PeriodTold] | None:
        """What a month comes to; None while a page of it does not open."""
        first, last = _days_of(month)
        if month != UNDATED:
            first, last = max(first - 1, 0), min(last + 1, DAY_MAX)
        try:
            reading = await self._vault.read(view.source, first, last)
        except NotFound:
            return {}
        if reading.damaged:
            self.trouble[view.path] = reading.damaged[0].sentence()
            return None
        rule = None if view.rule is None else self.rules.named(view.rule)

        def work() -> dict[int, PeriodTold]:
            categories = None if rule is None else rule.categories(reading.batch)
            told = derive(view, reading.batch, categories)
            return {day: one for day, one in told.items() if _month_of(day) == month}

        try:
            return await self._vault.offload.run(work)
        except RecordError as error:
            self.trouble[view.path] = str(error)
            return None

    # publishing

    def _publish(self, view: View, found: _Month, release: frozenset[int], tx: Tx) -> int | None:
        """Inside one unit: decide each period of a month, and put pages in and out."""
        if self.kept.find(tx, view.path) is None:
            return 0
        _, seen, kept = self._state(tx, view, found.month)
        if seen != found.seen:
            return None
        now_ms = self._clock.now_ms()
        periods = dict(kept.periods)
        waiting: dict[int, str] = {}
        new: list[PeriodTold] = []
        gone: set[int] = set()
        lent = self._ever_lent(tx, view.path) if periods else ()
        for first in sorted({*found.told, *periods}):
            told = found.told.get(first)
            was = periods.get(first)
            was_lent = any(window.first <= first <= window.last for window in lent)
            known = _known(view, found, first, lent=was_lent, released=first in release)
            step = next_step(view, first, known, was, now_ms)
            if step is Step.PUBLISH:
                assert told is not None, "what holds nothing is not published"
                new.append(told)
                gone.add(first)
                periods[first] = published(known, was, now_ms)
            elif step is Step.WITHDRAW:
                assert was is not None, "what was not published is not taken out"
                gone.add(first)
                periods[first] = replace(was, out=True)
            if step in (Step.WAIT, Step.HOLD, Step.WITHDRAW):
                closed = is_closed(view.every, first, view.late_days, now_ms)
                waiting[first] = _why(step, closed=closed, told=was is not None)
        self._exchange(tx, view, new, gone & kept.periods.keys())
        stamp = _stamp(found.seen, now_ms // DAY_MS) if waiting else found.seen
        self.kept.put_month(tx, view.path, found.month, MonthKept(stamp, periods, waiting))
        self._checkpoint.reached(ViewStep.EXCHANGED)
        return len(new) + len(gone - {one.first for one in new})

    def _ever_lent(self, tx: Tx, path: str) -> Sequence[Window]:
        """What anybody was ever granted of a view: what ended may have been read before."""
        return [
            window
            for grant in self._lending.ever_on(tx, path)
            for window in grant.windows
            if window.collection == path
        ]

    def _exchange(self, tx: Tx, view: View, new: list[PeriodTold], gone: Collection[int]) -> None:
        """Take the pages of the periods `gone` out, and put those of `new` in."""
        old = [
            stored
            for first in gone
            for stored in self._vault.stored(tx, view.path, first, first)
            if _is_derived(stored)
        ]
        if new:
            self._vault.write_now(
                tx,
                view.path,
                view.tells,
                [piece for one in sorted(new, key=_first) for piece in pieces_of(one.records)],
                origin=DERIVED,
                supersedes=emptied(self._vault, tx, old),
            )
        numbers = {stored.seq for stored in old}
        for first in gone:
            if self._vault.collections.find(tx, view.path) is not None:
                self._vault.remove_of_day(tx, view.path, first, _numbered(numbers))


def _known(view: View, found: _Month, first: int, *, lent: bool, released: bool) -> Known:
    told = found.told.get(first)
    period = view.every.period
    after = period is None or found.last_page >= last_of(period, first) + _SURELY_AFTER_DAYS
    if told is None:
        return Known({}, b"", after, lent, released)
    return Known(told.days, told.told, after and is_complete(view, told), lent, released)


def _alone(_tx: Tx, _kept: ViewKept) -> bool:
    return True


def _days_of(month: int) -> tuple[int, int]:
    """The days of a month; the place of what is undated is a month of its own."""
    return (UNDATED, UNDATED) if month == UNDATED else (first_of_month(month), last_of_month(month))


def _month_of(day: int) -> int:
    return UNDATED if day == UNDATED else month_of(day)


def _stamp(seen: bytes, today: int) -> bytes:
    """What was seen, for today only: something waits for a day to pass."""
    return seen + today.to_bytes(4, "big")


def _why(step: Step, *, closed: bool, told: bool) -> str:
    if step is not Step.WAIT:
        return _HELD
    if told:
        return _SOON
    return _GAPS if closed else _OPEN


def _is_derived(stored: Stored) -> bool:
    return stored.origin == DERIVED


def _first(told: PeriodTold) -> int:
    return told.first


def _numbered(numbers: Collection[int]) -> Callable[[Stored], bool]:
    return lambda stored: stored.seq in numbers
