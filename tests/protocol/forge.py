"""Tokens that no honest program writes, well signed: the tools of the negative vectors.

The encoder here is not the project's: it writes CBOR in any form that it is told to, also in those
that DAG-CBOR forbids.  Signatures are over the bytes as they are written, so that nothing but the
fault itself can be the reason for a refusal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nacl import bindings

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.envelope import VARSIG

NOW_S = 1_800_000_000
SEEDS = {"alice": 1, "bob": 2, "carol": 3, "dave": 4, "erin": 5, "device": 9}
KEYS: Mapping[str, PersonaKey] = {name: PersonaKey(bytes([n]) * 32) for name, n in SEEDS.items()}
ALICE, BOB, CAROL, DAVE, ERIN, DEVICE = KEYS.values()
DLG, INV = "ucan/dlg@1.0.0", "ucan/inv@1.0.0"
NONCE = b"nonce of 12."


@dataclass(frozen=True, slots=True)
class Raw:
    """CBOR that stands as it is."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pairs:
    """A map in the order given, whatever that order is, with keys of any kind."""

    pairs: Sequence[tuple[Odd, Odd]]


@dataclass(frozen=True, slots=True)
class Tagged:
    tag: int
    value: Odd


Odd: TypeAlias = (
    "bool | int | str | bytes | Raw | Pairs | Tagged | Sequence[Odd] | Mapping[str, Odd] | None"
)


def head(major: int, number: int, width: int | None = None) -> bytes:
    """The head of an item; `width` in bytes (0, 1, 2, 4, 8) forces a longer form than is needed."""
    least = 0 if number < 24 else next(w for w in (1, 2, 4, 8) if number < 1 << 8 * w)
    width = least if width is None else width
    if width == 0:
        return bytes([major << 5 | number])
    return bytes([major << 5 | 23 + width.bit_length()]) + number.to_bytes(width, "big")


def cbor(value: Odd) -> bytes:
    """The canonical bytes of `value`, but for what stands in it as `Raw` or `Pairs`."""
    match value:
        case Raw(data):
            return data
        case Pairs(pairs):
            return head(5, len(pairs)) + b"".join(cbor(part) for pair in pairs for part in pair)
        case Tagged(tag, inner):
            return head(6, tag) + cbor(inner)
        case None | bool():
            return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case Mapping():
            return cbor(Pairs([(key, value[key]) for key in sorted(value, key=_order)]))
        case _:
            return head(4, len(value)) + b"".join(map(cbor, value))


def _order(key: str) -> tuple[int, bytes]:
    return len(key.encode()), key.encode()


def link(cid: bytes) -> Tagged:
    return Tagged(42, b"\x00" + cid)


def did(key: PersonaKey) -> Did:
    return did_of(key.public)


def body(claims: Odd, tag: str = DLG, varsig: Odd = VARSIG) -> bytes:
    """What is signed: header and payload, in canonical order."""
    return cbor({"h": varsig, tag: claims})


def token(signed: bytes, key: PersonaKey = ALICE) -> bytes:
    """The envelope around `signed`, as it should be."""
    return b"\x82\x58\x40" + key.sign(signed) + signed


def given(iss: PersonaKey = ALICE, aud: PersonaKey = BOB, /, **changed: Odd) -> dict[str, Odd]:
    """The claims of a delegation."""
    return {
        "iss": did(iss), "aud": did(aud), "sub": did(ALICE), "cmd": "/record/read", "pol": [],
        "nonce": NONCE, "exp": NOW_S + 60, **changed,
    }  # fmt: skip


def asked(
    iss: PersonaKey = ALICE, chain: Sequence[bytes] = (), /, **changed: Odd
) -> dict[str, Odd]:
    """The claims of an invocation under the tokens of `chain`."""
    return {
        "iss": did(iss), "aud": did(DEVICE), "sub": did(ALICE), "cmd": "/record/read",
        "args": {}, "prf": [link(cid_of(raw)) for raw in chain], "nonce": NONCE,
        "exp": NOW_S + 60, **changed,
    }  # fmt: skip


def without(claims: Mapping[str, Odd], name: str) -> dict[str, Odd]:
    return {key: value for key, value in claims.items() if key != name}


def dlg(iss: PersonaKey = ALICE, aud: PersonaKey = BOB, /, **changed: Odd) -> bytes:
    return token(body(given(iss, aud, **changed)), iss)


def inv(iss: PersonaKey = ALICE, chain: Sequence[bytes] = (), /, **changed: Odd) -> bytes:
    return token(body(asked(iss, chain, **changed), INV), iss)


# --- keys and signatures --------------------------------------------------------------------------

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19
# Points of small order: a signature under one is a signature under no secret at all.
IDENTITY = (1).to_bytes(32, "little")
ORDER_TWO = (PRIME - 1).to_bytes(32, "little")
ORDER_FOUR = bytes(32)
ORDER_EIGHT = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
# The identity again, as a number that is not below the prime.
IDENTITY_UNREDUCED = (PRIME + 1).to_bytes(32, "little")


def malleable(signature: bytes) -> bytes:
    """The same signature with S + L for S: verifies wherever S is not required to be reduced."""
    s = int.from_bytes(signature[32:], "little") + ORDER
    return signature[:32] + s.to_bytes(32, "little")


def _scalar(*parts: bytes) -> bytes:
    """SHA-512 of the parts modulo the order: the `k` of a signature, or a secret of these tests."""
    return bindings.crypto_core_ed25519_scalar_reduce(hashlib.sha512(b"".join(parts)).digest())


@dataclass(frozen=True, slots=True)
class BareKey:
    """An Ed25519 key by its scalar, which signs in ways that no honest program signs.

    `added` is a point of small order that is added to its public key: with one, what the key signs
    holds up to that point, and without it only where `k` happens to cancel it.
    """

    secret: bytes
    added: bytes = IDENTITY

    @property
    def public(self) -> bytes:
        sound = bindings.crypto_scalarmult_ed25519_base_noclamp(self.secret)
        return bindings.crypto_core_ed25519_add(sound, self.added)

    def sign(self, message: bytes, *, nonce: bytes = b"") -> bytes:
        """Another nonce is another signature: both are sound if the key is."""
        r = _scalar(self.secret, nonce, message)
        return self._with(r, bindings.crypto_scalarmult_ed25519_base_noclamp(r), message)

    def sign_with(self, point: bytes, message: bytes) -> bytes:
        """With a point of small order as R, in any spelling of it: r is zero."""
        return self._with(bytes(32), point, message)

    def sign_added(self, point: bytes, message: bytes) -> bytes:
        """With a point of small order added to R: holds up to that point."""
        r = _scalar(self.secret, message)
        sound = bindings.crypto_scalarmult_ed25519_base_noclamp(r)
        return self._with(r, bindings.crypto_core_ed25519_add(sound, point), message)

    def multiplier(self, signature: bytes, message: bytes) -> int:
        """`k`, which multiplies the public key where a signature is verified."""
        return int.from_bytes(_scalar(signature[:32], self.public, message), "little")

    def drawn(self, message: bytes, *, cancels: bool) -> bytes:
        """A signature whose `k` cancels what was added to the key, or one whose `k` does not."""
        return next(
            found
            for found in self._drawn(message)
            if (self.multiplier(found, message) % 8 == 0) is cancels
        )

    def _drawn(self, message: bytes) -> Iterator[bytes]:
        for n in range(256):
            yield self.sign(message, nonce=bytes([n]))

    def _with(self, r: bytes, point: bytes, message: bytes) -> bytes:
        k = _scalar(point, self.public, message)
        product = bindings.crypto_core_ed25519_scalar_mul(k, self.secret)
        return point + bindings.crypto_core_ed25519_scalar_add(r, product)


HONEST_BARE = BareKey(_scalar(b"an honest key, by its scalar"))
MIXED_BARE = BareKey(_scalar(b"a key of mixed order"), ORDER_EIGHT)
# No multiple of anything known: y is 3, written as 3 + p.
POINT_UNREDUCED = (PRIME + 3).to_bytes(32, "little")


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58_did(multikey: bytes) -> str:
    """did:key of any kind of key."""
    number, text = int.from_bytes(multikey, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "did:key:z" + text


def raw_did(public: bytes) -> str:
    return base58_did(b"\xed\x01" + public)
