"""A place: where a device listens, as a link that opens nothing.

Two who are paired and have both lost their machines know neither each other's device nor where it
is.  Who they are they still know: each holds the inception of the other's persona, or what it
promised would follow.  So one of them says where it is, by eye or hand, and the other greets there
as ever.

    link: device key, addresses, expiry ──▸ dials ──▸ greets, as the persona that is known
                                        a certificate of the persona that is looked for, for
                                        the device that the transport proved      found
                                        anything else                             refused

Whoever reads the link learns a device key and addresses, as anybody does who is dialled; whoever
forges one is shown the certificate of whoever dials, and no more.

The link is that of an invite under another scheme, with zeros for the secret: it pairs with nobody.

Source: docs/adr/0030-meeting-again.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from .command import SECRET_BYTES
from .errors import WireError
from .limits import ADDRESSES_MAX
from .pairing import SCHEME, Invite, parse_link

PLACE_SCHEME = "entrenous-place:"
# Given to somebody who looks for one now; addresses change.
PLACE_LIFE_S = 86_400
_NO_SECRET = bytes(SECRET_BYTES)


def make_place(device: bytes, addresses: Sequence[str], now_ms: int) -> Invite:
    """Where the device of this 32-byte key listens, for a day."""
    exp_s = now_ms // 1000 + PLACE_LIFE_S
    return Invite(device, tuple(addresses[:ADDRESSES_MAX]), _NO_SECRET, exp_s)


def place_link(place: Invite) -> str:
    """The link that the other side is given."""
    return PLACE_SCHEME + place.link().removeprefix(SCHEME)


def parse_place(text: str) -> Invite:
    """Read a link, as pasted.  Raises WireError, VersionError."""
    text = text.strip()
    if text.startswith(SCHEME):
        raise WireError(
            "this link pairs with somebody new: to meet a peer again, ask it for the link that "
            "`entrenous meet` prints there"
        )
    if not text.startswith(PLACE_SCHEME):
        raise WireError(f"this does not say where a node is: that begins with {PLACE_SCHEME}")
    found = parse_link(SCHEME + text.removeprefix(PLACE_SCHEME))
    if found.secret != _NO_SECRET:
        raise WireError("this link is damaged: one that says where a node is has no secret")
    return found
