"""Byte streams between devices: what the node asks of a network, whichever carries it.

A network knows devices by their Ed25519 keys and nothing else.  `dial` names the key it wants at
the other end; the transport proves it before the first byte of ours leaves; both ends then read it
as `Stream.remote_key`.  Addresses are hints (multiaddrs) and are never trusted: another device
found at an address is `WrongPeer`.  Who a device speaks for is the session's question.

A stream is reliable, ordered, bounded: `send_all` waits while the other side does not read, for as
long as that takes; a caller who minds puts a deadline around it.  Each direction ends in one of two
ways: in order (`send_eof`, `aclose`: the reader gets everything, then `b""`) or broken (a reset, a
lost connection, a `send_all` that was cancelled half way: `StreamBroken`, and what was under way is
lost).  A reader can always tell the two apart, so nothing truncated passes for whole.

It does not do: retries, frames, messages, finding peers.

Two adapters, `libp2p.py` and `memory.py`, under one conformance suite
(`tests/node/test_network_conformance.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from ...crypto.errors import EntrenousError

log = logging.getLogger(__name__)

# Streams that one device may hold open with us at a time.  One carries all calls of a pair of
# personas; sixteen leave room for the several personas of a household behind one device.
STREAMS_PER_PEER_MAX = 16
# What may lie between a sender and a reader that does not read, in each direction of a stream: at a
# round trip of 50 ms it allows 20 MB/s, and sixteen such streams cost a node 16 MiB at worst.
BUFFER_BYTES = 1024 * 1024
# One `receive_some` without an argument: as much as one Yamux frame carries.
RECEIVE_BYTES = 64 * 1024


class TransportError(EntrenousError):
    """The network did not do what was asked of it."""


class PeerAway(TransportError):
    """Nobody answers at any address given.  Worth trying again later."""


class PeerSilent(PeerAway):
    """Something is there, but the deadline passed before it answered."""


class PeerBusy(TransportError):
    """The peer takes no more streams from this device now."""


class WrongPeer(TransportError):
    """Another device answers at the address.  Nothing was sent to it."""


class BadAddress(TransportError):
    """An address is not one that this network can use."""


class ListenFailed(TransportError):
    """This node cannot listen at the address it was told to."""


class StreamBroken(TransportError):
    """The stream ended out of order: what was under way in either direction is lost."""


class StreamClosed(TransportError):
    """Our own side used a stream, or a direction of it, after closing it."""


class Stream(Protocol):
    """One stream to one device.  One task may send while another receives."""

    @property
    def remote_key(self) -> bytes:
        """The Ed25519 public key (32 bytes) that the other end proved."""
        ...

    async def send_all(self, data: bytes) -> None:
        """Hand over all of `data`; wait while the other side does not read.

        A cancelled `send_all` breaks the stream: nobody knows how much of it went.
        Raises StreamBroken, StreamClosed.
        """
        ...

    async def send_eof(self) -> None:
        """End our direction in order; the other one stays open.  Twice is once."""
        ...

    async def receive_some(self, max_bytes: int = RECEIVE_BYTES) -> bytes:
        """Between 1 and `max_bytes` bytes; `b""` at the end, then and ever after.

        Raises StreamBroken, StreamClosed.  A cancelled one loses nothing.
        """
        ...

    async def aclose(self) -> None:
        """End our direction in order, stop reading.  Twice is once; never raises."""
        ...

    async def reset(self) -> None:
        """Break both directions: the other side gets StreamBroken."""
        ...


Handler = Callable[[Stream], Awaitable[None]]


class Network(Protocol):
    """A device's place on a network.  Entered, it listens; left, nothing of it remains."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where others can dial this device (multiaddrs, real port numbers)."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None: ...

    async def serve(self, handler: Handler) -> None:
        """Hand every stream that others open to `handler`, each in a task of its own.

        Runs until cancelled.  When a handler returns its stream is closed in order; when it raises,
        its stream is reset, the error logged, and the other handlers go on.
        """
        ...

    async def dial(self, device: bytes, addresses: Sequence[str], timeout_s: float) -> Stream:
        """Open a stream to the device with this key, at whichever address answers first.

        `timeout_s` bounds the whole: connecting, proof of keys, opening the stream.
        Raises PeerAway, PeerSilent, PeerBusy, WrongPeer, BadAddress.
        """
        ...


async def handle(stream: Stream, handler: Handler, break_off: Callable[[], None]) -> None:
    """Run `handler` on a stream that another opened, and end the stream as it ended.

    `break_off` resets at once, for a handler that is cancelled and may wait for nothing more.
    """
    try:
        await handler(stream)
    except TransportError as error:
        # The peer left in the middle: everyday, and no fault of the handler.
        log.debug("a stream ended: %s", error)
        await stream.reset()
    except Exception as error:
        log.error("a stream handler failed: %s", type(error).__name__, exc_info=error)
        await stream.reset()
    except BaseException:
        break_off()
        raise
    else:
        await stream.aclose()
