"""Who somebody is, as others hear it: what `/card/put` and `/vouch/ask` say and answer.

Source: formats.md, "Commands".
"""

from __future__ import annotations

from dataclasses import dataclass

from .command_parts import digest_from_text, digest_text, recipient
from .did import Did
from .errors import WireError
from .limits import CARD_BYTES_MAX, VOUCH_BYTES_MAX
from .vouch import ASK_NONCE_BYTES
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class CardPutArgs:
    """`card` is the signed object."""

    to: Did
    card: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "card": self.card}


@dataclass(frozen=True, slots=True)
class VouchAskArgs:
    """`about` is the digest under `nonce` of a persona (`vouch.blinded`)."""

    to: Did
    nonce: bytes
    about: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "nonce": self.nonce, "about": digest_text(self.about)}


def card_put_args(body: Body) -> CardPutArgs:
    return CardPutArgs(recipient(body), body.data("card", bytes_max=CARD_BYTES_MAX))


def vouch_ask_args(body: Body) -> VouchAskArgs:
    return VouchAskArgs(
        recipient(body),
        body.data("nonce", length=ASK_NONCE_BYTES),
        digest_from_text(body.text("about")),
    )


def card_out(out: Value) -> int:
    if not isinstance(out, int) or isinstance(out, bool) or out < 1:
        raise WireError("an outcome is not the number of a card")
    return out


def vouch_out(out: Value) -> bytes:
    """A signed vouch, or empty for none."""
    if not isinstance(out, bytes) or len(out) > VOUCH_BYTES_MAX:
        raise WireError("an outcome is not a vouch")
    return out
