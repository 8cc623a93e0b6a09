"""Keysets: they add up, open exactly the granted days, and open for nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext, BadSignature
from entrenous.crypto.key_tree import (
    FIRST_GENERATION,
    NoKey,
    TreeNode,
    collection_key,
    day_key,
    generation,
    tree_root,
)
from entrenous.crypto.keys import GrantKey, NodeKey, PersonaKey, ReaderSecret, VaultSecret
from entrenous.crypto.labels import Signed
from entrenous.crypto.seal import seal
from entrenous.protocol.cid import cid_of
from entrenous.protocol.day import DAY_MAX, UNDATED, day_of, start_ms
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code, GrantRefused, WireError
from entrenous.protocol.keyset import (
    GrantKeys,
    PathKeys,
    Sealing,
    make_keyset,
    next_n,
    open_keyset,
    parse_keyset,
    path_keys,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, encode

OWNER, READER, STRANGER = (PersonaKey(bytes([n]) * 32) for n in (1, 2, 3))
SECRET, OTHER_SECRET = ReaderSecret(bytes([4]) * 32), ReaderSecret(bytes([5]) * 32)
VAULT = VaultSecret(bytes([6]) * 32)
K_GRANT = GrantKey(bytes([7]) * 32)
EPOCH = bytes([8]) * 16
LOAD, GAS = "energy/electricity/load-curve", "energy/gas/load-curve"
GEN_0, GEN_1, GEN_2 = (
    FIRST_GENERATION,
    generation([cid_of(b"one")]),
    generation([cid_of(b"one"), cid_of(b"two")]),
)
FAR_S = 3_000_000_000
SEALING = Sealing(
    cid_of(b"grant"), cid_of(b"terms"), did_of(OWNER.public), did_of(READER.public), SECRET.public
)
ENTROPY = SeededEntropy(b"keysets")


def _set(
    window: Window, *, gen: bytes = GEN_0, epoch: bytes = EPOCH, exp_s: int = FAR_S
) -> PathKeys:
    found = path_keys(
        VAULT, epoch=epoch, path=window.collection, gen=gen, windows=[window], exp_s=exp_s
    )
    assert found is not None
    return found


def _opens(keys: GrantKeys, path: str, gen: bytes, day: int) -> bool:
    try:
        found = keys.day_key(path, EPOCH, gen, day)
    except NoKey:
        return False
    # What it opens, it opens with the owner's key.
    assert found == day_key([tree_root(collection_key(VAULT, path, gen))], day)
    return True


def _from_length(path: str, first: int, length: int) -> Window:
    return Window(path, first, first + length)


_window = st.builds(
    _from_length,
    st.sampled_from((LOAD, GAS)),
    st.integers(46_000, 46_040),
    st.integers(0, 20),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(_window, st.sampled_from((GEN_0, GEN_1, GEN_2))), max_size=5))
def test_keysets_open_exactly_the_days_they_were_made_for(
    given_sets: list[tuple[Window, bytes]],
) -> None:
    """Several keysets, several generations, one after the other: the days opened are the union."""
    keys = GrantKeys(K_GRANT)
    for window, gen in given_sets:
        keys = keys.with_keys(GrantKeys(K_GRANT, [_set(window, gen=gen)]))
    granted = {
        (window.collection, gen, day)
        for window, gen in given_sets
        for day in range(window.first, window.last + 1)
    }
    opened = {
        (path, gen, day)
        for path in (LOAD, GAS)
        for gen in (GEN_0, GEN_1, GEN_2)
        for day in range(45_990, 46_070)
        if _opens(keys, path, gen, day)
    }
    assert opened == granted
    assert not any(_opens(keys, LOAD, GEN_0, day) for day in (0, DAY_MAX, UNDATED))


def test_no_key_is_said_exactly_where_the_names_differ() -> None:
    keys = GrantKeys(K_GRANT, [_set(Window(LOAD, 46_000, 46_029))])
    keys.day_key(LOAD, EPOCH, GEN_0, 46_000)
    for path, epoch, gen, day in (
        (GAS, EPOCH, GEN_0, 46_000),
        (LOAD, bytes(16), GEN_0, 46_000),
        (LOAD, EPOCH, GEN_1, 46_000),
        (LOAD, EPOCH, GEN_0, 45_999),
        (LOAD, EPOCH, GEN_0, 46_030),
        (LOAD, EPOCH, GEN_0, UNDATED),
    ):
        with pytest.raises(NoKey):
            keys.day_key(path, epoch, gen, day)


def test_a_day_written_after_the_generation_changed_does_not_open() -> None:
    held = GrantKeys(K_GRANT, [_set(Window(LOAD, 46_000, 46_029))])
    with pytest.raises(NoKey, match="no key"):
        held.day_key(LOAD, EPOCH, GEN_1, 46_010)


def test_undated_records_are_opened_only_when_named() -> None:
    dated = GrantKeys(K_GRANT, [_set(Window(LOAD, 0, DAY_MAX))])
    assert not _opens(dated, LOAD, GEN_0, UNDATED)
    undated = GrantKeys(K_GRANT, [_set(Window(LOAD, UNDATED, UNDATED))])
    assert _opens(undated, LOAD, GEN_0, UNDATED)
    assert not _opens(undated, LOAD, GEN_0, DAY_MAX)


def test_no_cover_passes_the_day_of_the_grants_end() -> None:
    exp_s = start_ms(46_010) // 1000 + 3_600
    assert day_of(exp_s * 1000) == 46_010
    keys = GrantKeys(K_GRANT, [_set(Window(LOAD, 46_000, 46_029), exp_s=exp_s)])
    assert [day for day in range(45_990, 46_040) if _opens(keys, LOAD, GEN_0, day)] == list(
        range(46_000, 46_011)
    )
    late = Window(LOAD, 46_011, 46_029)
    assert path_keys(VAULT, epoch=EPOCH, path=LOAD, gen=GEN_0, windows=[late], exp_s=exp_s) is None


def test_an_end_beyond_the_last_day_is_the_last_day() -> None:
    keys = GrantKeys(K_GRANT, [_set(Window(LOAD, 65_000, DAY_MAX), exp_s=2**53 - 1)])
    assert _opens(keys, LOAD, GEN_0, DAY_MAX)


def test_overlapping_windows_of_one_path_are_one_cover() -> None:
    found = path_keys(
        VAULT,
        epoch=EPOCH,
        path=LOAD,
        gen=GEN_0,
        windows=[Window(LOAD, 46_010, 46_029), Window(LOAD, 46_000, 46_015), Window(GAS, 0, 9)],
        exp_s=FAR_S,
    )
    assert found is not None
    assert found == _set(Window(LOAD, 46_000, 46_029))
    assert len(found.nodes) <= 30


def test_a_keyset_that_contradicts_an_earlier_one_is_refused() -> None:
    held = GrantKeys(K_GRANT, [_set(Window(LOAD, 46_000, 46_029))])
    false = TreeNode(16, 46_003, NodeKey(bytes([9]) * 32))
    with pytest.raises(WireError, match="different keys for one day"):
        held.with_keys(GrantKeys(K_GRANT, [PathKeys(LOAD, EPOCH, GEN_0, (false,))]))
    with pytest.raises(WireError, match="different grant keys"):
        held.with_keys(GrantKeys(GrantKey(bytes(32))))
    assert _opens(held, LOAD, GEN_0, 46_003)


# --- sealing --------------------------------------------------------------------------------------

SETS = [_set(Window(LOAD, 46_000, 46_029)), _set(Window(LOAD, 46_000, 46_029), gen=GEN_1)]
KEYSET = make_keyset(OWNER, SEALING, n=5, k_grant=K_GRANT, sets=SETS, entropy=ENTROPY)


def test_a_keyset_opens_for_its_reader() -> None:
    keyset = parse_keyset(KEYSET.signed.raw, SEALING.persona)
    keys = open_keyset(keyset, SEALING, SECRET)
    assert keys.k_grant == K_GRANT
    assert set(keys.sets) == set(SETS)


@pytest.mark.parametrize(
    "sealing",
    [
        replace(SEALING, terms=cid_of(b"other terms")),
        replace(SEALING, persona=did_of(STRANGER.public)),
        replace(SEALING, aud=did_of(STRANGER.public)),
        replace(SEALING, reader_key=OTHER_SECRET.public),
    ],
)
def test_a_keyset_for_another_grant_terms_or_reader_does_not_open(sealing: Sealing) -> None:
    with pytest.raises(BadCiphertext):
        open_keyset(KEYSET, sealing, SECRET)


def test_a_keyset_does_not_open_for_another_key_number_or_grant() -> None:
    with pytest.raises(BadCiphertext):
        open_keyset(KEYSET, SEALING, OTHER_SECRET)
    with pytest.raises(BadCiphertext):
        open_keyset(replace(KEYSET, n=6), SEALING, SECRET)
    with pytest.raises(GrantRefused) as refused:
        open_keyset(KEYSET, replace(SEALING, grant=cid_of(b"other")), SECRET)
    assert refused.value.code is Code.UNKNOWN_GRANT
    # The same ciphertext under the other grant's name, with its owner's signature.
    body: dict[str, Value] = {"v": 1, "dlg": cid_of(b"other"), "n": 5, "sealed": KEYSET.sealed}
    replanted = parse_keyset(sign(Signed.KEYSET, body, OWNER).raw, SEALING.persona)
    with pytest.raises(BadCiphertext):
        open_keyset(replanted, replace(SEALING, grant=cid_of(b"other")), SECRET)


def test_a_keyset_is_signed_by_the_owner() -> None:
    with pytest.raises(BadSignature):
        parse_keyset(KEYSET.signed.raw, did_of(STRANGER.public))


def test_a_repeated_keyset_is_refused_and_an_earlier_one_that_was_late_is_not() -> None:
    with pytest.raises(GrantRefused) as refused:
        open_keyset(KEYSET, SEALING, SECRET, seen={4, 5})
    assert refused.value.code is Code.REPLAY
    open_keyset(KEYSET, SEALING, SECRET, seen={4, 6})


@given(st.none() | st.integers(0, 2**60), st.integers(0, 2**60))
def test_the_number_of_a_keyset_rises_also_when_the_clock_does_not(
    previous: int | None, now_ms: int
) -> None:
    n = next_n(previous, now_ms)
    assert n >= now_ms
    assert previous is None or n > previous


# --- hostile insides ------------------------------------------------------------------------------


def _inside(value: Value) -> GrantKeys:
    sealed = seal(SECRET.public, SEALING.info(5), encode(value), entropy=ENTROPY)
    return open_keyset(replace(KEYSET, sealed=sealed), SEALING, SECRET)


def _one_set(**changed: Value) -> Value:
    good: dict[str, Value] = {
        "path": LOAD,
        "e": EPOCH,
        "gen": GEN_0,
        "nodes": [[16, 5, bytes(32)], [16, 6, bytes(32)]],
    }
    return {"k_grant": bytes(32), "sets": [{**good, **changed}]}


def test_the_well_formed_inside_is_read() -> None:
    assert len(_inside(_one_set()).sets) == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"k_grant": bytes(32)},
        {"k_grant": bytes(31), "sets": []},
        {"k_grant": bytes(32), "sets": [], "more": 1},
        _one_set(e=bytes(15)),
        _one_set(gen=bytes(17)),
        _one_set(nodes=[]),
        _one_set(nodes=[[17, 0, bytes(32)]]),
        _one_set(nodes=[[4, 16, bytes(32)]]),
        _one_set(nodes=[[-1, 0, bytes(32)]]),
        _one_set(nodes=[[True, 0, bytes(32)]]),
        _one_set(nodes=[[16, 5, bytes(31)]]),
        _one_set(nodes=[[16, 5, bytes(32), 0]]),
        _one_set(nodes=[[16, 6, bytes(32)], [16, 5, bytes(32)]]),
        _one_set(nodes=[[15, 2, bytes(32)], [16, 5, bytes(32)]]),
        _one_set(nodes=[[16, 5, bytes(32)]] * 2),
        {"k_grant": bytes(32), "sets": [_set(Window(LOAD, 5, 5)).value()] * 2},
    ],
)
def test_a_malformed_inside_is_refused(value: Value) -> None:
    with pytest.raises(WireError):
        _inside(value)


def test_keys_are_not_shown() -> None:
    keys = GrantKeys(K_GRANT, SETS)
    shown = repr(keys) + repr(keys.sets)
    for secret in (K_GRANT.secret_bytes(), SETS[0].nodes[0].key.secret_bytes()):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
