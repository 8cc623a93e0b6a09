"""A small secret file under a passphrase, or under a key file.

    magic ‖ kind u8 ‖ passes u32be ‖ memory_kib u32be ‖ lanes u8 ‖ salt 16 ‖ nonce 24 ‖ ct

- **passphrase** (kind 1): Argon2id of passphrase and salt gives the key.  Its cost stands in the
  header, so that it can rise with the years, and is bounded when read: a file from elsewhere must
  not choose how much memory we take.
- **key file** (kind 2): 32 random bytes kept apart give the key.  They need no stretching; the
  three cost fields are zero.

The whole header is associated data.  A wrong passphrase and an altered file cannot be told apart,
and the error says so.

Source: RFC 9106 (Argon2id, by libsodium, which has one lane); formats.md, "Identity".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import nacl.exceptions
from nacl.bindings import (
    crypto_pwhash_alg,
    crypto_pwhash_ALG_ARGON2ID13,
    crypto_pwhash_SALTBYTES,
)

from . import aead
from .digest import kdf
from .entropy import Entropy
from .errors import BadCiphertext, CryptoError, WrongPassphrase
from .keys import KEY_BYTES, Secret
from .labels import Derive, Tag, label

_MAGIC = label(Tag.KEYSTORE).encode() + b"\n"
_KIND_PASSPHRASE = 1
_KIND_KEY_FILE = 2
_FIELDS = struct.Struct(f">BIIB{crypto_pwhash_SALTBYTES}s")
_HEADER_BYTES = len(_MAGIC) + _FIELDS.size

# A phone-sized machine must open what a server wrote; 64 GiB from a forged header must not be
# tried.  Four times our own cost in memory, and passes that end within seconds.
MEMORY_KIB_MAX = 256 * 1024
PASSES_MAX = 12
# libsodium's own floor.
MEMORY_KIB_MIN = 8
# A keystore holds a few hundred keys of 32 bytes.
SEALED_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess costs: `passes` over `memory_kib` KiB.  Raises BadCiphertext out of bounds."""

    passes: int
    memory_kib: int

    def __post_init__(self) -> None:
        if not 1 <= self.passes <= PASSES_MAX or not (
            MEMORY_KIB_MIN <= self.memory_kib <= MEMORY_KIB_MAX
        ):
            raise BadCiphertext(
                f"the file asks for {self.passes} passes over {self.memory_kib} KiB to try a "
                f"passphrase; at most {PASSES_MAX} over {MEMORY_KIB_MAX} KiB are allowed"
            )


COST = Cost(passes=3, memory_kib=64 * 1024)


class KeyFileSecret(Secret):
    """The content of a key file: 32 random bytes, kept apart from what they open."""

    role = "key-file"


def seal_with_passphrase(
    passphrase: bytes, plaintext: bytes, *, entropy: Entropy, cost: Cost = COST
) -> bytes:
    """The file that only `passphrase` opens.  Takes about 0.1 s and 64 MiB at `COST`."""
    salt = entropy.random_bytes(crypto_pwhash_SALTBYTES)
    header = _MAGIC + _FIELDS.pack(_KIND_PASSPHRASE, cost.passes, cost.memory_kib, 1, salt)
    key = _stretch(passphrase, salt, cost)
    return header + aead.encrypt(key, plaintext, header, entropy=entropy)


def open_with_passphrase(passphrase: bytes, blob: bytes) -> bytes:
    """The plaintext of a passphrase file.

    Raises BadCiphertext if it is no such file or asks for a cost out of bounds (before any memory
    is taken), WrongPassphrase if it does not open.
    """
    header, cost, salt = _parse(blob, _KIND_PASSPHRASE)
    try:
        return aead.decrypt(_stretch(passphrase, salt, cost), blob[_HEADER_BYTES:], header, "it")
    except BadCiphertext:
        raise WrongPassphrase(
            "the passphrase does not open this file, or the file was altered"
        ) from None


def seal_with_key_file(key: KeyFileSecret, plaintext: bytes, *, entropy: Entropy) -> bytes:
    """The file that only `key` opens."""
    salt = entropy.random_bytes(crypto_pwhash_SALTBYTES)
    header = _MAGIC + _FIELDS.pack(_KIND_KEY_FILE, 0, 0, 0, salt)
    return header + aead.encrypt(_file_key(key, salt), plaintext, header, entropy=entropy)


def open_with_key_file(key: KeyFileSecret, blob: bytes) -> bytes:
    """The plaintext of a key-file file.

    Raises BadCiphertext if it is no such file, WrongPassphrase if `key` does not open it.
    """
    header, _, salt = _parse(blob, _KIND_KEY_FILE)
    try:
        return aead.decrypt(_file_key(key, salt), blob[_HEADER_BYTES:], header, "it")
    except BadCiphertext:
        raise WrongPassphrase(
            "the key file does not open this file, or the file was altered"
        ) from None


def needs_key_file(blob: bytes) -> bool:
    """Whether `blob` opens with a key file and not with a passphrase.  Raises BadCiphertext."""
    return _kind(blob) == _KIND_KEY_FILE


def _kind(blob: bytes) -> int:
    if not blob.startswith(_MAGIC) or len(blob) < _HEADER_BYTES + aead.OVERHEAD_BYTES:
        raise BadCiphertext("this is not a keystore file of this version")
    if len(blob) > SEALED_BYTES_MAX:
        raise BadCiphertext(f"a keystore file has at most {SEALED_BYTES_MAX} bytes")
    kind = blob[len(_MAGIC)]
    if kind not in (_KIND_PASSPHRASE, _KIND_KEY_FILE):
        raise BadCiphertext(f"this keystore is of kind {kind}, which this version does not know")
    return kind


def _parse(blob: bytes, wanted: int) -> tuple[bytes, Cost, bytes]:
    """`(header, cost, salt)`; a key file's cost is `COST`, and unused."""
    if _kind(blob) != wanted:
        other = "a passphrase" if wanted == _KIND_KEY_FILE else "a key file"
        raise BadCiphertext(f"this file opens with {other}")
    header = blob[:_HEADER_BYTES]
    _, passes, memory_kib, lanes, salt = _FIELDS.unpack(header[len(_MAGIC) :])
    if wanted == _KIND_KEY_FILE:
        if passes or memory_kib or lanes:
            raise BadCiphertext("this keystore names a cost that its kind does not have")
        return header, COST, salt
    if lanes != 1:
        raise BadCiphertext(f"this keystore asks for {lanes} lanes; 1 is supported")
    return header, Cost(passes, memory_kib), salt


def _stretch(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    try:
        return crypto_pwhash_alg(
            KEY_BYTES,
            passphrase,
            salt,
            cost.passes,
            cost.memory_kib * 1024,
            crypto_pwhash_ALG_ARGON2ID13,
        )
    except nacl.exceptions.CryptoError:
        raise CryptoError(
            f"there is not enough memory to try a passphrase ({cost.memory_kib} KiB)"
        ) from None


def _file_key(key: KeyFileSecret, salt: bytes) -> bytes:
    return kdf(key.secret_bytes(), Derive.KEY_FILE, salt)
