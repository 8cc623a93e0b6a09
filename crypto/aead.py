"""XChaCha20-Poly1305 with its random nonce in front: `nonce ‖ ciphertext ‖ tag`.

The 24-byte nonce is long enough to be drawn at random for every message under one key, so no
counter has to survive a crash or a restored backup.  Pages, rows at rest and keystores are all
this; what differs is the key and the associated data, which their own modules build.

Source: draft-irtf-cfrg-xchacha-03, by libsodium.
"""

from __future__ import annotations

import nacl.exceptions
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)

from .entropy import Entropy
from .errors import BadCiphertext

NONCE_BYTES = 24
TAG_BYTES = 16
OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES


def encrypt(key: bytes, plaintext: bytes, aad: bytes, *, entropy: Entropy) -> bytes:
    """`nonce ‖ ct`, 40 bytes longer than `plaintext`.  `key` has 32 bytes."""
    nonce = entropy.random_bytes(NONCE_BYTES)
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key)


def decrypt(key: bytes, sealed: bytes, aad: bytes, what: str) -> bytes:
    """The plaintext of `sealed`.

    Raises BadCiphertext, naming `what`, if a bit of `sealed`, `aad` or `key` differs.
    """
    if len(sealed) < OVERHEAD_BYTES:
        raise BadCiphertext(f"{what} is too short to be a ciphertext")
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, aad, nonce, key)
    except nacl.exceptions.CryptoError:
        raise BadCiphertext(f"{what} was altered, or is under another key") from None
