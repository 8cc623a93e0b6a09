"""What this device vouched for: its segments, in one unbroken sequence.

Kept for each: the signed head with whatever the vault puts beside it, and the leaf hashes, from
which a reader's range proofs are drawn without opening a single entry.  The entries themselves
stand in the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...crypto.canonical import Value
from ...crypto.merkle import HASH_BYTES
from .database import Row, Tx
from .errors import StoreConflict, StoreDamaged
from .sealer import Sealer

_HEAD = "segment/head"
_LEAVES = "segment/leaves"


class Segments:
    """The table `segment`."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def append(self, tx: Tx, seq: int, cid: bytes, head: Value, leaves: Sequence[bytes]) -> None:
        """Keep segment `seq`, which must follow the last one; the first is 0.

        `leaves`: the 32-byte leaf hashes, padding included.  Raises StoreConflict.
        """
        expected = self.next_seq(tx)
        if seq != expected:
            raise StoreConflict(f"segment {seq} does not follow: the next one is {expected}")
        if any(len(leaf) != HASH_BYTES for leaf in leaves):
            raise StoreConflict(f"a leaf of segment {seq} is not a hash")
        tag = self._tag(cid)
        tx.execute(
            "INSERT INTO segment (seq, tag, head, leaves) VALUES (?, ?, ?, ?)",
            (
                seq,
                tag,
                self._sealer.seal(_HEAD, tag, head),
                self._sealer.seal_bytes(_LEAVES, tag, b"".join(leaves)),
            ),
        )

    def forget_all(self, tx: Tx) -> None:
        """Forget every segment: another device signed them, and this one signs anew."""
        tx.execute("DELETE FROM segment")

    def next_seq(self, tx: Tx) -> int:
        row = tx.one("SELECT max(seq) FROM segment")
        return 0 if row is None or row[0] is None else int(row[0]) + 1

    def head(self, tx: Tx, seq: int) -> Value:
        """The head of segment `seq`, or None.  Raises StoreDamaged."""
        return self._head(tx.one("SELECT tag, head FROM segment WHERE seq = ?", (seq,)))

    def latest(self, tx: Tx) -> tuple[int, Value] | None:
        """The last segment: its number and head."""
        seq = self.next_seq(tx) - 1
        return None if seq < 0 else (seq, self.head(tx, seq))

    def leaves(self, tx: Tx, seq: int) -> list[bytes]:
        """The leaf hashes of segment `seq`; none if there is no such segment.

        Raises StoreDamaged.
        """
        row = tx.one("SELECT tag, leaves FROM segment WHERE seq = ?", (seq,))
        if row is None:
            return []
        joined = self._sealer.open_bytes(_LEAVES, row[0], row[1])
        if len(joined) % HASH_BYTES:
            raise StoreDamaged(f"the leaves of segment {seq} are not whole hashes")
        return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]

    def _head(self, row: Row | None) -> Value:
        return None if row is None else self._sealer.open(_HEAD, row[0], row[1])

    def _tag(self, cid: bytes) -> bytes:
        return self._sealer.tag("segment", cid)
