"""Commands: the table of what one node may ask of another, with the shape of each question.

Everything that crosses the network is an invocation of a command, answered by a receipt or an
answer.  A new feature is a new row here with its handler, never a new kind of message.

There are two sorts.  `/record/read` is *on another's data*: its authority is a chain of
delegations.  All others are *said in one's own name*: `iss = sub` is the sender's persona, `to`
the recipient's, and what allows them is that the two are paired and that the recipient has not
withdrawn the command.  `/pair/open` is the exception that makes a pair: its authority is the
secret of an invite.

In `args`, CIDs and digests are base32 text (formats.md, "Conventions"); the dataclasses here hold
bytes.

Source: formats.md, "Commands", "Pairing", "Grant".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from ..crypto.digest import DIGEST_BYTES
from ..crypto.keys import KEY_BYTES
from .address import check_addresses
from .cid import CID_BYTES, cid_from_text, cid_text
from .did import Did, check_did
from .errors import CapabilityError, Code, WireError
from .limits import (
    ACTED_BYTES_MAX,
    ADDRESSES_MAX,
    CARD_BYTES_MAX,
    DELIVERY_PARTS_MAX,
    KEYSET_BYTES_MAX,
    LINE_CHARS_MAX,
    MANDATE_CHAIN_MAX,
    MANDATE_INBOX_BYTES_MAX,
    PART_BYTES_MAX,
    SIGNED_BYTES_MAX,
    TEXT_CHARS_MAX,
    TOKEN_BYTES_MAX,
    VOUCH_BYTES_MAX,
    WINDOWS_MAX,
)
from .request import Request, parse_request, request_from_value
from .vouch import ASK_NONCE_BYTES
from .window import Window, window_from_value
from .wire import VERSION, Body, Value

SECRET_BYTES = 16
NONCE_BYTES_MIN = 12
NONCE_BYTES_MAX = 32


class Cmd(StrEnum):
    """Every command of this version."""

    READ = "/record/read"
    DELIVER = "/record/deliver"
    REQUEST = "/grant/request"
    DECIDE = "/grant/decide"
    ACCEPT = "/grant/accept"
    KEYS = "/grant/keys"
    REVOKE = "/grant/revoke"
    CARD_PUT = "/card/put"
    VOUCH_ASK = "/vouch/ask"
    MANDATE_ASK = "/mandate/ask"
    MANDATE_PUT = "/mandate/put"
    MANDATE_END = "/mandate/end"
    MANDATE_NOTICE = "/mandate/notice"
    MANDATE_OUTCOME = "/mandate/outcome"
    MANDATE_INBOX = "/mandate/inbox"
    MANDATE_DECIDE = "/mandate/decide"
    MANDATE_LEND = "/mandate/lend"
    PAIR_OPEN = "/pair/open"


# What a new pair may say to us in its own name until the owner withdraws a command.
OWN_NAME = frozenset(
    (
        Cmd.DELIVER,
        Cmd.REQUEST,
        Cmd.DECIDE,
        Cmd.ACCEPT,
        Cmd.KEYS,
        Cmd.REVOKE,
        Cmd.CARD_PUT,
        Cmd.VOUCH_ASK,
        Cmd.MANDATE_ASK,
        Cmd.MANDATE_PUT,
        Cmd.MANDATE_END,
        Cmd.MANDATE_NOTICE,
        Cmd.MANDATE_OUTCOME,
        Cmd.MANDATE_INBOX,
        Cmd.MANDATE_DECIDE,
        Cmd.MANDATE_LEND,
    )
)


def digest_text(digest: bytes) -> str:
    """A 32-byte digest as it stands in `args`: multibase base32."""
    return "b" + base64.b32encode(digest).decode().rstrip("=").lower()


def digest_from_text(text: str) -> bytes:
    """Read a 32-byte digest from `args`.  Raises WireError."""
    try:
        # 52 digits stand for 32 bytes and four spare bits, which must be zero.
        digest = base64.b32decode(text[1:].upper() + "====") if len(text) == 53 else b""
    except (binascii.Error, ValueError) as error:
        raise WireError("a digest in text is not base32") from error
    if len(digest) != DIGEST_BYTES or digest_text(digest) != text:
        raise WireError("a digest in text is 53 characters of base32 that begin with b")
    return digest


@dataclass(frozen=True, slots=True)
class DeliverArgs:
    """`parts` are (SHA-256, length) of the sealed parts that follow the call, in order."""

    to: Did
    nonce: bytes
    statement: bytes
    parts: tuple[tuple[bytes, int], ...]

    def value(self) -> dict[str, Value]:
        parts: list[Value] = [[digest_text(digest), length] for digest, length in self.parts]
        return {
            "v": VERSION,
            "to": self.to,
            "nonce": self.nonce,
            "statement": cid_text(self.statement),
            "parts": parts,
        }


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


@dataclass(frozen=True, slots=True)
class PairOpenArgs:
    """What a scanner says: the invite's secret, who it is, and its half `k` of the pair key."""

    secret: bytes = field(repr=False)
    inception: bytes
    cert: bytes
    name: str
    k: bytes = field(repr=False)
    addresses: tuple[str, ...] = ()

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "secret": self.secret, **_introduction(self)}


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """What the inviter answers: who it is for this scanner, and its half `k` of the pair key."""

    inception: bytes
    cert: bytes
    name: str
    k: bytes = field(repr=False)
    addresses: tuple[str, ...] = ()

    def value(self) -> dict[str, Value]:
        return _introduction(self)


OwnArgs: TypeAlias = (
    DeliverArgs
    | RequestArgs
    | DecideArgs
    | AcceptArgs
    | KeysArgs
    | RevokeArgs
    | CardPutArgs
    | VouchAskArgs
    | MandateAskArgs
    | MandatePutArgs
    | MandateEndArgs
    | MandateNoticeArgs
    | MandateOutcomeArgs
    | MandateInboxArgs
    | MandateDecideArgs
    | MandateLendArgs
)
Outcome: TypeAlias = "str | int | bytes | PairAnswer | WaitingOut"


def parse_args(cmd: str, args: Value) -> OwnArgs | PairOpenArgs:
    """The typed arguments of a command said in one's own name, or of `/pair/open`.

    Raises CapabilityError(command) for a command that is not in the table, WireError for
    arguments of another shape.  The arguments of a read are `grant.parse_read_args`.
    """
    row = TABLE.get(cmd)
    if row is None:
        raise CapabilityError(f"the command {cmd[:64]} is not known here", Code.COMMAND)
    return row.parse(Body.open(args, f"{cmd} args", row.keys))


def parse_out(cmd: str, out: Value) -> Outcome:
    """The typed outcome of an `ok` answer to a command of the table.  Raises WireError."""
    row = TABLE.get(cmd)
    if row is None:
        raise CapabilityError(f"the command {cmd[:64]} is not known here", Code.COMMAND)
    return row.out(out)


def _introduction(said: PairOpenArgs | PairAnswer) -> dict[str, Value]:
    return {
        "inception": said.inception,
        "cert": said.cert,
        "name": said.name,
        "k": said.k,
        "addresses": list(said.addresses),
    }


def _to(body: Body) -> Did:
    return check_did(body.text("to"))


def _deliver(body: Body) -> DeliverArgs:
    nonce = body.data("nonce", bytes_max=NONCE_BYTES_MAX)
    if len(nonce) < NONCE_BYTES_MIN:
        raise WireError(f"{body.what}: a nonce has at least {NONCE_BYTES_MIN} bytes")
    parts: list[tuple[bytes, int]] = []
    for part in body.items("parts", items_max=DELIVERY_PARTS_MAX, items_min=1):
        match part:
            case [str(digest), int(length)] if (
                not isinstance(length, bool) and 0 < length <= PART_BYTES_MAX
            ):
                parts.append((digest_from_text(digest), length))
            case _:
                raise WireError(f"{body.what}: a part is not [sha256, bytes up to 1 MiB]")
    return DeliverArgs(_to(body), nonce, cid_from_text(body.text("statement")), tuple(parts))


def _request(body: Body) -> RequestArgs:
    return RequestArgs(_to(body), request_from_value(body.value("request")))


def _decide(body: Body) -> DecideArgs:
    bundle = body.maybe_data("bundle", bytes_max=SIGNED_BYTES_MAX)
    reason = body.maybe_text("reason", chars_max=TEXT_CHARS_MAX)
    return DecideArgs(_to(body), cid_from_text(body.text("request")), bundle, reason)


def _accept(body: Body) -> AcceptArgs:
    return AcceptArgs(
        _to(body), cid_from_text(body.text("grant")), cid_from_text(body.text("terms"))
    )


def _keys(body: Body) -> KeysArgs:
    return KeysArgs(_to(body), body.data("keyset", bytes_max=KEYSET_BYTES_MAX))


def _revoke(body: Body) -> RevokeArgs:
    return RevokeArgs(_to(body), body.data("revocation", bytes_max=SIGNED_BYTES_MAX))


def _card_put(body: Body) -> CardPutArgs:
    return CardPutArgs(_to(body), body.data("card", bytes_max=CARD_BYTES_MAX))


def _vouch_ask(body: Body) -> VouchAskArgs:
    return VouchAskArgs(
        _to(body),
        body.data("nonce", length=ASK_NONCE_BYTES),
        digest_from_text(body.text("about")),
    )


def _mandate_ask(body: Body) -> MandateAskArgs:
    return MandateAskArgs(_to(body), body.data("proxy", bytes_max=TOKEN_BYTES_MAX))


def _mandate_put(body: Body) -> MandatePutArgs:
    mandates: list[bytes] = []
    for mandate in body.items("mandates", items_max=MANDATE_CHAIN_MAX, items_min=1):
        if not isinstance(mandate, bytes) or len(mandate) > TOKEN_BYTES_MAX:
            raise WireError(f"{body.what}: mandates is not a list of mandates")
        mandates.append(mandate)
    return MandatePutArgs(_to(body), tuple(mandates))


def _mandate_end(body: Body) -> MandateEndArgs:
    return MandateEndArgs(_to(body), body.data("end", bytes_max=TOKEN_BYTES_MAX))


def _mandate_notice(body: Body) -> MandateNoticeArgs:
    inv = body.data("inv", bytes_max=ACTED_BYTES_MAX)
    return MandateNoticeArgs(_to(body), inv, body.data("answer", bytes_max=TEXT_CHARS_MAX))


def _mandate_outcome(body: Body) -> MandateOutcomeArgs:
    reason = body.maybe_text("reason", chars_max=TEXT_CHARS_MAX)
    return MandateOutcomeArgs(
        _to(body), cid_from_text(body.text("request")), body.flag("granted"), reason
    )


def _mandate_inbox(body: Body) -> MandateInboxArgs:
    after = body.maybe_text("after")
    return MandateInboxArgs(_to(body), None if after is None else cid_from_text(after))


def _mandate_decide(body: Body) -> MandateDecideArgs:
    return MandateDecideArgs(
        _to(body),
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


def _mandate_lend(body: Body) -> MandateLendArgs:
    return MandateLendArgs(_to(body), body.data("bundle", bytes_max=SIGNED_BYTES_MAX))


def _pair_open(body: Body) -> PairOpenArgs:
    answer = _pair_answer(body)
    return PairOpenArgs(
        body.data("secret", length=SECRET_BYTES),
        answer.inception,
        answer.cert,
        answer.name,
        answer.k,
        answer.addresses,
    )


def _pair_answer(body: Body) -> PairAnswer:
    return PairAnswer(
        body.data("inception", bytes_max=TOKEN_BYTES_MAX),
        body.data("cert", bytes_max=TOKEN_BYTES_MAX),
        body.text("name", chars_max=LINE_CHARS_MAX, chars_min=1),
        body.data("k", length=KEY_BYTES),
        check_addresses(body.items("addresses", items_max=ADDRESSES_MAX), "an introduction"),
    )


def _one_of(*words: str) -> Callable[[Value], str]:
    def read(out: Value) -> str:
        if not isinstance(out, str) or out not in words:
            raise WireError(f"an outcome is not {' or '.join(words)}")
        return out

    return read


def _keyset_out(out: Value) -> bytes:
    if not isinstance(out, bytes) or len(out) > KEYSET_BYTES_MAX:
        raise WireError("an outcome is not a keyset")
    return out


def _n_out(out: Value) -> int:
    if not isinstance(out, int) or isinstance(out, bool) or out < 0:
        raise WireError("an outcome is not the number of a keyset")
    return out


def _card_out(out: Value) -> int:
    if not isinstance(out, int) or isinstance(out, bool) or out < 1:
        raise WireError("an outcome is not the number of a card")
    return out


def _vouch_out(out: Value) -> bytes:
    """A signed vouch, or empty for none."""
    if not isinstance(out, bytes) or len(out) > VOUCH_BYTES_MAX:
        raise WireError("an outcome is not a vouch")
    return out


def _decided_out(out: Value) -> bytes:
    """The CID of the grant, or empty for a refusal."""
    if not isinstance(out, bytes) or len(out) not in (0, CID_BYTES):
        raise WireError("an outcome is neither a grant nor a refusal")
    return out


def _waiting_out(out: Value) -> WaitingOut:
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


def _pair_out(out: Value) -> PairAnswer:
    return _pair_answer(Body.open(out, "the answer to an invite", _INTRODUCTION))


@dataclass(frozen=True, slots=True)
class Row:
    """One command: the exact keys of `args`, how to read them, how to read `out`."""

    keys: tuple[str, ...]
    parse: Callable[[Body], OwnArgs | PairOpenArgs]
    out: Callable[[Value], Outcome]


_INTRODUCTION = ("inception", "cert", "name", "k", "addresses")

TABLE: Mapping[str, Row] = {
    Cmd.DELIVER: Row(
        ("v", "to", "nonce", "statement", "parts"), _deliver, _one_of("stored", "held")
    ),
    Cmd.REQUEST: Row(("v", "to", "request"), _request, _one_of("queued")),
    Cmd.DECIDE: Row(("v", "to", "request", "bundle", "reason"), _decide, _one_of("kept")),
    Cmd.ACCEPT: Row(("v", "to", "grant", "terms"), _accept, _keyset_out),
    Cmd.KEYS: Row(("v", "to", "keyset"), _keys, _n_out),
    Cmd.REVOKE: Row(("v", "to", "revocation"), _revoke, _one_of("known")),
    Cmd.CARD_PUT: Row(("v", "to", "card"), _card_put, _card_out),
    Cmd.VOUCH_ASK: Row(("v", "to", "nonce", "about"), _vouch_ask, _vouch_out),
    Cmd.MANDATE_ASK: Row(("v", "to", "proxy"), _mandate_ask, _one_of("kept")),
    Cmd.MANDATE_PUT: Row(("v", "to", "mandates"), _mandate_put, _one_of("kept")),
    Cmd.MANDATE_END: Row(("v", "to", "end"), _mandate_end, _one_of("known")),
    Cmd.MANDATE_NOTICE: Row(("v", "to", "inv", "answer"), _mandate_notice, _one_of("kept")),
    Cmd.MANDATE_OUTCOME: Row(
        ("v", "to", "request", "granted", "reason"), _mandate_outcome, _one_of("known")
    ),
    Cmd.MANDATE_INBOX: Row(("v", "to", "after"), _mandate_inbox, _waiting_out),
    Cmd.MANDATE_DECIDE: Row(
        ("v", "to", "request", "peer", "purpose", "items", "exp", "reason"),
        _mandate_decide,
        _decided_out,
    ),
    Cmd.MANDATE_LEND: Row(("v", "to", "bundle"), _mandate_lend, _one_of("kept")),
    Cmd.PAIR_OPEN: Row(("v", "secret", *_INTRODUCTION), _pair_open, _pair_out),
}
