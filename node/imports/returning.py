"""Returning: what another import said too stays when the one that kept it is undone.

An import notes the records that it left out because they were there word for word (`left_out.py`).
When the pages that hold them go, those records are written again under the import that noted them,
the oldest of several, in the same transaction: nobody's word is lost with another's.  Records that
some other page still holds word for word stay noted and are not written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..store.database import Tx
from ..vault.left_out import LeftOutDay, record_digest
from ..vault.sealing import Piece
from ..vault.stored import Damaged, open_stored, rows_of
from ..vault.vault import Vault


def returning(
    vault: Vault, tx: Tx, path: str, id: bytes, standing: Sequence[bytes]
) -> list[tuple[bytes, list[Piece]]]:
    """What each other import (`standing`, oldest first) keeps of what the import `id` holds.

    Looks at days on which something was left out, and at no others.
    """
    months = vault.collections.get(tx, path).months
    noted = {
        origin: days
        for origin, days in vault.left_out.of(tx, path, months).items()
        if origin != id and origin in standing
    }
    others = sorted(noted, key=standing.index)
    found: defaultdict[bytes, list[Piece]] = defaultdict(list)
    for day in sorted({day for days in noted.values() for day in days}):
        held: set[bytes] = set()
        going: list[Piece] = []
        stored = vault.stored(tx, path, day, day)
        if not any(one.origin == id for one in stored):
            continue
        for one, ciphertext in vault.ciphertexts(tx, stored):
            batch = open_stored(one, ciphertext, vault.keys_of)
            if isinstance(batch, Damaged):
                continue
            if one.origin == id:
                going.append(Piece(day, batch))
            else:
                held.update(record_digest(batch, row) for row in range(len(batch)))
        for piece in going:
            digests = [record_digest(piece.batch, row) for row in range(len(piece.batch))]
            for origin in others:
                said = noted[origin].get(day, frozenset())
                rows = [row for row, one in enumerate(digests) if one in said - held]
                if rows:
                    found[origin].append(Piece(day, rows_of(piece.batch, rows)))
                    held.update(digests[row] for row in rows)
    return [(origin, found[origin]) for origin in others if origin in found]


def give_back(vault: Vault, tx: Tx, path: str, origin: bytes, pieces: Sequence[Piece]) -> int:
    """Write `pieces` under the import `origin`, which had noted them; the number of records."""
    schema = pieces[0].batch.schema
    vault.left_out.take(
        tx,
        path,
        origin,
        [
            LeftOutDay(
                piece.day,
                frozenset(record_digest(piece.batch, row) for row in range(len(piece.batch))),
            )
            for piece in pieces
        ],
    )
    return vault.write_now(tx, path, schema, pieces, origin=origin)
