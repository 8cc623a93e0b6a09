"""Keys.  One type for each role, so that a key cannot be used for another's work.

A secret shows a fingerprint and nothing else: not in `repr`, not in `str`, not in a format string,
and it cannot be pickled.  Its bytes leave it by `.secret_bytes()`, a name that is easy to search
for.  Public keys are plain `bytes` values with their length checked at the edge.
"""

from __future__ import annotations

from typing import ClassVar, NoReturn, Self

import nacl.bindings
import nacl.exceptions

from .digest import blake2b128, equal
from .entropy import Entropy
from .errors import BadKey, BadSignature

KEY_BYTES = 32
SIGNATURE_BYTES = 64


class Secret:
    """32 secret bytes with a role.  Compare in constant time; shown as a fingerprint only."""

    __slots__ = ("_raw",)
    role: ClassVar[str] = "secret"

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise BadKey(f"a {self.role} key has {KEY_BYTES} bytes, not {len(raw)}")
        self._raw = bytes(raw)

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        return cls(entropy.random_bytes(KEY_BYTES))

    def secret_bytes(self) -> bytes:
        """The bytes themselves: to derive from or to seal, never to show."""
        return self._raw

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that tell two keys apart and reveal nothing else."""
        return blake2b128(b"entrenous/fingerprint" + self._raw).hex()[:8]

    def __repr__(self) -> str:
        return f"<{self.role} key {self.fingerprint()}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and equal(self._raw, other._raw)

    def __hash__(self) -> int:
        return hash((self.role, self.fingerprint()))

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {self.role} key is not pickled")


class VaultSecret(Secret):
    """`V_e`: the secret of one vault epoch, the root of every page key in it."""

    role = "vault"


class CollectionKey(Secret):
    """`C`: one collection in one generation."""

    role = "collection"


class NodeKey(Secret):
    """A node of the tree of days: opens every day below it."""

    role = "node"


class DayKey(Secret):
    """A leaf of the tree of days: opens the pages of one day."""

    role = "day"


class PageKey(Secret):
    """One page."""

    role = "page"


class RecoverySecret(Secret):
    """`S`: the words on paper.  Never stored on the node."""

    role = "recovery"


class StoreKey(Secret):
    """Seals the rows of one store at rest."""

    role = "store"


class IndexKey(Secret):
    """`K_idx`: blinds the tags of one store.  It never leaves it."""

    role = "index"


class LogKey(Secret):
    """`K_log`: blinds the leaves of one log."""

    role = "log"


class GrantKey(Secret):
    """`k_grant`: shared by the two sides of a grant; receipts are fingerprinted under it."""

    role = "grant"


class PairKey(Secret):
    """`k_pair`: shared by the two sides of a pairing."""

    role = "pair"


class FileKey(Secret):
    """Encrypts one backup file."""

    role = "file"


class SigningKey(Secret):
    """An Ed25519 seed.  Subclasses name who signs."""

    __slots__ = ("_expanded", "public")
    role = "signing"

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.public, self._expanded = nacl.bindings.crypto_sign_seed_keypair(self._raw)

    def sign(self, message: bytes) -> bytes:
        """A 64-byte Ed25519 signature (RFC 8032)."""
        return nacl.bindings.crypto_sign(message, self._expanded)[:SIGNATURE_BYTES]


class PersonaKey(SigningKey):
    """Signs for one relationship of a person, or for an organisation."""

    role = "persona"


class DeviceKey(SigningKey):
    """Signs for a device; also its identity on the network."""

    role = "device"


class ProgramKey(SigningKey):
    """Signs for a local program that may push records, and nothing else."""

    role = "program"


class LogSigningKey(SigningKey):
    """Signs the checkpoints of one log."""

    role = "log-signing"


class ReaderSecret(Secret):
    """An X25519 private key to which keysets and deliveries are sealed."""

    __slots__ = ("public",)
    role = "reader"

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.public = nacl.bindings.crypto_scalarmult_base(self._raw)


class BackupSecret(ReaderSecret):
    """The X25519 private key of backups: derived from the recovery secret, never stored."""

    role = "backup"


def verify_signature(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature: RFC 8032 without the cofactor, S below the order, key and R in
    their one spelling and not of small order.  Others must judge alike, so tests hold libsodium to
    each of these.

    Raises BadSignature, also for a key or signature of the wrong length.
    """
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise BadSignature("a signature or its key has the wrong length")
    try:
        nacl.bindings.crypto_sign_open(signature + message, public)
    except nacl.exceptions.BadSignatureError:
        raise BadSignature("the signature does not verify under the key it names") from None
