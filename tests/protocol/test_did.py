"""did:key against the `multiformats` library, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import multibase, multicodec

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


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did:web:example.org",
        "xid:key:z6Mk",
        "did:key:z2",
        "did:key:z5R",
        "did:key:z" + "1" * 999,
    ],
)
def test_what_is_no_did_key_is_not_decoded(text: str) -> None:
    """Base58 of a long text costs the square of its length."""
    with pytest.raises(WireError, match=r"^a DID here is did:key with an Ed25519 key"):
        public_of(text)


def test_a_did_has_one_spelling() -> None:
    with pytest.raises(WireError):
        public_of(did_of(bytes(32)).replace("did:key:z", "did:key:z1"))


@pytest.mark.parametrize(
    ("codec", "kind"),
    [(0xE7, "secp256k1"), (0x1200, "P-256"), (0x1201, "P-384"), (0x1202, "P-521"),
     (0xEA, "BLS12-381"), (0xEB, "BLS12-381"), (0xEC, "X25519")],
)  # fmt: skip
def test_a_key_of_another_kind_is_refused_by_its_name(codec: int, kind: str) -> None:
    key = multicodec.wrap(multicodec.get(code=codec), b"\x02" + bytes(range(32)))
    with pytest.raises(WireError, match=f"names a {kind} key"):
        public_of("did:key:" + multibase.encode(key, "base58btc"))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_has_no_did(size: int) -> None:
    with pytest.raises(WireError, match=f"not {size}"):
        did_of(bytes(size))
