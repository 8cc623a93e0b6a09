"""Signed objects: `["entrenous/1/<type>", body, sig…]`.

Signatures (Ed25519) and the CID are over `cb` of the first two elements, so a second signature
can be added without changing the name of what was signed.  A `SignedObject` has the right form;
it has been verified only once `verify` has returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..crypto.keys import SIGNATURE_BYTES, SigningKey, verify_signature
from ..crypto.labels import Signed, label
from .cid import cid_of
from .errors import WireError
from .limits import SIGNED_BYTES_MAX
from .wire import Value, decode, encode


def signing_bytes(kind: Signed, body: Mapping[str, Value]) -> bytes:
    """The bytes that are signed and named: `cb(["entrenous/1/<type>", body])`."""
    return encode([label(kind), body])


@dataclass(frozen=True, slots=True)
class SignedObject:
    """One signed object.  `raw` is its bytes as sent; `cid` is 36 bytes over the unsigned part."""

    kind: Signed
    body: Mapping[str, Value]
    signatures: tuple[bytes, ...]
    raw: bytes
    cid: bytes

    def verify(self, *publics: bytes) -> None:
        """Check each signature under the public key at the same place.  Raises BadSignature."""
        if len(publics) != len(self.signatures):
            raise WireError(f"a {self.kind.value} carries {len(self.signatures)} signatures")
        message = signing_bytes(self.kind, self.body)
        for public, signature in zip(publics, self.signatures, strict=True):
            verify_signature(public, message, signature)


def sign(kind: Signed, body: Mapping[str, Value], *keys: SigningKey) -> SignedObject:
    """Sign `body` with each of `keys`, in order."""
    message = signing_bytes(kind, body)
    return assemble(kind, body, *(key.sign(message) for key in keys))


def assemble(kind: Signed, body: Mapping[str, Value], *signatures: bytes) -> SignedObject:
    """Put signatures made elsewhere beside the body that they are over."""
    raw = encode([label(kind), body, *signatures])
    return SignedObject(kind, body, signatures, raw, cid_of(signing_bytes(kind, body)))


def parse(
    raw: bytes, kind: Signed, *, signatures: int = 1, bytes_max: int = SIGNED_BYTES_MAX
) -> SignedObject:
    """Read the form of a signed object.  Nothing is verified yet.  Raises WireError."""
    value = decode(raw, bytes_max=bytes_max)
    if not isinstance(value, list) or len(value) != 2 + signatures or value[0] != label(kind):
        raise WireError(f"this is not a {kind.value} with {signatures} signature(s)")
    body = value[1]
    if not isinstance(body, dict):
        raise WireError(f"the body of a {kind.value} is not a map")
    found: list[bytes] = []
    for signature in value[2:]:
        if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
            raise WireError(f"a signature of a {kind.value} is not {SIGNATURE_BYTES} bytes")
        found.append(signature)
    return SignedObject(kind, body, tuple(found), raw, cid_of(signing_bytes(kind, body)))
