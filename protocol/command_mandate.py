"""Acting for another: what the commands `/mandate/…` say and answer.

Source: formats.md, "Commands".
"""

from __future__ import annotations

from dataclasses import dataclass

from .cid import CID_BYTES, cid_from_text, cid_text
from .command_parts import recipient
from .did import Did, check_did
from .errors import WireError
from .limits import (
    ACTED_BYTES_MAX,
    LINE_CHARS_MAX,
    MANDATE_CHAIN_MAX,
    MANDATE_INBOX_BYTES_MAX,
    SIGNED_BYTES_MAX,
    TEXT_CHARS_MAX,
    TOKEN_BYTES_MAX,
    WINDOWS_MAX,
)
from .request import Request, parse_request
from .window import Window, window_from_value
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class MandateAskArgs:
    """`proxy` is the signed object: as whom the sender would act, and where (`mandate`)."""

    to: Did
    proxy: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "proxy": self.proxy}


@dataclass(frozen=True, slots=True)
class MandatePutArgs:
    """A mandate, and before it those under which it was passed on, the principal's own first; as
    signed.  It goes to the proxy, and to where it holds."""

    to: Did
    mandates: tuple[bytes, ...]

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "mandates": list(self.mandates)}


@dataclass(frozen=True, slots=True)
class MandateEndArgs:
    """`end` is the signed object."""

    to: Did
    end: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "end": self.end}


@dataclass(frozen=True, slots=True)
class MandateNoticeArgs:
    """What was said in the recipient's name: the invocation, and the answer to it, as signed."""

    to: Did
    inv: bytes
    answer: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "inv": self.inv, "answer": self.answer}


@dataclass(frozen=True, slots=True)
class MandateOutcomeArgs:
    """What became of a request (CID) that the recipient made in another's name."""

    to: Did
    request: bytes
    granted: bool
    reason: str | None

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "request": cid_text(self.request),
            "granted": self.granted,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class MandateInboxArgs:
    """Which requests wait at the recipient that the sender may decide; `after` one: the next."""

    to: Did
    after: bytes | None

    def value(self) -> dict[str, Value]:
        after = None if self.after is None else cid_text(self.after)
        return {"v": VERSION, "to": self.to, "after": after}


@dataclass(frozen=True, slots=True)
class MandateDecideArgs:
    """`request` (CID), made by `peer` for `purpose`, is granted on `items` until `exp_s`; or with
    `exp_s` 0 refused, and then `items` are those of the request."""

    to: Did
    request: bytes
    peer: Did
    purpose: str
    items: tuple[Window, ...]
    exp_s: int
    reason: str | None

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "request": cid_text(self.request),
            "peer": self.peer,
            "purpose": self.purpose,
            "items": [item.value() for item in self.items],
            "exp": self.exp_s,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class MandateLendArgs:
    """A sub-delegation of a grant, as its bundle: to its reader, and to the owner of the data."""

    to: Did
    bundle: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "bundle": self.bundle}


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request that waits: its bytes, who made it, what that peer is called there, since when."""

    raw: bytes
    peer: Did
    name: str
    t_ms: int

    @property
    def request(self) -> Request:
        return parse_request(self.raw)

    def value(self) -> Value:
        return [self.raw, self.peer, self.name, self.t_ms]


@dataclass(frozen=True, slots=True)
class WaitingOut:
    """Requests that wait, the oldest first; `more` whether others come after them."""

    requests: tuple[WaitingRequest, ...]
    more: bool

    def value(self) -> Value:
        return {"requests": [one.value() for one in self.requests], "more": self.more}


def ask_args(body: Body) -> MandateAskArgs:
    return MandateAskArgs(recipient(body), body.data("proxy", bytes_max=TOKEN_BYTES_MAX))


def put_args(body: Body) -> MandatePutArgs:
    mandates: list[bytes] = []
    for mandate in body.items("mandates", items_max=MANDATE_CHAIN_MAX, items_min=1):
        if not isinstance(mandate, bytes) or len(mandate) > TOKEN_BYTES_MAX:
            raise WireError(f"{body.what}: mandates is not a list of mandates")
        mandates.append(mandate)
    return MandatePutArgs(recipient(body), tuple(mandates))


def end_args(body: Body) -> MandateEndArgs:
    return MandateEndArgs(recipient(body), body.data("end", bytes_max=TOKEN_BYTES_MAX))


def notice_args(body: Body) -> MandateNoticeArgs:
    inv = body.data("inv", bytes_max=ACTED_BYTES_MAX)
    return MandateNoticeArgs(recipient(body), inv, body.data("answer", bytes_max=TEXT_CHARS_MAX))


def outcome_args(body: Body) -> MandateOutcomeArgs:
    reason = body.maybe_text("reason", chars_max=TEXT_CHARS_MAX)
    return MandateOutcomeArgs(
        recipient(body), cid_from_text(body.text("request")), body.flag("granted"), reason
    )


def inbox_args(body: Body) -> MandateInboxArgs:
    after = body.maybe_text("after")
    return MandateInboxArgs(recipient(body), None if after is None else cid_from_text(after))


def decide_args(body: Body) -> MandateDecideArgs:
    return MandateDecideArgs(
        recipient(body),
        cid_from_text(body.text("request")),
        check_did(body.text("peer")),
        body.text("purpose", chars_max=LINE_CHARS_MAX, chars_min=1),
        tuple(
            window_from_value(item, body.what)
            for item in body.items("items", items_max=WINDOWS_MAX, items_min=1)
        ),
        body.integer("exp"),
        body.maybe_text("reason", chars_max=TEXT_CHARS_MAX),
    )


def lend_args(body: Body) -> MandateLendArgs:
    return MandateLendArgs(recipient(body), body.data("bundle", bytes_max=SIGNED_BYTES_MAX))


def decided_out(out: Value) -> bytes:
    """The CID of the grant, or empty for a refusal."""
    if not isinstance(out, bytes) or len(out) not in (0, CID_BYTES):
        raise WireError("an outcome is neither a grant nor a refusal")
    return out


def waiting_out(out: Value) -> WaitingOut:
    body = Body.open(out, "what waits", ("requests", "more"))
    requests: list[WaitingRequest] = []
    for item in body.items("requests", items_max=MANDATE_INBOX_BYTES_MAX // 128):
        match item:
            case [bytes(raw), str(peer), str(name), int(t_ms)] if (
                type(t_ms) is int and 0 < len(name) <= LINE_CHARS_MAX
            ):
                parse_request(raw)
                requests.append(WaitingRequest(raw, check_did(peer), name, t_ms))
            case _:
                raise WireError("a request that waits is not [request, peer, name, time]")
    return WaitingOut(tuple(requests), body.flag("more"))
