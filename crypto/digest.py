"""Hashes and key derivation.  BLAKE2b where we choose, SHA-256 where a standard does."""

from __future__ import annotations

import hashlib
import hmac as _hmac

from .canonical import Value, encode
from .labels import PREFIX, Derive, Tag

DIGEST_BYTES = 32
SHORT_DIGEST_BYTES = 16


def blake2b256(data: bytes, *, key: bytes = b"") -> bytes:
    """BLAKE2b with a 32-byte output; keyed when `key` is given (RFC 7693)."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES, key=key).digest()


def blake2b128(data: bytes, *, key: bytes = b"") -> bytes:
    """BLAKE2b with a 16-byte output; keyed when `key` is given (RFC 7693)."""
    return hashlib.blake2b(data, digest_size=SHORT_DIGEST_BYTES, key=key).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class RunningSha256:
    """SHA-256 of what comes in pieces."""

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        return self._hash.digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104)."""
    return _hmac.digest(key, data, "sha256")


def equal(a: bytes, b: bytes) -> bool:
    """Compare two secrets in time that depends on their length only."""
    return _hmac.compare_digest(a, b)


def kdf(key: bytes, name: Derive, *parts: Value) -> bytes:
    """`KDF(K, label, …) = BLAKE2b-256(key=K, cb(["entrenous/1/" + label, …]))`: 32 bytes."""
    return blake2b256(encode([PREFIX + name.value, *parts]), key=key)


def tag128(key: bytes, name: Tag, *parts: Value) -> bytes:
    """A 16-byte blinded name: `BLAKE2b-128(key=K, cb(["entrenous/1/" + label, …]))`."""
    return blake2b128(encode([PREFIX + name.value, *parts]), key=key)
