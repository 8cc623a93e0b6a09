"""Personas: who a peer is, which key to seal to, and which devices serve for it.

A **persona** is an Ed25519 key by which one relationship knows a person.  Four signed objects say
all there is to say about one:

- its **inception** names the DID, the first reader key, and the digest of the key that will
  replace it: a promise made before anything was stolen;
- a **reader key** replaces the X25519 key that others seal to; the highest `n` wins;
- a **succession** is signed by the *new* key, whose digest the inception already named, so a
  thief of the old key cannot make one;
- a **certificate** says, for at most 30 days, that a device serves for the persona.

Parsing verifies the signature: there is no object of these types that its persona did not sign.
What they do *not* say is who stands behind the persona: that is the pairing's business.

Source: formats.md, "Identity".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..crypto.digest import equal, sha256
from ..crypto.keys import KEY_BYTES, DeviceKey, PersonaKey
from ..crypto.labels import Signed
from .did import Did, check_did, did_of, public_of
from .envelope import check_command, covers
from .errors import CapabilityError, Code, LocalProtocolError, WireError
from .limits import (
    CERTIFICATE_S_MAX,
    CLOCK_SKEW_S_MAX,
    COMMAND_CHARS_MAX,
    COMMANDS_MAX,
)
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class Inception:
    """The first word of a persona, given at pairing.

    `reader_key` is its X25519 public key number 0; `next_digest` the SHA-256 of the public key
    that alone may succeed it.
    """

    did: Did
    reader_key: bytes
    next_digest: bytes
    signed: SignedObject


def make_inception(key: PersonaKey, *, reader_key: bytes, next_digest: bytes) -> Inception:
    """Sign the inception of the persona `key`."""
    return parse_inception(
        sign(
            Signed.INCEPTION,
            {
                "v": VERSION,
                "did": did_of(key.public),
                "reader_key": reader_key,
                "next": next_digest,
            },
            key,
        ).raw
    )


def parse_inception(raw: bytes) -> Inception:
    """Read and verify an inception.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.INCEPTION)
    body = Body.open(signed.body, "an inception", ("v", "did", "reader_key", "next"))
    did = check_did(body.text("did"))
    inception = Inception(
        did,
        body.data("reader_key", length=KEY_BYTES),
        body.data("next", length=KEY_BYTES),
        signed,
    )
    signed.verify(public_of(did))
    return inception


@dataclass(frozen=True, slots=True)
class ReaderKey:
    """A later key to seal to; `n` counts up from the inception's 0."""

    did: Did
    key: bytes
    n: int
    signed: SignedObject


def make_reader_key(persona: PersonaKey, *, key: bytes, n: int) -> ReaderKey:
    """Sign X25519 public key number `n` (1 or more) of `persona`."""
    body: dict[str, Value] = {"v": VERSION, "did": did_of(persona.public), "key": key, "n": n}
    return parse_reader_key(sign(Signed.READER_KEY, body, persona).raw)


def parse_reader_key(raw: bytes) -> ReaderKey:
    """Read and verify a reader key.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.READER_KEY)
    body = Body.open(signed.body, "a reader key", ("v", "did", "key", "n"))
    did = check_did(body.text("did"))
    reader_key = ReaderKey(
        did, body.data("key", length=KEY_BYTES), body.integer("n", low=1), signed
    )
    signed.verify(public_of(did))
    return reader_key


def current_reader_key(inception: Inception, later: Sequence[ReaderKey]) -> bytes:
    """The X25519 public key to seal to: the highest `n` that this persona signed.

    Two different keys with the highest `n` mean that the persona's devices disagree: WireError,
    because sealing to either may seal to a thief.
    """
    best, key = 0, inception.reader_key
    for candidate in later:
        if candidate.did != inception.did:
            raise WireError("a reader key is of another persona")
        if candidate.n == best and candidate.key != key:
            raise WireError(f"two different reader keys of one persona have the number {best}")
        if candidate.n > best:
            best, key = candidate.n, candidate.key
    return key


@dataclass(frozen=True, slots=True)
class Succession:
    """The persona `old` is now `new`."""

    old: Did
    new: Did
    signed: SignedObject


def make_succession(old: Did, new_key: PersonaKey) -> Succession:
    """Sign, with the next key that the recovery secret gives, that it replaces `old`."""
    body: dict[str, Value] = {"v": VERSION, "old": old, "new": did_of(new_key.public)}
    return parse_succession(sign(Signed.SUCCESSION, body, new_key).raw)


def parse_succession(raw: bytes) -> Succession:
    """Read a succession and verify the new key's signature.  Raises WireError, BadSignature.

    It means nothing yet: `check_succession` holds it against the digest that the old persona
    promised.
    """
    signed = parse(raw, Signed.SUCCESSION)
    body = Body.open(signed.body, "a succession", ("v", "old", "new"))
    succession = Succession(check_did(body.text("old")), check_did(body.text("new")), signed)
    signed.verify(public_of(succession.new))
    return succession


def check_succession(succession: Succession, old: Inception, new: Inception) -> None:
    """Accept that `new` replaces `old`.  Raises CapabilityError if `old` promised another key."""
    if succession.old != old.did or succession.new != new.did:
        raise CapabilityError("a succession is about another persona", Code.AUDIENCE)
    if not equal(sha256(public_of(new.did)), old.next_digest):
        raise CapabilityError(
            "a persona is said to be replaced by a key that it never promised", Code.AUDIENCE
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """`device` serves for `persona`, for the commands named, until `exp_s`."""

    persona: Did
    device: Did
    cmds: tuple[str, ...]
    exp_s: int
    signed: SignedObject

    def check(self, now_ms: int, device: bytes | None = None, command: str | None = None) -> None:
        """Hold the certificate against a time, a 32-byte device key and a command.

        `now_ms` is the present, or the `t_ms` of what the device signed.  Raises CapabilityError
        (expired, not-yet, audience, command).
        """
        if device is not None and public_of(self.device) != device:
            raise CapabilityError("a certificate is for another device", Code.AUDIENCE)
        if now_ms > self.exp_s * 1000:
            raise CapabilityError("a device's certificate has expired", Code.EXPIRED)
        if self.exp_s * 1000 - now_ms > (CERTIFICATE_S_MAX + CLOCK_SKEW_S_MAX) * 1000:
            raise CapabilityError(
                "a device's certificate runs for more than 30 days: too long, or from the future",
                Code.NOT_YET,
            )
        if command is not None and not any(covers(granted, command) for granted in self.cmds):
            raise CapabilityError(f"a device is not certified for {command}", Code.COMMAND)


def make_certificate(
    key: PersonaKey, *, device: DeviceKey | Did, cmds: Sequence[str], exp_s: int, now_ms: int
) -> Certificate:
    """Certify `device` for `cmds` until `exp_s`, at most 30 days after `now_ms`."""
    if not now_ms <= exp_s * 1000 <= now_ms + CERTIFICATE_S_MAX * 1000:
        raise LocalProtocolError("a certificate ends in the future, at most 30 days from now")
    did = did_of(device.public) if isinstance(device, DeviceKey) else device
    body: dict[str, Value] = {
        "v": VERSION,
        "persona": did_of(key.public),
        "device": did,
        "cmds": sorted(set(cmds)),
        "exp": exp_s,
    }
    return parse_certificate(sign(Signed.CERTIFICATE, body, key).raw)


def parse_certificate(raw: bytes) -> Certificate:
    """Read a certificate and verify its persona's signature.  Raises WireError, BadSignature.

    Whether it holds now, for this device, is `Certificate.check`.
    """
    signed = parse(raw, Signed.CERTIFICATE)
    body = Body.open(signed.body, "a certificate", ("v", "persona", "device", "cmds", "exp"))
    persona = check_did(body.text("persona"))
    device = check_did(body.text("device"))
    cmds: list[str] = []
    for cmd in body.items("cmds", items_max=COMMANDS_MAX, items_min=1):
        if not isinstance(cmd, str) or len(cmd) > COMMAND_CHARS_MAX:
            raise WireError("a certificate: cmds is not a list of commands")
        check_command(cmd)
        cmds.append(cmd)
    if cmds != sorted(set(cmds)):
        raise WireError("a certificate: cmds is not sorted, or names a command twice")
    certificate = Certificate(persona, device, tuple(cmds), body.integer("exp"), signed)
    signed.verify(public_of(persona))
    return certificate
