"""Pages as they lie in the store: numbered, vouched for, catalogued, and taken out.

A page has a row for its ciphertext, and one in the catalogue of its month, which says what it is;
the segment over it is this device's word for it.  The collection counts what is there.  No key of
a page is needed here: what is on them is `vault.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from ...crypto.entropy import Entropy
from ...crypto.keys import DeviceKey
from ...protocol.cid import CID_BYTES
from ...protocol.day import month_of
from ...protocol.errors import RecordError
from ...protocol.page import parse_entry
from ...protocol.schema import Schema
from ...protocol.segment import make_segment
from ...protocol.view_path import is_view
from ...protocol.wire import Value
from ..errors import NodeError
from ..store.database import Tx
from ..store.store import Store
from .collection import Collection, Collections
from .origin import DERIVED
from .sealing import SealedPage
from .stored import Came, Stored

PAGE_COUNTER = "page"

# Is told of pages that are removed, in the same unit of work: whether others, encrypted again,
# stand in their place.
Removed = Callable[[Tx, str, Sequence[Stored], bool], None]


def _nobody_asks(_tx: Tx, _path: str, _removed: Sequence[Stored], _again: bool) -> None:
    """A vault on one device."""


class KeptPages:
    """The pages of one vault, on this device."""

    def __init__(self, store: Store, device: DeviceKey, entropy: Entropy) -> None:
        self._store = store
        self._device = device
        self._entropy = entropy
        self.collections = Collections(store.objects)
        # Set where there are other devices, which are to remove them too.
        self.removed: Removed = _nobody_asks

    @property
    def store(self) -> Store:
        return self._store

    @property
    def device(self) -> bytes:
        """The public key of this device, as it stands in `Stored.writer`."""
        return self._device.public

    # keeping

    def keep(
        self,
        tx: Tx,
        collection: Collection,
        pages: Sequence[SealedPage],
        came: Sequence[Came],
        supersedes: Sequence[bytes] = (),
    ) -> list[Stored]:
        """Number the pages of a collection that fits them, vouch for them and keep them, each with
        how it came; where each is now."""
        path, entries = collection.path, [page.entry for page in pages]
        number = self._store.ledger.counter(tx, PAGE_COUNTER)
        self._store.ledger.raise_to(tx, PAGE_COUNTER, number + len(pages))
        segment, index_of = self.vouch(tx, pages, supersedes)
        months: defaultdict[int, list[Value]] = defaultdict(list)
        rows: list[tuple[str, int, bytes, int, bytes]] = []
        found: list[Stored] = []
        for seq, (page, how) in enumerate(zip(pages, came, strict=True), start=number):
            entry = page.entry
            stored = Stored(
                owner="",
                path=path,
                day=entry.day,
                seq=seq,
                segment=segment,
                index=index_of[entry.page_id],
                length=entry.length,
                statement=entry.statement,
                origin=how.origin,
                writer=how.writer,
                raw=page.raw,
                lineage=how.lineage,
                depth=how.depth,
            )
            found.append(stored)
            months[month_of(entry.day)].append(stored.value())
            rows.append((path, entry.day, how.writer, seq, page.ciphertext))
        self._store.pages.put_many(tx, rows)
        for month, values in months.items():
            self._store.catalogue.append(tx, "", path, month, values)
        self.collections.put(
            tx,
            collection.grown(
                months=months,
                pages=Counter((entry.epoch, entry.gen) for entry in entries),
                records=sum(entry.count for entry in entries),
            ),
        )
        return found

    def vouch(
        self, tx: Tx, pages: Sequence[SealedPage], supersedes: Sequence[bytes] = ()
    ) -> tuple[int, dict[bytes, int]]:
        """Sign a segment over `pages`: its number, and the place of each page id in it."""
        latest = self._store.segments.latest(tx)
        seq = 0 if latest is None else latest[0] + 1
        segment = make_segment(
            [page.entry for page in pages],
            encoded=[page.raw for page in pages],
            device=self._device,
            seq=seq,
            prev=None if latest is None else head_cid(latest[1]),
            supersedes=supersedes,
            entropy=self._entropy,
        )
        head: Value = [segment.head.cid, segment.head.raw]
        self._store.segments.append(tx, seq, segment.head.cid, head, segment.leaves)
        return seq, {entry.page_id: index for index, entry in enumerate(segment.entries)}

    def fitting(
        self, tx: Tx, path: str, schema: Schema, interval_s: int, origin: bytes | None = None
    ) -> Collection:
        """The collection to which such records would be added, new or as it stands.

        Raises RecordError if it holds others, or is a view and these are not derived.
        """
        if is_view(path) and origin != DERIVED:
            raise RecordError(f"{path} is a view: this node derives it, and nothing is put there")
        found = self.collections.find(tx, path)
        if found is None:
            return Collection.new(path, schema, interval_s)
        if not found.pages:  # emptied: what it held before binds nobody
            return replace(found, schema=schema, interval_s=interval_s)
        if found.schema is not schema:
            raise RecordError(f"{path} holds {found.schema.name}, not {schema.name}")
        if interval_s and found.interval_s and interval_s != found.interval_s:
            raise RecordError(
                f"{path} holds readings every {found.interval_s} s; "
                f"these are every {interval_s} s: give them another path"
            )
        return replace(found, interval_s=found.interval_s or interval_s)

    # finding

    def stored(self, tx: Tx, path: str, first: int, last: int, owner: str = "") -> list[Stored]:
        """The pages of `path` on days `first … last`, in order of day and number."""
        collection = self.collections.find(tx, path, owner)
        if collection is None:
            return []
        low, high = month_of(first), month_of(last)
        months = [month for month in collection.months if low <= month <= high]
        found = self._store.catalogue.read(tx, owner, path, months, Stored.from_value)
        return sorted(
            (one for one in found if first <= one.day <= last), key=lambda one: (one.day, one.seq)
        )

    def stored_of_month(self, tx: Tx, path: str, month: int) -> list[Stored]:
        """The pages of one month of this vault, as they were written."""
        return self._store.catalogue.read(tx, "", path, (month,), Stored.from_value)

    def ciphertexts(self, tx: Tx, stored: Sequence[Stored]) -> list[tuple[Stored, bytes | None]]:
        """Each of `stored` with its ciphertext, None where the row is gone."""
        found = self._store.pages.get_many(tx, [one.place() for one in stored])
        return list(zip(stored, found, strict=True))

    # removing

    def remove(self, tx: Tx, path: str, doomed: Callable[[Stored], bool]) -> int:
        """Take pages out of a collection: ciphertexts, catalogue rows and so their salts.

        Run inside `Database.erase`, which overwrites them.  The number of pages removed.
        """
        return self.remove_of_months(tx, path, self.collections.get(tx, path).months, doomed)

    def remove_of_day(self, tx: Tx, path: str, day: int, doomed: Callable[[Stored], bool]) -> int:
        """As `remove`, looking at one day only."""
        return self.remove_of_months(
            tx, path, (month_of(day),), lambda stored: stored.day == day and doomed(stored)
        )

    def remove_of_months(
        self,
        tx: Tx,
        path: str,
        months: Sequence[int],
        doomed: Callable[[Stored], bool],
        *,
        again: bool = False,
    ) -> int:
        """As `remove`, looking at these months only; `again`: each was encrypted again."""
        removed: list[Stored] = []
        for month in months:
            rows = self._store.catalogue.rows(tx, "", path, (month,))
            kept: list[Value] = []
            before = len(removed)
            for value in rows:
                stored = Stored.from_value("", path, value)
                if doomed(stored):
                    removed.append(stored)
                else:
                    kept.append(value)
            if len(removed) > before:
                self._store.catalogue.replace(tx, "", path, month, kept)
        self._store.pages.delete(tx, [one.place() for one in removed])
        entries = [parse_entry(one.raw) for one in removed]
        lost = Counter((entry.epoch, entry.gen) for entry in entries)
        collection = self.collections.get(tx, path).grown(
            months=(),
            pages={name: -count for name, count in lost.items()},
            records=-sum(entry.count for entry in entries),
        )
        self.collections.put(tx, collection)
        if removed:
            self.removed(tx, path, removed, again)
        return len(removed)


def head_cid(head: Value) -> bytes:
    """The CID in a segment's head as the store keeps it, `[cid, raw]`."""
    match head:
        case [bytes(cid), bytes()] if len(cid) == CID_BYTES:
            return cid
        case _:
            raise NodeError("the head of a segment in the store has not the form of one")
