"""The handshake: from a fresh TCP stream to a session with a device whose key is proved.

Noise XX by py-libp2p, in which the identity key signs the Noise key.  `Secured.remote_key` is the
*identity* key, taken from the peer id that was checked; py-libp2p's `get_remote_public_key` returns
the X25519 key of the handshake, which names nobody.  In XX the listener proves itself first: at a
wrong peer we stop before it learns who we are.

Until the peer has proved a key it may send no more than `UNPROVED_BYTES_MAX`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ...crypto.errors import BadKey
from ...crypto.keys import KEY_BYTES, DeviceKey
from .libp2p_parts import (
    ID,
    NOISE,
    ConnectionClosedError,
    ConnectionType,
    IRawConnection,
    MessageTooLarge,
    Multiselect,
    MultiselectClient,
    MultiselectCommunicator,
    Noise,
    PeerIDMismatchesPubkey,
    ReadWriteCloser,
    TProtocol,
    X25519PrivateKey,
    ed25519_pair,
)
from .transport import TransportError, WrongPeer

if TYPE_CHECKING:
    from multiaddr import Multiaddr  # type: ignore[import-untyped]  # pyright: ignore  # no stubs

log = logging.getLogger(__name__)

YAMUX = TProtocol("/yamux/1.0.0")
# Three Noise messages and the names of two protocols: under 1 KiB between nodes of ours.  Others
# add extensions and certificates.
UNPROVED_BYTES_MAX = 16 * 1024
# A stream whose opener says nothing holds a place for this long.
NEGOTIATION_S = 10
# How much is asked of the socket at a time: a few Noise messages.
SOCKET_BYTES = 256 * 1024

_PEER_ID_PREFIX = bytes.fromhex("002408011220")


class HandshakeFailed(TransportError):
    """Whatever answered does not speak this protocol, or could not prove its key."""


def peer_id(key: bytes) -> ID:
    """The peer id of an Ed25519 key: identity multihash of its protobuf (libp2p's peer-ids)."""
    if len(key) != KEY_BYTES:
        raise BadKey(f"a device key has {KEY_BYTES} bytes, not {len(key)}")
    return ID(_PEER_ID_PREFIX + key)


def key_of(identity: ID) -> bytes:
    """The Ed25519 key inside a peer id.  Raises HandshakeFailed for any other kind."""
    raw = identity.to_bytes()
    if len(raw) != len(_PEER_ID_PREFIX) + KEY_BYTES or not raw.startswith(_PEER_ID_PREFIX):
        raise HandshakeFailed("the peer is not known by an Ed25519 key")
    return raw[len(_PEER_ID_PREFIX) :]


class Wire(IRawConnection):
    """A TCP stream with exact, buffered reads."""

    def __init__(self, stream: trio.SocketStream, *, dialler: bool) -> None:
        self.is_initiator = dialler
        self._stream = stream
        self._buffer = bytearray()
        self._allowed: int | None = UNPROVED_BYTES_MAX

    def proved(self) -> None:
        self._allowed = None

    async def read(self, n: int | None = None) -> bytes:
        wanted = 1 if n is None else n
        if self._allowed is not None:
            self._allowed -= wanted
            if self._allowed < 0:
                raise MessageTooLarge("too many bytes before a key was proved")
        while len(self._buffer) < wanted:
            try:
                more = await self._stream.receive_some(SOCKET_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionClosedError("the connection was lost") from error
            if not more:
                raise ConnectionClosedError("the peer hung up")
            self._buffer += more
        data = bytes(self._buffer[:wanted])
        del self._buffer[:wanted]
        return data

    async def write(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError("the connection was lost") from error

    async def hang_up(self) -> None:
        """Say that nothing more comes."""
        try:
            await self._stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("the peer hung up first")

    async def close(self) -> None:
        self.close_now()
        await trio.lowlevel.checkpoint()

    def close_now(self) -> None:
        self._stream.socket.close()

    def get_remote_address(self) -> tuple[str, int] | None:
        return None

    def get_transport_addresses(self) -> list[Multiaddr]:
        return []

    def get_connection_type(self) -> ConnectionType:
        return ConnectionType.DIRECT


async def agree(over: ReadWriteCloser, protocol: TProtocol, *, dialler: bool) -> None:
    """One round of multistream-select for exactly one protocol."""
    words = MultiselectCommunicator(over)
    if dialler:
        await MultiselectClient().select_one_of([protocol], words, NEGOTIATION_S)
    else:
        await Multiselect({protocol: None}).negotiate(words, NEGOTIATION_S)


@dataclass(frozen=True, slots=True)
class Secured:
    """An encrypted session whose other end proved `remote_key`."""

    session: ReadWriteCloser
    wire: Wire
    remote_key: bytes
    dialler: bool


async def secure(stream: trio.SocketStream, device: DeviceKey, expected: bytes | None) -> Secured:
    """Prove both keys over a fresh TCP stream.  `expected` is the key to find (None: we listen).

    Raises WrongPeer, HandshakeFailed; the TCP stream is then closed.  Has no deadline of its own.
    """
    dialler = expected is not None
    wire = Wire(stream, dialler=dialler)
    # The handshake's own key pair comes from the operating system, inside the library: Noise keys
    # are per connection and a simulation does not use this adapter.
    noise = Noise(ed25519_pair(device.secret_bytes()), X25519PrivateKey.new())
    try:
        await agree(wire, NOISE, dialler=dialler)
        if expected is None:
            session = await noise.secure_inbound(wire)
        else:
            session = await noise.secure_outbound(wire, peer_id(expected))
        remote_key = key_of(session.get_remote_peer())
        await agree(session, YAMUX, dialler=dialler)
    except PeerIDMismatchesPubkey:
        wire.close_now()
        raise WrongPeer("another device answers at this address") from None
    except Exception as error:
        # Hostile bytes make the library and its parsers raise anything at all; every one of them
        # means the same.
        wire.close_now()
        raise HandshakeFailed(f"the handshake failed ({type(error).__name__})") from error
    except BaseException:
        wire.close_now()
        raise
    wire.proved()
    return Secured(session, wire, remote_key, dialler)
