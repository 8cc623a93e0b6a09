"""The tree of days opens exactly what its cover names.

Keys are held to a second derivation written from the formats with another encoder.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from types import SimpleNamespace

import dag_cbor
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrenous.crypto import key_tree
from entrenous.crypto.errors import BadKey, CryptoError
from entrenous.crypto.key_tree import (
    COVER_NODES_MAX,
    DAY_MAX,
    DEPTH,
    UNDATED,
    DayKeys,
    NoKey,
    TreeNode,
    collection_key,
    cover,
    day_key,
    derive_cover,
    generation,
    tree_root,
)
from entrenous.crypto.keys import NodeKey, VaultSecret

VAULT = VaultSecret(bytes(range(32)))
PATH = "energy/electricity/load-curve"
GEN = generation([b"cid one", b"cid two"])
ROOT = tree_root(collection_key(VAULT, PATH, GEN))
DAYS = st.integers(0, DAY_MAX)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int]:
    """Short and long ranges, often at the edges of big subtrees."""
    first = draw(DAYS | st.sampled_from([0, 1, 2**15 - 1, 2**15, 2**15 + 1]))
    length = draw(st.integers(0, 70) | st.integers(0, DAY_MAX))
    return first, min(first + length, DAY_MAX)


def span(depth: int, prefix: int) -> tuple[int, int]:
    width = 1 << (DEPTH - depth)
    return prefix * width, prefix * width + width - 1


def largest_inside(depth: int, prefix: int, first: int, last: int) -> list[tuple[int, int]]:
    """The naive cover: from the root down, stop at the first node wholly inside."""
    low, high = span(depth, prefix)
    if last < low or high < first:
        return []
    if first <= low and high <= last:
        return [(depth, prefix)]
    return [
        place
        for bit in (0, 1)
        for place in largest_inside(depth + 1, 2 * prefix + bit, first, last)
    ]


def keyed(key: bytes, message: bytes) -> bytes:
    return hashlib.blake2b(message, key=key, digest_size=32).digest()


def day_by_the_formats(gen: bytes, day: int) -> bytes:
    key = keyed(VAULT.secret_bytes(), dag_cbor.encode(["entrenous/1/collection", PATH, gen]))
    key = keyed(key, dag_cbor.encode(["entrenous/1/days"]))
    for bit in f"{day:016b}":
        key = keyed(key, b"entrenous/1/day" + (b"\x01" if bit == "1" else b"\x00"))
    return key


@given(ranges())
@example((0, DAY_MAX))
@example((1, DAY_MAX - 1))
@example((0, 0))
@example((DAY_MAX, DAY_MAX))
def test_a_cover_is_the_range_exactly_and_minimal(days: tuple[int, int]) -> None:
    first, last = days
    places = cover(first, last)
    spans = [span(*place) for place in places]
    # Ascending, touching, from first to last: nothing missing, nothing twice, nothing more.
    assert spans[0][0] == first
    assert spans[-1][1] == last
    assert all(left[1] + 1 == right[0] for left, right in pairwise(spans))
    # Every maximal node inside the range must be there, so no cover is smaller.
    assert list(places) == largest_inside(0, 0, first, last)
    assert len(places) <= COVER_NODES_MAX


def test_thirty_nodes_are_reached() -> None:
    assert COVER_NODES_MAX == 30
    assert len(cover(1, UNDATED - 1)) == 30


@given(ranges(), st.data())
def test_a_cover_opens_its_days_and_no_other(days: tuple[int, int], data: st.DataObject) -> None:
    first, last = days
    nodes = derive_cover(ROOT, first, last)
    inside = data.draw(st.integers(first, last))
    for day in (first, last, inside):
        assert day_key(nodes, day).secret_bytes() == day_by_the_formats(GEN, day)
    outside = [day for day in (first - 1, last + 1, 0, DAY_MAX) if not first <= day <= last]
    for day in (*outside, UNDATED, -1, UNDATED + 1, 2**40):
        with pytest.raises(NoKey, match="opens day"):
            day_key(nodes, day)


@given(st.permutations(derive_cover(ROOT, 46_021, 46_051)), st.lists(st.integers(46_021, 46_051)))
def test_day_keys_do_not_depend_on_order_or_history(nodes: list[TreeNode], days: list[int]) -> None:
    wide = (*nodes, *derive_cover(ROOT, 46_000, 46_030))  # keysets add up and may overlap
    keys = DayKeys(wide)
    assert [keys.key(day) for day in days] == [day_key([ROOT], day) for day in days]


@given(ranges(), st.data())
def test_a_node_held_gives_covers_below_it_only(days: tuple[int, int], data: st.DataObject) -> None:
    node = data.draw(st.sampled_from(derive_cover(ROOT, *days)))
    first = data.draw(st.integers(node.first, node.last))
    last = data.draw(st.integers(first, node.last))
    assert derive_cover(node, first, last) == derive_cover(ROOT, first, last)
    for low, high in ((node.first - 1, first), (last, node.last + 1)):
        if low >= 0 and high <= DAY_MAX:
            with pytest.raises(NoKey, match="does not open all of days"):
                derive_cover(node, low, high)


def test_consecutive_days_cost_about_two_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = DayKeys([ROOT])
    hashes = 0

    def counted(data: bytes, *, digest_size: int, key: bytes) -> object:
        nonlocal hashes
        hashes += 1
        return hashlib.blake2b(data, digest_size=digest_size, key=key)

    monkeypatch.setattr(key_tree, "hashlib", SimpleNamespace(blake2b=counted))
    for day in range(46_000, 46_365):
        keys.key(day)
    assert hashes <= 2 * 365 + DEPTH


@pytest.mark.parametrize(
    ("first", "last"),
    [(5, 4), (-1, 3), (0, UNDATED), (DAY_MAX, UNDATED), (UNDATED, UNDATED + 1), (70_000, 70_001)],
)
def test_a_range_that_is_not_of_days_has_no_cover(first: int, last: int) -> None:
    with pytest.raises(NoKey, match="not a range of days"):
        cover(first, last)
    with pytest.raises(NoKey):
        derive_cover(ROOT, first, last)


def test_undated_is_opened_only_when_named() -> None:
    (node,) = derive_cover(ROOT, UNDATED, UNDATED)
    assert (node.depth, node.prefix) == (DEPTH, UNDATED)
    assert day_key([node], UNDATED).secret_bytes() == day_by_the_formats(GEN, UNDATED)
    assert all(node.last < UNDATED for node in derive_cover(ROOT, 0, DAY_MAX))


@pytest.mark.parametrize(("depth", "prefix"), [(-1, 0), (17, 0), (0, 1), (4, 16), (16, -1)])
def test_an_impossible_node_is_refused(depth: int, prefix: int) -> None:
    with pytest.raises(BadKey, match="impossible place"):
        TreeNode(depth, prefix, NodeKey(bytes(32)))


@given(st.sets(st.binary(min_size=1, max_size=40), min_size=1))
def test_a_generation_is_a_function_of_a_set(cids: set[bytes]) -> None:
    listed = sorted(cids, reverse=True)
    known = dag_cbor.encode(["entrenous/1/generation", [*sorted(cids)]])
    assert generation(listed) == hashlib.blake2b(known, digest_size=16).digest()
    assert generation(listed + listed) == generation(iter(cids))
    assert generation(listed[1:]) != generation(listed)


def test_no_revocation_is_the_first_generation() -> None:
    assert generation([]) == bytes(16)


def test_path_generation_and_vault_each_change_every_day() -> None:
    other = VaultSecret(bytes(32))
    collections = [
        collection_key(VAULT, PATH, GEN),
        collection_key(VAULT, PATH, bytes(16)),
        collection_key(VAULT, "energy/electricity", GEN),
        collection_key(other, PATH, GEN),
    ]
    days = {day_key([tree_root(one)], day) for one in collections for day in (0, 1, UNDATED)}
    assert len(days) == len(collections) * 3


def test_a_generation_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(BadKey, match="16 bytes, not 15"):
        collection_key(VAULT, PATH, bytes(15))


def test_no_key_is_a_crypto_error() -> None:
    assert issubclass(NoKey, CryptoError)
    with pytest.raises(NoKey):
        DayKeys([]).key(0)
