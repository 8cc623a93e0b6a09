"""Pages that are kept for others: as they were given, with what vouches for them.

They stand in the tables of pages and catalogue like pages that were lent to this node, under a name
of their own for each owner.  Nothing here can open one: no key was ever given with them.  What is
kept is charged to its owner's quota, and given back when it goes.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ...crypto.digest import sha256
from ...crypto.merkle import HASH_BYTES
from ...protocol.command_help import STATE_BYTES
from ...protocol.day import month_of
from ...protocol.errors import Code, GrantRefused
from ...protocol.helped import KeptPages, KeptSegment, KeptStatement
from ...protocol.limits import ENTRY_BYTES_MAX
from ...protocol.statement import Statement
from ...protocol.wire import Value
from ..exchange.quotas import Quotas
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind
from ..store.store import Store
from ..vault.stored import Stored, entry_of

_PAGE_COUNTER = "page"
_SEGMENT_COUNTER = "helped-segment"


@dataclass(frozen=True, slots=True)
class _Vouched:
    """A segment or statement that is kept: how many pages need it, and what it is."""

    uses: int
    size: int
    number: int
    raw: bytes
    leaves: bytes
    gone: tuple[int, ...] = ()

    def value(self) -> Value:
        return [self.uses, self.size, self.number, self.raw, self.leaves, list(self.gone)]

    @classmethod
    def from_value(cls, value: Value) -> _Vouched:
        match value:
            case [int(uses), int(size), int(number), bytes(raw), bytes(leaves), list(gone)]:
                days = tuple(day for day in gone if isinstance(day, int))
                return cls(uses, size, number, raw, leaves, days)
            case _:
                raise StoreDamaged("what vouches for a page kept for another is damaged")


class ShelfPages:
    """What is kept for each owner that this node helps."""

    def __init__(self, store: Store, quotas: Quotas, device: bytes) -> None:
        self._store = store
        self._quotas = quotas
        self._device = device

    # what is there

    def stored(self, tx: Tx, their: str, path: str, first: int, last: int) -> list[Stored]:
        """The pages of these days, in order of day."""
        months = [
            one
            for one in self._paths(tx, their).get(path, ())
            if month_of(first) <= one <= month_of(last)
        ]
        found = self._store.catalogue.read(tx, _owner(their), path, months, Stored.from_value)
        return sorted(
            (one for one in found if first <= one.day <= last), key=lambda one: (one.day, one.seq)
        )

    def segment(self, tx: Tx, number: int) -> tuple[bytes, bytes, Sequence[bytes]]:
        """CID, signed head and leaf hashes of the segment with this number."""
        match self._store.objects.get(tx, Kind.HELPED_SEGMENT, number):
            case [str(their), bytes(cid)]:
                kept = self._vouched(tx, Kind.HELPED_SEGMENT, [their, cid])
                if kept is not None:
                    return cid, kept.raw, split(kept.leaves)
            case _:
                pass
        raise StoreDamaged("a segment that was kept for another is missing")

    def statement(self, tx: Tx, their: str, cid: bytes) -> Value:
        """A statement as `serving.kept_statement` reads it."""
        kept = self._vouched(tx, Kind.HELPED_STATEMENT, [their, cid])
        if kept is None:
            return None
        return {"raw": kept.raw, "leaves": kept.leaves, "gone": list(kept.gone)}

    def state(self, tx: Tx, their: str) -> bytes:
        """A digest over the ids of all pages that are kept for an owner: 16 bytes."""
        return state_of(
            entry_of(one.raw).page_id
            for path in self._paths(tx, their)
            for one in self._all(tx, their, path)
        )

    def count(self, tx: Tx, their: str) -> tuple[int, int]:
        """How many pages are kept for an owner, and their bytes."""
        found = [one for path in self._paths(tx, their) for one in self._all(tx, their, path)]
        return len(found), sum(one.length for one in found)

    # what comes and goes

    def put(self, tx: Tx, pair: Pair, kept: KeptPages) -> None:
        """Keep pages, those that are new.  Raises GrantRefused beyond the owner's quota."""
        their, path = pair.their, kept.path
        if not kept.pages:
            return  # only that days of statements are gone comes without one
        owner = _owner(their)
        days = [one.entry.day for one in kept.pages]
        known = {
            entry_of(one.raw).page_id for one in self.stored(tx, their, path, min(days), max(days))
        }
        fresh = [one for one in kept.pages if one.entry.page_id not in known]
        if not fresh:
            return
        segments = {one.head.cid: one for one in kept.segments}
        statements = {one.statement.cid: one for one in kept.statements}
        seq = self._store.ledger.counter(tx, _PAGE_COUNTER)
        rows: list[tuple[str, int, bytes, int, bytes]] = []
        months: dict[int, list[Value]] = {}
        size = 0
        for one in fresh:
            number, more = self._vouch_segment(tx, their, segments[one.segment])
            size += more + len(one.ciphertext) + ENTRY_BYTES_MAX
            if one.entry.statement is not None:
                given = statements.get(one.entry.statement)
                size += self._vouch_statement(tx, their, one.entry.statement, given)
            stored = Stored(
                owner=owner,
                path=path,
                day=one.entry.day,
                seq=seq,
                segment=number,
                index=one.index,
                length=one.entry.length,
                statement=one.entry.statement,
                origin=b"",
                writer=self._device,
                raw=one.raw,
            )
            seq += 1
            at = stored.place()
            rows.append((at.path, at.day, at.device, at.seq, one.ciphertext))
            months.setdefault(month_of(one.entry.day), []).append(stored.value())
        self._quotas.charge(tx, pair, size)
        self._store.pages.put_many(tx, rows)
        self._store.ledger.raise_to(tx, _PAGE_COUNTER, seq)
        for month, values in months.items():
            self._store.catalogue.append(tx, owner, path, month, values)
        paths = self._paths(tx, their)
        paths[path] = sorted({*paths.get(path, ()), *months})
        self._put_paths(tx, their, paths)

    def resize(self, tx: Tx, pair: Pair, before: int, now: int) -> None:
        """What stands here for an owner beside its pages takes `now` bytes in place of `before`.
        Raises GrantRefused beyond the owner's quota."""
        if now > before:
            self._quotas.charge(tx, pair, now - before)
        elif now < before:
            self._quotas.free(tx, pair, before - now)

    def only(
        self, tx: Tx, pair: Pair, path: str, days: tuple[int, int], ids: Sequence[bytes]
    ) -> list[bytes]:
        """Of `days`, first and last, keep these pages and no others; the ids of those that are
        lacking."""
        first, last = days
        wanted = set(ids)
        found = {
            entry_of(one.raw).page_id for one in self.stored(tx, pair.their, path, first, last)
        }

        def stays(stored: Stored) -> bool:
            inside = first <= stored.day <= last
            return not inside or entry_of(stored.raw).page_id in wanted

        if found - wanted:
            months = [one for one in self._paths(tx, pair.their).get(path, ())]
            within = [one for one in months if month_of(first) <= one <= month_of(last)]
            self._clear(tx, pair, path, within, stays)
        return sorted(wanted - found)

    def clear(self, tx: Tx, pair: Pair, stays: Callable[[Stored], bool]) -> None:
        """Remove what does not stay, of all that is kept for an owner."""
        for path, months in self._paths(tx, pair.their).items():
            self._clear(tx, pair, path, months, stays)

    def _clear(
        self,
        tx: Tx,
        pair: Pair,
        path: str,
        months: Sequence[int],
        stays: Callable[[Stored], bool],
    ) -> None:
        """Ciphertexts go, and the salts without which no copy of them opens."""
        owner = _owner(pair.their)
        freed = 0
        emptied: set[int] = set()
        for month in months:
            kept: list[Value] = []
            gone: list[Stored] = []
            for value in self._store.catalogue.rows(tx, owner, path, (month,)):
                stored = Stored.from_value(owner, path, value)
                if stays(stored):
                    kept.append(value)
                else:
                    gone.append(stored)
            if gone:
                self._store.catalogue.replace(tx, owner, path, month, kept)
                self._store.pages.delete(tx, [one.place() for one in gone])
                freed += sum(self._let_go(tx, pair.their, one) for one in gone)
            if not kept:
                emptied.add(month)
        if freed:
            self._quotas.free(tx, pair, freed)
        if emptied:
            paths = self._paths(tx, pair.their)
            paths[path] = [one for one in paths.get(path, ()) if one not in emptied]
            self._put_paths(tx, pair.their, paths)

    def _let_go(self, tx: Tx, their: str, stored: Stored) -> int:
        """What vouched for a page that went is needed once less; how many bytes are free."""
        freed = stored.length + ENTRY_BYTES_MAX
        match self._store.objects.get(tx, Kind.HELPED_SEGMENT, stored.segment):
            case [str(), bytes(cid)]:
                left = self._used(tx, Kind.HELPED_SEGMENT, [their, cid], -1)
                if left.uses == 0:
                    self._store.objects.delete(tx, Kind.HELPED_SEGMENT, stored.segment)
                    freed += left.size
            case _:
                pass
        if stored.statement is not None:
            left = self._used(tx, Kind.HELPED_STATEMENT, [their, stored.statement], -1)
            freed += left.size if left.uses == 0 else 0
        return freed

    # what vouches for pages

    def _vouch_segment(self, tx: Tx, their: str, given: KeptSegment) -> tuple[int, int]:
        """One page more needs a segment: its number here, and the bytes that are new."""
        cid = given.head.cid
        if self._vouched(tx, Kind.HELPED_SEGMENT, [their, cid]) is not None:
            return self._used(tx, Kind.HELPED_SEGMENT, [their, cid], 1).number, 0
        number = self._store.ledger.counter(tx, _SEGMENT_COUNTER) + 1
        self._store.ledger.raise_to(tx, _SEGMENT_COUNTER, number)
        self._store.objects.put(tx, Kind.HELPED_SEGMENT, number, [their, cid])
        size = len(given.head.raw) + len(given.leaves) * HASH_BYTES
        kept = _Vouched(1, size, number, given.head.raw, b"".join(given.leaves))
        self._store.objects.put(tx, Kind.HELPED_SEGMENT, [their, cid], kept.value())
        return number, size

    def _vouch_statement(self, tx: Tx, their: str, cid: bytes, given: KeptStatement | None) -> int:
        """One page more is of a statement; how many bytes are new.  Raises GrantRefused if the
        statement neither came nor is here."""
        name: Value = [their, cid]
        kept = self._vouched(tx, Kind.HELPED_STATEMENT, name)
        if given is None and kept is None:
            raise GrantRefused("a page comes without its statement", Code.MALFORMED)
        if kept is not None:
            kept = replace(kept, uses=kept.uses + 1)
            if given is not None:
                kept = replace(kept, gone=given.gone)
            self._store.objects.put(tx, Kind.HELPED_STATEMENT, name, kept.value())
            return 0
        assert given is not None
        size = len(given.statement.raw) + len(given.leaves) * HASH_BYTES
        fresh = _Vouched(1, size, 0, given.statement.raw, b"".join(given.leaves), given.gone)
        self._store.objects.put(tx, Kind.HELPED_STATEMENT, name, fresh.value())
        return size

    def gone(self, tx: Tx, their: str, statement: Statement, gone: tuple[int, ...]) -> None:
        """These days of a statement are not whole any more at its owner."""
        name: Value = [their, statement.cid]
        kept = self._vouched(tx, Kind.HELPED_STATEMENT, name)
        if kept is not None and kept.gone != gone:
            fresh = replace(kept, gone=gone)
            self._store.objects.put(tx, Kind.HELPED_STATEMENT, name, fresh.value())

    def _used(self, tx: Tx, kind: Kind, name: Value, more: int) -> _Vouched:
        kept = self._vouched(tx, kind, name)
        if kept is None:
            raise StoreDamaged("what vouches for a page kept for another is missing")
        now = replace(kept, uses=kept.uses + more)
        if now.uses:
            self._store.objects.put(tx, kind, name, now.value())
        else:
            self._store.objects.delete(tx, kind, name)
        return now

    def _vouched(self, tx: Tx, kind: Kind, name: Value) -> _Vouched | None:
        value = self._store.objects.get(tx, kind, name)
        return None if value is None else _Vouched.from_value(value)

    # which months there are

    def _all(self, tx: Tx, their: str, path: str) -> list[Stored]:
        months = self._paths(tx, their).get(path, ())
        return self._store.catalogue.read(tx, _owner(their), path, months, Stored.from_value)

    def _paths(self, tx: Tx, their: str) -> dict[str, Sequence[int]]:
        found: dict[str, Sequence[int]] = {}
        value = self._store.objects.get(tx, Kind.HELPED_PATHS, their)
        for item in value if isinstance(value, list) else ():
            match item:
                case [str(path), list(months)]:
                    found[path] = [one for one in months if isinstance(one, int)]
                case _:
                    raise StoreDamaged("what is kept for another has not the form of it")
        return found

    def _put_paths(self, tx: Tx, their: str, paths: dict[str, Sequence[int]]) -> None:
        value: Value = [[path, list(paths[path])] for path in sorted(paths) if paths[path]]
        if value:
            self._store.objects.put(tx, Kind.HELPED_PATHS, their, value)
        else:
            self._store.objects.delete(tx, Kind.HELPED_PATHS, their)


def state_of(ids: Iterable[bytes]) -> bytes:
    """The digest by which owner and helper see that they mean the same pages."""
    return sha256(b"".join(sorted(set(ids))))[:STATE_BYTES]


def split(joined: bytes) -> list[bytes]:
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def _owner(their: str) -> str:
    """Under which name the pages of an owner stand, apart from those that it lent to this node."""
    return f"helped/{their}/"
