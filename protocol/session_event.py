"""What a session tells the program that pumps it, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from .did import Did
from .errors import Code, RemoteProtocolError
from .offer import Offer
from .persona import Certificate


@dataclass(frozen=True, slots=True)
class HelloReceived:
    """The peer said hello; its certificate holds and is for the key that the transport proved.

    `peer` is the persona that it wants to speak to, `last` the CID of the last receipt that it
    knows both signed.  A listener now accepts, or refuses call 0.
    """

    cert: Certificate | None
    peer: Did | None
    last: bytes | None


@dataclass(frozen=True, slots=True)
class Opened:
    """Both said hello: calls may pass."""


@dataclass(frozen=True, slots=True)
class CallReceived:
    """The peer asks.  Neither token nor proofs have been looked at."""

    call: int
    inv: bytes
    proofs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PartReceived:
    """Part `index` (from 0) of what the peer delivers in this call; not yet held against args."""

    call: int
    index: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The peer's signed answer ends our call; the signature has not been looked at."""

    call: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class RefuseReceived:
    """The peer ends a call without a signed word: it refuses ours, or withdraws its own."""

    call: int
    code: Code
    sentence: str


@dataclass(frozen=True, slots=True)
class WindowReceived:
    """A whole window arrived and every page has the digest that was offered.

    Store, then countersign.
    """

    call: int
    offer: Offer
    pages: Sequence[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PagesAltered:
    """A window arrived and the pages at `places` are not those offered: the call is withdrawn.

    The other pages of the window are good and are given in their places.
    """

    call: int
    offer: Offer
    pages: Sequence[bytes] = field(repr=False)
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CountersignReceived:
    """The reader signed window `window` (from 0): `sig` is 64 bytes, not yet verified.

    `keys` is the number of the newest keyset that it holds, None if none.  After the last window
    the call has ended.
    """

    call: int
    window: int
    last: bool
    sig: bytes
    keys: int | None


@dataclass(frozen=True, slots=True)
class CallTimedOut:
    """Nothing came for a call in its time.  It is withdrawn (ours) or refused (the peer's)."""

    call: int


class Ending(StrEnum):
    """Why a session is over."""

    LEFT = "the peer ended the stream"
    CLOSED = "this side closed the session"
    REFUSED = "the peer refused the session"
    FAULT = "the peer broke the protocol"
    SILENT = "the peer was silent for too long"


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event.  `sentence` is for a person; `error` is there when the peer is to blame.

    Send what `data_to_send` still gives, then end the stream.
    """

    ending: Ending
    sentence: str
    code: Code | None = None
    error: RemoteProtocolError | None = None


Event: TypeAlias = (
    HelloReceived
    | Opened
    | CallReceived
    | PartReceived
    | AnswerReceived
    | RefuseReceived
    | WindowReceived
    | PagesAltered
    | CountersignReceived
    | CallTimedOut
    | Closed
)
