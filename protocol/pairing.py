"""Pairing: two nodes meet by a link that is used once.

    inviter                                            scanner
       │  link: device key, addresses, secret, expiry     │
       │ ───────────────── by eye or hand ──────────────> │
       │ <──── dials; the transport proves the device ─── │
       │ <──── /pair/open {secret, inception, cert, …} ── │   a new persona, if a person
       │  spends the secret, makes its own persona        │
       │ ───── answer {inception, cert, name, k} ───────> │
       both: k_pair

The secret buys exactly one pair.  The same scanner (the same inception) asking again gets the same
answer, because an answer can be lost; anyone else is told that the link was used.  What the link
does not do: prove who holds it.  Whoever reads it first is paired, and the name that comes with an
introduction is a claim; the person sees it before anything is granted.

Source: formats.md, "Pairing".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..crypto.digest import equal, kdf
from ..crypto.keys import KEY_BYTES, PairKey
from ..crypto.labels import Derive
from .address import check_addresses
from .command import SECRET_BYTES, PairAnswer, PairOpenArgs
from .did import Did, did_of
from .errors import CapabilityError, Code, GrantRefused, VersionError, WireError
from .limits import INVITE_S_MAX, LINK_CHARS_MAX
from .persona import Certificate, Inception, parse_certificate, parse_inception
from .wire import VERSION, Value, decode, encode

SCHEME = "entrenous:"


@dataclass(frozen=True, slots=True)
class Invite:
    """What a link says.  `device`: the inviter's 32-byte transport key; addresses: multiaddrs."""

    device: bytes
    addresses: tuple[str, ...]
    secret: bytes = field(repr=False)
    exp_s: int

    def link(self) -> str:
        """The link: text for a QR code.  Whoever reads it can use it: treat it as a secret."""
        value: list[Value] = [VERSION, self.device, list(self.addresses), self.secret, self.exp_s]
        return SCHEME + base64.urlsafe_b64encode(encode(value)).decode().rstrip("=")


def parse_link(text: str) -> Invite:
    """Read a link, as pasted or scanned.  Raises WireError, VersionError."""
    text = text.strip()
    if not text.startswith(SCHEME) or len(text) > LINK_CHARS_MAX:
        raise WireError(f"this is not an invite: a link begins with {SCHEME} and is one line")
    payload = text[len(SCHEME) :]
    try:
        raw = base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("this invite is damaged: it was not copied whole") from error
    try:
        value = decode(raw, bytes_max=LINK_CHARS_MAX)
    except WireError as error:
        raise WireError("this invite is damaged: it was not copied whole") from error
    match value:
        case [int(version), *_] if version != VERSION:
            raise VersionError(f"this invite is of version {version}, which is not spoken here")
        case [int(), bytes(device), list(addresses), bytes(secret), int(exp_s)] if (
            type(value[0]) is int
            and len(device) == KEY_BYTES
            and len(secret) == SECRET_BYTES
            and type(exp_s) is int
            and exp_s >= 0
        ):
            invite = Invite(
                device, check_addresses(addresses, "an invite", at_least=1), secret, exp_s
            )
        case _:
            raise WireError("this invite is damaged, or not an invite of entrenous")
    if invite.link() != text:
        raise WireError("this invite is damaged: it is not in its one canonical form")
    return invite


def check_invite(invite: Invite, now_ms: int) -> None:
    """Accept that a scanned invite is worth dialling.  Raises GrantRefused(expired, not-yet)."""
    if now_ms >= invite.exp_s * 1000:
        raise GrantRefused("this invite has expired: ask for a new one", Code.EXPIRED)
    if invite.exp_s * 1000 > now_ms + INVITE_S_MAX * 1000:
        raise GrantRefused(
            "this invite runs for longer than a week: one of the two clocks is wrong", Code.NOT_YET
        )


@dataclass(frozen=True, slots=True)
class Introduction:
    """The other side of a meeting, everything that it signed verified."""

    inception: Inception
    certificate: Certificate
    name: str
    k: bytes = field(repr=False)
    addresses: tuple[str, ...]


def introduction(
    said: PairOpenArgs | PairAnswer, *, device: bytes, now_ms: int, iss: Did | None = None
) -> Introduction:
    """Verify what the other side says of itself.

    `device` is the transport key that the stream proved; `iss` the signer of the invocation, for
    the scanner's side.  Raises WireError, BadSignature, CapabilityError.
    """
    inception = parse_inception(said.inception)
    certificate = parse_certificate(said.cert)
    if iss is not None and inception.did != iss:
        raise CapabilityError("a scanner introduces another persona than its own", Code.AUDIENCE)
    if certificate.persona != inception.did:
        raise CapabilityError("a certificate is of another persona", Code.AUDIENCE)
    certificate.check(now_ms, device)
    return Introduction(inception, certificate, said.name, said.k, said.addresses)


@dataclass(frozen=True, slots=True)
class OpenInvite:
    """An invite as the inviter keeps it.

    `spent_by` is the CID of the inception that used it, or None.
    """

    secret: bytes = field(repr=False)
    exp_s: int
    spent_by: bytes | None


def spend(invites: Sequence[OpenInvite], args: PairOpenArgs, now_ms: int) -> OpenInvite:
    """The invite that `args` opens: unspent, or spent by this same scanner (then: answer again).

    An answer again is given after expiry too: the pair exists.  Raises GrantRefused: unpaired for
    a secret that is not known, replay for one that another used, expired.
    """
    found = [invite for invite in invites if equal(invite.secret, args.secret)]
    if not found:
        raise GrantRefused("this invite is not known here, or was withdrawn", Code.UNPAIRED)
    invite = found[0]
    if invite.spent_by is not None:
        if invite.spent_by != parse_inception(args.inception).signed.cid:
            raise GrantRefused("this invite was already used, by someone else", Code.REPLAY)
        return invite
    if now_ms >= invite.exp_s * 1000:
        raise GrantRefused("this invite has expired: ask for a new one", Code.EXPIRED)
    return invite


def pair_key(
    secret: bytes,
    *,
    k_scanner: bytes,
    k_inviter: bytes,
    inception_scanner: bytes,
    inception_inviter: bytes,
) -> PairKey:
    """`KDF(secret, "pair", k_scanner, k_inviter, CID(inception_scanner), CID(inception_inviter))`.

    The inceptions are given by their 36-byte CIDs.
    """
    return PairKey(
        kdf(secret, Derive.PAIR, k_scanner, k_inviter, inception_scanner, inception_inviter)
    )


def device_did(invite: Invite) -> Did:
    """The DID of the device to dial: the `aud` of `/pair/open`."""
    return did_of(invite.device)
