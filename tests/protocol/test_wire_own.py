"""Rows of a node's own store are decoded without asking again what `encode` has seen to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import entrenous
from entrenous.crypto.canonical import Link, Value, encode
from entrenous.protocol.errors import WireError
from entrenous.protocol.wire import decode, decode_own

LEAVES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.binary(min_size=32, max_size=32).map(lambda digest: Link(b"\x01\x71\x12\x20" + digest)),
)


def _more(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)
    )


VALUES: st.SearchStrategy[Value] = st.recursive(LEAVES, _more, max_leaves=12)


@settings(max_examples=150)
@given(VALUES)
def test_it_gives_what_the_strict_decoder_gives(value: Value) -> None:
    raw = encode(value)
    assert decode_own(raw) == decode(raw) == value


@settings(max_examples=150)
@given(st.binary(max_size=64))
def test_bytes_that_are_no_value_are_an_error_of_ours(raw: bytes) -> None:
    """They cannot come out of an authenticated row, and are still not a crash."""
    try:
        decode_own(raw)
    except WireError:
        with pytest.raises(WireError):
            decode(raw)


def test_only_the_sealer_of_the_store_uses_it() -> None:
    """What comes from outside is never read by it."""
    root = Path(entrenous.__file__).parent
    naming = {
        str(file.relative_to(root))
        for folder in ("crypto", "protocol", "node", "apps", "simulations")
        for file in (root / folder).rglob("*.py")
        if b"decode_own" in file.read_bytes()
    }
    assert naming == {"protocol/wire.py", "node/store/sealer.py"}
