"""`did:key` for Ed25519: how personas and devices are named in text.

Source: https://w3c-ccg.github.io/did-method-key/
"""

from __future__ import annotations

from functools import lru_cache
from typing import NewType

from multiformats import multibase

from ..crypto.keys import KEY_BYTES
from .errors import WireError
from .limits import DID_CHARS_MAX

Did = NewType("Did", str)

_PREFIX = "did:key:"
# multicodec ed25519-pub (0xed) as a varint
_ED25519 = bytes((0xED, 0x01))


@lru_cache(maxsize=4096)
def did_of(public: bytes) -> Did:
    """The DID of a 32-byte Ed25519 public key."""
    if len(public) != KEY_BYTES:
        raise WireError(f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(public)}")
    return Did(_PREFIX + multibase.encode(_ED25519 + public, "base58btc"))


@lru_cache(maxsize=4096)
def public_of(did: str) -> bytes:
    """The 32-byte Ed25519 public key that `did` names.  Raises WireError for any other DID."""
    if len(did) > DID_CHARS_MAX or not did.startswith(_PREFIX + "z"):
        raise WireError("a DID here is did:key with an Ed25519 key")
    try:
        raw = multibase.decode(did[len(_PREFIX) :])
    except (ValueError, KeyError) as error:
        raise WireError("a did:key is not base58btc") from error
    if len(raw) != len(_ED25519) + KEY_BYTES or not raw.startswith(_ED25519):
        raise WireError("a DID here is did:key with an Ed25519 key")
    if did_of(raw[len(_ED25519) :]) != did:
        raise WireError("a did:key is not in its one canonical form")
    return raw[len(_ED25519) :]


def check_did(text: str) -> Did:
    """Return `text` as a DID, or raise WireError."""
    public_of(text)
    return Did(text)
