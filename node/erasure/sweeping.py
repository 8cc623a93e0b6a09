"""Sweeping: what another device of this person erased goes here too, and does not come back.

    tombstones come ──▸ the facts that they name, every telling of each   ┐ pages written again
    pages come      ──▸ records on them that are erased                   ┘ without them

A page of which something is left is written again as the next word of its **line** (`Stored.line`),
so two devices that each take something out of one page do not end with two: the one that was moved
more often stays, and is swept of what the other took out.  A page of which nothing is left ends its
line.  A telling that only this device has of an erased fact is erased with it, and named as erased,
so that the others hear of it.

Everything here is a function of a transaction, run inside `Database.erase`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

from ...protocol.day import UNDATED, month_of
from ...protocol.record import Batch
from ..exchange.quotas import Quotas
from ..reads.serving import mark_gone
from ..shared.shared_records import SharedRecords
from ..store.database import Tx
from ..vault.compaction import emptied
from ..vault.facts import facts_on, key_of, opened_first
from ..vault.left_out import LeftOutDay, record_digest
from ..vault.recognition import MARGIN_DAYS, matched_by_content
from ..vault.sealing import Piece
from ..vault.stored import Damaged, Stored, names_of, open_stored, rows_of
from ..vault.vault import Vault


def write_without(
    vault: Vault, quotas: Quotas, tx: Tx, page: Stored, batch: Batch, rows: Iterable[int]
) -> None:
    """What of a page stays once `rows` of it are gone, as the next word of its line; the page goes.

    What was noted of the rows goes too, and the day is whole no more.  Who delivered a page of
    which nothing stays has its part of their quota again.
    """
    gone = frozenset(rows)
    noted = LeftOutDay(page.day, frozenset(record_digest(batch, row) for row in gone))
    for origin in vault.left_out.of(tx, page.path, (month_of(page.day),)):
        vault.left_out.take(tx, page.path, origin, [noted])
    if page.statement is not None:
        mark_gone(vault.store.objects, tx, page.statement, page.day)
    kept = [row for row in range(len(batch)) if row not in gone]
    if kept:
        vault.write_now(
            tx,
            page.path,
            batch.schema,
            [Piece(page.day, rows_of(batch, kept))],
            origin=page.origin,
            supersedes=emptied(vault, tx, [page]),
            of_pages=[page],
        )
    vault.remove_of_months(
        tx, page.path, (month_of(page.day),), lambda one: one.seq == page.seq, again=bool(kept)
    )
    if not kept and quotas.is_charged(tx, page.origin):
        rest = vault.stored(tx, page.path, 0, UNDATED)
        quotas.page_gone(tx, page.origin, last=all(one.origin != page.origin for one in rest))


class Sweeping:
    """Takes erased records out of the pages of one vault."""

    def __init__(self, vault: Vault, shared: SharedRecords, quotas: Quotas) -> None:
        self._vault = vault
        self._quotas = quotas
        self._shared = shared

    def facts(self, tx: Tx, path: str, days: Iterable[int], now_ms: int) -> int:
        """Take out every telling of the facts that were erased on `days`; how many pages went.

        Tellings under other names are erased from now on.
        """
        self._shared.forget_erased(tx, path)
        wanted = set(days)
        collection = self._vault.collections.find(tx, path)
        if collection is None or not wanted:
            return 0
        erased = self._vault.erased.of(tx, path, wanted)
        margin = MARGIN_DAYS if matched_by_content(collection.schema) else 0
        opened = self._opened(tx, path, wanted, margin)
        tellers = {
            key: self._vault.tellers.of(tx, *key) for key in {key_of(one) for one, _ in opened}
        }
        chosen = facts_on(collection.schema, opened, tellers, (0, UNDATED))
        names = names_of(chosen.whole)
        doomed: defaultdict[int, set[int]] = defaultdict(set)
        also: defaultdict[int, set[Hashable]] = defaultdict(set)
        for rows in chosen.rows:
            if not any(
                self._vault.erased.is_erased(erased, path, chosen.pages_of[row].day, names[row])
                for row in rows
            ):
                continue
            for row in rows:
                page = chosen.pages_of[row]
                doomed[page.seq].add(chosen.places[row])
                also[page.day].add(names[row])
        self._note(tx, path, also, now_ms)
        for stored, batch in opened:
            if doomed[stored.seq]:
                write_without(self._vault, self._quotas, tx, stored, batch, doomed[stored.seq])
        return sum(map(bool, doomed.values()))

    def pages(self, tx: Tx, path: str, numbers: Iterable[int], month: int) -> int:
        """Take what is erased out of pages of one month that came just now; how many went."""
        wanted = set(numbers)
        some = [one for one in self._vault.stored_of_month(tx, path, month) if one.seq in wanted]
        erased = self._vault.erased.of(tx, path, {one.day for one in some})
        swept = 0
        if not erased:
            return swept
        for stored, ciphertext in self._vault.ciphertexts(tx, some):
            batch = open_stored(stored, ciphertext, self._vault.keys_of)
            if isinstance(batch, Damaged):
                continue  # it stays, and whoever reads the day is told
            rows = [
                row
                for row, name in enumerate(names_of(batch))
                if self._vault.erased.is_erased(erased, path, stored.day, name)
            ]
            if rows:
                write_without(self._vault, self._quotas, tx, stored, batch, rows)
                swept += 1
        return swept

    def _opened(self, tx: Tx, path: str, days: set[int], margin: int) -> list[tuple[Stored, Batch]]:
        near = {day + off for day in days for off in range(-margin, margin + 1)} | days
        months = {month_of(min(max(day, 0), UNDATED)) for day in near}
        some = [
            one
            for month in sorted(months)
            for one in self._vault.stored_of_month(tx, path, month)
            if one.day in near
        ]
        schema = self._vault.collections.get(tx, path).schema
        return opened_first(schema, self._vault.ciphertexts(tx, some), self._vault.keys_of)

    def _note(self, tx: Tx, path: str, names: dict[int, set[Hashable]], now_ms: int) -> None:
        """Name as erased what is not yet."""
        known = self._vault.erased.of(tx, path, names)
        news = {
            day: {one for one in some if not self._vault.erased.is_erased(known, path, day, one)}
            for day, some in names.items()
        }
        self._vault.erased.add(tx, path, {day: some for day, some in news.items() if some}, now_ms)
