"""Backup streams: whole, in order, and libsodium's."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings as sodium

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext
from entrenous.crypto.keys import FileKey
from entrenous.crypto.stream import (
    CHUNK_BYTES,
    CHUNK_OVERHEAD_BYTES,
    HEADER_BYTES,
    decrypt_stream,
    encrypt_stream,
)

KEY = FileKey(bytes(range(32)))
BLOCK = CHUNK_BYTES + CHUNK_OVERHEAD_BYTES
FINAL = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
MESSAGE = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
LENGTHS = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 200_000]


def content(length: int) -> bytes:
    return SeededEntropy(b"content").random_bytes(length)


def encrypted(plaintext: bytes, key: FileKey = KEY) -> bytes:
    return b"".join(encrypt_stream(key, [plaintext], entropy=SeededEntropy(b"header")))


def decrypted(file: bytes, key: FileKey = KEY) -> bytes:
    return b"".join(decrypt_stream(key, [file]))


def by_libsodium(chunks: Iterable[tuple[bytes, int]]) -> bytes:
    """A stream written with the bare bindings, right or wrong."""
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    file = sodium.crypto_secretstream_xchacha20poly1305_init_push(state, KEY.secret_bytes())
    for chunk, tag in chunks:
        file += sodium.crypto_secretstream_xchacha20poly1305_push(state, chunk, None, tag)
    return file


FILE = encrypted(content(3 * CHUNK_BYTES + 100))
HEADER = FILE[:HEADER_BYTES]
BLOCKS = [FILE[start : start + BLOCK] for start in range(HEADER_BYTES, len(FILE), BLOCK)]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_file_comes_back(length: int) -> None:
    file = encrypted(content(length))
    chunks = max(1, -(-length // CHUNK_BYTES))
    assert len(file) == HEADER_BYTES + length + chunks * CHUNK_OVERHEAD_BYTES
    assert decrypted(file) == content(length)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 150_000), max_size=5), st.integers(900, 150_000))
def test_how_it_is_cut_into_pieces_does_not_matter(lengths: list[int], piece: int) -> None:
    plaintext = content(sum(lengths))
    ends = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    pieces = [plaintext[low:high] for low, high in zip(ends, ends[1:], strict=False)]  # noqa: RUF007 - ends may hold one value only
    file = b"".join(encrypt_stream(KEY, pieces, entropy=SeededEntropy(b"header")))
    assert file == encrypted(plaintext)
    cut = [file[start : start + piece] for start in range(0, len(file), piece)]
    assert b"".join(decrypt_stream(KEY, cut)) == plaintext


def test_a_header_in_single_bytes_is_read() -> None:
    file = encrypted(content(10))
    assert b"".join(decrypt_stream(KEY, [bytes([one]) for one in file])) == content(10)


@pytest.mark.parametrize("length", LENGTHS)
def test_libsodium_reads_what_we_write(length: int) -> None:
    file, plaintext, tags = encrypted(content(length)), b"", list[int]()
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    header = file[:HEADER_BYTES]
    sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, header, KEY.secret_bytes())
    for start in range(HEADER_BYTES, len(file), BLOCK):
        block = file[start : start + BLOCK]
        chunk, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(state, block)
        plaintext += chunk
        tags.append(tag)
    assert plaintext == content(length)
    assert tags == [MESSAGE] * (len(tags) - 1) + [FINAL]


def test_we_read_what_libsodium_writes() -> None:
    full = content(CHUNK_BYTES)
    assert decrypted(by_libsodium([(full, MESSAGE), (b"end", FINAL)])) == full + b"end"


@pytest.mark.parametrize("kept", range(len(BLOCKS)))
def test_a_file_cut_between_chunks_is_refused(kept: int) -> None:
    with pytest.raises(BadCiphertext, match="cut off"):
        decrypted(HEADER + b"".join(BLOCKS[:kept]))


@given(st.integers(0, len(FILE) - 1))
def test_a_file_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(BadCiphertext, match=r"cut off|before it begins"):
        decrypted(FILE[:length])


@pytest.mark.parametrize(
    "order",
    [[1, 0, 2, 3], [0, 2, 1, 3], [0, 0, 1, 2, 3], [0, 1, 3], [1, 2, 3], [0, 1, 2, 3, 3], [3]],
)
def test_chunks_out_of_order_repeated_or_missing_are_refused(order: list[int]) -> None:
    with pytest.raises(BadCiphertext, match="altered or cut off"):
        decrypted(HEADER + b"".join(BLOCKS[i] for i in order))


@pytest.mark.parametrize("tail", [b"\x00", b"\x00" * 17, bytes(BLOCK), FILE])
@pytest.mark.parametrize("length", [100, CHUNK_BYTES])
def test_trailing_bytes_are_refused(tail: bytes, length: int) -> None:
    with pytest.raises(BadCiphertext):
        decrypted(encrypted(content(length)) + tail)


def test_what_goes_on_after_its_end_is_refused() -> None:
    full = content(CHUNK_BYTES)
    with pytest.raises(BadCiphertext, match="goes on after its end"):
        decrypted(by_libsodium([(full, FINAL), (b"more", FINAL)]))


def test_what_never_ends_is_refused() -> None:
    with pytest.raises(BadCiphertext, match="cut off"):
        decrypted(by_libsodium([(content(CHUNK_BYTES), MESSAGE), (b"end", MESSAGE)]))


def test_another_cutting_of_the_same_file_is_refused() -> None:
    with pytest.raises(BadCiphertext):
        decrypted(by_libsodium([(b"short", MESSAGE), (b"end", FINAL)]))


@given(st.integers(0, len(FILE) - 1), st.integers(0, 7))
@settings(max_examples=40)
def test_an_altered_file_is_refused(place: int, bit: int) -> None:
    altered = bytearray(FILE)
    altered[place] ^= 1 << bit
    with pytest.raises(BadCiphertext, match="altered"):
        decrypted(bytes(altered))


def test_another_key_is_refused() -> None:
    with pytest.raises(BadCiphertext, match="another key"):
        decrypted(FILE, FileKey(bytes(32)))


def test_a_seed_writes_the_same_file() -> None:
    assert encrypted(content(70_000)) == encrypted(content(70_000))
    other = b"".join(encrypt_stream(KEY, [content(70_000)], entropy=SeededEntropy(b"another")))
    assert other != encrypted(content(70_000))
