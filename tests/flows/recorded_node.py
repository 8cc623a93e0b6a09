"""Runs a command of entrenous in this process and writes down what the process lets out.

    python tests/flows/recorded_node.py FOLDER up --home …

Into FOLDER, each file with the number of the process in its name:

- `wire`     every byte sent over IP, as it left for the kernel
- `inside`   every byte put into Noise and taken out of it: what the peer sees
- `control`  every byte sent over unix sockets: what this user's own programs see
- `files`    the path of each file that was opened for writing, and of each database

Sockets are watched in `socket.socket`, below trio and asyncio alike; a second process would not
see more than a first that is asked before anything else is imported.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def watch_sockets(folder: Path) -> None:
    """Record what is sent; `bytes` or a list of them is the first argument of each call."""
    wire = open(folder / f"wire-{os.getpid()}", "ab", buffering=0)  # noqa: SIM115  # for good
    control = open(folder / f"control-{os.getpid()}", "ab", buffering=0)  # noqa: SIM115  # for good

    def watched(name: str) -> Callable[..., Any]:
        original = getattr(socket.socket, name)

        def send(self: socket.socket, data: Any, *rest: Any) -> Any:
            sent = original(self, data, *rest)
            whole = b"".join(data) if name == "sendmsg" else bytes(data)
            some = whole if sent is None else whole[:sent]
            (control if self.family == socket.AF_UNIX else wire).write(some)
            return sent

        return send

    for name in ("send", "sendall", "sendto", "sendmsg"):
        setattr(socket.socket, name, watched(name))


def watch_noise(folder: Path) -> None:
    """Record both directions of every channel, inside of its encryption."""
    from entrenous.node.network import libp2p_channel

    inside = open(folder / f"inside-{os.getpid()}", "ab", buffering=0)  # noqa: SIM115  # for good
    original = libp2p_channel.Channel.__init__

    def made(self: Any, secured: Any) -> None:
        original(self, secured)
        session = self._session
        read, write = session.read, session.write

        async def watched_read(*given: Any) -> bytes:
            data: bytes = await read(*given)
            inside.write(data)
            return data

        async def watched_write(data: bytes) -> None:
            inside.write(data)
            await write(data)

        session.read, session.write = watched_read, watched_write

    libp2p_channel.Channel.__init__ = made


def watch_files(folder: Path) -> None:
    """Record what is opened for writing, by whichever part of the process."""
    files = os.open(folder / f"files-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND

    def heard(event: str, given: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect" or (
            event == "open" and isinstance(given[2], int) and given[2] & writes
        ):
            path = given[0]
            if not isinstance(path, int):
                os.write(files, os.fsencode(path) + b"\n")

    sys.addaudithook(heard)


def main() -> None:
    folder = Path(sys.argv.pop(1))
    watch_sockets(folder)
    watch_files(folder)
    if sys.argv[1] == "up":
        watch_noise(folder)
    from entrenous.node.cli import main as command

    sys.exit(command())


if __name__ == "__main__":
    main()
