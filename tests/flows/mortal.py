"""Nodes that can be made to die at a step: real daemons, forked from a process that has loaded all.

    test ──control socket of its own──> this program ──fork──> run_daemon(…, checkpoint=Doom)
      └──────────── one socket for each node, handed over with the order to start it ────┘

What starts is `node.daemon.run_daemon`: aiosqlite, libp2p over TCP, the control socket of the home.
The disk may be that of `tests/shim`, and the checkpoint is the test's: `Doom` kills its own
process, with SIGKILL, when an armed step is reached for the nth time.  Forking leaves out the
second and a half that imports take, so that hundreds of deaths fit into a test.

On the socket of a node, JSON by lines.  From the test: `{"arm": [step, nth, after]}`.  To the
test: `{"ready": address}`, `{"armed": step}`, `{"failed": sentence}`, and from this program, once
the node is dead, `{"status": wait status}`.  What is done to a home without its daemon
(`offline_work`) is a process of the same kind, armed from its birth, that says
`{"shows": digits}`, and `{"done": …}` or `{"refused": sentence}`.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import cast

import trio

from entrenous.crypto.errors import EntrenousError
from entrenous.node.config import Config, Role
from entrenous.node.daemon import Ready, run_daemon
from entrenous.node.daemon_log import set_up_log
from entrenous.node.keystore import Keystore
from entrenous.node.opening import open_home, read_key_file
from entrenous.tests.flows.offline_work import do

ORDER_BYTES_MAX = 4096
# What a node loads when it first needs it: loaded here once, before any fork.
LOADED_LATE = ("entrenous.apps.readers.espi", "entrenous.node.network.libp2p_parts")


class Doom:
    """`node.checkpoint.Checkpoint`: nothing, until armed; then the end of this process."""

    def __init__(self) -> None:
        self._step: str | None = None
        self._left = 0
        self._after: str | None = None

    def arm(self, step: str, nth: int, after: str | None = None) -> None:
        """Die at `step`, the `nth` time; what comes before `after` was reached does not count."""
        self._step, self._left, self._after = step, nth, after

    def reached(self, step: str) -> None:
        if step == self._after:
            self._after = None
        if step != self._step or self._after is not None:
            return
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def live(order: Mapping[str, str], line: socket.socket) -> None:
    """Be one node until killed or stopped."""
    if "DISK_FOLDER" in order:
        library = ctypes.CDLL(None)
        library.disk_begin(order["DISK_FOLDER"].encode(), order["DISK_SIDE"].encode())
    doom = Doom()

    def tell(**what: object) -> None:
        line.sendall(json.dumps(what).encode() + b"\n")

    def shows(code: str) -> None:
        tell(shows=code)

    if "work" in order:
        doom.arm(order["step"], int(order["nth"]))
        try:
            tell(done=trio.run(do, order, doom, shows))
        except BaseException as error:
            alone = _only(error)
            if not isinstance(alone, EntrenousError):
                tell(failed=f"{type(alone).__name__}: {alone!r}")
                raise
            tell(refused=str(alone))
        return
    if "armed" in order:
        doom.arm(order["armed"], 1)
    keystore = _keystore(order)
    config = Config(name=order["name"], role=Role(order["role"]), listen=order["listen"])

    async def listen() -> None:
        heard = trio.socket.from_stdlib_socket(line)
        waiting = b""
        while data := await heard.recv(ORDER_BYTES_MAX):
            *whole, waiting = (waiting + data).split(b"\n")
            for one in whole:
                said = json.loads(one)
                if "die" in said:
                    os.kill(os.getpid(), signal.SIGKILL)
                step, nth, after = said["arm"]
                doom.arm(step, nth, after)
                await heard.send(json.dumps({"armed": step}).encode() + b"\n")

    async def main() -> None:
        def ready(now: Ready) -> None:
            line.setblocking(True)
            tell(ready=now.addresses[0])
            nursery.start_soon(listen)

        async with trio.open_nursery() as nursery:
            await run_daemon(Path(order["home"]), keystore, config, ready=ready, checkpoint=doom)
            nursery.cancel_scope.cancel()

    try:
        trio.run(main)
    except BaseException as error:
        line.setblocking(True)
        tell(failed=f"{type(error).__name__}: {_only(error)!r}")
        raise


def _only(error: BaseException) -> BaseException:
    """The one error inside groups of one: it passed the tasks of a nursery."""
    inner = cast("Sequence[BaseException]", getattr(error, "exceptions", ()))
    return _only(inner[0]) if len(inner) == 1 else error


def _keystore(order: Mapping[str, str]) -> Keystore:
    if "key" in order:
        return open_home(Path(order["home"]), read_key_file(Path(order["key"])))
    return Keystore.from_bytes(Path(order["keystore"]).read_bytes())


def fork(order: Mapping[str, str], line: socket.socket, log: Path) -> int:
    """Start a node; its process id."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        set_up_log(debug=True)
        live(order, line)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(control: socket.socket) -> None:
    """Start what the test orders; say when it is dead.  Ends, with all its nodes, with the test."""
    for name in LOADED_LATE:
        importlib.import_module(name)
    wake_read, wake_write = socket.socketpair()
    wake_write.setblocking(False)
    signal.signal(signal.SIGCHLD, _noticed)
    signal.set_wakeup_fd(wake_write.fileno())
    lines: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is wake_read:
                    wake_read.recv(64)
                    _bury(lines)
                    continue
                data, handles, _, _ = socket.recv_fds(control, ORDER_BYTES_MAX, 1)
                if not data:
                    for pid in lines:
                        os.kill(pid, signal.SIGKILL)
                    return
                order = json.loads(data)
                line = socket.socket(fileno=handles[0])
                lines[fork(order, line, Path(order["log"]))] = line


def _bury(lines: dict[int, socket.socket]) -> None:
    while lines:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with lines.pop(pid) as line:
            line.setblocking(True)
            line.sendall(json.dumps({"status": status}).encode() + b"\n")


def _noticed(_number: int, _frame: FrameType | None) -> None:
    """A child has ended: the wakeup descriptor says so."""


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
