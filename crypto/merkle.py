"""Merkle trees as RFC 9162 defines them, over leaf *hashes*.

    leaf  SHA-256(00 ‖ data)        node  SHA-256(01 ‖ left ‖ right)        empty  SHA-256("")

A tree over n leaves splits at the largest power of two below n.  Building it pairwise from the
left, with the odd one out carried up unchanged, gives the same tree level by level; that is how
`Tree` holds it.  `GrownTree` holds nothing: it asks for the roots of whole subtrees, which never
change in a log, so a proof in a tree of a million leaves reads a few hundred hashes.

Four proofs:

- **range**: these leaves stand at these places, and nothing is missing between them.  Recurse as
  the tree splits, left to right, emitting the hash of each maximal subtree outside the range; the
  verifier recurses the same way, and every hash must be consumed.
- **inclusion**: the range of one leaf, with its hashes in the RFC's order (from the leaf up).
- **consistency**: the old tree is the beginning of the new one.
- a **Frontier**: no proof, but the log2(n) hashes from which a log goes on growing.

Proofs come from outside: a verifier takes as many steps as the proof and the range are long,
whatever size it announces.

Source: RFC 9162, section 2.1; formats.md, "Range proof".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise

from .digest import equal
from .errors import BadProof

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
# Sizes travel as 64-bit integers.
SIZE_MAX = 2**63 - 1

_SIZE_BYTES = 8


def leaf_hash(data: bytes) -> bytes:
    """`SHA-256(00 ‖ data)`."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """`SHA-256(01 ‖ left ‖ right)`."""
    return sha256(b"\x01" + left + right).digest()


class Proofs(ABC):
    """What can be proven of a tree of `size` leaves, given the hash over any of its subtrees."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    @abstractmethod
    def _subtree(self, low: int, high: int) -> bytes:
        """The hash over leaves low … high - 1, which must be a subtree of the RFC's recursion."""

    @property
    def root(self) -> bytes:
        return self._subtree(0, self.size) if self.size else EMPTY_ROOT

    def range_proof(self, first: int, last: int) -> list[bytes]:
        """Hashes that lead from leaves `first … last` (inclusive) to the root."""
        _check_range(self.size, first, last)
        proof: list[bytes] = []

        def visit(low: int, high: int) -> None:
            if high <= first or last < low:
                proof.append(self._subtree(low, high))
            elif low < first or last < high - 1:
                middle = low + _split(high - low)
                visit(low, middle)
                visit(middle, high)

        visit(0, self.size)
        return proof

    def inclusion_proof(self, index: int) -> list[bytes]:
        """The audit path of one leaf, from the leaf up (RFC 9162, 2.1.3.1)."""
        _check_range(self.size, index, index)
        proof: list[bytes] = []
        low, high = 0, self.size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                proof.append(self._subtree(middle, high))
                high = middle
            else:
                proof.append(self._subtree(low, middle))
                low = middle
        proof.reverse()
        return proof

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """Hashes that show the first `old_size` leaves begin this tree (RFC 9162, 2.1.4.1)."""
        if not 0 <= old_size <= self.size:
            raise BadProof(f"a tree of {self.size} leaves has no beginning of {old_size}")
        if old_size in (0, self.size):
            return []
        proof: list[bytes] = []
        low, high = 0, self.size
        whole = True  # the old tree's root is known to the verifier while it is a subtree whole
        while high != old_size:
            middle = low + _split(high - low)
            if old_size <= middle:
                proof.append(self._subtree(middle, high))
                high = middle
            else:
                proof.append(self._subtree(low, middle))
                low, whole = middle, False
        if not whole:
            proof.append(self._subtree(low, high))
        proof.reverse()
        return proof


class Tree(Proofs):
    """Every level of a tree, to draw several proofs from one.  2·n hashes in memory."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Sequence[bytes]) -> None:
        super().__init__(len(leaves))
        self._levels: list[Sequence[bytes]] = [leaves]
        while len(self._levels[-1]) > 1:
            self._levels.append(_parents(self._levels[-1]))

    def _subtree(self, low: int, high: int) -> bytes:
        level = (high - low - 1).bit_length()
        return self._levels[level][low >> level]

    def whole(self, level: int) -> Sequence[bytes]:
        """The roots of the whole subtrees of 2^level leaves, left to right."""
        return self._levels[level][: self.size >> level] if level < len(self._levels) else ()


class GrownTree(Proofs):
    """The first `size` leaves of a log that may have grown since.

    `whole(level, index)` is the root over leaves `index · 2^level` and the 2^level - 1 after it;
    it is asked for such as lie within `size` only.
    """

    __slots__ = ("_whole",)

    def __init__(self, size: int, whole: Callable[[int, int], bytes]) -> None:
        super().__init__(size)
        self._whole = whole

    def _subtree(self, low: int, high: int) -> bytes:
        width = high - low
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self._whole(level, low >> level)
        middle = low + _split(width)
        return node_hash(self._subtree(low, middle), self._subtree(middle, high))


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes; SHA-256 of nothing for no leaves."""
    if not leaves:
        return EMPTY_ROOT
    level = leaves
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def range_proof(leaves: Sequence[bytes], first: int, last: int) -> list[bytes]:
    """Hashes that lead from leaves `first … last` (inclusive) to the root, left to right.

    Raises BadProof if the tree has no such range.  For several proofs, keep a `Tree`.
    """
    return Tree(leaves).range_proof(first, last)


def root_of_range(
    size: int, first: int, leaves_in_range: Sequence[bytes], proof: Sequence[bytes]
) -> bytes:
    """The root of the tree of `size` leaves to which range and proof lead.

    The caller compares it with the root that was signed.  Raises BadProof for a range outside the
    tree, hashes of the wrong length, a proof too short, or one not wholly consumed.
    """
    last = first + len(leaves_in_range) - 1
    _check_range(size, first, last)
    _check_hashes(leaves_in_range)
    _check_hashes(proof)
    hashes = iter(proof)

    def visit(low: int, high: int) -> bytes:
        if high <= first or last < low:
            return _next(hashes)
        if first <= low and high - 1 <= last:
            return tree_hash(leaves_in_range[low - first : high - first])
        middle = low + _split(high - low)
        left = visit(low, middle)
        return node_hash(left, visit(middle, high))

    root = visit(0, size)
    _check_consumed(hashes)
    return root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of one leaf, from the leaf up.  Raises BadProof if there is no such leaf."""
    return Tree(leaves).inclusion_proof(index)


def verify_inclusion(
    size: int, index: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` (a hash) stands at `index` of the tree of `size` leaves under `root`.

    Raises BadProof (RFC 9162, 2.1.3.2).
    """
    _check_range(size, index, index)
    _check_hashes([leaf])
    _check_hashes(proof)
    place, end, computed = index, size - 1, leaf
    for sibling in proof:
        if end == 0:
            raise BadProof("a proof has hashes left over")
        if place & 1 or place == end:
            computed = node_hash(sibling, computed)
            while place and not place & 1:
                place, end = place >> 1, end >> 1
        else:
            computed = node_hash(computed, sibling)
        place, end = place >> 1, end >> 1
    if end:
        raise BadProof("a proof has hashes missing")
    if not equal(computed, root):
        raise BadProof("a leaf does not belong to the tree that was signed")


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Hashes that show the first `old_size` leaves begin the tree over `leaves`.

    Empty if either is the other or nothing.  Raises BadProof if there are fewer leaves than that.
    """
    return Tree(leaves).consistency_proof(old_size)


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree under `new_root` begins with the tree under `old_root`.

    Raises BadProof (RFC 9162, 2.1.4.2).  A tree of no leaves begins every tree.
    """
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise BadProof(f"a tree of {new_size} leaves has no beginning of {old_size}")
    _check_hashes(proof)
    if old_size in (0, new_size):
        expected = new_root if old_size else EMPTY_ROOT
        if proof or not equal(old_root, expected):
            raise BadProof("two trees of one size have different roots")
        return
    hashes = iter(proof)
    place, end = old_size - 1, new_size - 1
    while place & 1:
        place, end = place >> 1, end >> 1
    # An old tree that is a whole subtree of the new one: its root is the first hash.
    old = new = _next(hashes) if place else old_root
    for sibling in hashes:
        if end == 0:
            raise BadProof("a proof has hashes left over")
        if place & 1 or place == end:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while place and not place & 1:
                place, end = place >> 1, end >> 1
        else:
            new = node_hash(new, sibling)
        place, end = place >> 1, end >> 1
    if end:
        raise BadProof("a proof has hashes missing")
    if not equal(old, old_root) or not equal(new, new_root):
        raise BadProof("a log is not the continuation of what was signed before")


class Frontier:
    """A tree that grows at its end, kept as the roots of its whole subtrees: log2(n) hashes."""

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._peaks: list[bytes] = []  # widest first: one for each set bit of the size

    @property
    def size(self) -> int:
        return self._size

    def append(self, leaf: bytes) -> list[bytes]:
        """Add one leaf hash at the end.

        The roots of the whole subtrees that it completes: of 2 leaves, 4, 8 and so on.
        """
        _check_hashes([leaf])
        merges = (~self._size & (self._size + 1)).bit_length() - 1  # trailing ones of the size
        node, completed = leaf, list[bytes]()
        for _ in range(merges):
            node = node_hash(self._peaks.pop(), node)
            completed.append(node)
        self._peaks.append(node)
        self._size += 1
        return completed

    def root(self) -> bytes:
        """The RFC 9162 root over everything appended."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def to_bytes(self) -> bytes:
        """u64be size ‖ the hashes, widest subtree first."""
        return self._size.to_bytes(_SIZE_BYTES, "big") + b"".join(self._peaks)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Raises BadProof unless there is exactly one hash for each set bit of the size."""
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        if len(data) != _SIZE_BYTES + size.bit_count() * HASH_BYTES or size > SIZE_MAX:
            raise BadProof("the stored end of a log is damaged")
        frontier = cls()
        frontier._size = size
        cuts = range(_SIZE_BYTES, len(data) + 1, HASH_BYTES)
        frontier._peaks = [data[low:high] for low, high in pairwise(cuts)]
        return frontier


def _parents(level: Sequence[bytes]) -> list[bytes]:
    """The level above: pairs hashed, an odd last one carried up as it is."""
    above = [
        sha256(b"\x01" + left + right).digest()
        for left, right in zip(level[::2], level[1::2], strict=False)  # the odd one follows
    ]
    if len(level) & 1:
        above.append(level[-1])
    return above


def _split(size: int) -> int:
    """The largest power of two below `size` (at least 2)."""
    return 1 << (size - 1).bit_length() - 1


def _next(hashes: Iterator[bytes]) -> bytes:
    for found in hashes:
        return found
    raise BadProof("a proof has hashes missing")


def _check_consumed(hashes: Iterator[bytes]) -> None:
    for _ in hashes:
        raise BadProof("a proof has hashes left over")


def _check_range(size: int, first: int, last: int) -> None:
    if not 0 <= first <= last < size <= SIZE_MAX:
        raise BadProof(f"a tree of {size} leaves has no range from {first} to {last}")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(found) != HASH_BYTES for found in hashes):
        raise BadProof(f"a hash of a proof has {HASH_BYTES} bytes")
