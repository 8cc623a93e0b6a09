"""Rows of the local store, sealed under its own key.

A row is bound to its place (table, tag, …) by the associated data its caller gives, so rows that
are swapped on disk do not open.  The store key never leaves the node, and no other use shares it.

Source: formats.md, "At rest".
"""

from __future__ import annotations

from . import aead
from .canonical import encode
from .entropy import Entropy
from .keys import StoreKey
from .labels import Tag, label

OVERHEAD_BYTES = aead.OVERHEAD_BYTES
_LABEL = label(Tag.AT_REST)


def seal_row(key: StoreKey, aad: bytes, plaintext: bytes, *, entropy: Entropy) -> bytes:
    """`nonce ‖ ct`, 40 bytes longer than `plaintext`; `aad` names the place of the row."""
    return aead.encrypt(key.secret_bytes(), plaintext, encode([_LABEL, aad]), entropy=entropy)


def open_row(key: StoreKey, aad: bytes, sealed: bytes) -> bytes:
    """The plaintext of a row.

    Raises BadCiphertext if the row was altered, moved to another place or is of another store.
    """
    return aead.decrypt(key.secret_bytes(), sealed, encode([_LABEL, aad]), "a row of the store")
