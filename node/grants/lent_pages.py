"""Lent pages: where a reader keeps the pages that its windows brought, and how they go again.

A page that was fetched twice is kept once; what came under one grant stays readable after it has
ended, until somebody asks for it to be forgotten (`deletion_duty.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.day import month_of
from ...protocol.page import PageEntry
from ...protocol.schema import schema_named
from ...protocol.window import Window
from ...protocol.wire import Value
from ..reads.lent_windows import CheckedWindow, Fetching
from ..store.database import Tx
from ..store.store import Store
from ..vault.collection import Collection, Collections
from ..vault.stored import Stored
from .lent_days import LentDays

_PAGE_COUNTER = "page"


class LentPages:
    """The pages that were lent to this node, in its store."""

    def __init__(
        self, store: Store, collections: Collections, days: LentDays, device: bytes
    ) -> None:
        self._store = store
        self._collections = collections
        self._days = days
        self._device = device

    def keep(self, tx: Tx, fetching: Fetching, checked: CheckedWindow) -> None:
        """Keep the pages of a window, and which of them its days have now."""
        owner = fetching.grant.their
        pages = self._put_pages(tx, owner, fetching.window.collection, checked)
        self._put_days(tx, owner, fetching, checked, pages)

    def _put_days(
        self,
        tx: Tx,
        owner: str,
        fetching: Fetching,
        checked: CheckedWindow,
        pages: list[tuple[int, int]],
    ) -> None:
        """Keep which pages the days of a window have now."""
        path, body, before = fetching.window.collection, checked.receipt.body, fetching.previous
        collection = self._collections.find(tx, path, owner)
        if collection is not None:
            goes_on = before is not None and before.last_day == body.first
            days, months = (body.first, body.last_day), collection.months
            self._days.came(tx, owner, path, days, pages, months=months, goes_on=goes_on)

    def _put_pages(
        self, tx: Tx, owner: str, path: str, checked: CheckedWindow
    ) -> list[tuple[int, int]]:
        """Keep the pages of a window, each as (day, number); one that was fetched before stays
        where it is."""
        if not checked.entries:
            return []
        wanted = sorted({month_of(entry.day) for entry in checked.entries})
        known = {
            one.raw: one
            for one in self._store.catalogue.read(tx, owner, path, wanted, Stored.from_value)
        }
        next_seq = first_seq = self._store.ledger.counter(tx, _PAGE_COUNTER)
        months: dict[int, list[Value]] = {}
        rows: list[tuple[str, int, bytes, int, bytes]] = []
        for entry, raw, page in zip(checked.entries, checked.raws, checked.pages, strict=True):
            stored = known.get(raw)
            if stored is None:
                stored = self._stored(owner, path, entry, raw, next_seq)
                next_seq += 1
                months.setdefault(month_of(entry.day), []).append(stored.value())
            # Also one that is known: should its bytes be damaged here, they are whole again.
            at = stored.place()
            rows.append((at.path, at.day, at.device, at.seq, page))
        self._store.pages.put_many(tx, rows)
        brought = [(day, seq) for _, day, _, seq, _ in rows]
        if not months:
            return brought
        self._store.ledger.raise_to(tx, _PAGE_COUNTER, next_seq)
        for month, values in months.items():
            self._store.catalogue.append(tx, owner, path, month, values)
        collection = self._collections.find(tx, path, owner)
        if collection is None:
            collection = Collection.new(path, schema_named(checked.entries[0].schema), 0)
        pages = {(b"", b""): next_seq - first_seq}
        self._collections.put(tx, collection.grown(months=months, records=0, pages=pages), owner)
        return brought

    def forget(
        self, tx: Tx, owner: str, window: Window, month: int, stays: Callable[[Stored], bool]
    ) -> int:
        """Remove what was read of `window` in one month, but for what `stays`: ciphertexts, and
        the salts without which no copy opens; how many pages."""
        path = window.collection
        rows = self._store.catalogue.rows(tx, owner, path, (month,))
        kept: list[Value] = []
        gone: list[Stored] = []
        for value in rows:
            stored = Stored.from_value(owner, path, value)
            if window.first <= stored.day <= window.last and not stays(stored):
                gone.append(stored)
            else:
                kept.append(value)
        if not gone:
            return 0
        self._store.catalogue.replace(tx, owner, path, month, kept)
        self._store.pages.delete(tx, [one.place() for one in gone])
        self._days.forget(tx, owner, path, month, {one.day for one in gone})
        collection = self._collections.get(tx, path, owner)
        pages = {(b"", b""): -len(gone)}
        self._collections.put(tx, collection.grown(months=(), records=0, pages=pages), owner)
        return len(gone)

    def count(self, tx: Tx, owner: str, window: Window, counted: Callable[[Stored], bool]) -> int:
        """How many pages of `window` are kept here, of those that `counted` takes."""
        collection = self._collections.find(tx, window.collection, owner)
        months = [] if collection is None else list(collection.months)
        wanted = [one for one in months if month_of(window.first) <= one <= month_of(window.last)]
        found = self._store.catalogue.read(tx, owner, window.collection, wanted, Stored.from_value)
        return sum(window.first <= one.day <= window.last and counted(one) for one in found)

    def _stored(self, owner: str, path: str, entry: PageEntry, raw: bytes, seq: int) -> Stored:
        return Stored(
            owner=owner,
            path=path,
            day=entry.day,
            seq=seq,
            segment=-1,
            index=-1,
            length=entry.length,
            statement=entry.statement,
            origin=b"",
            writer=self._device,
            raw=raw,
        )
