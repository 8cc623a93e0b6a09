"""The greeting: who stands at the two ends of a stream.

The dialler speaks first, the listener looks at it and then answers or leaves; nothing else passes
before both hellos did.  A hello is `{v, cert, peer, last}`: the versions its side speaks, the
certificate that ties its device key to a persona, the persona of the other side, and the last
receipt that both signed (by which either notices that the other, or itself, was rolled back).

The transport has proved a device key.  A certificate counts only if it names that key and holds
now; so a persona cannot be worn by a device that it did not certify.  A dialler without a
certificate is *unpaired*: it may open a pairing and nothing else, and is shown no certificate.

Versions are read before anything else of a hello, so that a newer one gets a sentence saying
which side is too old, whatever else it changed.

Source: formats.md, "Session".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from .cid import check_cid
from .did import Did, check_did
from .errors import Code, LocalProtocolError, RemoteProtocolError, VersionError, WireError
from .limits import SIGNED_BYTES_MAX
from .persona import Certificate, parse_certificate
from .wire import VERSION, Body, Value

_VERSIONS_MAX = 16


class StreamState(StrEnum):
    FRESH = "fresh"
    AWAITING = "awaiting"
    LISTENING = "listening"
    DECIDING = "deciding"
    OPEN = "open"
    CLOSED = "closed"


class StreamEvent(StrEnum):
    """What can happen to a stream, seen from one end."""

    GREET = "we send our hello"
    GREETED = "the peer's hello comes"
    SEND = "we send another frame"
    RECEIVE = "another frame comes"
    LEAVE = "we leave"
    LEFT = "the peer leaves"


_S, _E = StreamState, StreamEvent
# The dialler starts fresh, the listener listening.
STREAM: Mapping[tuple[StreamState, StreamEvent], StreamState] = MappingProxyType(
    {
        (_S.FRESH, _E.GREET): _S.AWAITING,
        (_S.AWAITING, _E.GREETED): _S.OPEN,
        (_S.LISTENING, _E.GREETED): _S.DECIDING,
        (_S.DECIDING, _E.GREET): _S.OPEN,
        (_S.OPEN, _E.SEND): _S.OPEN,
        (_S.OPEN, _E.RECEIVE): _S.OPEN,
        (_S.FRESH, _E.LEAVE): _S.CLOSED,
        (_S.FRESH, _E.LEFT): _S.CLOSED,
        (_S.AWAITING, _E.LEAVE): _S.CLOSED,
        (_S.AWAITING, _E.LEFT): _S.CLOSED,
        (_S.LISTENING, _E.LEAVE): _S.CLOSED,
        (_S.LISTENING, _E.LEFT): _S.CLOSED,
        (_S.DECIDING, _E.LEAVE): _S.CLOSED,
        (_S.DECIDING, _E.LEFT): _S.CLOSED,
        (_S.OPEN, _E.LEAVE): _S.CLOSED,
        (_S.OPEN, _E.LEFT): _S.CLOSED,
        # Leaving twice, or both at once, is no fault.
        (_S.CLOSED, _E.LEAVE): _S.CLOSED,
        (_S.CLOSED, _E.LEFT): _S.CLOSED,
    }
)

_OURS = frozenset((StreamEvent.GREET, StreamEvent.SEND, StreamEvent.LEAVE))


def step(state: StreamState, event: StreamEvent) -> StreamState:
    """The state after `event`.

    Raises LocalProtocolError (our event) or RemoteProtocolError (the peer's) if the table has no
    such step.
    """
    after = STREAM.get((state, event))
    if after is None:
        error = LocalProtocolError if event in _OURS else RemoteProtocolError
        raise error(f"{event.value} while the stream is {state.value}")
    return after


def stays(dialler: bytes, listener: bytes) -> bool:
    """Whether the stream between these device keys stays when both sides dialled each other."""
    return dialler < listener


@dataclass(frozen=True, slots=True)
class Hello:
    """One side's hello.  `peer` is the persona of the other side, `last` a receipt's CID."""

    cert: Certificate | None
    peer: Did | None
    last: bytes | None

    def value(self) -> dict[str, Value]:
        return {
            "v": [VERSION],
            "cert": None if self.cert is None else self.cert.signed.raw,
            "peer": self.peer,
            "last": self.last,
        }


def parse_hello(value: Value, *, device: bytes, now_ms: int) -> Hello:
    """Read the peer's hello; its certificate must be for `device`, the key the transport proved.

    Raises VersionError, WireError, BadSignature; CapabilityError if the certificate is for
    another device or does not hold at `now_ms`.
    """
    if not isinstance(value, Mapping):
        raise WireError("a hello is not a map")
    _check_versions(value.get("v"))
    body = Body.open(
        {key: item for key, item in value.items() if key != "v"},
        "a hello",
        ("cert", "peer", "last"),
    )
    raw = body.maybe_data("cert", bytes_max=SIGNED_BYTES_MAX)
    peer = body.maybe_text("peer")
    last = body.maybe_data("last")
    if last is not None:
        check_cid(last)
    cert = None if raw is None else parse_certificate(raw)
    if cert is not None:
        cert.check(now_ms, device)
    hello = Hello(cert, None if peer is None else check_did(peer), last)
    if cert is None and hello.last is not None:
        raise WireError("a hello without a certificate has no last receipt")
    return hello


def _check_versions(versions: Value) -> None:
    if not isinstance(versions, list) or not 1 <= len(versions) <= _VERSIONS_MAX:
        raise WireError("a hello does not list the versions that its side speaks")
    if not all(type(version) is int and version > 0 for version in versions):
        raise WireError("a hello lists versions that are not positive integers")
    if VERSION in versions:
        return
    spoken = ", ".join(str(version) for version in versions)
    if min(version for version in versions if isinstance(version, int)) > VERSION:
        raise VersionError(
            f"the side that said hello speaks version {spoken}, the other only {VERSION}: "
            "the other is too old and must be updated"
        )
    raise VersionError(  # pragma: no cover - there is no version below 1 yet
        f"the side that said hello speaks only version {spoken}: it is too old and must be updated"
    )


class Greeting:
    """Where one end of a stream stands, and what both sides said of themselves."""

    __slots__ = ("_device", "dialler", "ours", "state", "theirs")

    def __init__(self, device: bytes, *, dialler: bool) -> None:
        self._device = device
        self.dialler = dialler
        self.state = StreamState.FRESH if dialler else StreamState.LISTENING
        self.ours: Hello | None = None
        self.theirs: Hello | None = None

    @property
    def paired(self) -> bool:
        """Whether the stream is open and both sides showed a certificate."""
        ours, theirs = self.ours, self.theirs
        if self.state is not StreamState.OPEN or ours is None or theirs is None:
            return False
        return ours.cert is not None and theirs.cert is not None

    def pass_on(self, event: StreamEvent) -> None:
        """Take a step of the table.  Raises LocalProtocolError or RemoteProtocolError."""
        self.state = step(self.state, event)

    def say(self, hello: Hello) -> None:
        """Our hello, as the dialler."""
        if not self.dialler:
            raise LocalProtocolError("a listener accepts a hello, and does not say the first")
        self.pass_on(StreamEvent.GREET)
        self.ours = hello

    def accept(self, cert: Certificate | None, last: bytes | None) -> Hello:
        """Our hello, as the listener, to the one that came.  Raises LocalProtocolError."""
        theirs = self.theirs
        if self.state is not StreamState.DECIDING or theirs is None:
            raise LocalProtocolError(f"no hello waits: the stream is {self.state.value}")
        if (cert is None) != (theirs.cert is None):
            raise LocalProtocolError("a certificate is shown to who showed one, and to no other")
        if cert is not None and cert.persona != theirs.peer:
            raise LocalProtocolError("the certificate is not of the persona that was asked for")
        self.pass_on(StreamEvent.GREET)
        self.ours = Hello(cert, None if theirs.cert is None else theirs.cert.persona, last)
        return self.ours

    def hear(self, value: Value, now_ms: int) -> Hello:
        """The peer's hello.  Raises as `parse_hello`, and RemoteProtocolError; changes nothing."""
        after = step(self.state, StreamEvent.GREETED)
        hello = parse_hello(value, device=self._device, now_ms=now_ms)
        if self.ours is not None:
            _check_reply(self.ours, hello)
        self.state = after
        self.theirs = hello
        return hello


def _check_reply(ours: Hello, theirs: Hello) -> None:
    """Hold the listener's hello against what we, the dialler, asked for."""
    if (ours.cert is None) != (theirs.cert is None):
        raise RemoteProtocolError("the listener does not greet as it was greeted", Code.UNPAIRED)
    if ours.cert is None or theirs.cert is None:
        return
    if theirs.cert.persona != ours.peer:
        raise RemoteProtocolError("another persona answers than was asked for", Code.AUDIENCE)
    if theirs.peer != ours.cert.persona:
        raise RemoteProtocolError("the listener greets another persona", Code.AUDIENCE)
