"""Pages: bound to their header, padded without a trace, opened within bounds."""

from __future__ import annotations

import dataclasses
import tracemalloc
import zlib

import dag_cbor
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrenous.crypto.digest import kdf
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext, BadKey
from entrenous.crypto.keys import DayKey, PageKey
from entrenous.crypto.labels import Derive
from entrenous.crypto.page import (
    CODEC_NONE,
    CODEC_ZLIB,
    PageHeader,
    decrypt_page,
    encrypt_page,
    pack,
    page_key,
    unpack,
)

DAY = DayKey(bytes(range(32)))
HEADER = PageHeader(
    page_id=b"i" * 16,
    epoch=b"e" * 16,
    path="energy/electricity/load-curve",
    gen=bytes(16),
    day=46_021,
    schema="meter-reading/1",
    statement=b"s" * 36,
    count=48,
    codec=0,
    plain_len=1_900,
)
ALTERED = {
    "page_id": b"I" + b"i" * 15,
    "epoch": b"E" + b"e" * 15,
    "path": "energy/electricity/load",
    "gen": b"\x01" + bytes(15),
    "day": 46_022,
    "schema": "meter-reading/2",
    "statement": None,
    "count": 47,
    "codec": 1,
    "plain_len": 1_901,
}
KEY = page_key(DAY, HEADER.page_id, b"p" * 32)
BUCKET = 256
MAX = 100_000


def sealed(packed: bytes = bytes(2048)) -> bytes:
    return encrypt_page(KEY, HEADER, packed, entropy=SeededEntropy(b"page"))


def test_a_page_opens_under_its_header() -> None:
    packed = bytes(range(256)) * 8
    ciphertext = sealed(packed)
    assert len(ciphertext) == len(packed) + 40
    assert decrypt_page(KEY, HEADER, ciphertext) == packed


def test_the_associated_data_is_that_of_the_formats() -> None:
    fields = [getattr(HEADER, field.name) for field in dataclasses.fields(HEADER)]
    assert HEADER.associated_data() == dag_cbor.encode(["entrenous/1/page", *fields])
    unsigned = dataclasses.replace(HEADER, statement=None)
    fields[6] = None
    assert unsigned.associated_data() == dag_cbor.encode(["entrenous/1/page", *fields])


def test_every_field_of_the_header_is_tried() -> None:
    assert set(ALTERED) == {field.name for field in dataclasses.fields(PageHeader)}


@pytest.mark.parametrize("field", ALTERED)
def test_a_page_under_another_header_is_refused(field: str) -> None:
    other = dataclasses.replace(HEADER, **{field: ALTERED[field]})
    with pytest.raises(BadCiphertext, match="altered"):
        decrypt_page(KEY, other, sealed())


@given(st.integers(0, 2048 + 40 - 1), st.integers(1, 255))
def test_an_altered_page_is_refused(place: int, change: int) -> None:
    ciphertext = bytearray(sealed())
    ciphertext[place] ^= change
    with pytest.raises(BadCiphertext, match="altered"):
        decrypt_page(KEY, HEADER, bytes(ciphertext))


@pytest.mark.parametrize("length", [0, 1, 39, 40, 2087])
def test_a_shortened_page_is_refused(length: int) -> None:
    with pytest.raises(BadCiphertext):
        decrypt_page(KEY, HEADER, sealed()[:length])


def test_each_part_of_a_page_key_counts() -> None:
    others = [
        page_key(DayKey(bytes(32)), HEADER.page_id, b"p" * 32),
        page_key(DAY, b"j" * 16, b"p" * 32),
        page_key(DAY, HEADER.page_id, b"q" * 32),
    ]
    for other in others:
        with pytest.raises(BadCiphertext, match="another key"):
            decrypt_page(other, HEADER, sealed())


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_a_page_key_is_the_kdf_of_the_formats(page_id: bytes, salt: bytes) -> None:
    assert page_key(DAY, page_id, salt) == PageKey(
        kdf(DAY.secret_bytes(), Derive.PAGE, page_id, salt)
    )


@pytest.mark.parametrize(("page_id", "salt"), [(15, 32), (17, 31), (16, 33), (0, 0)])
def test_an_id_or_salt_of_the_wrong_length_is_refused(page_id: int, salt: int) -> None:
    with pytest.raises(BadKey, match="id of 16 and a salt of 32 bytes"):
        page_key(DAY, bytes(page_id), bytes(salt))


@given(st.binary(max_size=3 * BUCKET) | st.builds(bytes, st.integers(0, MAX)))
@example(b"")
@example(bytes(BUCKET))
@example(bytes(BUCKET + 1))
def test_packing_comes_back(plaintext: bytes) -> None:
    codec, packed = pack(plaintext, BUCKET)
    assert packed
    assert len(packed) % BUCKET == 0
    assert unpack(packed, codec, len(plaintext), BUCKET, MAX) == plaintext


@given(st.binary(max_size=BUCKET))
def test_what_fits_one_bucket_is_one_bucket_whatever_it_says(plaintext: bytes) -> None:
    assert pack(plaintext, BUCKET) == (CODEC_NONE, plaintext + bytes(BUCKET - len(plaintext)))


def test_compression_that_saves_no_bucket_is_not_used() -> None:
    noise = SeededEntropy(b"noise").random_bytes(3 * BUCKET)
    assert pack(noise, BUCKET) == (CODEC_NONE, noise)
    codec, packed = pack(bytes(3 * BUCKET), BUCKET)
    assert (codec, len(packed)) == (CODEC_ZLIB, BUCKET)


PLAIN = bytes(range(250)) * 8
CODEC, PACKED = pack(PLAIN, BUCKET)
STREAM = zlib.compress(PLAIN, 6)
FILL = bytes(-len(STREAM) % BUCKET)


@pytest.mark.parametrize(
    ("packed", "codec", "plain_len", "trouble"),
    [
        (PACKED, CODEC_ZLIB, len(PLAIN) - 1, "does not end|shorter|padding"),
        (PACKED, CODEC_ZLIB, len(PLAIN) + 1, "shorter"),
        (PACKED, CODEC_ZLIB, 0, "does not end|shorter"),
        (PACKED[:-1] + b"\x01", CODEC_ZLIB, len(PLAIN), "padding"),
        (PACKED + bytes(BUCKET), CODEC_ZLIB, len(PLAIN), "padding"),
        (STREAM, CODEC_ZLIB, len(PLAIN), "padding"),
        (STREAM[:-1], CODEC_ZLIB, len(PLAIN), "does not end"),
        (STREAM[:-5], CODEC_ZLIB, len(PLAIN), "does not end"),
        (STREAM + STREAM + FILL, CODEC_ZLIB, len(PLAIN), "padding"),
        (b"\x00" * BUCKET, CODEC_ZLIB, 10, "damaged"),
        (b"", CODEC_ZLIB, 0, "does not end"),
        (b"", CODEC_NONE, 0, "padding"),
        (bytes(BUCKET), CODEC_NONE, BUCKET + 1, "shorter"),
        (b"\x01" + bytes(BUCKET - 1), CODEC_NONE, 0, "padding"),
        (bytes(2 * BUCKET), CODEC_NONE, 10, "padding"),
        (bytes(BUCKET - 1), CODEC_NONE, 10, "padding"),
        (bytes(BUCKET), 2, 10, "codec 2"),
        (bytes(BUCKET), CODEC_NONE, -1, "announces"),
        (bytes(BUCKET), CODEC_NONE, MAX + 1, "announces"),
    ],
)
def test_a_page_packed_otherwise_is_refused(
    packed: bytes, codec: int, plain_len: int, trouble: str
) -> None:
    assert CODEC == CODEC_ZLIB
    with pytest.raises(BadCiphertext, match=trouble):
        unpack(packed, codec, plain_len, BUCKET, MAX)


@given(st.binary(max_size=600), st.integers(0, 1), st.integers(0, 3 * BUCKET))
def test_any_bytes_are_opened_or_refused_in_a_sentence(
    packed: bytes, codec: int, plain_len: int
) -> None:
    try:
        plaintext = unpack(packed, codec, plain_len, BUCKET, MAX)
    except BadCiphertext:
        return
    assert len(plaintext) == plain_len
    assert len(packed) % BUCKET == 0


# To zlib, a limit of 0 means none at all: so 0 announced is tried too.
@pytest.mark.parametrize("plain_len", [0, 1_000, MAX])
def test_a_bomb_takes_no_more_memory_than_is_announced(plain_len: int) -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    bomb += bytes(-len(bomb) % BUCKET)
    tracemalloc.start()
    try:
        with pytest.raises(BadCiphertext, match="does not end"):
            unpack(bomb, CODEC_ZLIB, plain_len, BUCKET, MAX)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # zlib keeps a copy of the input that it did not come to.
    assert peak < 2 * (plain_len + len(bomb)) + 64 * 1024
