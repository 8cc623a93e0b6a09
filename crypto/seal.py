"""HPKE, base mode: seal bytes to someone's X25519 key, with nobody's name on the outside.

    enc ‖ ct        enc: the ephemeral public key, 32 bytes; ct: ciphertext and 16-byte tag

One message for each ephemeral key, so only sequence number 0 of the RFC's context exists here.

Composed from primitives because libraries draw the ephemeral key themselves, and a world that
replays from its seed must draw it through `Entropy`.  Held to the RFC's published vectors, and to
`cryptography` as an oracle in both directions.

It does not say who sealed: keysets and statements carry signatures of their own inside.

Source: RFC 9180, suite DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
"""

from __future__ import annotations

import nacl.exceptions
from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)

from .digest import hmac_sha256
from .entropy import Entropy
from .errors import BadCiphertext, BadKey
from .keys import KEY_BYTES, ReaderSecret

ENC_BYTES = 32
TAG_BYTES = 16
OVERHEAD_BYTES = ENC_BYTES + TAG_BYTES
NONCE_BYTES = 12

_MODE_BASE = b"\x00"
_KEM_SUITE = b"KEM\x00\x20"
_HPKE_SUITE = b"HPKE\x00\x20\x00\x01\x00\x03"


def seal(
    recipient: bytes, info: bytes, plaintext: bytes, *, entropy: Entropy, aad: bytes = b""
) -> bytes:
    """Seal `plaintext` to the X25519 public key `recipient`: `enc ‖ ct`, 48 bytes longer.

    `info` and `aad` are not sent; opening needs the same.  Raises BadKey for a key of the wrong
    length or of small order.
    """
    if len(recipient) != KEY_BYTES:
        raise BadKey(f"a reader key has {KEY_BYTES} bytes, not {len(recipient)}")
    ephemeral = entropy.random_bytes(KEY_BYTES)
    enc = crypto_scalarmult_base(ephemeral)
    try:
        dh = crypto_scalarmult(ephemeral, recipient)
    except nacl.exceptions.RuntimeError:
        raise BadKey("this reader key is a point to which nothing can be sealed") from None
    key, nonce = _schedule(_decapsulated(dh, enc + recipient), info)
    return enc + crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key)


def open_sealed(secret: ReaderSecret, info: bytes, sealed: bytes, *, aad: bytes = b"") -> bytes:
    """The plaintext of `enc ‖ ct`.

    Raises BadCiphertext if it was altered, is for another key, or `info` or `aad` differ.
    """
    if len(sealed) < OVERHEAD_BYTES:
        raise BadCiphertext("a sealed message is too short")
    enc, ciphertext = sealed[:ENC_BYTES], sealed[ENC_BYTES:]
    try:
        dh = crypto_scalarmult(secret.secret_bytes(), enc)
        key, nonce = _schedule(_decapsulated(dh, enc + secret.public), info)
        return crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, aad, nonce, key)
    except nacl.exceptions.CryptoError:
        raise BadCiphertext("a sealed message was altered, or is for another key") from None


def _decapsulated(dh: bytes, kem_context: bytes) -> bytes:
    """ExtractAndExpand of the RFC's section 4.1: the 32-byte shared secret."""
    prk = _extract(_KEM_SUITE, b"", b"eae_prk", dh)
    return _expand(_KEM_SUITE, prk, b"shared_secret", kem_context, 32)


def _schedule(shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """KeySchedule of section 5.1 in base mode, without a PSK: (key, base nonce)."""
    info_hash = _extract(_HPKE_SUITE, b"", b"info_hash", info)
    context = _MODE_BASE + _PSK_ID_HASH + info_hash
    secret = _extract(_HPKE_SUITE, shared_secret, b"secret", b"")
    key = _expand(_HPKE_SUITE, secret, b"key", context, 32)
    return key, _expand(_HPKE_SUITE, secret, b"base_nonce", context, NONCE_BYTES)


def _extract(suite: bytes, salt: bytes, name: bytes, ikm: bytes) -> bytes:
    # HMAC pads its key with zeros, so the empty salt is the RFC's string of zeros.
    return hmac_sha256(salt, b"HPKE-v1" + suite + name + ikm)


def _expand(suite: bytes, prk: bytes, name: bytes, info: bytes, length: int) -> bytes:
    # Never more than one block of SHA-256, hence the single counter byte.
    message = length.to_bytes(2, "big") + b"HPKE-v1" + suite + name + info
    return hmac_sha256(prk, message + b"\x01")[:length]


# Without a PSK its id is empty, always.
_PSK_ID_HASH = _extract(_HPKE_SUITE, b"", b"psk_id_hash", b"")
