"""What the words on paper can make again: the backup key, and the next key of every persona.

A persona's inception names the digest of the key that will replace it.  The private half of that
key is derived from the recovery secret, so it is on no device that could be stolen; its digests
are made by `init`, 1,024 of list 0, so a new persona needs no words.

Source: formats.md, "Identity" and "Backup".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .digest import kdf, sha256
from .keys import BackupSecret, PersonaKey, ReaderSecret, RecoverySecret
from .labels import Derive


def backup_secret(secret: RecoverySecret) -> BackupSecret:
    """X25519 from `KDF(S, "backup")`; a node keeps its `.public` only."""
    return BackupSecret(kdf(secret.secret_bytes(), Derive.BACKUP))


def next_key(secret: RecoverySecret, list_no: int, i: int) -> PersonaKey:
    """`next_i`: the Ed25519 seed `KDF(S, "next", list, i)`."""
    return PersonaKey(kdf(secret.secret_bytes(), Derive.NEXT, list_no, i))


def next_digest(secret: RecoverySecret, list_no: int, i: int) -> bytes:
    """SHA-256 of the public half of `next_key`: what an inception names (32 bytes)."""
    return sha256(next_key(secret, list_no, i).public)


def key_after(secret: RecoverySecret, public: bytes) -> PersonaKey:
    """The key that follows a persona which followed another itself: `KDF(S, "next-after", public)`.

    `public` is that persona's.  It follows from nothing but the words and the line, so whichever
    device of a person leaves another behind, the line goes on with the same key.
    """
    return PersonaKey(kdf(secret.secret_bytes(), Derive.NEXT_AFTER, public))


def digest_after(secret: RecoverySecret, public: bytes) -> bytes:
    """SHA-256 of the public half of `key_after`: what the persona `public` promises."""
    return sha256(key_after(secret, public).public)


def reader_of_next(key: PersonaKey) -> ReaderSecret:
    """The reader key of a persona that followed another: `KDF(seed, "next-reader")`."""
    return ReaderSecret(kdf(key.secret_bytes(), Derive.NEXT_READER))


def half_key_of_next(key: PersonaKey, own: str, their: str) -> bytes:
    """The half key by which the key of the pair (`own`, `their`) is stepped to the persona of
    `key`: `KDF(seed, "next-half", own, their)`."""
    return kdf(key.secret_bytes(), Derive.NEXT_HALF, own, their)


def next_keys(
    secret: RecoverySecret, digests: Collection[bytes], lists: Iterable[int], size: int
) -> dict[bytes, PersonaKey]:
    """Of each of `digests` the key that it promises, as far as the first `size` of `lists` hold it;
    sought in their order, about 40 µs a key."""
    wanted, found = set(digests), dict[bytes, PersonaKey]()
    for list_no in lists:
        for i in range(size):
            if len(found) == len(wanted):
                return found
            key = next_key(secret, list_no, i)
            digest = sha256(key.public)
            if digest in wanted:
                found[digest] = key
    return found
