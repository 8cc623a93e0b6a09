"""Encrypting again: pages of old generations come under the present one, and the old are gone.

    claim ──> unit: some pages opened, sealed under the present generation, the old ones removed
                └── … ──> every trace of the old overwritten ──> the claim is done

A page is claimed for two reasons.  **Eagerly**, where the terms of a grant say so: when it is taken
back, what its keys opened of its days, in the revocation's own unit of work.  **Lazily**: when more
than four generations of a path have pages, those of the oldest; else the keyset of every grant, and
the key tree's work in every read, would grow with each grant that ever ended.

It is done in small units, each whole by itself: new pages, their segment and the end of the old
ones, ciphertexts and salts, are one transaction, and so is how far the claim has come.  A node
that is killed goes on where it was.  Readers do not notice: every keyset in force opens the present
generation, and one that its reader does not hold yet travels with the next window.

What a reader has fetched stays as it was fetched; what an old backup holds, too.

A page that does not open stays where it is, for a read to name; its generation is then not counted
any more.  The last segment of a claim names, in `supersedes`, the segments that it has emptied.

Source: formats.md, "Where keys come from", "Revocation".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog
import trio

from ...crypto.errors import CryptoError
from ...protocol.day import UNDATED, month_of
from ...protocol.errors import ProtocolError
from ...protocol.limits import SUPERSEDES_MAX
from ...protocol.page import OpenedPage, open_page
from ...protocol.window import Window
from ...protocol.wire import Body, Value
from ..checkpoint import UNWATCHED, Checkpoint
from ..peers.outgoing import Outgoing
from ..steps import AgainStep
from ..store.database import Tx
from ..store.errors import StoreDamaged, StoreError
from ..store.objects import Kind
from ..vault.collection import LIVE_MAX, Collection
from ..vault.kept_pages import head_cid
from ..vault.sealing import Piece
from ..vault.stored import Stored, entry_of
from ..vault.vault import Vault

log = structlog.get_logger()

# formats.md: "when more than four generations of a path are live, the oldest is encrypted again".
GENERATIONS_KEPT = 4
# Pages of one unit: about 20 ms in which nobody else writes.
PAGES_A_UNIT = 32
SEGMENTS_MAX = 65_536

Tell = Callable[[int], None]
"""Is told of so many pages that are encrypted again."""
_ALL: Final = 1 << 62
Gen = tuple[bytes, bytes]
"""(epoch, generation)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Pages of `path` on days `first … last` under one of `gens` are to be encrypted again.

    Those up to `after`, (day, number), are; `segments` have lost pages by it; `left` would not
    open.
    """

    path: str
    first: int
    last: int
    gens: tuple[Gen, ...]
    after: tuple[int, int] | None = None
    segments: tuple[int, ...] = ()
    left: int = 0

    def value(self) -> Value:
        return {
            "path": self.path,
            "first": self.first,
            "last": self.last,
            "gens": [list(gen) for gen in self.gens],
            "after": None if self.after is None else list(self.after),
            "segments": list(self.segments),
            "left": self.left,
        }

    @classmethod
    def from_value(cls, value: Value) -> Claim:
        keys = ("path", "first", "last", "gens", "after", "segments", "left")
        body = Body.open(value, "a claim on pages", keys)
        after: tuple[int, int] | None = None
        match body.value("after"):
            case [int(day), int(seq)]:
                after = (day, seq)
            case _:
                pass
        segments = body.items("segments", items_max=SEGMENTS_MAX)
        return cls(
            body.text("path"),
            body.integer("first"),
            body.integer("last"),
            tuple(_gen(item) for item in body.items("gens", items_max=LIVE_MAX)),
            after,
            tuple(one for one in segments if isinstance(one, int)),
            body.integer("left"),
        )


@dataclass(frozen=True, slots=True)
class _Done:
    """What one unit did."""

    pages: int
    finished: bool


class Reencryption:
    """Claims pages of old generations, and works them off."""

    def __init__(
        self, vault: Vault, outgoing: Outgoing, checkpoint: Checkpoint = UNWATCHED
    ) -> None:
        self._vault = vault
        self._outgoing = outgoing
        self._checkpoint = checkpoint
        self._objects = vault.store.objects
        # Whether something may be claimed; set in units of work, which run in another thread.
        self._claimed = True
        # One at a time; whoever looks on hears of each unit, whoever does it.
        self._working = trio.Lock()
        self._telling: set[Tell] = set()

    # claiming

    def claim(self, tx: Tx, cause: bytes, windows: Iterable[Window]) -> int:
        """Claim what is under past generations on the days of `windows`; how many collections.

        `cause` names the grant that ended.  Call it once its end has made the new generation.
        """
        claimed = 0
        for place, window in enumerate(windows):
            collection = self._vault.collections.find(tx, window.collection)
            gens = () if collection is None else self._past(tx, collection)
            if gens:
                claim = Claim(window.collection, window.first, window.last, gens)
                self._objects.put(tx, Kind.ENCRYPT_AGAIN, [cause, place], claim.value())
                self._claimed = True
                claimed += 1
        return claimed

    def claim_oldest(self, tx: Tx) -> int:
        """Claim the oldest generations of each collection that has more than four; how many
        collections.  One that is claimed already is not claimed twice."""
        claimed = 0
        busy = {claim.path for _, claim in self.waiting(tx)}
        for collection in self._vault.collections.all(tx):
            if len(collection.live) <= GENERATIONS_KEPT or collection.path in busy:
                continue
            stuck = self._stuck(tx, collection.path)
            live = [gen for gen in collection.live if gen not in stuck]
            oldest = tuple(live[: max(len(live) - GENERATIONS_KEPT, 0)])
            if oldest:
                claim = Claim(collection.path, 0, UNDATED, oldest)
                name: Value = ["oldest", collection.path]
                self._objects.put(tx, Kind.ENCRYPT_AGAIN, name, claim.value())
                self._claimed = True
                claimed += 1
        return claimed

    def waiting(self, tx: Tx) -> list[tuple[Value, Claim]]:
        """Every claim that is not done, the oldest first."""
        return self._objects.read_all(tx, Kind.ENCRYPT_AGAIN, Claim.from_value)

    def _past(self, tx: Tx, collection: Collection) -> tuple[Gen, ...]:
        present = self._vault.present(tx, collection.path)
        return tuple(gen for gen in collection.live if gen != present)

    # working

    async def run(self) -> None:
        """Work off claims, until cancelled; looked at whenever there may be something to say."""
        while True:
            changed = self._outgoing.changed
            if self._claimed:
                self._claimed = False
                try:
                    await self.work()
                except StoreError as error:
                    # A full disk: nothing was half done, and the claim stands.
                    self._claimed = True
                    log.error("not_encrypted_again", kind=type(error).__name__)
            await changed.wait()

    async def work(self, tell: Tell | None = None) -> int:
        """Encrypt again everything that is claimed; how many pages this call did.  `tell` hears of
        the pages of each unit.  Raises StoreError."""
        pages = 0
        database = self._vault.store.database
        if tell is not None:
            self._telling.add(tell)
        try:
            async with self._working:
                while claims := await database.read(self.waiting):
                    for name, claim in claims:
                        pages += await self._work_off(name, claim)
        finally:
            if tell is not None:
                self._telling.discard(tell)
        return pages

    def pages_waiting(self, tx: Tx) -> int:
        """How many pages are claimed and not encrypted again."""
        return sum(
            sum(1 for _ in self._next(tx, claim, _ALL))
            for _, claim in self.waiting(tx)
            if self._vault.collections.find(tx, claim.path) is not None
        )

    async def _work_off(self, name: Value, claim: Claim) -> int:
        pages, finished = 0, False
        database = self._vault.store.database
        while not finished:
            # Others that look at the path before they write to it see it between two units.
            async with self._vault.alone_on(claim.path):
                done = await database.write(partial(self._unit, name))
                self._vault.changed(claim.path)
            self._checkpoint.reached(AgainStep.COMMITTED)
            pages, finished = pages + done.pages, done.finished
            for tell in tuple(self._telling):
                tell(done.pages)
            await trio.lowlevel.checkpoint()
        # Only then is it done: whoever is killed here comes by again, and finds no page to move.
        await database.erase(_nothing)
        self._checkpoint.reached(AgainStep.ERASED)
        await database.write(partial(self._finish, name))
        log.info("encrypted_again", pages=pages)
        return pages

    def _unit(self, name: Value, tx: Tx) -> _Done:
        """Move the next pages of a claim, and keep how far it has come."""
        found = self._objects.read(tx, Kind.ENCRYPT_AGAIN, name, Claim.from_value)
        if found is None or self._vault.collections.find(tx, found.path) is None:
            return _Done(0, finished=True)
        some = list(self._next(tx, found, PAGES_A_UNIT + 1))
        more, some = len(some) > PAGES_A_UNIT, some[:PAGES_A_UNIT]
        if not some:
            return _Done(0, finished=True)
        moved = self._opened(tx, some)
        last = some[-1]
        claim = replace(
            found,
            after=(last.day, last.seq),
            segments=tuple(sorted({*found.segments, *(one.segment for one, _ in moved)})),
            left=found.left + len(some) - len(moved),
        )
        supersedes = () if more else self._emptied(tx, claim, [one for one, _ in moved])
        self._write(tx, claim.path, moved, supersedes)
        self._checkpoint.reached(AgainStep.WRITTEN)
        gone = {one.seq for one, _ in moved}
        months = sorted({month_of(one.day) for one, _ in moved})
        self._vault.remove_of_months(
            tx, claim.path, months, lambda one: one.seq in gone, again=True
        )
        self._objects.put(tx, Kind.ENCRYPT_AGAIN, name, claim.value())
        return _Done(len(moved), finished=not more)

    def at_once(self, tx: Tx, path: str, some: Sequence[Stored]) -> int:
        """Encrypt these pages again inside the caller's unit, before anybody is served; how many.

        One that does not open stays as it is.
        """
        moved = self._opened(tx, some)
        if moved:
            self._write(tx, path, moved, ())
            gone = {one.seq for one, _ in moved}
            months = sorted({month_of(one.day) for one, _ in moved})
            self._vault.remove_of_months(tx, path, months, lambda one: one.seq in gone, again=True)
        return len(moved)

    def _next(self, tx: Tx, claim: Claim, most: int) -> Iterator[Stored]:
        """The next pages of a claim, in order of day and number; `most` at most."""
        doomed = set(claim.gens) - {self._vault.present(tx, claim.path)}
        after = claim.after or (claim.first, -1)
        collection = self._vault.collections.get(tx, claim.path)
        for month in collection.months:
            if not month_of(after[0]) <= month <= month_of(claim.last):
                continue
            found = sorted(
                self._vault.stored_of_month(tx, claim.path, month),
                key=lambda one: (one.day, one.seq),
            )
            for one in found:
                if not (claim.first <= one.day <= claim.last and (one.day, one.seq) > after):
                    continue
                entry = entry_of(one.raw)
                if (entry.epoch, entry.gen) in doomed:
                    yield one
                    most -= 1
                    if not most:
                        return

    def _opened(self, tx: Tx, some: Sequence[Stored]) -> list[tuple[Stored, OpenedPage]]:
        """Those of `some` that open, with what they hold."""
        opened: list[tuple[Stored, OpenedPage]] = []
        for stored, ciphertext in self._vault.ciphertexts(tx, some):
            if ciphertext is None:
                continue
            entry = entry_of(stored.raw)
            try:
                key = self._vault.keys_of(entry).key(entry.day)
                opened.append((stored, open_page(entry, ciphertext, key)))
            except (CryptoError, ProtocolError):
                continue  # it stays, and whoever reads the day is told
        return opened

    def _write(
        self,
        tx: Tx,
        path: str,
        moved: Sequence[tuple[Stored, OpenedPage]],
        supersedes: Sequence[bytes],
    ) -> None:
        """The same records, origins and source signatures, under the present generation."""
        groups: defaultdict[tuple[bytes, bytes | None], list[tuple[Stored, Piece]]]
        groups = defaultdict(list)
        for stored, page in moved:
            piece = Piece(stored.day, page.batch, page.salt_d)
            groups[stored.origin, stored.statement].append((stored, piece))
        for place, ((origin, statement), pieces) in enumerate(groups.items(), start=1):
            self._vault.write_now(
                tx,
                path,
                pieces[0][1].batch.schema,
                [piece for _, piece in pieces],
                origin=origin,
                statement=statement,
                supersedes=supersedes if place == len(groups) else (),
                of_pages=[stored for stored, _ in pieces],
            )

    def _emptied(self, tx: Tx, claim: Claim, going: Sequence[Stored]) -> list[bytes]:
        """The CIDs of the segments of which nothing is left once `going` are gone."""
        gone = {one.seq for one in going}
        left = {
            one.segment
            for one in self._vault.stored(tx, claim.path, 0, UNDATED)
            if one.seq not in gone
        }
        segments = self._vault.store.segments
        empty = [seq for seq in claim.segments if seq not in left]
        return [head_cid(segments.head(tx, seq)) for seq in empty][-SUPERSEDES_MAX:]

    def _finish(self, name: Value, tx: Tx) -> None:
        """The claim is done.  A generation that would not empty is not counted any more."""
        claim = self._objects.read(tx, Kind.ENCRYPT_AGAIN, name, Claim.from_value)
        self._objects.delete(tx, Kind.ENCRYPT_AGAIN, name)
        if claim is None or not claim.left:
            return
        stuck = sorted({*self._stuck(tx, claim.path), *claim.gens})
        value: Value = [list(gen) for gen in stuck]
        self._objects.put(tx, Kind.SETTING, _stuck_name(claim.path), value)
        log.warning("pages_not_encrypted_again", pages=claim.left)

    def _stuck(self, tx: Tx, path: str) -> frozenset[Gen]:
        value = self._objects.get(tx, Kind.SETTING, _stuck_name(path))
        return frozenset(_gen(item) for item in value) if isinstance(value, list) else frozenset()


def _stuck_name(path: str) -> Value:
    return ["not-encrypted-again", path]


def _gen(item: Value) -> Gen:
    match item:
        case [bytes(epoch), bytes(gen)]:
            return epoch, gen
        case _:
            raise StoreDamaged("a claim in the store names generations in another form")


def _nothing(_tx: Tx) -> None:
    """Nothing more is deleted; what was is overwritten."""
