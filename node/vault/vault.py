"""The vault: records in, encrypted pages on disk; pages out, records again.

    batch → (day, records) → page + entry → pages, catalogue and segment in one transaction

A write encrypts outside the transaction and commits in chunks, the next one encrypted while one is
committed.  Each chunk is a unit of work: its pages, their rows in the catalogue, the segment by
which this device vouches for them, the counts of the collection, and whatever the caller adds (an
import's journal, a delivery's statement).  The unit checks that the generation is still the one
that was encrypted under; if a revocation came between, the chunk is encrypted again.

A few records (`write_now`) are encrypted inside the unit itself: that costs less than asking for
the generation first, and nothing can come between.

A read opens what it can: `stored.py`.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from ...crypto.entropy import Entropy
from ...crypto.key_tree import DayKeys, collection_key, tree_root
from ...protocol.collection import check_path
from ...protocol.day import UNDATED, month_of
from ...protocol.did import did_of
from ...protocol.page import PageEntry
from ...protocol.schema import Schema
from ..keystore import Keystore
from ..offload import Offload
from ..overlap import overlapped
from ..store.database import Tx
from ..store.store import Store
from .erased import Erased
from .facts import TellerKey, key_of, read_facts
from .kept_pages import KeptPages
from .left_out import LeftOut, Noted
from .recognition import MARGIN_DAYS, matched_by_content
from .sealing import Piece, Sealed, Written, interval_of, pieces_of, seal_pieces
from .stored import Came, Damaged, Reading, Stored, open_pages
from .tellers import Teller, Tellers

__all__ = [
    "Damaged",
    "Piece",
    "Reading",
    "Sealed",
    "Stored",
    "Vault",
    "Written",
    "open_pages",
    "pieces_of",
]

# Pages of one unit of work.  Larger units hold the writer longer, smaller ones cost an fsync more
# often: 1,024 pages are about 2 MiB and 60 ms.
CHUNK_PAGES = 1_024
# Trees of days kept at hand: a path has few live generations.
DAY_KEYS_KEPT = 64


class _Trees(threading.local):
    """Trees of days, for one thread: a tree remembers the path it last took, so two threads that
    walked the same one at once would come to a wrong key."""

    def __init__(self) -> None:
        self.kept: OrderedDict[tuple[str, bytes, bytes], DayKeys] = OrderedDict()


Also = Callable[[Tx, Written], None]
# Takes back the keys of the grants on a path that have run out, inside the unit of a write to it.
TakeBack = Callable[[Tx, str], None]


def _nothing_to_take_back(_tx: Tx, _path: str) -> None:
    """A vault that lends nothing."""


@dataclass(frozen=True, slots=True)
class _ToRead:
    """What one unit of work finds for a read."""

    schema: Schema
    found: Sequence[tuple[Stored, bytes | None]]
    tellers: Mapping[TellerKey, Teller]
    noted: Noted | None


class Vault(KeptPages):
    """All the data of one person, on this device."""

    def __init__(
        self, store: Store, keystore: Keystore, entropy: Entropy, offload: Offload
    ) -> None:
        super().__init__(store, keystore.device, entropy)
        self._keystore = keystore
        self._offload = offload
        self._writer = did_of(keystore.device.public)
        self._trees = _Trees()
        self._locks: defaultdict[str, trio.Lock] = defaultdict(trio.Lock)
        self._changes: Counter[str] = Counter()
        self.tellers = Tellers(store.objects)
        self.left_out = LeftOut(store.objects)
        self.erased = Erased(store.objects, store.sealer, keystore.epochs[0].secret)
        # Set by the node, which knows the time and the grants.
        self.take_back: TakeBack = _nothing_to_take_back

    @property
    def offload(self) -> Offload:
        return self._offload

    def alone_on(self, path: str) -> trio.Lock:
        """The lock of those who look at what `path` holds before they write to it."""
        return self._locks[path]

    def changes(self, path: str) -> int:
        """A number that differs whenever records of `path` were written or removed."""
        return self._changes[path]

    def changed(self, path: str) -> None:
        """Records of `path` were written or removed by a unit of the caller's."""
        self._changes[path] += 1

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
        interval_of(schema, pieces)  # of the whole, before any of it is written
        done = records = 0

        async def seal(chunk: Sequence[Piece]) -> Sealed:
            return await self.seal(path, schema, chunk, statement=statement)

        async def commit(sealed: Sealed) -> None:
            nonlocal done, records
            done += len(sealed.pages)
            records += sealed.records
            written = Written(len(sealed.pages), sealed.records, done, len(pieces))
            more = None if also is None else partial(_with, also, written)
            await self.commit(sealed, origin=origin, also=more)
            if progress is not None:
                progress(written)

        chunks = [pieces] if atomic else _chunks(pieces)
        await overlapped(chunks, seal, commit)
        return records

    async def seal(
        self,
        path: str,
        schema: Schema,
        pieces: Sequence[Piece],
        *,
        statement: bytes | None = None,
    ) -> Sealed:
        """Encrypt `pieces` under the present generation, in a thread.  Raises RecordError."""
        gen = await self._store.database.read(lambda tx: self.collections.generation(tx, path))
        return await self._offload.run(lambda: self._seal(path, schema, pieces, gen, statement))

    async def commit(
        self, sealed: Sealed, *, origin: bytes, also: Callable[[Tx], None] | None = None
    ) -> None:
        """Store what was sealed, and what `also` adds, in one transaction.

        What is encrypted under a generation that has passed is encrypted again first.
        Raises RecordError (schema, interval), StoreError.
        """

        def unit(tx: Tx) -> bool:
            if sealed.pages:
                # Returned, not raised: a grant that has just run out stays taken back.
                self.take_back(tx, sealed.path)
                if self.collections.generation(tx, sealed.path) != sealed.gen:
                    return False
                self._put(tx, sealed, origin)
            if also is not None:
                also(tx)
            return True

        while not await self._store.database.write(unit):
            sealed = await self.seal(
                sealed.path, sealed.schema, sealed.pieces, statement=sealed.statement
            )
        self.changed(sealed.path)

    def write_now(
        self,
        tx: Tx,
        path: str,
        schema: Schema,
        pieces: Sequence[Piece],
        *,
        origin: bytes,
        statement: bytes | None = None,
        supersedes: Sequence[bytes] = (),
        of_pages: Sequence[Stored] = (),
    ) -> int:
        """Encrypt and store a few pieces inside the caller's unit; the number of records.

        `supersedes`: CIDs of segments of which the caller removes everything in the same unit.
        `of_pages`: that these pieces are encrypted again of, one for each.
        The caller says `changed` once the unit is committed.  Raises RecordError.
        """
        self.take_back(tx, check_path(path))
        gen = self.collections.generation(tx, path)
        sealed = self._seal(path, schema, pieces, gen, statement)
        self._put(tx, sealed, origin, supersedes, of_pages)
        return sealed.records

    def present(self, tx: Tx, path: str) -> tuple[bytes, bytes]:
        """The epoch and generation under which new pages of `path` are encrypted."""
        return self._keystore.epoch.name, self.collections.generation(tx, path)

    def _seal(
        self,
        path: str,
        schema: Schema,
        pieces: Sequence[Piece],
        gen: bytes,
        statement: bytes | None,
    ) -> Sealed:
        epoch = self._keystore.epoch.name
        return seal_pieces(
            path,
            schema,
            pieces,
            keys=self._keys(path, epoch, gen),
            epoch=epoch,
            gen=gen,
            statement=statement,
            writer=self._writer,
            entropy=self._entropy,
        )

    def _put(
        self,
        tx: Tx,
        sealed: Sealed,
        origin: bytes,
        supersedes: Sequence[bytes] = (),
        of_pages: Sequence[Stored] = (),
    ) -> None:
        """Pages, segment, catalogue rows and counts of one chunk."""
        pages = sealed.pages
        if not pages:
            return
        collection = self.fitting(tx, sealed.path, sealed.schema, sealed.interval_s, origin)
        device = self._keystore.device.public
        came = [Came(origin, device, before.line, before.depth + 1) for before in of_pages]
        self.keep(tx, collection, pages, came or [Came(origin, device)] * len(pages), supersedes)

    # reading

    async def read(self, path: str, first: int, last: int, *, sources: bool = False) -> Reading:
        """The facts of one's own collection on days `first … last`, in order of time.

        What came from two sources appears once: as its source signed it, if it did (`facts.py`).
        With `sources`, `Reading.tellings` names everybody who told each.  Raises NotFound.
        """

        def unit(tx: Tx) -> _ToRead:
            schema = self.collections.get(tx, path).schema
            margin = MARGIN_DAYS if matched_by_content(schema) else 0
            around = self.stored(tx, path, max(first - margin, 0), min(last + margin, UNDATED))
            within = [one for one in around if first <= one.day <= last] if margin else around
            keys = set(map(key_of, around))
            alone = len(keys) <= 1 and not sources
            tellers = {} if alone else {key: self.tellers.of(tx, *key) for key in keys}
            several = len({teller.family for teller in tellers.values()}) > 1
            noted = None
            if sources:
                noted = self.left_out.of(tx, path, (month_of(one.day) for one in around))
                for origin in noted:
                    tellers.setdefault((origin, None), self.tellers.of(tx, origin, None))
            found = self.ciphertexts(tx, around if several else within)
            return _ToRead(schema, found, tellers, noted)

        got = await self._store.database.read(unit)
        if not got.tellers:
            return await self._offload.run(lambda: open_pages(got.schema, got.found, self.keys_of))
        return await self._offload.run(
            lambda: read_facts(
                got.schema, got.found, self.keys_of, got.tellers, (first, last), got.noted
            )
        )

    def keys_of(self, entry: PageEntry) -> DayKeys:
        """The tree of days that opens a page of this vault, for this thread.  Raises NoKey."""
        return self._keys(entry.path, entry.epoch, entry.gen)

    def _keys(self, path: str, epoch: bytes, gen: bytes) -> DayKeys:
        kept = self._trees.kept
        name = (path, epoch, gen)
        keys = kept.get(name)
        if keys is None:
            secret = self._keystore.vault_secret(epoch)
            keys = kept[name] = DayKeys([tree_root(collection_key(secret, path, gen))])
            if len(kept) > DAY_KEYS_KEPT:
                kept.popitem(last=False)
        return keys


def _with(also: Also, written: Written, tx: Tx) -> None:
    also(tx, written)


def _chunks(pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    # No pieces are one empty chunk: what `also` adds is still committed.
    for start in range(0, max(len(pieces), 1), CHUNK_PAGES):
        yield pieces[start : start + CHUNK_PAGES]
