"""Pages as two devices compare them: one space a month of a collection, two of what was removed.

    pages/PATH/MONTH    the pages that there are, by their ids
    again/PATH/MONTH    pages in whose place others stand, which were encrypted again
    over/PATH/MONTH     lines of pages that have ended: erased, undone, merged into others

What was removed anywhere is removed everywhere, and does not come back from a device that had not
heard.  A **line** is a page and all that it was encrypted again to.  If two devices did that apart,
there are two last words of one line, and the one that was moved more often stays, or that with the
greater id; so a line is never lost, whoever drops which.  If one device ended a line while another
encrypted it again, it has ended.  A source's statement has one page a day: of two lines that tell
the same day of it, the greater stays.

What a lagging device brings is encrypted again in the unit that takes it (`Taking.lagging`), so it
is never served under keys that were taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...protocol.collection import check_path
from ...protocol.command_device import ID_BYTES
from ...protocol.day import UNDATED, month_of
from ...protocol.errors import WireError
from ...protocol.limits import INTERVAL_S_MAX
from ...protocol.page import parse_entry
from ...protocol.wire import Body, Value
from ..grants.reencryption import Reencryption
from ..store.catalogue import month_set
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind
from ..vault.brought import Brought, bring
from ..vault.origin import DERIVED
from ..vault.stored import Stored, entry_of
from ..vault.vault import Vault
from .space import Space, Taking, WholeSpace

_PAGES: Final = "pages"
_AGAIN: Final = "again"
_OVER: Final = "over"
# What has no date lies in a month of its own.
_MONTH_MAX = month_of(UNDATED)
_DEVICE_BYTES = 32
_PAGE = ("entry", "origin", "writer", "line", "depth", "interval_s", "ciphertext")


SweepPages = Callable[[Tx, str, Collection[int], int], int]


def _nothing_erased(_tx: Tx, _path: str, _numbers: Collection[int], _month: int) -> int:
    return 0


class PagesGone:
    """What was removed of each month, by the ids of pages and of lines."""

    def __init__(self, vault: Vault) -> None:
        self._objects = vault.store.objects

    def removed(self, tx: Tx, path: str, removed: Sequence[Stored], again: bool) -> None:
        """Pages are removed here: see `Vault.removed`."""
        by_month: defaultdict[int, list[Stored]] = defaultdict(list)
        for one in removed:
            by_month[month_of(one.day)].append(one)
        for month, some in by_month.items():
            if again:
                self.add(tx, _AGAIN, path, month, [entry_of(one.raw).page_id for one in some])
            else:
                self.add(tx, _OVER, path, month, [one.line for one in some])

    def of(self, tx: Tx, what: str, path: str, month: int) -> list[bytes]:
        value = self._objects.get(tx, Kind.PAGE_GONE, [what, path, month])
        if value is None:
            return []
        if not isinstance(value, bytes) or len(value) % ID_BYTES:
            raise StoreDamaged("what was removed stands in the store in another form")
        return [value[at : at + ID_BYTES] for at in range(0, len(value), ID_BYTES)]

    def add(self, tx: Tx, what: str, path: str, month: int, ids: Iterable[bytes]) -> int:
        """Keep that these were removed; how many of them are news."""
        known = set(self.of(tx, what, path, month))
        now = known | set(ids)
        if now != known:
            joined = b"".join(sorted(now))
            self._objects.put(tx, Kind.PAGE_GONE, [what, path, month], joined)
        return len(now) - len(known)

    def months(self, tx: Tx) -> Iterator[tuple[str, str, int]]:
        """(what, path, month) of all that was ever removed."""
        for name, _ in self._objects.all(tx, Kind.PAGE_GONE):
            match name:
                case [str(what), str(path), int(month)]:
                    yield what, path, month
                case _:
                    raise StoreDamaged("what was removed stands in the store under another name")


class PageSpaces:
    """The spaces of every month of this vault."""

    def __init__(
        self, vault: Vault, reencryption: Reencryption, carried: Callable[[Tx], bool]
    ) -> None:
        self._vault = vault
        self._reencryption = reencryption
        self.gone = PagesGone(vault)
        # Takes what was erased out of pages that came: path, numbers of pages, month.
        self.sweep: SweepPages = _nothing_erased
        # Whether there is anybody to tell what is removed.
        self._carried = carried
        vault.removed = self._removed

    def _removed(self, tx: Tx, path: str, removed: Sequence[Stored], again: bool) -> None:
        if self._carried(tx):
            self.gone.removed(tx, path, removed, again)

    def names(self, tx: Tx) -> list[str]:
        """The names of all."""
        removed = sorted(f"{what}/{path}/{month}" for what, path, month in self.gone.months(tx))
        there = sorted(
            f"{_PAGES}/{collection.path}/{month}"
            for collection in self._vault.collections.all(tx)
            for month in collection.months
        )
        return [*removed, *there]

    def named(self, name: str) -> Space | None:
        """The space of a name, here or on another device; None if it is of another kind.

        Raises WireError, RecordError for a name that no such space has.
        """
        what, _, rest = name.partition("/")
        if what not in (_PAGES, _AGAIN, _OVER):
            return None
        path, _, number = rest.rpartition("/")
        if not (number.isascii() and number.isdigit() and str(int(number)) == number):
            raise WireError("a space of pages is named by a path and a month")
        month = int(number)
        if month > _MONTH_MAX:
            raise WireError("a space of pages is of no month")
        check_path(path)
        if what == _PAGES:
            return _PageSpace(
                name, path, month, self._vault, self._reencryption, self.gone, self.sweep
            )
        return _GoneSpace(name, what, path, month, self._vault, self.gone)


@dataclass(frozen=True, slots=True)
class _PageSpace:
    """The pages of one month."""

    name: str
    path: str
    month: int
    vault: Vault
    reencryption: Reencryption
    gone: PagesGone
    sweep: SweepPages

    @property
    def sets(self) -> tuple[Value, ...]:
        return (month_set(self.path, self.month),)

    def ids(self, tx: Tx) -> Sequence[bytes]:
        return sorted(entry_of(one.raw).page_id for one in self._stored(tx))

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        ids = self.ids(tx)
        found = self.some(tx, ids)
        return dict(zip(ids, found, strict=True))

    def some(self, tx: Tx, ids: Sequence[bytes]) -> Sequence[Value]:
        by_id = {entry_of(one.raw).page_id: one for one in self._stored(tx)}
        wanted = [by_id[one] for one in ids if one in by_id]
        collection = self.vault.collections.find(tx, self.path)
        interval_s = 0 if collection is None else collection.interval_s
        rows: list[Value] = []
        for one, ciphertext in self.vault.ciphertexts(tx, wanted):
            # A page whose bytes are gone here may be whole on the other device.
            if ciphertext is not None and len(ciphertext) == one.length:
                rows.append(_row(one, interval_s, ciphertext))
        return rows

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        brought = [_brought(row).check(self.path, self.month) for row in rows]
        there = set(self.ids(tx))
        again = set(self.gone.of(tx, _AGAIN, self.path, self.month))
        over = set(self.gone.of(tx, _OVER, self.path, self.month))
        new = [
            one
            for one in brought
            if one.entry.page_id not in there | again and one.line not in over
        ]
        found = bring(self.vault, tx, self.path, new)
        self._settle(tx)
        if self.path in taking.lagging:
            self._not_as_it_was(tx, {one.seq for one in found})
        if found and self.vault.erased.any(tx, self.path):
            # By day, not by number: what was encrypted again just now has another one.
            days = {one.day for one in found}
            stored = [one.seq for one in self._stored(tx) if one.day in days]
            self.sweep(tx, self.path, stored, self.month)
        return len(found)

    def _not_as_it_was(self, tx: Tx, brought: Collection[int]) -> None:
        """What came under keys that were taken back meanwhile comes under the present ones."""
        present = self.vault.present(tx, self.path)
        old = [
            one
            for one in self._stored(tx)
            if one.seq in brought and (entry_of(one.raw).epoch, entry_of(one.raw).gen) != present
        ]
        self.reencryption.at_once(tx, self.path, old)

    def _settle(self, tx: Tx) -> None:
        """One last word of each line, and one line of each day of a statement."""
        stored = self._stored(tx)
        last: dict[bytes, Stored] = {}
        for one in stored:
            rival = last.get(one.line)
            if rival is None or _rank(one) > _rank(rival):
                last[one.line] = one
        dropped = {one.seq for one in stored if last[one.line] is not one}
        if dropped:
            self._drop(tx, dropped, again=True)
        told: dict[tuple[bytes, int], bytes] = {}
        for one in last.values():
            if one.statement is not None:
                name = (one.statement, one.day)
                told[name] = max(one.line, told.get(name, b""))
        # A view is derived by one device; where it was moved to another while they were apart, the
        # pages of one of them stay.
        by: dict[int, bytes] = {}
        for one in last.values():
            if one.origin == DERIVED:
                by[one.day] = max(one.writer, by.get(one.day, b""))
        doubles = {
            one.seq
            for one in last.values()
            if (one.statement is not None and told[one.statement, one.day] != one.line)
            or (one.origin == DERIVED and by[one.day] != one.writer)
        }
        if doubles:
            self._drop(tx, doubles, again=False)

    def _drop(self, tx: Tx, numbers: set[int], *, again: bool) -> None:
        self.vault.remove_of_months(
            tx, self.path, (self.month,), lambda one: one.seq in numbers, again=again
        )

    def _stored(self, tx: Tx) -> list[Stored]:
        return self.vault.stored_of_month(tx, self.path, self.month)


@dataclass(frozen=True, slots=True)
class _GoneSpace(WholeSpace):
    """What was removed of one month: rows that say nothing but their ids."""

    name: str
    what: str
    path: str
    month: int
    vault: Vault
    gone: PagesGone

    @property
    def sets(self) -> tuple[Value, ...]:
        return (Kind.PAGE_GONE.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        return {one: one for one in self.gone.of(tx, self.what, self.path, self.month)}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        """Remove them here too.  Run inside `Database.erase`, which overwrites them."""
        ids: set[bytes] = set()
        for row in rows:
            if not isinstance(row, bytes) or len(row) != ID_BYTES:
                raise WireError("what was removed is named by an id of 16 bytes")
            ids.add(row)
        news = self.gone.add(tx, self.what, self.path, self.month, ids)
        if news and self.vault.collections.find(tx, self.path) is not None:
            again = self.what == _AGAIN
            self.vault.remove_of_months(
                tx,
                self.path,
                (self.month,),
                lambda one: (entry_of(one.raw).page_id if again else one.line) in ids,
                again=again,
            )
        return news


def is_removal(name: str) -> bool:
    """Whether what is taken from a space overwrites pages."""
    return name.startswith((f"{_AGAIN}/", f"{_OVER}/"))


def path_of_pages(name: str) -> str | None:
    """The collection of whose pages a space is, by its name; None for any other."""
    what, _, rest = name.partition("/")
    return rest.rpartition("/")[0] if what == _PAGES else None


def _rank(one: Stored) -> tuple[int, bytes]:
    return one.depth, entry_of(one.raw).page_id


def _row(one: Stored, interval_s: int, ciphertext: bytes) -> Value:
    return [one.raw, one.origin, one.writer, one.line, one.depth, interval_s, ciphertext]


def _brought(row: Value) -> Brought:
    """Read a page from another device.  Raises WireError."""
    body = Body.of_list(row, "a page from another device", _PAGE)
    entry = parse_entry(body.data("entry"))
    line, depth = body.data("line", length=ID_BYTES), body.integer("depth")
    if not depth and line != entry.page_id:
        raise WireError("a page that was never encrypted again is its own line")
    return Brought(
        entry,
        body.data("origin"),
        body.data("writer", length=_DEVICE_BYTES),
        line,
        depth,
        body.integer("interval_s", high=INTERVAL_S_MAX),
        body.data("ciphertext"),
    )
