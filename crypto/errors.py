"""Errors of the crypto floor, and the one root of every error that entrenous raises."""

from __future__ import annotations


class EntrenousError(Exception):
    """Root of all our errors.  The message is a sentence that a person can act on."""


class CryptoError(EntrenousError):
    """A key, signature, ciphertext or proof is not what it claims to be."""


class BadSignature(CryptoError):
    """A signature does not verify under the key that it names."""


class BadCiphertext(CryptoError):
    """A ciphertext, or the associated data beside it, was altered or is under another key."""


class BadKey(CryptoError):
    """Bytes offered as a key have the wrong length or are not a point of the curve."""


class BadProof(CryptoError):
    """A Merkle proof does not lead to the root that it is held against."""


class BadWords(CryptoError):
    """Recovery words are misspelt, incomplete, or not of this kind."""


class WrongPassphrase(CryptoError):
    """The passphrase does not open the keystore."""
