"""The vault: records in, encrypted pages on disk; pages out, records again.

    batch → (day, records) → page + entry → pages, catalogue and segment in one transaction

A write encrypts outside the transaction and commits in chunks.  Each chunk is a unit of work: its
pages, their rows in the catalogue, the segment by which this device vouches for them, the counts
of the collection, and whatever the caller adds (an import's journal, a delivery's statement).  The
unit checks that the generation is still the one that was encrypted under; if a revocation came
between, the chunk is encrypted again.

A read opens what it can.  A page that was altered on disk is named in `Reading.damaged`, and the
rest is still returned.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..crypto.entropy import Entropy
from ..crypto.errors import CryptoError
from ..crypto.key_tree import UNDATED, DayKeys, collection_key, tree_root
from ..protocol.cid import CID_BYTES
from ..protocol.collection import check_path
from ..protocol.day import date_of, month_of
from ..protocol.did import did_of
from ..protocol.errors import ProtocolError, RecordError
from ..protocol.page import PageEntry, open_page, parse_entry, seal_page
from ..protocol.record import Batch, concat, series_interval
from ..protocol.schema import Schema
from ..protocol.segment import make_segment
from ..protocol.wire import Value
from .collection import Collection, Collections
from .errors import NodeError
from .keystore import Keystore
from .offload import Offload
from .store.database import Tx
from .store.errors import StoreDamaged
from .store.pages import PageAt
from .store.store import Store

# Pages of one unit of work.  Larger units hold the writer longer, smaller ones cost an fsync more
# often: 1,024 pages are about 2 MiB and 60 ms.
CHUNK_PAGES = 1_024
# Trees of days kept at hand: a path has few live generations.
DAY_KEYS_KEPT = 64
_PAGE_COUNTER = "page"


@dataclass(frozen=True, slots=True)
class Piece:
    """The records of one day from one source.  `salt` is the source's, if it signed a statement."""

    day: int
    batch: Batch
    salt: bytes | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a page is kept and how it is vouched for.

    `owner` is "" for a page of this vault, else the DID that lent it.  `origin` names the import
    or delivery it came with.
    """

    owner: str
    path: str
    day: int
    seq: int
    segment: int
    index: int
    length: int
    statement: bytes | None
    origin: bytes
    writer: bytes
    raw: bytes

    def value(self) -> Value:
        return [
            self.day,
            self.seq,
            self.segment,
            self.index,
            self.length,
            self.statement,
            self.origin,
            self.writer,
            self.raw,
        ]

    @classmethod
    def from_value(cls, owner: str, path: str, value: Value) -> Stored:
        match value:
            case [
                int(day),
                int(seq),
                int(segment),
                int(index),
                int(length),
                statement,
                bytes(origin),
                bytes(writer),
                bytes(raw),
            ] if statement is None or isinstance(statement, bytes):
                return cls(
                    owner, path, day, seq, segment, index, length, statement, origin, writer, raw
                )
            case _:
                raise StoreDamaged("a row of the catalogue has not the form of one")

    def place(self) -> PageAt:
        """Where the ciphertext is.  A lent page is kept apart from one's own by its owner."""
        return PageAt(self.owner + self.path, self.day, self.writer, self.seq)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A page that could not be opened, named so that a person can find it."""

    path: str
    day: int
    page_id: bytes
    reason: str

    def sentence(self) -> str:
        day = "undated records" if self.day == UNDATED else date_of(self.day)
        return f"{self.path}, {day}: page {self.page_id.hex()[:8]} is damaged ({self.reason})"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read found: records in order of time, and the pages that would not open."""

    batch: Batch
    pages: int
    damaged: tuple[Damaged, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """One committed chunk: `pages` and `records` in it, and how much of the whole is done now."""

    pages: int
    records: int
    pages_done: int
    pages_total: int


@dataclass(frozen=True, slots=True)
class _SealedPage:
    entry: PageEntry
    raw: bytes
    ciphertext: bytes


class _GenerationMovedError(Exception):
    """A revocation came between encrypting and committing."""


Also = Callable[[Tx, Written], None]


class Vault:
    """All the data of one person, on this device."""

    def __init__(
        self, store: Store, keystore: Keystore, entropy: Entropy, offload: Offload
    ) -> None:
        self._store = store
        self._keystore = keystore
        self._entropy = entropy
        self._offload = offload
        self._writer = did_of(keystore.device.public)
        self._day_keys: OrderedDict[tuple[str, bytes, bytes], DayKeys] = OrderedDict()
        self.collections = Collections(store.objects)

    # writing

    async def write(
        self,
        path: str,
        schema: Schema,
        pieces: Sequence[Piece],
        *,
        origin: bytes,
        statement: bytes | None = None,
        also: Also | None = None,
        atomic: bool = False,
        progress: Callable[[Written], None] | None = None,
    ) -> int:
        """Encrypt `pieces`, in ascending days, and commit them; the number of records.

        `also` runs inside each chunk's transaction.  With `atomic` there is one chunk, so that
        all is there or nothing; else each committed chunk stays, and a caller that keeps a journal
        in `also` can go on from it.  Raises RecordError (schema, interval), StoreError.
        """
        check_path(path)
        interval = _interval(schema, pieces)
        step = len(pieces) if atomic else CHUNK_PAGES
        done = 0
        for start in range(0, max(len(pieces), 1), max(step, 1)):
            chunk = pieces[start : start + step]
            records = sum(len(piece.batch) for piece in chunk)
            written = Written(len(chunk), records, start + len(chunk), len(pieces))
            await self._write_chunk(path, schema, interval, chunk, written, origin, statement, also)
            done += records
            if progress is not None:
                progress(written)
        return done

    async def _write_chunk(
        self,
        path: str,
        schema: Schema,
        interval: int,
        chunk: Sequence[Piece],
        written: Written,
        origin: bytes,
        statement: bytes | None,
        also: Also | None,
    ) -> None:
        while True:
            gen = await self._store.database.read(lambda tx: self.collections.generation(tx, path))
            seal = _Sealing(path, gen, statement)
            pages = await self._offload.run(lambda seal=seal: self._seal(chunk, seal))

            def unit(tx: Tx, gen: bytes = gen, pages: Sequence[_SealedPage] = pages) -> None:
                if self.collections.generation(tx, path) != gen:
                    raise _GenerationMovedError
                collection = self._collection_for(tx, path, schema, interval)
                self._put_pages(tx, path, pages, origin)
                months = {month_of(piece.day) for piece in chunk}
                count = {(self._keystore.epoch.name, gen): written.pages}
                self.collections.put(
                    tx, collection.grown(months=months, pages=count, records=written.records)
                )
                if also is not None:
                    also(tx, written)

            try:
                await self._store.database.write(unit)
            except _GenerationMovedError:
                continue
            return

    def _collection_for(self, tx: Tx, path: str, schema: Schema, interval: int) -> Collection:
        found = self.collections.find(tx, path)
        if found is None:
            return Collection.new(path, schema, interval)
        if found.schema is not schema:
            raise RecordError(f"{path} holds {found.schema.name}, not {schema.name}")
        if interval and found.interval_s and interval != found.interval_s:
            raise RecordError(
                f"{path} holds readings every {found.interval_s} s; "
                f"these are every {interval} s: give them another path"
            )
        return found

    def _seal(self, chunk: Sequence[Piece], sealing: _Sealing) -> list[_SealedPage]:
        epoch = self._keystore.epoch
        keys = self._keys(sealing.path, epoch.name, sealing.gen)
        pages: list[_SealedPage] = []
        for piece in chunk:
            entry, ciphertext = seal_page(
                piece.batch,
                day_key=keys.key(piece.day),
                path=sealing.path,
                day=piece.day,
                epoch=epoch.name,
                gen=sealing.gen,
                statement=sealing.statement,
                salt_d=piece.salt,
                writer=self._writer,
                entropy=self._entropy,
            )
            pages.append(_SealedPage(entry, entry.encoded(), ciphertext))
        return pages

    def _put_pages(self, tx: Tx, path: str, pages: Sequence[_SealedPage], origin: bytes) -> None:
        """Pages, segment and catalogue rows of one chunk."""
        if not pages:
            return
        device = self._keystore.device.public
        first_seq = self._store.ledger.counter(tx, _PAGE_COUNTER)
        self._store.ledger.raise_to(tx, _PAGE_COUNTER, first_seq + len(pages))
        latest = self._store.segments.latest(tx)
        segment = make_segment(
            [page.entry for page in pages],
            device=self._keystore.device,
            seq=0 if latest is None else latest[0] + 1,
            prev=None if latest is None else _head_cid(latest[1]),
            supersedes=(),
            entropy=self._entropy,
        )
        seq = 0 if latest is None else latest[0] + 1
        self._store.segments.append(
            tx, seq, segment.head.cid, [segment.head.cid, segment.head.raw], segment.leaves
        )
        index_of = {entry.page_id: index for index, entry in enumerate(segment.entries)}
        months: dict[int, list[Value]] = {}
        rows: list[tuple[str, int, bytes, int, bytes]] = []
        for number, page in enumerate(pages, start=first_seq):
            entry = page.entry
            stored = Stored(
                "",
                path,
                entry.day,
                number,
                seq,
                index_of[entry.page_id],
                entry.length,
                entry.statement,
                origin,
                device,
                page.raw,
            )
            months.setdefault(month_of(entry.day), []).append(stored.value())
            rows.append((path, entry.day, device, number, page.ciphertext))
        self._store.pages.put_many(tx, rows)
        for month, values in months.items():
            self._store.catalogue.append(tx, "", path, month, values)

    # reading

    def stored(self, tx: Tx, path: str, first: int, last: int, owner: str = "") -> list[Stored]:
        """The pages of `path` on days `first … last`, in order of day and number."""
        collection = self.collections.find(tx, path, owner)
        if collection is None:
            return []
        low, high = month_of(first), month_of(last)
        months = [month for month in collection.months if low <= month <= high]
        found = (
            Stored.from_value(owner, path, value)
            for value in self._store.catalogue.rows(tx, owner, path, months)
        )
        return sorted(
            (one for one in found if first <= one.day <= last), key=lambda one: (one.day, one.seq)
        )

    async def read(self, path: str, first: int, last: int) -> Reading:
        """The records of one's own collection on days `first … last`, in order of time.

        A fact that came from two sources appears once: the one that its source signed.
        Raises NotFound.
        """

        def unit(tx: Tx) -> tuple[Collection, list[tuple[Stored, bytes | None]]]:
            collection = self.collections.get(tx, path)
            stored = self.stored(tx, path, first, last)
            return collection, list(
                zip(
                    stored,
                    self._store.pages.get_many(tx, [one.place() for one in stored]),
                    strict=True,
                )
            )

        collection, found = await self._store.database.read(unit)
        return await self._offload.run(lambda: self._open_all(collection.schema, found))

    def _open_all(self, schema: Schema, found: Iterable[tuple[Stored, bytes | None]]) -> Reading:
        return open_pages(schema, found, self.keys_of)

    def keys_of(self, entry: PageEntry) -> DayKeys:
        """The tree of days that opens a page of this vault.  Raises HomeError."""
        return self._keys(entry.path, entry.epoch, entry.gen)

    def _keys(self, path: str, epoch: bytes, gen: bytes) -> DayKeys:
        name = (path, epoch, gen)
        keys = self._day_keys.get(name)
        if keys is None:
            secret = self._keystore.vault_secret(epoch)
            keys = DayKeys([tree_root(collection_key(secret, path, gen))])
            self._day_keys[name] = keys
            if len(self._day_keys) > DAY_KEYS_KEPT:
                self._day_keys.popitem(last=False)
        return keys

    # removing

    def remove(self, tx: Tx, path: str, doomed: Callable[[Stored], bool]) -> int:
        """Take pages out of a collection: ciphertexts, catalogue rows and so their salts.

        Run inside `Database.erase`, which overwrites them.  The number of pages removed.
        """
        collection = self.collections.get(tx, path)
        removed: list[Stored] = []
        for month in collection.months:
            stored = [
                Stored.from_value("", path, value)
                for value in self._store.catalogue.rows(tx, "", path, (month,))
            ]
            kept = [one for one in stored if not doomed(one)]
            if len(kept) < len(stored):
                removed += [one for one in stored if doomed(one)]
                self._store.catalogue.replace(tx, "", path, month, [one.value() for one in kept])
        self._store.pages.delete(tx, [one.place() for one in removed])
        entries = [parse_entry(one.raw) for one in removed]
        lost = Counter((entry.epoch, entry.gen) for entry in entries)
        self.collections.put(
            tx,
            collection.grown(
                months=(),
                pages={name: -count for name, count in lost.items()},
                records=-sum(entry.count for entry in entries),
            ),
        )
        return len(removed)


@dataclass(frozen=True, slots=True)
class _Sealing:
    path: str
    gen: bytes
    statement: bytes | None


def pieces_of(batch: Batch) -> list[Piece]:
    """The records of a batch by day, in order."""
    return [Piece(day, records) for day, records in batch.sorted().by_day()]


def open_pages(
    schema: Schema,
    found: Iterable[tuple[Stored, bytes | None]],
    keys_of: Callable[[PageEntry], DayKeys],
) -> Reading:
    """Open what can be opened; name what cannot.  Of two records with one name, the signed wins."""
    signed: list[Batch] = []
    unsigned: list[Batch] = []
    damaged: list[Damaged] = []
    pages = 0
    for stored, ciphertext in found:
        entry = parse_entry(stored.raw)
        pages += 1
        if ciphertext is None:
            damaged.append(Damaged(entry.path, entry.day, entry.page_id, "its bytes are gone"))
            continue
        try:
            opened = open_page(entry, ciphertext, keys_of(entry).key(entry.day))
        except (CryptoError, ProtocolError) as error:
            damaged.append(Damaged(entry.path, entry.day, entry.page_id, str(error)))
            continue
        (unsigned if entry.statement is None else signed).append(opened.batch)
    return Reading(merged(schema, signed, unsigned), pages, tuple(damaged))


def merged(schema: Schema, signed: Sequence[Batch], unsigned: Sequence[Batch]) -> Batch:
    """One batch in order of time, without the second telling of any fact."""
    whole = concat(schema, [*signed, *unsigned])
    names = list(
        zip(whole.times, whole.columns["id"], strict=True) if schema.has_id else whole.times
    )
    if len(set(names)) == len(names):
        return whole.sorted()
    first_of: dict[object, int] = {}
    for row, name in enumerate(names):
        first_of.setdefault(name, row)
    kept = list(first_of.values())
    columns = {name: [column[i] for i in kept] for name, column in whole.columns.items()}
    return Batch(schema, columns, whole.checked).sorted()


def _interval(schema: Schema, pieces: Sequence[Piece]) -> int:
    """The one interval of a regular series in seconds; 0 for other schemas and for no records."""
    if not schema.regular:
        return 0
    intervals = {series_interval(piece.batch) for piece in pieces if len(piece.batch)}
    if len(intervals) > 1:
        raise RecordError(f"one collection has one interval length; here are {len(intervals)}")
    return intervals.pop() if intervals else 0


def _head_cid(head: Value) -> bytes:
    match head:
        case [bytes(cid), bytes()] if len(cid) == CID_BYTES:
            return cid
        case _:
            raise NodeError("the head of a segment in the store has not the form of one")
