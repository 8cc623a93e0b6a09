"""did:key against the `multiformats` library, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import multibase

from entrenous.protocol.did import did_of, public_of
from entrenous.protocol.errors import WireError


@given(st.binary(min_size=32, max_size=32))
def test_a_did_is_what_multiformats_makes_of_the_key(public: bytes) -> None:
    did = did_of(public)
    assert did == "did:key:" + multibase.encode(b"\xed\x01" + public, "base58btc")
    assert public_of(did) == public


@given(st.text(max_size=140))
def test_other_text_is_refused(text: str) -> None:
    for candidate in (text, "did:key:z" + text, did_of(bytes(32)) + text):
        if candidate != did_of(bytes(32)):
            with pytest.raises(WireError):
                public_of(candidate)


def test_a_did_has_one_spelling() -> None:
    with pytest.raises(WireError):
        public_of(did_of(bytes(32)).replace("did:key:z", "did:key:z1"))
