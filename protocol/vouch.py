"""Vouches: a person says to one peer that an organisation is who it seems.

A vouch `{v, by, about, to, t_ms}` is signed by the persona by which the asker knows the voucher,
when it is asked for, and names the asker.  So it proves nothing to a third party, and shows nobody
a second persona of the voucher's: it is a word between two who know each other.

A question names the organisation only by a digest, `KDF(nonce, "vouch-ask", did)`, with a nonce of
its own.  Whoever does not know the persona learns nothing from it but that something was asked;
whoever has a list of organisations can try each of them, and whoever vouches for it recognises it.

Source: docs/adr/0015-organisation-identity.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..crypto.digest import kdf
from ..crypto.keys import PersonaKey
from ..crypto.labels import Derive, Signed
from .did import Did, check_did, did_of, public_of
from .errors import CapabilityError, Code
from .limits import VOUCH_BYTES_MAX
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

ASK_NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Vouch:
    """`by` vouches, to `to`, for the organisation whose persona is `about`."""

    by: Did
    about: Did
    to: Did
    t_ms: int
    signed: SignedObject


def blinded(nonce: bytes, about: Did) -> bytes:
    """What a question says instead of the organisation's DID: 32 bytes."""
    return kdf(nonce, Derive.VOUCH_ASK, about)


def make_vouch(key: PersonaKey, *, about: Did, to: Did, t_ms: int) -> Vouch:
    """Sign, for `to`, that the persona of `key` vouches for `about`."""
    body: dict[str, Value] = {
        "v": VERSION,
        "by": did_of(key.public),
        "about": about,
        "to": to,
        "t_ms": t_ms,
    }
    return parse_vouch(sign(Signed.VOUCH, body, key).raw)


def parse_vouch(raw: bytes) -> Vouch:
    """Read a vouch and verify the signature of `by`.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.VOUCH, bytes_max=VOUCH_BYTES_MAX)
    body = Body.open(signed.body, "a vouch", ("v", "by", "about", "to", "t_ms"))
    by = check_did(body.text("by"))
    vouch = Vouch(
        by, check_did(body.text("about")), check_did(body.text("to")), body.integer("t_ms"), signed
    )
    signed.verify(public_of(by))
    return vouch


def check_vouch(vouch: Vouch, *, by: Did, about: Did, to: Did) -> None:
    """Accept that `vouch` answers our question.  Raises CapabilityError(audience)."""
    if (vouch.by, vouch.about, vouch.to) != (by, about, to):
        raise CapabilityError("a vouch is another one than was asked for", Code.AUDIENCE)
    if about == by:
        raise CapabilityError("nobody vouches for themselves", Code.AUDIENCE)
