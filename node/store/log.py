"""The log of one device: every receipt and answer, under one growing Merkle tree.

A leaf is `leaf_hash(HMAC(KDF(K_log, "leaf", index), f))`, where `f` is the fingerprint that both
sides of a receipt can compute: the tree shows nobody which receipts the two logs share.  Leaf,
receipt and the end of the tree change in the caller's transaction, so a receipt that was sent is
in the log, and the log holds nothing that was not done.

    receipt   (log, idx) → sealed [fingerprint, value]        one row for every leaf, padding too
    leaf      (log, idx) → hash
    subtree   (log, level, idx) → hash          of each whole subtree of 16, 256, 4,096 … leaves
    meta      log/<n>/frontier → sealed: size and log2(n) hashes

A proof reads one stretch of 16 hashes for each 4 levels, however long the log: what an inner hash
stands for never changes.  Homes of older versions have logs without them; what is missing is
computed from the level below, and `fill` puts it there.

Before a checkpoint leaves the node the log is padded with random leaves, so that its size says
little.  Padding has a row like any other: a row taken away is noticed, not mistaken for padding.

`verify_all` recomputes every leaf from its receipt, then the root, and compares with what stands
there.  What it cannot see alone is an older copy of the whole store: for that there are witnesses.

A home restored on a new device starts the next log; `number` tells them apart.

Source: formats.md, "Reading, receipts, log"; RFC 9162, section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...crypto.canonical import Value
from ...crypto.digest import equal
from ...crypto.entropy import Entropy
from ...crypto.errors import BadProof, CryptoError
from ...crypto.keys import LogKey
from ...crypto.merkle import HASH_BYTES, Frontier, GrownTree, Tree, leaf_hash, tree_hash
from ...protocol.receipt import leaf_data, leaf_key
from .database import Row, Tx
from .errors import LogBroken, StoreDamaged
from .sealer import Sealer

# Only a size that is a multiple of this leaves the node (formats.md).
PADDED_TO = 64
ROWS_AT_A_TIME = 1_000
# Of how many levels of the tree one is stored; 16 hashes lie below one that is.
STEP = 4
_PLACE = "receipt"
_FRONTIER = "frontier"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One leaf with what it stands for; `value` is None for padding."""

    index: int
    fingerprint: bytes
    value: Value


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is to be logged: the 16-byte tag under which it is found, `f`, and what is kept."""

    tag: bytes
    fingerprint: bytes
    value: Value


class Log:
    """The tables `receipt` and `leaf`, and the end of the tree in `meta`, for log `number`."""

    __slots__ = ("_key", "_number", "_sealer")

    def __init__(self, sealer: Sealer, key: LogKey, number: int = 0) -> None:
        self._sealer = sealer
        self._key = key
        self._number = number

    @property
    def number(self) -> int:
        """Which log of this home it is: 0, or one more for each restore."""
        return self._number

    def numbered(self, number: int) -> Log:
        """Another log of this home: one that ended with the device that it was of."""
        return Log(self._sealer, self._key, number)

    def append(self, tx: Tx, cid: bytes, fingerprint: bytes, value: Value) -> int:
        """Add a receipt or answer; the index of its leaf.

        `cid` finds it again, `fingerprint` is the 32-byte `f` that both sides know, `value` is
        what is kept of it.  Raises StoreConflict if this CID is in a log already.
        """
        return self.append_all(tx, [NewEntry(self._tag(cid), fingerprint, value)])

    def entry_of(self, cid: bytes, fingerprint: bytes, value: Value) -> NewEntry:
        """What `append` takes, for `append_all`."""
        return NewEntry(self._tag(cid), fingerprint, value)

    def append_all(self, tx: Tx, entries: Sequence[NewEntry]) -> int:
        """Add some entries, in order; the index of the first.  Raises StoreConflict."""
        frontier = self._frontier(tx)
        first = frontier.size
        receipts: list[tuple[int, int, bytes, bytes]] = []
        leaves: list[tuple[int, int, bytes]] = []
        inner: list[tuple[int, int, int, bytes]] = []
        for index, new in enumerate(entries, first):
            leaf = leaf_hash(leaf_data(self._key, index, new.fingerprint))
            sealed = self._seal(index, new.tag, new.fingerprint, new.value)
            receipts.append((self._number, index, new.tag, sealed))
            leaves.append((self._number, index, leaf))
            for step, node in enumerate(frontier.append(leaf)[STEP - 1 :: STEP], 1):
                inner.append((self._number, step * STEP, index >> step * STEP, node))
        tx.executemany("INSERT INTO receipt (log, idx, tag, sealed) VALUES (?, ?, ?, ?)", receipts)
        tx.executemany("INSERT INTO leaf (log, idx, hash) VALUES (?, ?, ?)", leaves)
        if inner:
            tx.executemany("INSERT INTO subtree (log, level, idx, hash) VALUES (?, ?, ?, ?)", inner)
        self._keep(tx, frontier)
        return first

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
        padded = size + -size % PADDED_TO
        if padded > size:
            self.append_all(tx, [self._padding(index, entropy) for index in range(size, padded)])
        return padded

    def _padding(self, index: int, entropy: Entropy) -> NewEntry:
        tag = self._sealer.tag("padding", self._number, index)
        return NewEntry(tag, entropy.random_bytes(HASH_BYTES), None)

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

    def tree(self, tx: Tx, size: int | None = None) -> GrownTree:
        """The tree of the first `size` leaves, to draw proofs from.

        It reads what a proof needs and no more.  Raises StoreDamaged for a hash that is not there.
        """
        now = self.size(tx)
        upto = now if size is None else size
        if not 0 <= upto <= now:
            raise BadProof(f"a log of {now} leaves has no beginning of {upto}")
        return GrownTree(upto, _Stretches(tx, self._number).whole)

    def leaf_key(self, index: int) -> bytes:
        """The key that opens the leaf at `index`, and no other."""
        return leaf_key(self._key, index)

    def fill(self, tx: Tx) -> None:
        """Store the inner hashes that are missing in the log of an older version."""
        size = self.size(tx)
        rows = tx.execute(
            "SELECT count(*) FROM subtree WHERE log = ? AND level = ?", (self._number, STEP)
        )
        if rows[0][0] == size >> STEP:
            return
        tx.executemany(
            "INSERT INTO subtree (log, level, idx, hash) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            [
                (self._number, level, index, node)
                for level, index, node in _inner_of(Tree(self.leaves(tx)))
            ],
        )

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
        self._check_inner(tx, leaves)
        return receipts

    def _check_inner(self, tx: Tx, leaves: Sequence[bytes]) -> None:
        """What is stored between the leaves and the root is what the leaves give."""
        nodes = {(level, index): node for level, index, node in _inner_of(Tree(leaves))}
        rows = tx.execute("SELECT level, idx, hash FROM subtree WHERE log = ?", (self._number,))
        for level, index, stored in rows:
            if not equal(nodes.get((level, index), b""), stored):
                raise LogBroken(f"the hash {index} of level {level} of the log is another one")

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

    def _keep(self, tx: Tx, frontier: Frontier) -> None:
        name = self._meta()
        tx.execute(
            "INSERT INTO meta (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, self._sealer.seal_bytes(name, b"", frontier.to_bytes())),
        )

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
        return int(tx.execute("SELECT count(*) FROM receipt WHERE log = ?", (self._number,))[0][0])

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


class _Stretches:
    """The whole subtrees of one log, read in stretches of 16 hashes, each once."""

    __slots__ = ("_log", "_read", "_tx")

    def __init__(self, tx: Tx, log: int) -> None:
        self._tx = tx
        self._log = log
        self._read: dict[tuple[int, int], list[bytes | None]] = {}

    def whole(self, level: int, index: int) -> bytes:
        """The root over the 2^level leaves from `index · 2^level` on.  Raises StoreDamaged."""
        above = level % STEP
        base, first = level - above, index << above
        place = first % (1 << STEP)
        stretch = self._stretch(base, first >> STEP)
        found: list[bytes] = []
        for offset in range(1 << above):
            node = stretch[place + offset]
            found.append(self._below(base, first + offset) if node is None else node)
        return tree_hash(found)

    def _below(self, level: int, index: int) -> bytes:
        """A hash that is not stored, out of the 16 below it."""
        if level == 0:
            raise StoreDamaged(f"leaf {index} of the log is missing")
        stretch = self._stretch(level - STEP, index)
        return tree_hash(
            [
                self._below(level - STEP, (index << STEP) + offset) if node is None else node
                for offset, node in enumerate(stretch)
            ]
        )

    def _stretch(self, level: int, number: int) -> list[bytes | None]:
        found = self._read.get((level, number))
        if found is None:
            found = self._read[level, number] = self._rows(level, number << STEP)
        return found

    def _rows(self, level: int, first: int) -> list[bytes | None]:
        last = first + (1 << STEP) - 1
        if level == 0:
            rows = self._tx.execute(
                "SELECT idx, hash FROM leaf WHERE log = ? AND idx BETWEEN ? AND ?",
                (self._log, first, last),
            )
        else:
            rows = self._tx.execute(
                "SELECT idx, hash FROM subtree WHERE log = ? AND level = ? AND idx BETWEEN ? AND ?",
                (self._log, level, first, last),
            )
        found: list[bytes | None] = [None] * (1 << STEP)
        for index, node in rows:
            found[index - first] = node
        return found


def _inner_of(tree: Tree) -> Iterator[tuple[int, int, bytes]]:
    """(level, index, hash) of every whole subtree whose level is stored."""
    for level in range(STEP, tree.size.bit_length(), STEP):
        for index, node in enumerate(tree.whole(level)):
            yield level, index, node
