"""Grants, from the request to the revocation: what the commands `/grant/…` say and answer.

Source: formats.md, "Commands", "Grant".
"""

from __future__ import annotations

from dataclasses import dataclass

from .cid import cid_from_text, cid_text
from .command_parts import recipient
from .did import Did
from .errors import WireError
from .limits import KEYSET_BYTES_MAX, SIGNED_BYTES_MAX, STANDING_BYTES_MAX, TEXT_CHARS_MAX
from .request import Request, request_from_value
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class RequestArgs:
    to: Did
    request: Request

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "request": self.request.value()}


@dataclass(frozen=True, slots=True)
class DecideArgs:
    """`request` is the CID of the request; a bundle grants, its absence refuses."""

    to: Did
    request: bytes
    bundle: bytes | None
    reason: str | None

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "request": cid_text(self.request),
            "bundle": self.bundle,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class AcceptArgs:
    """`grant` is the CID of the delegation, `terms` that of its terms."""

    to: Did
    grant: bytes
    terms: bytes

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "grant": cid_text(self.grant),
            "terms": cid_text(self.terms),
        }


@dataclass(frozen=True, slots=True)
class DeclineArgs:
    """`grant` is the CID of a delegation whose terms the reader does not agree to."""

    to: Did
    grant: bytes
    reason: str | None

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "grant": cid_text(self.grant),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class StandingArgs:
    """Asks a person which of their standing terms they show to this peer."""

    to: Did

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to}


@dataclass(frozen=True, slots=True)
class KeysArgs:
    """`keyset` is the signed object."""

    to: Did
    keyset: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "keyset": self.keyset}


@dataclass(frozen=True, slots=True)
class RevokeArgs:
    """`revocation` is the signed object."""

    to: Did
    revocation: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "revocation": self.revocation}


def request_args(body: Body) -> RequestArgs:
    return RequestArgs(recipient(body), request_from_value(body.value("request")))


def decide_args(body: Body) -> DecideArgs:
    bundle = body.maybe_data("bundle", bytes_max=SIGNED_BYTES_MAX)
    reason = body.maybe_text("reason", chars_max=TEXT_CHARS_MAX)
    return DecideArgs(recipient(body), cid_from_text(body.text("request")), bundle, reason)


def accept_args(body: Body) -> AcceptArgs:
    return AcceptArgs(
        recipient(body), cid_from_text(body.text("grant")), cid_from_text(body.text("terms"))
    )


def decline_args(body: Body) -> DeclineArgs:
    reason = body.maybe_text("reason", chars_max=TEXT_CHARS_MAX)
    return DeclineArgs(recipient(body), cid_from_text(body.text("grant")), reason)


def standing_args(body: Body) -> StandingArgs:
    return StandingArgs(recipient(body))


def standing_out(out: Value) -> bytes:
    """The rules that are shown, as `cb` of their written form; empty for none."""
    if not isinstance(out, bytes) or len(out) > STANDING_BYTES_MAX:
        raise WireError("an outcome is not standing terms")
    return out


def keys_args(body: Body) -> KeysArgs:
    return KeysArgs(recipient(body), body.data("keyset", bytes_max=KEYSET_BYTES_MAX))


def revoke_args(body: Body) -> RevokeArgs:
    return RevokeArgs(recipient(body), body.data("revocation", bytes_max=SIGNED_BYTES_MAX))


def keyset_out(out: Value) -> bytes:
    if not isinstance(out, bytes) or len(out) > KEYSET_BYTES_MAX:
        raise WireError("an outcome is not a keyset")
    return out


def n_out(out: Value) -> int:
    if not isinstance(out, int) or isinstance(out, bool) or out < 0:
        raise WireError("an outcome is not the number of a keyset")
    return out
