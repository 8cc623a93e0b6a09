"""The tree of days: how one vault secret opens exactly the days that were granted.

    V_e ── KDF "collection" (path, generation) ──> C ── KDF "days" ──> root
                                                                       /  \\
                                                          BLAKE2b(key=N, step ‖ bit)
                                                                     … 16 levels …
                                                                 day 0 … day 65 535

A node opens every day below it and nothing else: going down is one hash, going up or sideways is
breaking BLAKE2b.  A range of days is granted by its **cover**, the fewest nodes whose leaves are
exactly the range (never more than 30 of them); days of the range that are written later need no
new message.

Taking a grant back changes the **generation**, a digest of the set of revocations that name the
path.  It is a function of a set, so devices that revoked apart agree without talking, and two
different sets never share a key.

Day 65 535 is not a day: it holds what has no date (contacts, contracts).  It is opened only when
it is named by itself, so no range may run into it.

This module knows nothing of calendars; `protocol/day.py` does.

Source: formats.md, "Where keys come from"; the GGM tree (Goldreich, Goldwasser, Micali, 1986).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .canonical import encode
from .digest import DIGEST_BYTES, blake2b128, kdf
from .errors import BadKey, CryptoError
from .keys import CollectionKey, DayKey, NodeKey, VaultSecret
from .labels import Derive, Tag, label

DEPTH = 16
UNDATED = 2**DEPTH - 1
DAY_MAX = UNDATED - 1
COVER_NODES_MAX = 2 * (DEPTH - 1)

GENERATION_BYTES = 16
FIRST_GENERATION = bytes(GENERATION_BYTES)

_STEP = tuple(label(Tag.DAY_STEP).encode() + bytes([bit]) for bit in (0, 1))


class NoKey(CryptoError):
    """None of the keys held opens this day, or no grant can hold such a range."""


def generation(cids: Iterable[bytes]) -> bytes:
    """The 16-byte name of a set of revocations and rotations, given by their CIDs.

    Order and repetition do not matter.  The empty set is 16 zero bytes.
    """
    known = sorted(set(cids))
    if not known:
        return FIRST_GENERATION
    return blake2b128(encode([label(Tag.GENERATION), known]))


def collection_key(vault: VaultSecret, path: str, gen: bytes) -> CollectionKey:
    """`C = KDF(V_e, "collection", path, gen)`.  Raises BadKey unless `gen` has 16 bytes."""
    if len(gen) != GENERATION_BYTES:
        raise BadKey(f"a generation has {GENERATION_BYTES} bytes, not {len(gen)}")
    return CollectionKey(kdf(vault.secret_bytes(), Derive.COLLECTION, path, gen))


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of the tree: `depth` 0 (root) … 16 (one day), `prefix` its `depth` leading bits.

    Raises BadKey if the two do not name a node.
    """

    depth: int
    prefix: int
    key: NodeKey

    def __post_init__(self) -> None:
        if not 0 <= self.depth <= DEPTH or not 0 <= self.prefix < 1 << self.depth:
            raise BadKey("a node of the tree of days has an impossible place")

    @property
    def first(self) -> int:
        """The first day below this node."""
        return self.prefix << (DEPTH - self.depth)

    @property
    def last(self) -> int:
        """The last day below this node."""
        return ((self.prefix + 1) << (DEPTH - self.depth)) - 1


def tree_root(c: CollectionKey) -> TreeNode:
    """The root of one collection in one generation.  It opens undated records too."""
    return TreeNode(0, 0, NodeKey(kdf(c.secret_bytes(), Derive.DAYS)))


def check_days(first: int, last: int) -> None:
    """Raise NoKey unless `first … last` is a range that may be granted."""
    if first == last == UNDATED:
        return
    if not 0 <= first <= last <= DAY_MAX:
        raise NoKey(f"days {first} to {last} are not a range of days from 0 to {DAY_MAX}")


def cover(first: int, last: int) -> tuple[tuple[int, int], ...]:
    """The fewest nodes `(depth, prefix)` whose days are exactly `first … last`, ascending by day.

    At most 30.  Raises NoKey for a range that leaves the days or runs into the undated slot.
    """
    check_days(first, last)
    rising: list[tuple[int, int]] = []
    falling: list[tuple[int, int]] = []
    low, high, depth = first, last + 1, DEPTH
    # Climb from the leaves: a right child on the low side, or a left child before the high side,
    # has no parent that stays inside the range.
    while low < high:
        if low & 1:
            rising.append((depth, low))
            low += 1
        if high & 1:
            high -= 1
            falling.append((depth, high))
        low, high, depth = low >> 1, high >> 1, depth - 1
    return (*rising, *reversed(falling))


class _Walk:
    """The keys from one node down to the last place asked for.

    A neighbour shares most of its path, so the next of a run of days costs two hashes on average
    and not sixteen.  Holds one path, never a whole tree.
    """

    __slots__ = ("_depth", "_keys", "_prefix", "_top", "first", "last")

    def __init__(self, top: TreeNode) -> None:
        self.first, self.last = top.first, top.last
        self._top = self._depth = top.depth
        self._prefix = top.prefix
        self._keys = [top.key.secret_bytes()]

    def key(self, depth: int, prefix: int) -> bytes:
        """The key at (depth, prefix), which must lie at or below the top."""
        level = min(self._depth, depth)
        apart = (self._prefix >> (self._depth - level)) ^ (prefix >> (depth - level))
        shared = level - apart.bit_length()
        keys = self._keys
        del keys[shared - self._top + 1 :]
        key = keys[-1]
        for below in range(depth - shared - 1, -1, -1):
            step = _STEP[prefix >> below & 1]
            key = hashlib.blake2b(step, digest_size=DIGEST_BYTES, key=key).digest()
            keys.append(key)
        self._depth, self._prefix = depth, prefix
        return key


def derive_cover(root: TreeNode, first: int, last: int) -> tuple[TreeNode, ...]:
    """The nodes of `cover(first, last)` with their keys, derived from `root` (any node above).

    Raises NoKey for an impossible range, or if `root` does not hold all of it.
    """
    places = cover(first, last)
    if first < root.first or last > root.last:
        raise NoKey(f"the node held does not open all of days {first} to {last}")
    walk = _Walk(root)
    # A node held from elsewhere may be lower than a place of the cover only if it is that place:
    # the range lies inside it, so the cover does too.
    return tuple(
        TreeNode(depth, prefix, NodeKey(walk.key(depth, prefix))) for depth, prefix in places
    )


class DayKeys:
    """The day keys under a set of nodes, remembering the path last taken below each.

    Nodes may come in any order and may overlap (keysets add up): nodes of one collection and
    generation that hold a day lead to the same key.
    """

    __slots__ = ("_depths", "_nodes", "_walk", "_walks")

    def __init__(self, nodes: Iterable[TreeNode]) -> None:
        self._nodes = {(node.depth, node.prefix): node for node in nodes}
        self._depths = sorted({depth for depth, _ in self._nodes}, reverse=True)
        self._walks: dict[tuple[int, int], _Walk] = {}
        self._walk: _Walk | None = None

    def key(self, day: int) -> DayKey:
        """The key of `day` (0 … 65 535).  Raises NoKey if no node holds it."""
        walk = self._walk
        if walk is None or not walk.first <= day <= walk.last:
            walk = self._walk = self._walk_to(day)
        return DayKey(walk.key(DEPTH, day))

    def _walk_to(self, day: int) -> _Walk:
        if 0 <= day <= UNDATED:
            for depth in self._depths:
                place = (depth, day >> (DEPTH - depth))
                if place in self._nodes:
                    return self._walks.setdefault(place, _Walk(self._nodes[place]))
        raise NoKey(f"none of the keys held opens day {day}")


def day_key(nodes: Sequence[TreeNode], day: int) -> DayKey:
    """The key of one day from the nodes held.  Raises NoKey if none of them holds it.

    For many days under the same nodes, keep a `DayKeys`.
    """
    return DayKeys(nodes).key(day)
