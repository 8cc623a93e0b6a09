"""Doubles: which records of a file the vault holds already.

Files overlap: each month's download repeats the last days of the one before.  Two records are the
same fact if they have the same id or, where a schema has none, the same time.  What is there stays
as it is; a second telling that differs is counted apart, so that a person can be told.

An import that goes on after a crash meets its own records: they are not doubles, they are done.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..protocol.record import Batch
from .sealing import Piece
from .stored import names_of, rows_of


@dataclass(frozen=True, slots=True)
class Known:
    """Records that are there.  `own`: brought by the very import that asks."""

    own: bool
    batch: Batch


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is new, in pieces none of which is empty, and how many records were not.

    `duplicates` are there with the same content, `differing` with another.
    """

    pieces: Sequence[Piece]
    duplicates: int
    differing: int

    @property
    def records(self) -> int:
        return sum(len(piece.batch) for piece in self.pieces)


def sift(pieces: Sequence[Piece], known: Iterable[Known]) -> Sifted:
    """Leave out of `pieces` every record that is in `known` or in a piece before it."""
    told: dict[Hashable, tuple[Known, int]] = {}
    for one in known:
        for row, name in enumerate(names_of(one.batch)):
            told.setdefault(name, (one, row))
    fresh: list[Piece] = []
    duplicates = differing = 0
    for piece in pieces:
        batch = piece.batch
        names = names_of(batch)
        if told.keys().isdisjoint(names) and len(set(names)) == len(names):
            rows: Sequence[int] = range(len(batch))
        else:
            kept: list[int] = []
            seen_here: dict[Hashable, int] = {}
            for row, name in enumerate(names):
                there = told.get(name)
                if there is None and name in seen_here:
                    there = (Known(False, batch), seen_here[name])
                if there is None:
                    kept.append(row)
                    seen_here[name] = row
                elif _cells(there[0].batch, there[1]) != _cells(batch, row):
                    differing += 1
                elif not there[0].own:
                    duplicates += 1
            rows = kept
        if rows:
            here = Known(False, batch)
            told.update((names[row], (here, row)) for row in rows)
            fresh.append(replace(piece, batch=rows_of(batch, rows)))
    return Sifted(fresh, duplicates, differing)


def _cells(batch: Batch, row: int) -> list[object]:
    return [column[row] for column in batch.columns.values()]
