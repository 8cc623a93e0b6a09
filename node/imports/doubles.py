"""Doubles: what of a file the vault was told before, and what it was not.

Files overlap: each month's download repeats the last days of the one before.  Two records are the
same fact if they have the same id or, where a schema has none, the same time; transactions also if
what they say makes them the same (`recognition.py`).  Each record of a file is one of:

    new         nobody told it before
    duplicate   it stands there word for word: left out, and noted (`left_out.py`)
    differing   it stands there under the same name with other content: kept beside it
    same        it stands there under another name, told by somebody else: kept beside it
    ambiguous   new, but it might be the same as another: kept, and shown apart

What the import itself brought before a crash is done, and none of these.  Within one file the first
of two records with one name stands.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...crypto.key_tree import DayKeys
from ...protocol.page import PageEntry
from ...protocol.record import Batch
from ...protocol.schema import Schema
from ..vault.facts import TellerKey, file_of, key_of, opened_first
from ..vault.left_out import LeftOutDay, record_digest
from ..vault.recognition import Told, matched_by_content, recognise
from ..vault.sealing import Piece
from ..vault.stored import Found, names_of, rows_of
from ..vault.tellers import Teller


@dataclass(frozen=True, slots=True)
class Known:
    """Records of a page that is there.  `own`: brought by the very import that asks.

    `who` says who told them, `family` and `signed` are those of that teller, `file` tells the
    import or delivery (`facts.file_of`).
    """

    own: bool
    batch: Batch
    who: str = ""
    family: str = ""
    signed: bool = False
    file: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is to be written, in pieces none of which is empty, and what became of each record.

    `same_as` counts duplicates and same facts by who told them first; `left_out` are the duplicates
    that another one's page holds.
    """

    pieces: Sequence[Piece]
    duplicates: int = 0
    differing: int = 0
    # Of those that differ, the ones to be written beside what is there.
    beside: int = 0
    same: int = 0
    ambiguous: int = 0
    same_as: Mapping[str, int] = field(default_factory=lambda: dict[str, int]())
    left_out: Sequence[LeftOutDay] = ()
    # Left out because the person erased them.
    erased: int = 0

    @property
    def records(self) -> int:
        """How many are to be written."""
        return sum(len(piece.batch) for piece in self.pieces)

    @property
    def new(self) -> int:
        """How many of those nobody had told before."""
        return self.records - self.same - self.beside


_Place = tuple[Known, int]


def known_pages(
    schema: Schema,
    found: Found,
    keys_of: Callable[[PageEntry], DayKeys],
    tellers: Mapping[TellerKey, Teller],
    *,
    own: bytes,
) -> list[Known]:
    """Stored pages as `sift` wants them.  What will not open is not there: it is brought again."""
    known: list[Known] = []
    for stored, batch in opened_first(schema, found, keys_of):
        teller = tellers[key_of(stored)]
        signed = stored.statement is not None
        known.append(
            Known(
                stored.origin == own,
                batch,
                teller.sentence(),
                teller.family,
                signed,
                file_of(stored),
            )
        )
    return known


class _Sieve:
    """Looks at the pieces of one file, one after the other."""

    def __init__(self, known: Iterable[Known]) -> None:
        self._told: dict[Hashable, list[_Place]] = {}
        for one in known:
            for row, name in enumerate(names_of(one.batch)):
                self._told.setdefault(name, []).append((one, row))
        self._here: dict[Hashable, tuple[Batch, int]] = {}
        self.duplicates = self.differing = self.beside = 0
        self.same_as: Counter[str] = Counter()
        self.left_out: defaultdict[int, set[bytes]] = defaultdict(set)

    def kept(self, piece: Piece) -> Batch:
        """The records of `piece` that are to be written."""
        batch = piece.batch
        names = names_of(batch)
        rows: Sequence[int] = range(len(batch))
        different = len(set(names)) == len(names)
        if not (
            different
            and self._told.keys().isdisjoint(names)
            and self._here.keys().isdisjoint(names)
        ):
            rows = [row for row in rows if self._is_kept(piece, names[row], row)]
        else:
            self._here.update((name, (batch, row)) for row, name in enumerate(names))
        return rows_of(batch, rows)

    def _is_kept(self, piece: Piece, name: Hashable, row: int) -> bool:
        batch = piece.batch
        said = _cells(batch, row)
        here = self._here.setdefault(name, (batch, row))
        if here[0] is not batch or here[1] != row:  # twice in one file: the first stands
            same = _cells(*here) == said
            self.duplicates, self.differing = self.duplicates + same, self.differing + (not same)
            return False
        before = self._told.get(name, ())
        if own := [place for place in before if place[0].own]:
            self.differing += all(_cells(one.batch, at) != said for one, at in own)
            return False
        for one, at in before:
            if _cells(one.batch, at) == said:
                self.duplicates += 1
                self.same_as[one.who] += 1
                self.left_out[piece.day].add(record_digest(batch, row))
                return False
        self.differing += bool(before)
        self.beside += bool(before)
        return True


def sift(
    pieces: Sequence[Piece],
    known: Iterable[Known],
    family: str = "",
    *,
    signed: bool = False,
    file: bytes | None = None,
) -> Sifted:
    """What of `pieces`, told by `family`, the vault was not told word for word.

    `known` is in the order in which facts are shown; its records may lie on days around those of
    `pieces`, by which facts are recognised.  `signed` if `pieces` come under a statement;
    `file` tells what brings them from the files of `known`.
    """
    there = list(known)
    sieve = _Sieve(there)
    fresh: list[Piece] = []
    for piece in pieces:
        if len(batch := sieve.kept(piece)):
            fresh.append(replace(piece, batch=batch))
    same, ambiguous = _recognised(
        [Told(family, signed, piece.batch, file) for piece in fresh], there, sieve.same_as
    )
    return Sifted(
        fresh,
        duplicates=sieve.duplicates,
        differing=sieve.differing,
        beside=sieve.beside,
        same=same,
        ambiguous=ambiguous,
        same_as=dict(sieve.same_as),
        left_out=[LeftOutDay(day, frozenset(some)) for day, some in sorted(sieve.left_out.items())],
    )


def _recognised(
    fresh: Sequence[Told], there: Sequence[Known], same_as: Counter[str]
) -> tuple[int, int]:
    """How many of `fresh` are facts that another teller told under another name, or might be."""
    others = {one.family for one in there} - {one.family for one in fresh}
    if not fresh or not others or not matched_by_content(fresh[0].batch.schema):
        return 0, 0
    told = [Told(one.family, one.signed, one.batch, one.file) for one in there]
    told += fresh
    whos = [one.who for one in there for _ in range(len(one.batch))]
    names = [name for one in told for name in names_of(one.batch)]
    facts = recognise(fresh[0].batch.schema, told)
    same = ambiguous = 0
    for rows in facts.rows:
        first_here = next((row for row in rows if row >= len(whos)), None)
        if first_here is None:
            continue
        other = next((row for row in rows if row < len(whos)), None)
        if other is not None and all(
            names[row] != names[first_here] for row in rows if row < len(whos)
        ):
            same += 1
            same_as[whos[other]] += 1
        ambiguous += other is None and not facts.ambiguous.isdisjoint(rows)
    return same, ambiguous


def _cells(batch: Batch, row: int) -> list[object]:
    return [column[row] for column in batch.columns.values()]
