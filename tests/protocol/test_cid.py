"""CIDs: the one form of the formats, and what a link may be, against the `multiformats` library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import CID, multihash

from entrenous.protocol.cid import check_cid, check_link, cid_from_text, cid_of, cid_text
from entrenous.protocol.errors import WireError

DIGEST = bytes(range(32))


@given(st.binary(max_size=40))
def test_a_cid_is_what_multiformats_makes_of_the_bytes(encoded: bytes) -> None:
    theirs = CID("base32", 1, "dag-cbor", multihash.digest(encoded, "sha2-256"))
    ours = cid_of(encoded)
    assert (ours, cid_text(ours)) == (bytes(theirs), str(theirs))
    assert cid_from_text(cid_text(ours)) == ours == check_cid(ours) == check_link(ours)


@pytest.mark.parametrize(
    "cid",
    [
        b"\x01\x71\x12\x20" + DIGEST,
        b"\x01\x55\x12\x20" + DIGEST,
        b"\x01\x00\x00\x00",
        b"\x12\x20" + DIGEST,  # version 0
        b"\x01\x80\x01\x12\x02ab",  # a codec of two bytes
        b"\x01\x71\x9b\x01\x01a",
        b"\x01\x71" + b"\xff" * 8 + b"\x7f" + b"\x01a",  # a hash whose number has 63 bits
        b"\x01\x71\x00\x80\x01" + bytes(128),
    ],
)
def test_a_link_may_be_any_cid(cid: bytes) -> None:
    assert check_link(cid) == cid


@pytest.mark.parametrize(
    "cid",
    [
        b"",
        b"\x01",
        b"\x01\x71",
        b"\x01\x71\x12",
        b"\x01\x71\x12\x20" + DIGEST[1:],
        b"\x01\x71\x12\x20" + DIGEST + b"\x00",
        b"\x01\x71\x12\x21" + DIGEST,
        b"\x02\x71\x12\x20" + DIGEST,
        b"\x00\x71\x12\x20" + DIGEST,
        b"\x12\x20" + DIGEST[1:],
        b"\x12\x20" + DIGEST + b"\x00",
        b"\x12\x1f" + DIGEST[1:],
        b"\x81\x00\x71\x12\x20" + DIGEST,  # padded varints
        b"\x01\xf1\x00\x12\x20" + DIGEST,
        b"\x01\xf1\x80\x00\x12\x20" + DIGEST,  # where nothing but reading on would make it one
        b"\x01\xf1\x00\x01\x12\x20" + DIGEST,
        b"\x01\x71\x92\x00\x20" + DIGEST,
        b"\x01\x71\x12\xa0\x00" + DIGEST,
        b"\x01\x71" + b"\xff" * 9 + b"\x01" + b"\x01a",  # a number of 64 bits
        b"\x01\x71\x12\x80",
        b"\x01\x80\x00\x12\x00",
    ],
)
def test_a_link_is_a_cid(cid: bytes) -> None:
    with pytest.raises(WireError, match="not a CID"):
        check_link(cid)


@pytest.mark.parametrize(
    "cid",
    [b"", b"\x01\x71\x12\x20" + DIGEST[1:], b"\x01\x71\x12\x20" + DIGEST + b"\x00",
     b"\x01\x55\x12\x20" + DIGEST, b"\x01\x71\x13\x20" + DIGEST, b"\x01\x70\x12\x20" + DIGEST,
     b"\x02\x71\x12\x20" + DIGEST, b"\x12\x20" + DIGEST],
)  # fmt: skip
def test_the_formats_have_one_form(cid: bytes) -> None:
    with pytest.raises(WireError, match="a CID here is"):
        check_cid(cid)


GOOD = cid_text(b"\x01\x71\x12\x20" + DIGEST)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "59 characters"),
        (GOOD[:-1], "59 characters"),
        (GOOD + "a", "59 characters"),
        ("z" + GOOD[1:], "59 characters"),
        (GOOD.upper(), "59 characters"),
        ("b" + GOOD[1:].upper(), "canonical"),
        (GOOD[:-1] + "1", "not base32"),
        (GOOD[:9] + "é" + GOOD[10:], "not base32"),
        (GOOD[:-1] + "7", "canonical"),  # bits that no byte has
        (cid_text(b"\x01\x55\x12\x20" + DIGEST), "a CID here is"),
    ],
)
def test_a_cid_in_text_has_one_spelling(text: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        cid_from_text(text)
