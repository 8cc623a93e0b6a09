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

    @property
    def message(self) -> bytes:
        """The bytes that are signed and named: `signing_bytes`, cut out of `raw`."""
        return _message(self.raw, len(self.signatures))

    def verify(self, *publics: bytes) -> None:
        """Check each signature under the public key at the same place.  Raises BadSignature."""
        if len(publics) != len(self.signatures):
            raise WireError(f"a {self.kind.value} carries {len(self.signatures)} signatures")
        message = self.message
        for public, signature in zip(publics, self.signatures, strict=True):
            verify_signature(public, message, signature)


def sign(kind: Signed, body: Mapping[str, Value], *keys: SigningKey) -> SignedObject:
    """Sign `body` with each of `keys`, in order."""
    message = signing_bytes(kind, body)
    return _assembled(kind, body, message, tuple(key.sign(message) for key in keys))


def assemble(kind: Signed, body: Mapping[str, Value], *signatures: bytes) -> SignedObject:
    """Put signatures made elsewhere beside the body that they are over."""
    return _assembled(kind, body, signing_bytes(kind, body), signatures)


def countersigned(signed: SignedObject, signature: bytes) -> SignedObject:
    """The same object with one more signature at its end."""
    signatures = (*signed.signatures, signature)
    return _assembled(signed.kind, signed.body, signed.message, signatures)


def parse(
    raw: bytes,
    kind: Signed,
    *,
    signatures: int = 1,
    signatures_max: int | None = None,
    bytes_max: int = SIGNED_BYTES_MAX,
) -> SignedObject:
    """Read the form of a signed object.  Nothing is verified yet.  Raises WireError.

    It has `signatures`, or up to `signatures_max` where that is given.
    """
    value = decode(raw, bytes_max=bytes_max)
    most = signatures if signatures_max is None else signatures_max
    if (
        not isinstance(value, list)
        or not 2 + signatures <= len(value) <= 2 + most
        or value[0] != label(kind)
    ):
        raise WireError(f"this is not a {kind.value} with {signatures} signature(s)")
    body = value[1]
    if not isinstance(body, dict):
        raise WireError(f"the body of a {kind.value} is not a map")
    found: list[bytes] = []
    for signature in value[2:]:
        if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
            raise WireError(f"a signature of a {kind.value} is not {SIGNATURE_BYTES} bytes")
        found.append(signature)
    return SignedObject(kind, body, tuple(found), raw, cid_of(_message(raw, len(found))))


# What is signed is all of the object but its signatures, under a shorter head.  The form is
# canonical, so both are cut and joined without encoding a body again: a signed object is made and
# read several times in every read of a page.

_LIST = 0x80
_UNSIGNED = bytes((_LIST | 2,))
_SIGNATURE = bytes((0x58, SIGNATURE_BYTES))


def _assembled(
    kind: Signed, body: Mapping[str, Value], message: bytes, signatures: tuple[bytes, ...]
) -> SignedObject:
    if any(len(signature) != SIGNATURE_BYTES for signature in signatures):
        raise WireError(f"a signature of a {kind.value} is not {SIGNATURE_BYTES} bytes")
    head = bytes((_LIST | (2 + len(signatures)),))
    tail = b"".join(_SIGNATURE + signature for signature in signatures)
    return SignedObject(kind, body, signatures, head + message[1:] + tail, cid_of(message))


def _message(raw: bytes, signatures: int) -> bytes:
    """`signing_bytes` of the object whose canonical bytes are `raw`."""
    end = len(raw) - signatures * (len(_SIGNATURE) + SIGNATURE_BYTES)
    return _UNSIGNED + raw[1:end]
