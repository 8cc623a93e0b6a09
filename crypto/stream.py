"""A long file under one key: libsodium's secretstream in chunks of 64 KiB.

    header 24 ‖ chunk … chunk ‖ last chunk        each 17 bytes longer than its plaintext

Every chunk but the last carries exactly 64 KiB; the last carries the rest (none, only if the file
is empty) and the tag FINAL.  So there is one cutting of a file, and a reader notices chunks that
are missing, repeated, out of order, or added after the end.

Chunks are handed out as they are verified.  That the file is *whole* is known only when the
iterator ends: a restore writes beside, and moves into place afterwards.

Source: libsodium, crypto_secretstream_xchacha20poly1305; formats.md, "Backup".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import nacl.exceptions
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)

from .entropy import Entropy
from .errors import BadCiphertext
from .keys import FileKey

CHUNK_BYTES = 64 * 1024
HEADER_BYTES = crypto_secretstream_xchacha20poly1305_HEADERBYTES
CHUNK_OVERHEAD_BYTES = crypto_secretstream_xchacha20poly1305_ABYTES

_FINAL = crypto_secretstream_xchacha20poly1305_TAG_FINAL
_MESSAGE = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE


class Encrypting:
    """An encrypted file as it is made: `header`, what each `push` gives, what `end` gives."""

    def __init__(self, key: FileKey, *, entropy: Entropy) -> None:
        self.header = entropy.random_bytes(HEADER_BYTES)
        # libsodium's init_push draws the header itself.  init_pull leads to the same state from a
        # header that is given, so the randomness comes through our one door.
        self._state = _start(key, self.header)
        self._buffer = bytearray()

    def push(self, piece: bytes) -> bytes:
        """The chunks that `piece` completes.  A full one waits: it may turn out to be the last."""
        self._buffer += piece
        whole = max(len(self._buffer) - 1, 0) // CHUNK_BYTES * CHUNK_BYTES
        chunks = [
            self._chunk(bytes(self._buffer[start : start + CHUNK_BYTES]), _MESSAGE)
            for start in range(0, whole, CHUNK_BYTES)
        ]
        del self._buffer[:whole]
        return b"".join(chunks)

    def end(self) -> bytes:
        """The last chunk."""
        return self._chunk(bytes(self._buffer), _FINAL)

    def _chunk(self, chunk: bytes, tag: int) -> bytes:
        return crypto_secretstream_xchacha20poly1305_push(self._state, chunk, None, tag)


def encrypt_stream(key: FileKey, chunks: Iterable[bytes], *, entropy: Entropy) -> Iterator[bytes]:
    """The header, then the encrypted chunks.  `chunks` may be pieces of any size."""
    encrypting = Encrypting(key, entropy=entropy)
    yield encrypting.header
    for chunk in chunks:
        if out := encrypting.push(chunk):
            yield out
    yield encrypting.end()


def decrypt_stream(key: FileKey, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The plaintext chunks of an encrypted file, given as pieces of any size.

    Raises BadCiphertext, possibly after some chunks came, if anything was altered, cut off,
    repeated, put in another order or added.  Only the end of the iterator says that it was whole.
    """
    buffer = bytearray()
    source = iter(pieces)
    for piece in source:
        buffer += piece
        if len(buffer) >= HEADER_BYTES:
            break
    if len(buffer) < HEADER_BYTES:
        raise BadCiphertext("an encrypted file ends before it begins")
    state = _start(key, bytes(buffer[:HEADER_BYTES]))
    rest = _chain(bytes(buffer[HEADER_BYTES:]), source)
    for chunk, is_last in _cut(rest, CHUNK_BYTES + CHUNK_OVERHEAD_BYTES):
        if len(chunk) < CHUNK_OVERHEAD_BYTES:
            raise BadCiphertext("an encrypted file was cut off")
        try:
            plaintext, tag = crypto_secretstream_xchacha20poly1305_pull(state, chunk)
        except nacl.exceptions.CryptoError:
            raise BadCiphertext(
                "an encrypted file was altered or cut off, or is under another key"
            ) from None
        if is_last != (tag == _FINAL):
            trouble = "was cut off" if is_last else "goes on after its end"
            raise BadCiphertext(f"an encrypted file {trouble}")
        yield plaintext


def _start(key: FileKey, header: bytes) -> crypto_secretstream_xchacha20poly1305_state:
    state = crypto_secretstream_xchacha20poly1305_state()
    crypto_secretstream_xchacha20poly1305_init_pull(state, header, key.secret_bytes())
    return state


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _cut(pieces: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """`(chunk, is_last)`: chunks of `size` bytes, the last with what is left (1 … size, or none).

    A full chunk waits until more has come, since it may turn out to be the last.
    """
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) > size:
            whole = (len(buffer) - 1) // size * size
            for start in range(0, whole, size):
                yield bytes(buffer[start : start + size]), False
            del buffer[:whole]
    yield bytes(buffer), True
