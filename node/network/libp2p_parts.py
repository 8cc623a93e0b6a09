"""What we take from py-libp2p, and nothing around it: Noise, multistream-select, keys, peer ids.

`import libp2p` runs `libp2p/__init__.py`, which imports every transport, the DHT, the relay, and
their HTTP and QUIC stacks: over a thousand modules for a node that uses none of them.  A
submodule cannot be imported without its parents, but a parent need not be *executed*: Python only
asks that a module of that name stands in `sys.modules`, with a `__path__`.  So the packages whose
`__init__` does nothing but gather their children are put there unexecuted, and empty classes stand
for four that are named and, here, never used.  Measured one after the other on a busy machine:
1.1 s, 48 MB and 503 modules in the whole process, instead of 3.5 s, 91 MB and 1,340.  If
something executed `libp2p` before us, it is complete and nothing of this is done.  Afterwards the
rest of py-libp2p cannot be imported in the same process: who needs more of it adds it here.

Import this module late: it is the expensive one.
"""

# ruff: noqa: E402
# Reason: the order of these imports is what this module is about.

from __future__ import annotations

import importlib.util
import logging
import sys
from types import ModuleType
from typing import NoReturn

_GATHERING = (
    "libp2p",
    "libp2p.network",
    "libp2p.pubsub",
    "libp2p.security",
    "libp2p.tools",
    "libp2p.tools.anyio_service",
    "libp2p.transport",
    "libp2p.transport.quic",
)

# Module → names in it that are mentioned and not used: a type alias, the base of an interface, and
# RSA identities, which no device of ours has (it would bring a second cipher library).
_ABSENT = {
    "libp2p.transport.quic.stream": ("QUICStream",),
    "libp2p.tools.anyio_service.api": ("ServiceAPI",),
    "libp2p.crypto.rsa": ("RSAPrivateKey", "RSAPublicKey"),
}


class _Absent:
    """Stands for a class of py-libp2p that this node does not use."""

    @classmethod
    def from_bytes(cls, data: bytes) -> NoReturn:
        raise ValueError("a device is known by an Ed25519 key; this one has another kind")


def _stand_unexecuted(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def _narrow() -> None:
    if "libp2p" in sys.modules:
        return
    for name in _GATHERING:
        _stand_unexecuted(name)
    for name, classes in _ABSENT.items():
        module = ModuleType(name)
        for each in classes:
            setattr(module, each, type(each, (_Absent,), {}))
        sys.modules[name] = module


_narrow()

from libp2p.abc import IRawConnection, ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.crypto.ed25519 import create_new_key_pair as ed25519_pair
from libp2p.crypto.x25519 import X25519PrivateKey
from libp2p.custom_types import TProtocol
from libp2p.exceptions import BaseLibp2pError
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError, MessageTooLarge
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # it lacks an __init__.py
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise

# py-libp2p logs, at ERROR too, what we already report as errors of our own, and at DEBUG the bytes
# of handshakes.  None of it leaves this logger unless an operator attaches a handler to it.
_log = logging.getLogger("libp2p")
_log.addHandler(logging.NullHandler())
_log.propagate = False
_log.setLevel(logging.WARNING)

__all__ = [
    "ID",
    "NOISE",
    "BaseLibp2pError",
    "ConnectionClosedError",
    "ConnectionType",
    "IRawConnection",
    "ISecureConn",
    "MessageTooLarge",
    "Multiselect",
    "MultiselectClient",
    "MultiselectCommunicator",
    "Noise",
    "PeerIDMismatchesPubkey",
    "ReadWriteCloser",
    "TProtocol",
    "X25519PrivateKey",
    "ed25519_pair",
]
