"""One byte form: ours against an independent DAG-CBOR encoder."""

from __future__ import annotations

from typing import cast

import dag_cbor
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.canonical import Link, Value, encode

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=300)
    | st.binary(max_size=300)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


@given(VALUES)
def test_encodes_as_dag_cbor_does(value: object) -> None:
    theirs = dag_cbor.encode(cast("dag_cbor.IPLDKind", value))
    assert encode(cast("Value", value)) == theirs


def test_a_link_is_tag_42_over_a_zero_byte_and_the_cid() -> None:
    assert encode(Link(b"\x01\x71\x12\x00")).hex() == "d82a450001711200"


def test_keys_are_sorted_by_length_first() -> None:
    assert encode({"bb": 1, "c": 2, "a": 3}).hex() == "a361610361630262626201"


def test_a_type_that_the_formats_do_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="no form in DAG-CBOR"):
        encode(cast("Value", {"x": object()}))
