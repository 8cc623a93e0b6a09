"""Where nodes of the flows listen: ports that no other program is given, each handed out once.

A node that died listens again where it did, for so it is found.  The kernel gives ports from a
range of its own to whoever asks for any and to whoever dials: one of these may be another's by the
time that the node lives again.  So these lie below that range, and each process that runs tests
has a part of them to itself.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_KERNELS_FIRST = 32_768
# How many processes may run tests beside each other.
_PARTS = 16


def _ports() -> Iterator[int]:
    """Every port of this process's part, from one that differs from run to run."""
    first = int(_KERNELS.read_text().split()[0]) if _KERNELS.exists() else _KERNELS_FIRST
    size = first // 2 // _PARTS
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    begin = first // 2 + int(worker) % _PARTS * size
    while True:
        for number in range(size):
            yield begin + (os.getpid() + number) % size


_left = _ports()


def address_of_its_own() -> str:
    """An address on loopback at which nobody listens."""
    while True:
        port = next(_left)
        with socket.socket() as found, suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(("127.0.0.1", port))
            return f"/ip4/127.0.0.1/tcp/{port}"
