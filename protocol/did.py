"""`did:key` for Ed25519: how personas and devices are named in text.

Source: https://w3c-ccg.github.io/did-method-key/
"""

from __future__ import annotations

from functools import lru_cache
from typing import NewType

from ..crypto.keys import KEY_BYTES
from .errors import WireError
from .limits import DID_CHARS_MAX

Did = NewType("Did", str)

_PREFIX = "did:key:"
_ED25519 = bytes((0xED, 0x01))  # ed25519-pub in the multiformats table, as a varint
# Keys that others sign UCANs with, by the same table: refused, by name.
_OTHER_KEYS = {
    bytes((0xE7, 0x01)): "secp256k1",
    bytes((0x80, 0x24)): "P-256",
    bytes((0x81, 0x24)): "P-384",
    bytes((0x82, 0x24)): "P-521",
    bytes((0xEA, 0x01)): "BLS12-381",
    bytes((0xEB, 0x01)): "BLS12-381",
    bytes((0xEC, 0x01)): "X25519",
}
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUES = {character: value for value, character in enumerate(_BASE58)}


@lru_cache(maxsize=4096)
def did_of(public: bytes) -> Did:
    """The DID of a 32-byte Ed25519 public key."""
    if len(public) != KEY_BYTES:
        raise WireError(f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(public)}")
    return Did(f"{_PREFIX}z{_base58(_ED25519 + public)}")


@lru_cache(maxsize=4096)
def public_of(did: str) -> bytes:
    """The 32-byte Ed25519 public key that `did` names.  Raises WireError for any other DID."""
    if len(did) > DID_CHARS_MAX or not did.startswith(_PREFIX + "z"):
        raise WireError("a DID here is did:key with an Ed25519 key")
    raw = _from_base58(did[len(_PREFIX) + 1 :])
    if len(raw) != len(_ED25519) + KEY_BYTES or not raw.startswith(_ED25519):
        kind = _OTHER_KEYS.get(raw[:2])
        named = f"this did:key names a {kind} key: " if kind else ""
        raise WireError(f"{named}a DID here is did:key with an Ed25519 key")
    if did_of(raw[len(_ED25519) :]) != did:
        raise WireError("a did:key is not in its one canonical form")
    return raw[len(_ED25519) :]


def check_did(text: str) -> Did:
    """Return `text` as a DID, or raise WireError."""
    public_of(text)
    return Did(text)


# Base58 over big integers: `multiformats` takes 0.3 ms for one DID, and a chain names six.  Leading
# zero bytes need no care: what is encoded here begins with the multicodec.


def _base58(data: bytes) -> str:
    number, characters = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        characters = _BASE58[digit] + characters
    return characters


def _from_base58(text: str) -> bytes:
    number = 0
    for character in text:
        value = _BASE58_VALUES.get(character)
        if value is None:
            raise WireError("a did:key is not base58btc")
        number = number * 58 + value
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
