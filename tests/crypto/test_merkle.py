"""RFC 9162 trees against the RFC's own recursion, written out naively."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.errors import BadProof
from entrenous.crypto.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    range_proof,
    root_of_range,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)

SIZE_TRIED_MAX = 35
LEAVES = [leaf_hash(bytes([i])) for i in range(SIZE_TRIED_MAX)]
SIZES = range(1, SIZE_TRIED_MAX + 1)


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of section 2.1.1, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def outside(leaves: Sequence[bytes], first: int, last: int) -> list[bytes]:
    """The range proof of the formats: hashes of the maximal subtrees outside, left to right."""
    if last < 0 or len(leaves) <= first:
        return [mth(leaves)]
    if first <= 0 and len(leaves) - 1 <= last:
        return []
    k = split(len(leaves))
    return [*outside(leaves[:k], first, last), *outside(leaves[k:], first - k, last - k)]


def test_roots_are_those_published_for_certificate_transparency() -> None:
    # The eight leaves and roots that the implementations of RFC 6962 and 9162 share.
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    data.append("606162636465666768696a6b6c6d6e6f")
    leaves = [leaf_hash(bytes.fromhex(one)) for one in data]
    published = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    assert {size: tree_hash(leaves[:size]).hex() for size in published} == published


def test_leaves_and_nodes_do_not_mix() -> None:
    assert tree_hash([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()
    assert node_hash(LEAVES[0], LEAVES[1]) != leaf_hash(LEAVES[0] + LEAVES[1])


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_proofs_are_the_rfcs(size: int) -> None:
    leaves = LEAVES[:size]
    root = mth(leaves)
    assert tree_hash(leaves) == Tree(leaves).root == root
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        assert proof == path(index, leaves)
        verify_inclusion(size, index, leaves[index], proof, root)
    for old in range(size + 1):
        proof = consistency_proof(leaves, old)
        assert proof == (subproof(old, leaves, True) if old else [])
        verify_consistency(old, size, mth(leaves[:old]), root, proof)


@pytest.mark.parametrize("size", SIZES)
def test_every_range_is_proven(size: int) -> None:
    tree = Tree(LEAVES[:size])
    for first in range(size):
        for last in range(first, size):
            proof = tree.range_proof(first, last)
            assert proof == outside(LEAVES[:size], first, last)
            assert root_of_range(size, first, LEAVES[first : last + 1], proof) == tree.root
    # At most two hashes a level: what 30 days of 365 cost.
    assert len(tree.range_proof(size // 3, size // 2)) <= 2 * size.bit_length()


@st.composite
def proven_ranges(draw: st.DrawFn) -> tuple[int, int, int, list[bytes]]:
    size = draw(st.integers(1, SIZE_TRIED_MAX))
    first = draw(st.integers(0, size - 1))
    last = draw(st.integers(first, size - 1))
    return size, first, last, range_proof(LEAVES[:size], first, last)


@given(proven_ranges(), st.data())
def test_an_altered_range_or_proof_leads_elsewhere(
    proven: tuple[int, int, int, list[bytes]], data: st.DataObject
) -> None:
    size, first, last, proof = proven
    root = tree_hash(LEAVES[:size])
    held = LEAVES[first : last + 1]
    place = data.draw(st.integers(0, len(held) + len(proof) - 1))
    everything = [*held, *proof]
    everything[place] = leaf_hash(b"another")
    assert root_of_range(size, first, everything[: len(held)], everything[len(held) :]) != root
    # A leaf withheld, or one too many, is another number of hashes or another root.
    for fewer in (held[1:], held[:-1]):
        assert not leads_to(root, size, first, fewer, proof)
    assert not leads_to(root, size, first, [*held, LEAVES[0]], proof)
    assert not leads_to(root, size, first + 1, held, proof)
    with pytest.raises(BadProof, match="left over"):
        root_of_range(size, first, held, [*proof, LEAVES[0]])
    if proof:
        with pytest.raises(BadProof, match="missing"):
            root_of_range(size, first, held, proof[:-1])


def leads_to(
    root: bytes, size: int, first: int, held: Sequence[bytes], proof: Sequence[bytes]
) -> bool:
    try:
        return root_of_range(size, first, held, proof) == root
    except BadProof:
        return False


@given(st.data())
def test_an_altered_inclusion_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, SIZE_TRIED_MAX))
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]
    root, proof = tree_hash(leaves), inclusion_proof(leaves, index)
    place = data.draw(st.integers(0, len(proof) - 1))
    other = [*proof[:place], leaf_hash(b"another"), *proof[place + 1 :]]
    elsewhere = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
    for bad in (
        (size, index, leaves[index], other, root),
        (size, index, leaves[index], proof[:-1], root),
        (size, index, leaves[index], proof[1:], root),
        (size, index, leaves[index], [*proof, LEAVES[0]], root),
        (size, index, leaves[elsewhere], proof, root),
        (size, elsewhere, leaves[index], proof, root),
        (size, index, leaves[index], proof, tree_hash(leaves[:-1])),
        (size, size, leaves[index], proof, root),
        (size, -1, leaves[index], proof, root),
        (size, index, leaves[index][:-1], proof, root),
    ):
        with pytest.raises(BadProof):
            verify_inclusion(*bad)


@given(st.data())
def test_a_log_that_was_rewritten_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, SIZE_TRIED_MAX))
    old = data.draw(st.integers(1, size - 1))
    leaves = LEAVES[:size]
    old_root, root = tree_hash(leaves[:old]), tree_hash(leaves)
    proof = consistency_proof(leaves, old)
    changed = data.draw(st.integers(0, old - 1))
    forked = [*leaves[:changed], leaf_hash(b"another"), *leaves[changed + 1 :]]
    place = data.draw(st.integers(0, len(proof) - 1))
    other = [*proof[:place], leaf_hash(b"another"), *proof[place + 1 :]]
    nothing: list[bytes] = []
    for bad in (
        (old, size, old_root, tree_hash(forked), consistency_proof(forked, old)),
        (old, size, old_root, tree_hash(forked), proof),
        (old, size, old_root, root, other),
        (old, size, old_root, root, proof[:-1]),
        (old, size, old_root, root, [*proof, LEAVES[0]]),
        (size, old, root, old_root, proof),
        (size, size, old_root, root, nothing),
        (size, size, root, root, proof),
        (0, size, old_root, root, nothing),
        (-1, size, old_root, root, proof),
    ):
        with pytest.raises(BadProof):
            verify_consistency(*bad)


@pytest.mark.parametrize("size", [2**40, 2**62, 2**63 - 1])
def test_an_announced_size_takes_no_time(size: int) -> None:
    started = time.process_time()
    for first in (0, size // 2, size - 1):
        with pytest.raises(BadProof, match="missing"):
            root_of_range(size, first, LEAVES[:1], LEAVES[:3])
        with pytest.raises(BadProof, match="missing"):
            verify_inclusion(size, first, LEAVES[0], LEAVES[:3], LEAVES[0])
    with pytest.raises(BadProof):
        verify_consistency(size // 2 + 1, size, LEAVES[0], LEAVES[1], LEAVES[:3])
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("size", "first", "count"),
    [(0, 0, 0), (5, 0, 0), (5, 5, 1), (5, 4, 2), (5, -1, 2), (2**63, 0, 1)],
)
def test_a_range_outside_the_tree_is_refused(size: int, first: int, count: int) -> None:
    with pytest.raises(BadProof, match="has no range"):
        root_of_range(size, first, LEAVES[:count], [])


def test_hashes_of_the_wrong_length_are_refused() -> None:
    for held, proof in (([b"short"], [LEAVES[0]]), ([LEAVES[0]], [LEAVES[1] + b"\x00"])):
        with pytest.raises(BadProof, match="32 bytes"):
            root_of_range(2, 0, held, proof)
    with pytest.raises(BadProof, match="32 bytes"):
        Frontier().append(b"short")


def test_a_proof_is_not_drawn_from_where_there_is_no_leaf() -> None:
    for first, last in ((0, 3), (-1, 0), (2, 1)):
        with pytest.raises(BadProof, match="no range"):
            range_proof(LEAVES[:3], first, last)
    with pytest.raises(BadProof, match="no range"):
        inclusion_proof(LEAVES[:3], 3)
    with pytest.raises(BadProof, match="no beginning"):
        consistency_proof(LEAVES[:3], 4)


def test_a_frontier_grows_as_the_tree_does() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for size in range(1, 200):
        frontier.append(leaf_hash(bytes([size])))
        # Written down and read again at every step, as a log does between receipts.
        frontier = Frontier.from_bytes(frontier.to_bytes())
        assert frontier.size == size
        assert frontier.root() == tree_hash([leaf_hash(bytes([i + 1])) for i in range(size)])
        assert len(frontier.to_bytes()) == 8 + 32 * size.bit_count()


@pytest.mark.parametrize("damage", ["", "00", "0000000000000001", "ff" * 8, "ff" * 8 + "00" * 2048])
def test_a_damaged_frontier_is_refused(damage: str) -> None:
    with pytest.raises(BadProof, match="damaged"):
        Frontier.from_bytes(bytes.fromhex(damage))
    three = Frontier()
    for leaf in LEAVES[:3]:
        three.append(leaf)
    for wrong in (three.to_bytes()[:-1], three.to_bytes() + b"\x00"):
        with pytest.raises(BadProof, match="damaged"):
            Frontier.from_bytes(wrong)
