"""Keysets as large as they may be, and keys that stand twice among those of a reader."""

from __future__ import annotations

import pytest

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature
from entrenous.crypto.key_tree import TreeNode, derive_cover, tree_root
from entrenous.crypto.keys import CollectionKey, GrantKey, NodeKey, PersonaKey, ReaderSecret
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import LocalProtocolError, WireError
from entrenous.protocol.keyset import (
    GrantKeys,
    Keyset,
    PathKeys,
    Sealing,
    grant_of,
    make_keyset,
    next_n,
    open_keyset,
    parse_keyset,
)
from entrenous.protocol.limits import KEYSET_BYTES_MAX, KEYSET_NODES_MAX, KEYSET_SETS_MAX
from entrenous.protocol.wire import encode

OWNER, READER = (PersonaKey(bytes([n]) * 32) for n in (1, 2))
SECRET = ReaderSecret(bytes([4]) * 32)
K_GRANT = GrantKey(bytes([7]) * 32)
EPOCH, GEN = bytes([8]) * 16, bytes(16)
SEALING = Sealing(
    cid_of(b"grant"), cid_of(b"terms"), did_of(OWNER.public), did_of(READER.public), SECRET.public
)
ENTROPY = SeededEntropy(b"large keysets")
ROOT = tree_root(CollectionKey(bytes([6]) * 32))
LOAD = "energy/electricity/load-curve"


def keyset(sets: list[PathKeys]) -> Keyset:
    return make_keyset(OWNER, SEALING, n=5, k_grant=K_GRANT, sets=sets, entropy=ENTROPY)


def nodes(number: int) -> tuple[TreeNode, ...]:
    return tuple(TreeNode(16, day, NodeKey(bytes(32))) for day in range(40_000, 40_000 + number))


def held(*found: TreeNode) -> PathKeys:
    return PathKeys(LOAD, EPOCH, GEN, found)


def test_a_keyset_is_as_large_as_it_may_be_and_no_byte_larger() -> None:
    def of(left: int, more: int) -> list[PathKeys]:
        """Full sets, and one of `left` nodes whose path has `more` characters more."""
        full = [PathKeys(f"a/{n}", EPOCH, GEN, nodes(KEYSET_NODES_MAX)) for n in range(3)]
        path = "b" * (12 + more // 2) + "/" + "c" * (12 + more - more // 2)
        return [*full, PathKeys(path, EPOCH, GEN, nodes(left))]

    # Each node takes as many bytes: its place, and a key.
    each = len(encode([16, 40_000, bytes(32)]))
    left, more = divmod(KEYSET_BYTES_MAX - len(keyset(of(256, 0)).signed.raw), each)
    largest = keyset(of(256 + left, more))
    assert len(largest.signed.raw) == KEYSET_BYTES_MAX
    opened = open_keyset(parse_keyset(largest.signed.raw, SEALING.persona), SEALING, SECRET)
    assert set(opened.sets) == set(of(256 + left, more))
    with pytest.raises(LocalProtocolError, match="too large"):
        keyset(of(256 + left, more + 1))


def test_a_keyset_has_as_many_sets_as_it_may_and_none_more() -> None:
    sets = [PathKeys(f"a/{n}", EPOCH, GEN, nodes(1)) for n in range(KEYSET_SETS_MAX + 1)]
    opened = open_keyset(keyset(sets[:-1]), SEALING, SECRET)
    assert len(opened.sets) == KEYSET_SETS_MAX
    with pytest.raises(LocalProtocolError, match="too large"):
        keyset(sets)


def test_which_grant_a_keyset_says_it_is_for_is_read_without_its_signature() -> None:
    made = keyset([held(*nodes(1))])
    assert grant_of(made.signed.raw) == SEALING.grant
    with pytest.raises(WireError):
        grant_of(made.signed.raw[:-1])
    with pytest.raises(BadSignature):
        parse_keyset(made.signed.raw, did_of(READER.public))


def test_nobody_makes_a_keyset_of_somebody_elses_grant() -> None:
    with pytest.raises(BadSignature):
        make_keyset(READER, SEALING, n=5, k_grant=K_GRANT, sets=[], entropy=ENTROPY)
    made = keyset([held(*nodes(1))])
    assert parse_keyset(made.signed.raw, SEALING.persona) == made


def test_the_number_of_a_keyset_is_the_next_one_or_the_clocks() -> None:
    assert next_n(None, 7) == 7
    assert next_n(6, 7) == 7
    assert next_n(7, 7) == 8
    assert next_n(7, 0) == 8


def test_a_node_below_one_that_is_held_adds_nothing() -> None:
    """Wherever it lies below: also at its last day, and below another than the first."""
    early, late = derive_cover(ROOT, 40_000, 40_015)[0], derive_cover(ROOT, 40_032, 40_039)[0]
    held_already = GrantKeys(K_GRANT, [held(early, late)])
    for top in (early, late):
        for day in (top.first, top.first + 1, top.last):
            (below,) = derive_cover(ROOT, day, day)
            for order in ([below, early, late], [late, early, below]):
                assert GrantKeys(K_GRANT, [held(*order)]).sets == held_already.sets
            false = TreeNode(16, day, NodeKey(bytes([9]) * 32))
            with pytest.raises(WireError, match="different keys for one day"):
                held_already.with_keys(GrantKeys(K_GRANT, [held(false)]))
    twice = GrantKeys(K_GRANT, [held(early), held(early)])
    assert twice.sets == (held(early),)


def test_keys_for_another_thread_open_the_same_days() -> None:
    keys = GrantKeys(K_GRANT, [held(*derive_cover(ROOT, 40_000, 40_020))])
    apart = keys.apart()
    assert (apart.k_grant, apart.sets) == (keys.k_grant, keys.sets)
    for day in (40_020, 40_000, 40_011):
        assert apart.day_key(LOAD, EPOCH, GEN, day) == keys.day_key(LOAD, EPOCH, GEN, day)
