"""Told before: holding what comes, from a file or a peer, against what the vault holds.

The pages of the same days are opened, of transactions those of a few days around too, because the
same payment is booked a day later elsewhere.  A vault that holds nothing of these days opens
nothing.  Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...protocol.day import UNDATED
from ...protocol.schema import Schema
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..vault.facts import TellerKey, key_of
from ..vault.journal import read_same_as, write_same_as
from ..vault.recognition import MARGIN_DAYS, matched_by_content
from ..vault.sealing import Piece
from ..vault.stored import Stored
from ..vault.tellers import Teller
from ..vault.vault import Vault
from .doubles import Sifted, known_pages, sift


@dataclass(frozen=True, slots=True)
class ToldCounts:
    """How much of what came was new, and what had been told before (`doubles.py`)."""

    new: int
    same: int
    differing: int
    ambiguous: int
    same_as: Mapping[str, int]

    @classmethod
    def of(cls, sifted: Sifted) -> ToldCounts:
        """Counts of what is kept whatever was told: a word for word double is the same fact."""
        return cls(
            sifted.new,
            sifted.duplicates + sifted.same,
            sifted.differing,
            sifted.ambiguous,
            sifted.same_as,
        )

    def value(self) -> Value:
        counts: list[Value] = [self.new, self.same, self.differing, self.ambiguous]
        return [*counts, write_same_as(self.same_as)]

    @classmethod
    def from_value(cls, value: Value) -> ToldCounts:
        match value:
            case [int(new), int(same), int(differing), int(ambiguous), list(same_as)]:
                return cls(new, same, differing, ambiguous, read_same_as(same_as))
            case _:
                raise StoreDamaged("a delivery in the store is counted in another form")


# What tells a delivery that has no page yet from every file that has.
_COMING = b"coming"


async def told_before(
    vault: Vault,
    path: str,
    schema: Schema,
    pieces: Sequence[Piece],
    *,
    family: str,
    signed: bool = False,
    own: bytes = b"",
) -> Sifted:
    """What of `pieces` (ascending days), told by `family`, is new in `path`; see `sift`.

    `own` is the import that asks: what it brought itself is done, and no double.
    """
    if not pieces:
        return Sifted(())
    # A time lies in one day; an id might stand on another day between the first and the last.
    days = None if schema.has_id else {piece.day for piece in pieces}
    margin = MARGIN_DAYS if matched_by_content(schema) else 0
    first, last = max(pieces[0].day - margin, 0), min(pieces[-1].day + margin, UNDATED)

    def unit(tx: Tx) -> tuple[Sequence[tuple[Stored, bytes | None]], dict[TellerKey, Teller]]:
        stored = vault.stored(tx, path, first, last)
        wanted = [one for one in stored if days is None or one.day in days]
        tellers = {key: vault.tellers.of(tx, *key) for key in set(map(key_of, wanted))}
        return vault.ciphertexts(tx, wanted), tellers

    found, tellers = await vault.store.database.read(unit)

    def sifted() -> Sifted:
        known = known_pages(schema, found, vault.keys_of, tellers, own=own)
        return sift(pieces, known, family, signed=signed, file=own or _COMING)

    return await vault.offload.run(sifted)
