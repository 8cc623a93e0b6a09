"""Where a shared record begins: what a source delivered, with the proof of that record alone.

The record lies in the vault on a page of its statement; from the page's salt and the leaves of the
statement's days the proof is made (`protocol/statement.py`), which shows this record and nothing of
the others of its day.  A regular series is signed by the day, so nothing shows one reading alone:
then there is no `Told`, and the record begins with what the person says.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...crypto.errors import CryptoError
from ...protocol.day import UNDATED
from ...protocol.errors import ProtocolError
from ...protocol.page import open_page
from ...protocol.schema import Leaf
from ...protocol.shared_record import Told, parse_told
from ...protocol.statement import StatementDay, prove_record
from ..peers.peers import Pair
from ..reads.serving import gone_days, kept_statement
from ..store.database import Tx
from ..store.objects import Kind
from ..vault.stored import Stored, entry_of
from ..vault.vault import Vault


def told_by(
    vault: Vault, tx: Tx, path: str, rows: Mapping[int, frozenset[int]], pair: Pair
) -> Told | None:
    """What shows the record on these rows of pages (page number: rows) as the peer delivered it.

    None if it did not, or it cannot be shown alone any more.
    """
    for stored in vault.stored(tx, path, 0, UNDATED):
        if stored.seq in rows and stored.statement is not None:
            for row in sorted(rows[stored.seq]):
                told = _told(vault, tx, stored, row)
                if told is not None and told.src in pair.theirs and told.statement.sub in pair.ours:
                    return told
    return None


def _told(vault: Vault, tx: Tx, stored: Stored, row: int) -> Told | None:
    value = vault.store.objects.get(tx, Kind.STATEMENT, stored.statement)
    if value is None or stored.day in gone_days(value):
        return None
    statement, leaves = kept_statement(value)
    if statement.schema.leaf is not Leaf.RECORD:
        return None
    entry = entry_of(stored.raw)
    ((_, ciphertext),) = vault.ciphertexts(tx, [stored])
    if ciphertext is None:
        return None
    try:
        page = open_page(entry, ciphertext, vault.keys_of(entry).key(entry.day))
        if page.salt_d is None:
            return None
        day = StatementDay(
            stored.day, page.salt_d, page.batch, leaves[stored.day - statement.first]
        )
        proof = prove_record(statement, leaves, day, row)
        told = parse_told(Told(statement, page.batch.row(row), proof).raw)
    except (CryptoError, ProtocolError):
        # A damaged page shows nothing; a record that is too large to be shared is told elsewhere.
        return None
    return told
