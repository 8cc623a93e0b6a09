"""The envelope that every UCAN token travels in.

    [ signature, { "h": varsig, "ucan/<kind>@<version>": payload } ]

Exactly two elements, exactly two keys; the signature is over the canonical bytes of the map, by
the key that the payload's `iss` names; the CID is over the whole.  One varsig header is accepted:
Ed25519 over DAG-CBOR, which is what a `did:key` of ours can make.

This program speaks 1.0.0.  The release candidate, under which two other implementations published
their vectors, differs in nothing but the tag; a caller can ask for it by name, and only then is it
read, so that no token passes for one of another version.

Sources: UCAN 1.0.0, "Envelope"; Varsig 1.0 (github.com/ChainAgnostic/varsig).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ..crypto.errors import BadSignature
from ..crypto.keys import SIGNATURE_BYTES, SigningKey, verify_signature
from . import limits
from .did import Did, check_did, public_of
from .errors import CapabilityError, Code, WireError
from .wire import Link, Value, decode, encode

VERSION: Final = "1.0.0"
RELEASE_CANDIDATE: Final = "1.0.0-rc.1"
VERSIONS = (VERSION, RELEASE_CANDIDATE)

Kind: TypeAlias = Literal["dlg", "inv"]
_NAMES: Mapping[Kind, str] = {"dlg": "a delegation", "inv": "an invocation"}

# varsig (0x34), version 1, EdDSA (0xed01), Ed25519 (0xed01), SHA2-512 (0x13), DAG-CBOR (0x71)
VARSIG: Final = bytes((0x34, 0x01, 0xED, 0x01, 0xED, 0x01, 0x13, 0x71))
# The canonical head of [64 bytes, …]; what follows it and the signature is what was signed.
_HEAD: Final = bytes((0x82, 0x58, SIGNATURE_BYTES))
_SIGNED_FROM: Final = len(_HEAD) + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Payload:
    """The claims of a token, with typed access.  Every failure is a WireError with a sentence."""

    what: str
    claims: Mapping[str, Value]

    def text(self, name: str, chars_max: int) -> str:
        value = self.claims[name]
        if not isinstance(value, str) or len(value) > chars_max:
            raise WireError(f"{self.what}: {name} is not text of at most {chars_max} characters")
        return value

    def did(self, name: str) -> Did:
        return check_did(self.text(name, limits.DID_CHARS_MAX))

    def maybe_did(self, name: str) -> Did | None:
        return None if self.claims[name] is None else self.did(name)

    def time(self, name: str) -> int:
        """Seconds since 1970."""
        value = self.claims[name]
        if type(value) is not int or not 0 <= value <= limits.TIME_S_MAX:
            raise WireError(f"{self.what}: {name} is not a time in whole seconds since 1970")
        return value

    def maybe_time(self, name: str) -> int | None:
        """As `time`; None where the claim is absent or null."""
        return None if self.claims.get(name) is None else self.time(name)

    def optional_time(self, name: str) -> int | None:
        """As `time`; None where the claim is absent.  Null is refused: it has no meaning here."""
        return self.time(name) if name in self.claims else None

    def mapping(self, name: str) -> Mapping[str, Value]:
        value = self.claims[name]
        if not isinstance(value, dict):
            raise WireError(f"{self.what}: {name} is not a map")
        return value

    def nonce(self) -> bytes:
        value = self.claims["nonce"]
        if not isinstance(value, bytes) or len(value) > limits.TOKEN_NONCE_BYTES_MAX:
            raise WireError(
                f"{self.what}: the nonce is not at most {limits.TOKEN_NONCE_BYTES_MAX} bytes"
            )
        return value

    def command(self) -> str:
        command = self.text("cmd", limits.COMMAND_CHARS_MAX)
        check_command(command)
        return command

    def link(self, value: Value) -> bytes:
        if not isinstance(value, Link):
            raise WireError(f"{self.what} has something else where a link belongs")
        return value.cid


def check_command(command: str) -> None:
    """Raise WireError unless `command` is `/` or lower-case words, each after one slash."""
    if command == "/":
        return
    if not command.startswith("/") or command.endswith("/") or "//" in command:
        raise WireError("a command is words that each follow one slash")
    if command != command.lower() or not command.isprintable() or " " in command:
        raise WireError("a command is in lower case, without spaces")


def covers(wider: str, narrower: str) -> bool:
    """Whether command `wider` includes `narrower`, by whole words: `/crypto` not `/cryptocurrency`.

    `/` includes every command.
    """
    return wider in (narrower, "/") or narrower.startswith(wider + "/")


def seal(kind: Kind, claims: Mapping[str, Value], key: SigningKey) -> bytes:
    """Sign `claims` and return the token."""
    signed: Mapping[str, Value] = {"h": VARSIG, f"ucan/{kind}@{VERSION}": claims}
    body = encode(signed)
    return _HEAD + key.sign(body) + body


def open_envelope(
    raw: bytes,
    kind: Kind,
    required: Collection[str],
    optional: Collection[str],
    version: str,
) -> Payload:
    """Read the envelope of one token; the claims are exactly `required` and some of `optional`.

    The signature is *not* checked: `check_signature` does it, once `iss` has been read.
    Raises WireError, or CapabilityError with code `version`.
    """
    what = _NAMES[kind]
    envelope = decode(raw, bytes_max=limits.TOKEN_BYTES_MAX)
    if not isinstance(envelope, list) or len(envelope) != 2:
        raise WireError(f"{what} is a list of two elements, signature and payload")
    signature, signed = envelope
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise WireError(f"{what} has no Ed25519 signature")
    if not isinstance(signed, dict) or len(signed) != 2 or "h" not in signed:
        raise WireError(f"{what} is signed over a header and one payload")
    if signed["h"] != VARSIG:
        raise WireError(_other_header(what, signed["h"]))
    if (claims := signed.get(f"ucan/{kind}@{version}")) is None:
        _refuse_tag(kind, next(name for name in signed if name != "h"), version)
    if not isinstance(claims, dict):
        raise WireError(f"the payload of {what} is not a map")
    for name in required:
        if name not in claims:
            raise WireError(f"{what} lacks {name}")
    if len(claims) > len(required):
        for name in claims:
            if name not in required and name not in optional:
                raise WireError(f"{what} has a claim that is not known")
    return Payload(what, claims)


# Varsig headers that others write; after each comes how the payload is encoded.
_OTHER_HEADERS: Mapping[bytes, str] = {
    bytes.fromhex("3401ec01802412"): "ES256",
    bytes.fromhex("3401ec01812420"): "ES384",
    bytes.fromhex("3401ec01822413"): "ES512",
    bytes.fromhex("3401ec01e70112"): "ES256K",
    bytes.fromhex("3401ec01e7011b91c303"): "EIP-191",
    bytes.fromhex("34018524128002"): "RS256",
}


def _other_header(what: str, header: Value) -> str:
    wanted = f"{what} is not signed with Ed25519 over DAG-CBOR"
    if not isinstance(header, bytes):
        return wanted
    named = next((name for head, name in _OTHER_HEADERS.items() if header.startswith(head)), None)
    return wanted if named is None else f"{wanted} but with {named}, which is not spoken here"


def _refuse_tag(kind: Kind, tag: str, version: str) -> None:
    name, _, found = tag.partition("@")
    if name == f"ucan/{kind}" and found not in ("", version):
        raise CapabilityError(
            f"{_NAMES[kind]} is of another version of UCAN than {version}, which is spoken here",
            Code.VERSION,
        )
    raise WireError(f"this token is not {_NAMES[kind]}")


def check_signature(raw: bytes, iss: Did) -> None:
    """Check the signature of a token that `open_envelope` has read.  Raises CapabilityError.

    The canonical form has been required, so the signed bytes are the tail of `raw` as it came.
    """
    try:
        verify_signature(public_of(iss), raw[_SIGNED_FROM:], raw[len(_HEAD) : _SIGNED_FROM])
    except BadSignature:
        raise CapabilityError(
            "the signature of a token does not verify under its issuer's key", Code.MALFORMED
        ) from None
