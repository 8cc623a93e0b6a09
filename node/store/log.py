"""The log of one device: every receipt and answer, under one growing Merkle tree.

A leaf is `leaf_hash(HMAC(KDF(K_log, "leaf", index), f))`, where `f` is the fingerprint that both
sides of a receipt can compute: the tree shows nobody which receipts the two logs share.  Leaf,
receipt and the end of the tree change in the caller's transaction, so a receipt that was sent is
in the log, and the log holds nothing that was not done.

    receipt   (log, idx) → sealed [fingerprint, value]        one row for every leaf, padding too
    leaf      (log, idx) → hash
    meta      log/<n>/frontier → sealed: size and log2(n) hashes

Before a checkpoint leaves the node the log is padded with random leaves, so that its size says
little.  Padding has a row like any other: a row taken away is noticed, not mistaken for padding.

`verify_all` recomputes every leaf from its receipt, then the root, and compares with what stands
there.  What it cannot see alone is an older copy of the whole store: for that there are witnesses.

A home restored on a new device starts the next log; `number` tells them apart.

Source: formats.md, "Reading, receipts, log"; RFC 9162, section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...crypto.canonical import Value
from ...crypto.digest import equal
from ...crypto.entropy import Entropy
from ...crypto.errors import CryptoError
from ...crypto.keys import LogKey
from ...crypto.merkle import HASH_BYTES, Frontier, inclusion_proof, leaf_hash, tree_hash
from ...protocol.receipt import leaf_data
from .database import Row, Tx
from .errors import LogBroken, StoreDamaged
from .sealer import Sealer

# Only a size that is a multiple of this leaves the node (formats.md).
PADDED_TO = 64
ROWS_AT_A_TIME = 1_000
_PLACE = "receipt"
_FRONTIER = "frontier"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One leaf with what it stands for; `value` is None for padding."""

    index: int
    fingerprint: bytes
    value: Value


class Log:
    """The tables `receipt` and `leaf`, and the end of the tree in `meta`, for log `number`."""

    __slots__ = ("_key", "_number", "_sealer")

    def __init__(self, sealer: Sealer, key: LogKey, number: int = 0) -> None:
        self._sealer = sealer
        self._key = key
        self._number = number

    def append(self, tx: Tx, cid: bytes, fingerprint: bytes, value: Value) -> int:
        """Add a receipt or answer; the index of its leaf.

        `cid` finds it again, `fingerprint` is the 32-byte `f` that both sides know, `value` is
        what is kept of it.  Raises StoreConflict if this CID is in a log already.
        """
        return self._append(tx, self._tag(cid), fingerprint, value)

    def amend(self, tx: Tx, cid: bytes, form: Callable[[LogEntry], Value]) -> None:
        """Keep `form` of an entry in its place: the other side has countersigned.

        The leaf is over the body, which both sign, so it does not change.  Raises StoreDamaged if
        there is no receipt of this CID.
        """
        entry = self.find(tx, cid)
        if entry is None:
            raise StoreDamaged("a receipt is countersigned that is not in the log")
        index = entry.index
        sealed = self._seal(index, self._tag(cid), entry.fingerprint, form(entry))
        tx.execute(
            "UPDATE receipt SET sealed = ? WHERE log = ? AND idx = ?",
            (sealed, self._number, index),
        )

    def pad(self, tx: Tx, entropy: Entropy) -> int:
        """Add random leaves up to a multiple of 64; the size then."""
        size = self.size(tx)
        for index in range(size, size + -size % PADDED_TO):
            tag = self._sealer.tag("padding", self._number, index)
            self._append(tx, tag, entropy.random_bytes(HASH_BYTES), None)
        return self.size(tx)

    def size(self, tx: Tx) -> int:
        return self._frontier(tx).size

    def root(self, tx: Tx) -> bytes:
        """The RFC 9162 root over every leaf, from the frontier: log2(n) hashes."""
        return self._frontier(tx).root()

    def leaves(self, tx: Tx, size: int | None = None) -> list[bytes]:
        """The first `size` leaf hashes; all of them by default."""
        upto = self.size(tx) if size is None else size
        rows = tx.execute(
            "SELECT hash FROM leaf WHERE log = ? AND idx < ? ORDER BY idx", (self._number, upto)
        )
        return [row[0] for row in rows]

    def inclusion(self, tx: Tx, index: int, size: int | None = None) -> list[bytes]:
        """The audit path of one leaf in the tree of the first `size`.  Raises BadProof."""
        return inclusion_proof(self.leaves(tx, size), index)

    def at(self, tx: Tx, index: int) -> LogEntry | None:
        """The entry at `index`, or None.  Raises StoreDamaged."""
        row = tx.one(
            "SELECT idx, tag, sealed FROM receipt WHERE log = ? AND idx = ?",
            (self._number, index),
        )
        return None if row is None else self._entry(row)

    def find(self, tx: Tx, cid: bytes) -> LogEntry | None:
        """The entry of a receipt, by the CID of its body, or None.  Raises StoreDamaged."""
        row = tx.one(
            "SELECT idx, tag, sealed FROM receipt WHERE log = ? AND tag = ?",
            (self._number, self._tag(cid)),
        )
        return None if row is None else self._entry(row)

    def entries(self, tx: Tx, first: int = 0) -> Iterator[LogEntry]:
        """Every entry from `first` on that is not padding.  Raises StoreDamaged."""
        for row in self._rows(tx, first):
            entry = self._entry(row)
            if entry.value is not None:
                yield entry

    def verify_all(self, tx: Tx, fingerprint_of: Callable[[LogEntry], bytes] | None = None) -> int:
        """Recompute every leaf and the root; how many receipts and answers there are.

        `fingerprint_of` computes `f` again from what is kept, and may check signatures and `prev`
        on the way.  Raises LogBroken, naming the first leaf that is not what it should be.
        """
        leaves = self._stored_leaves(tx)
        receipts = 0
        for index, row in enumerate(self._rows(tx, 0)):
            if row[0] != index or index >= len(leaves):
                raise LogBroken(f"the log has no receipt, or no leaf, at {min(index, row[0])}")
            entry = self._checked(row, fingerprint_of)
            if not equal(leaf_hash(leaf_data(self._key, index, entry.fingerprint)), leaves[index]):
                raise LogBroken(f"leaf {index} of the log does not belong to its receipt")
            receipts += entry.value is not None
        if self._count(tx) != len(leaves):
            raise LogBroken(f"the log has {len(leaves)} leaves and {self._count(tx)} receipts")
        frontier = self._frontier(tx)
        if frontier.size != len(leaves) or not equal(frontier.root(), tree_hash(leaves)):
            raise LogBroken("the leaves of the log do not lead to its root")
        return receipts

    def _checked(self, row: Row, fingerprint_of: Callable[[LogEntry], bytes] | None) -> LogEntry:
        try:
            entry = self._entry(row)
            if fingerprint_of is None or entry.value is None:
                return entry
            computed = fingerprint_of(entry)
        except (StoreDamaged, CryptoError) as error:
            raise LogBroken(f"receipt {row[0]} of the log does not verify: {error}") from error
        if not equal(computed, entry.fingerprint):
            raise LogBroken(f"receipt {row[0]} of the log is not the one that was logged")
        return entry

    def _stored_leaves(self, tx: Tx) -> list[bytes]:
        rows = tx.execute("SELECT idx, hash FROM leaf WHERE log = ? ORDER BY idx", (self._number,))
        for index, (stored, leaf) in enumerate(rows):
            if stored != index or len(leaf) != HASH_BYTES:
                raise LogBroken(f"leaf {index} of the log is missing")
        return [row[1] for row in rows]

    def _append(self, tx: Tx, tag: bytes, fingerprint: bytes, value: Value) -> int:
        frontier = self._frontier(tx)
        index = frontier.size
        leaf = leaf_hash(leaf_data(self._key, index, fingerprint))
        tx.execute(
            "INSERT INTO receipt (log, idx, tag, sealed) VALUES (?, ?, ?, ?)",
            (self._number, index, tag, self._seal(index, tag, fingerprint, value)),
        )
        tx.execute(
            "INSERT INTO leaf (log, idx, hash) VALUES (?, ?, ?)", (self._number, index, leaf)
        )
        frontier.append(leaf)
        name = self._meta()
        tx.execute(
            "INSERT INTO meta (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, self._sealer.seal_bytes(name, b"", frontier.to_bytes())),
        )
        return index

    def _frontier(self, tx: Tx) -> Frontier:
        name = self._meta()
        row = tx.one("SELECT value FROM meta WHERE name = ?", (name,))
        if row is None:
            return Frontier()
        return Frontier.from_bytes(self._sealer.open_bytes(name, b"", row[0]))

    def _rows(self, tx: Tx, first: int) -> Iterator[Row]:
        """The rows from `first` on, some at a time: a log is longer than memory is wide."""
        while some := tx.execute(
            "SELECT idx, tag, sealed FROM receipt WHERE log = ? AND idx >= ? ORDER BY idx LIMIT ?",
            (self._number, first, ROWS_AT_A_TIME),
        ):
            yield from some
            first = some[-1][0] + 1

    def _count(self, tx: Tx) -> int:
        row = tx.one("SELECT count(*) FROM receipt WHERE log = ?", (self._number,))
        return 0 if row is None else int(row[0])

    def _seal(self, index: int, tag: bytes, fingerprint: bytes, value: Value) -> bytes:
        return self._sealer.seal(self._place(index), tag, [fingerprint, value])

    def _entry(self, row: Row) -> LogEntry:
        index, tag, sealed = row
        match self._sealer.open(self._place(index), tag, sealed):
            case [bytes(fingerprint), value]:
                return LogEntry(index, fingerprint, value)
            case _:
                raise StoreDamaged(f"receipt {index} of the log has not the form of one")

    def _place(self, index: int) -> str:
        # The index is part of the place: two receipts that change places do not open.
        return f"{_PLACE}/{self._number}/{index}"

    def _meta(self) -> str:
        return f"log/{self._number}/{_FRONTIER}"

    def _tag(self, cid: bytes) -> bytes:
        return self._sealer.tag("receipt", self._number, cid)
