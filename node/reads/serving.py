"""Serving a read: which pages go out, in which windows, with which proofs.

A **plan** lists the pages of the days asked, in order of day, and cuts them into windows of at
most 1 MiB that tile these days.  Pages go out exactly as they are stored: no key is touched.  For
each window the device signs what it offers; heads of segments, entries and range proofs show that
it vouched for these pages when it wrote them; statements with their proofs of days let the reader
verify what the source signed on just these days.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from ...crypto.merkle import HASH_BYTES, Tree, tree_hash
from ...protocol.limits import WINDOW_BYTES_MAX, WINDOW_PAGES_MAX
from ...protocol.page import entry_leaf
from ...protocol.receipt import ReceiptBody
from ...protocol.segment import RunProof
from ...protocol.statement import Statement, parse_statement
from ...protocol.trust import VerifiedRead
from ...protocol.window import Window
from ...protocol.wire import Body, Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from ..store.store import Store
from ..vault.stored import Stored
from ..vault.vault import Vault

_K = TypeVar("_K")
_V = TypeVar("_V")

# Pages of one window while other peers are about.  Gathering a page costs about 50 µs in the unit
# of work that others wait for: 64 pages cost as much as a small call, 1,024 as much as twenty.
SHARED_WINDOW_PAGES = 64
# Trees over the leaves of segments and statements, kept so that a proof costs a few lookups; a
# segment of 1,024 pages takes about 100 KB.
TREES_KEPT = 128


@dataclass(frozen=True, slots=True)
class Slice:
    """The pages of one window; days `first … last`, inclusive, of those asked.

    `statements` are those that no window before this one has pages of.
    """

    first: int
    last: int
    pages: tuple[Stored, ...]
    statements: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        return sum(page.length for page in self.pages)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A read that was authorised, cut into windows."""

    read: VerifiedRead
    slices: tuple[Slice, ...]

    def body(self, number: int, t_ms: int, prev: bytes | None) -> ReceiptBody:
        """The receipt of window `number`."""
        last = number == len(self.slices) - 1
        return receipt_body(self.read, number, self.slices[number], last, t_ms, prev)


def receipt_body(
    read: VerifiedRead, number: int, window: Slice, last: bool, t_ms: int, prev: bytes | None
) -> ReceiptBody:
    """What both sides sign about `window`, number `number` of a read."""
    asked = read.asked()
    return ReceiptBody(
        inv=asked.inv,
        dlg=asked.dlg,
        server=asked.server,
        reader=asked.reader,
        window=number,
        last=last,
        entries_root=tree_hash([entry_leaf(page.raw) for page in window.pages]),
        first=window.first,
        last_day=window.last,
        pages=len(window.pages),
        size=window.size,
        t_ms=t_ms,
        prev=prev,
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What goes with the pages of a window: heads, one proof a run, statements with proofs."""

    heads: tuple[bytes, ...]
    proofs: tuple[Value, ...]
    statements: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    cid: bytes
    head: bytes
    tree: Tree


class Serving:
    """Plans reads and gathers what goes with their pages."""

    def __init__(
        self, store: Store, vault: Vault, *, window_pages_max: int = WINDOW_PAGES_MAX
    ) -> None:
        self._store = store
        self._window_pages_max = window_pages_max
        self._vault = vault
        self._segments: OrderedDict[int, _Segment] = OrderedDict()
        self._statements: OrderedDict[bytes, tuple[Statement, Tree, frozenset[int]]] = OrderedDict()

    def stored(self, tx: Tx, path: str, first: int, last: int) -> list[Stored]:
        """The pages of these days, in order of day."""
        return self._vault.stored(tx, path, first, last)

    def plan(self, tx: Tx, read: VerifiedRead, *, alone: bool = True) -> ReadPlan:
        """The windows of a read: at least one, empty if there is no page; small ones if its reader
        is not `alone`."""
        pages_max = self._window_pages_max
        if not alone:
            pages_max = min(pages_max, SHARED_WINDOW_PAGES)
        asked = read.window
        stored = self.stored(tx, asked.collection, asked.first, asked.last)
        # Within a window, runs of one segment are contiguous; days stay in order across windows.
        slices: list[Slice] = []
        told: set[bytes] = set()
        for window in _cut(stored, asked.first, asked.last, pages_max):
            named = {page.statement for page in window.pages if page.statement is not None}
            slices.append(replace(window, statements=tuple(sorted(named - told))))
            told |= named
        return ReadPlan(read, tuple(slices))

    def again(self, tx: Tx, plan: ReadPlan, number: int) -> ReadPlan:
        """The same read, its windows from `number` on cut out of what is stored now: pages of its
        plan were encrypted again, merged or taken out meanwhile.

        The windows still tile the days: the next begins where it would have.
        """
        asked = plan.read.window
        told = {cid for window in plan.slices[:number] for cid in window.statements}
        first = plan.slices[number].first
        stored = self.stored(tx, asked.collection, first, asked.last)
        slices = list(plan.slices[:number])
        for window in _cut(stored, first, asked.last, self._window_pages_max):
            named = {page.statement for page in window.pages if page.statement is not None}
            slices.append(replace(window, statements=tuple(sorted(named - told))))
            told |= named
        return replace(plan, slices=tuple(slices))

    def window_after(
        self, tx: Tx, asked: Window, after: tuple[int, int] | None
    ) -> tuple[Slice, bool] | None:
        """The window that follows the page `after`, (day, number), and whether it is the last.

        It is cut out of what is stored now, with its statements, and stands for itself.  None if
        nothing is left; without `after` there is always one, though it may be empty.
        """
        stored = self.stored(tx, asked.collection, asked.first, asked.last)
        first = asked.first
        if after is not None:
            stored = [page for page in stored if (page.day, page.seq) > after]
            if not stored:
                return None
            first = after[0] if stored[0].day == after[0] else after[0] + 1
        windows = iter(_cut(stored, first, asked.last, self._window_pages_max))
        window = _with_statements(next(windows))
        return window, next(windows, None) is None

    def window_of(self, tx: Tx, asked: Window, first: int, last: int, seqs: Sequence[int]) -> Slice:
        """The window of these pages, by their numbers; without those that are gone."""
        wanted = set(seqs)
        stored = self.stored(tx, asked.collection, first, last)
        pages = _by_segment(page for page in stored if page.seq in wanted)
        return _with_statements(Slice(first, last, pages))

    def pages(self, tx: Tx, window: Slice) -> list[bytes]:
        """The ciphertexts of a window.  Raises StoreDamaged naming a page that is gone."""
        places = [page.place() for page in window.pages]
        found: list[bytes] = []
        for page, ciphertext in zip(
            window.pages, self._store.pages.get_many(tx, places), strict=True
        ):
            if ciphertext is None or len(ciphertext) != page.length:
                raise StoreDamaged(f"a page of {page.path} is damaged and cannot be served")
            found.append(ciphertext)
        return found

    def evidence(self, tx: Tx, asked: Window, window: Slice) -> Evidence:
        """What shows that the pages of a window are the device's, and the source's.

        A statement goes with the first window that has pages of it, for all the days of the read.
        """
        heads: dict[int, bytes] = {}
        proofs: list[Value] = []
        for seq, first, size in _runs(window.pages):
            segment = self._segment(tx, seq)
            heads[seq] = segment.head
            hashes = segment.tree.range_proof(first, first + size - 1)
            proofs.append(RunProof(segment.cid, first, size, tuple(hashes)).value())
        statements = self._statement_proofs(tx, asked, window)
        return Evidence(tuple(heads.values()), tuple(proofs), statements)

    def _statement_proofs(self, tx: Tx, asked: Window, window: Slice) -> tuple[Value, ...]:
        proofs: list[Value] = []
        for cid in window.statements:
            statement, tree, gone = self._statement(tx, cid)
            low, high = max(asked.first, statement.first), min(asked.last, statement.last)
            for first, last in _whole_runs(low, high, gone):
                hashes = tree.range_proof(first - statement.first, last - statement.first)
                proofs.append([statement.raw, first, last, hashes])
        return tuple(proofs)

    def _segment(self, tx: Tx, seq: int) -> _Segment:
        found = self._segments.get(seq)
        if found is None:
            cid, raw, leaves = self.segment(tx, seq)
            found = _Segment(cid, raw, Tree(leaves))
            _keep(self._segments, seq, found)
        return found

    def segment(self, tx: Tx, seq: int) -> tuple[bytes, bytes, Sequence[bytes]]:
        """The CID and the signed head of segment `seq`, and its leaf hashes.  Raises
        StoreDamaged."""
        match self._store.segments.head(tx, seq):
            case [bytes(cid), bytes(raw)]:
                return cid, raw, self._store.segments.leaves(tx, seq)
            case _:
                raise StoreDamaged(f"segment {seq} is missing")

    def statement_kept(self, tx: Tx, cid: bytes) -> Value:
        """What is kept of a statement: `statement_value`."""
        return self._store.objects.get(tx, Kind.STATEMENT, cid)

    def forget(self) -> None:
        """Let go of what was read before: something was erased."""
        self._segments.clear()
        self._statements.clear()

    def _statement(self, tx: Tx, cid: bytes) -> tuple[Statement, Tree, frozenset[int]]:
        found = self._statements.get(cid)
        if found is None:
            value = self.statement_kept(tx, cid)
            statement, leaves = kept_statement(value)
            found = (statement, Tree(leaves), gone_days(value))
            _keep(self._statements, cid, found)
        return found


def statement_value(statement: Statement, leaves: Sequence[bytes]) -> Value:
    """How a statement is kept: as signed, with the leaf of each of its days."""
    return {"raw": statement.raw, "leaves": b"".join(leaves)}


def kept_statement(value: Value) -> tuple[Statement, list[bytes]]:
    """Read what `statement_value` wrote.  Raises StoreDamaged."""
    if value is None:
        raise StoreDamaged("the statement of a page is missing")
    gone = ("gone",) if isinstance(value, dict) and "gone" in value else ()
    body = Body.open(value, "a statement in the store", ("raw", "leaves", *gone))
    joined = body.data("leaves")
    leaves = [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
    return parse_statement(body.data("raw")), leaves


def mark_gone(objects: Objects, tx: Tx, statement: bytes, day: int) -> None:
    """A day of a statement is not whole here any more: it is not shown with the others."""
    value = objects.get(tx, Kind.STATEMENT, statement)
    if isinstance(value, dict):
        gone: list[Value] = [one for one in sorted({*gone_days(value), day})]
        objects.put(tx, Kind.STATEMENT, statement, {**value, "gone": gone})


def gone_days(value: Value) -> frozenset[int]:
    """The days of a statement that are not whole here any more."""
    gone = value.get("gone") if isinstance(value, dict) else None
    return (
        frozenset(one for one in gone if isinstance(one, int))
        if isinstance(gone, list)
        else (frozenset())
    )


def _whole_runs(first: int, last: int, gone: frozenset[int]) -> Iterable[tuple[int, int]]:
    """The runs of days `first … last` between those that are gone."""
    start = first
    for day in [*sorted(one for one in gone if first <= one <= last), last + 1]:
        if start < day:
            yield start, day - 1
        start = day + 1


def _cut(
    stored: Sequence[Stored], first: int, last: int, pages_max: int = WINDOW_PAGES_MAX
) -> Iterable[Slice]:
    """Windows of at most 1 MiB that tile `first … last`; a day too large for one is in both."""
    start, at = 0, first
    while True:
        end, size = start, 0
        while end < len(stored) and end - start < pages_max:
            size += stored[end].length
            if size > WINDOW_BYTES_MAX:
                break
            end += 1
        if end == len(stored):
            yield Slice(at, last, _by_segment(stored[start:end]))
            return
        through = stored[end - 1].day
        yield Slice(at, through, _by_segment(stored[start:end]))
        at = through if stored[end].day == through else through + 1
        start = end


def _with_statements(window: Slice) -> Slice:
    """A window that names all the statements that its pages have."""
    named = {page.statement for page in window.pages if page.statement is not None}
    return replace(window, statements=tuple(sorted(named)))


def _by_segment(pages: Iterable[Stored]) -> tuple[Stored, ...]:
    return tuple(sorted(pages, key=lambda page: (page.segment, page.index)))


def _runs(pages: Sequence[Stored]) -> Iterable[tuple[int, int, int]]:
    """(segment, first index, size) of each contiguous run, in sent order."""
    numbered = enumerate(pages)
    for (segment, _), group in groupby(numbered, lambda p: (p[1].segment, p[1].index - p[0])):
        run = [page for _, page in group]
        yield segment, run[0].index, len(run)


def _keep(kept: OrderedDict[_K, _V], name: _K, value: _V) -> None:
    kept[name] = value
    if len(kept) > TREES_KEPT:
        kept.popitem(last=False)
