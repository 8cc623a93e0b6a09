"""Rows at rest: bound to their place and their store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.at_rest import OVERHEAD_BYTES, open_row, seal_row
from entrenous.crypto.entropy import SeededEntropy, SystemEntropy
from entrenous.crypto.errors import BadCiphertext
from entrenous.crypto.keys import StoreKey

KEY = StoreKey(bytes(range(32)))


@given(st.binary(max_size=60), st.binary(max_size=300))
def test_a_row_comes_back(place: bytes, plaintext: bytes) -> None:
    sealed = seal_row(KEY, place, plaintext, entropy=SystemEntropy())
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    assert open_row(KEY, place, sealed) == plaintext


def test_the_same_row_twice_does_not_look_the_same() -> None:
    entropy = SeededEntropy(b"rows")
    one, two = (seal_row(KEY, b"place", b"row", entropy=entropy) for _ in range(2))
    assert one != two


@given(st.integers(0, OVERHEAD_BYTES + 3 - 1), st.integers(1, 255))
def test_an_altered_row_is_refused(place: int, change: int) -> None:
    sealed = bytearray(seal_row(KEY, b"place", b"row", entropy=SeededEntropy(b"rows")))
    sealed[place] ^= change
    with pytest.raises(BadCiphertext, match="a row of the store was altered"):
        open_row(KEY, b"place", bytes(sealed))


def test_a_row_of_another_place_or_store_is_refused() -> None:
    sealed = seal_row(KEY, b"place", b"row", entropy=SeededEntropy(b"rows"))
    for key, place in ((KEY, b"plac"), (KEY, b""), (StoreKey(bytes(32)), b"place")):
        with pytest.raises(BadCiphertext):
            open_row(key, place, sealed)


@pytest.mark.parametrize("length", [0, 24, 39])
def test_a_row_too_short_is_refused(length: int) -> None:
    with pytest.raises(BadCiphertext, match="too short"):
        open_row(KEY, b"place", bytes(length))
