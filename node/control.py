"""The control socket: how programs of the same user ask a running node to do something.

A unix socket in the user's runtime folder (its path is short there; a socket's may have 108 bytes),
its address in the file `control` of the home.  Frames and their limits are `control_frame.py`, what
can be asked is `operations/`.  A connection does one operation at a time.

Whoever connects is of our user id, and may still be broken: a length is refused before memory is
taken, a request must come whole within seconds, a reader that does not read is dropped, and there
are so many connections and no more.  A client that goes away while its operation runs ends that
operation; one unit of work is done or not, as everywhere.
"""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import platformdirs
import structlog
import trio

from ..crypto.digest import sha256
from ..crypto.errors import EntrenousError
from ..protocol.wire import Value
from .control_frame import (
    REQUEST_BYTES_MAX,
    ControlError,
    EndOfFrames,
    FrameReader,
    check_same_user,
    frame,
)
from .errors import HomeError, NodeError
from .operations import Host, error_value, perform
from .store.home import FILE_MODE, FOLDER_MODE, Home, write_atomically

log = structlog.get_logger()

CONNECTIONS_MAX = 32
# A request is sent at once by a program; a person types none.
REQUEST_S = 10.0
# A reader that takes nothing for so long is dropped.
SEND_S = 30.0
# An app may keep its connection between two requests for so long.
IDLE_S = 600.0
# Replies that wait for a slow reader.
REPLIES_WAITING = 8
# A unix socket's path has at most 108 bytes on Linux and 104 elsewhere, its end included.
PATH_BYTES_MAX = 100
_NEW = "entrenous-new-"
BACKLOG = 16


# --- where the socket is --------------------------------------------------------------------------


@asynccontextmanager
async def control_socket(
    home: Home, environment: Mapping[str, str] = os.environ
) -> AsyncGenerator[trio.SocketListener]:
    """Listen for as long as the context lasts; the home must be locked.  Raises HomeError."""
    path = _socket_path(home, environment)
    listening = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    try:
        # We hold the lock of the home, so what is there was left by a node that was killed.
        path.unlink(missing_ok=True)
        await listening.bind(str(path))
        path.chmod(FILE_MODE)
        listening.listen(BACKLOG)
        write_atomically(home.control, f"{path}\n".encode())
    except OSError as error:
        listening.close()
        raise HomeError(f"the control socket cannot be made: {error.strerror}") from error
    try:
        async with trio.SocketListener(listening) as listener:
            yield listener
    finally:
        home.control.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if path.parent.name.startswith(_NEW):
            path.parent.rmdir()


def _socket_path(home: Home, environment: Mapping[str, str]) -> Path:
    """A short path that only we can write to, the same at each start: programs remember it.

    In the runtime folder, or where that is none, or deep, in one of our own; if somebody else has
    made even that one, in a new one.
    """
    name = sha256(str(home.folder.resolve()).encode("utf-8", "surrogateescape"))[:8].hex()
    runtime = environment.get("XDG_RUNTIME_DIR") or _runtime_folder()
    for folder in (Path(runtime, "entrenous"), Path(f"/tmp/entrenous-{os.geteuid()}")):
        path = folder / f"{name}.sock"
        if len(os.fsencode(path)) <= PATH_BYTES_MAX and _is_ours(folder):
            return path
    return Path(tempfile.mkdtemp(prefix=_NEW, dir="/tmp"), f"{name}.sock")


def _is_ours(folder: Path) -> bool:
    """Whether this is a folder, made now if there was none, that is open to us alone."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False  # none can be made here
    closed = not stat.S_IMODE(found.st_mode) & 0o077
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and closed


def _runtime_folder() -> str:
    """Where the platform keeps such sockets when the environment does not say.

    platformdirs warns that it had to look elsewhere; we look at what it found ourselves.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", platformdirs.RuntimeDirWarning)
        return platformdirs.user_runtime_dir()


# --- serving --------------------------------------------------------------------------------------


class Control:
    """Serves the control socket of one node."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._connections = 0

    async def serve(self, listener: trio.SocketListener) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            await trio.serve_listeners(self._connected, [listener], handler_nursery=nursery)

    async def _connected(self, stream: trio.SocketStream) -> None:
        self._connections += 1
        try:
            await self._requests(stream)
        except* (ControlError, EndOfFrames, trio.BrokenResourceError, trio.TooSlowError) as group:
            log.debug("control_dropped", reason=type(group.exceptions[0]).__name__)
        finally:
            self._connections -= 1
            await trio.aclose_forcefully(stream)

    async def _requests(self, stream: trio.SocketStream) -> None:
        check_same_user(stream)
        if self._connections > CONNECTIONS_MAX:
            await _refuse(stream, ControlError("too many programs talk to this node at once"))
            return
        frames = FrameReader(stream, REQUEST_BYTES_MAX)
        while True:
            with trio.fail_after(IDLE_S):
                await frames.begun()
            try:
                with trio.fail_after(REQUEST_S):
                    op, args = _request(await frames.receive())
            except ControlError as error:
                await _refuse(stream, error)
                return
            await self._answer(stream, frames, op, args)

    async def _answer(
        self, stream: trio.SocketStream, frames: FrameReader, op: str, args: Value
    ) -> None:
        """Do one operation and send all it emits; a client that goes away cancels it."""
        sender, waiting = trio.open_memory_channel[bytes](REPLIES_WAITING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_all, stream, waiting)
            with sender:  # closed without a checkpoint, which would swallow why it ends
                async with trio.open_nursery() as working:
                    working.start_soon(_watch, frames, nursery.cancel_scope)
                    last = await self._outcome(op, args, _Replies(sender))
                    # Gone before the client hears the end and may ask the next thing.
                    working.cancel_scope.cancel()
                await sender.send(last)

    async def _outcome(self, op: str, args: Value, emit: _Replies) -> bytes:
        """The last frame of an operation."""
        try:
            return frame({"ok": await perform(self._host, op, args, emit)})
        except EntrenousError as error:
            return frame({"error": error_value(error)})


class _Replies:
    """`Emit` over the socket."""

    def __init__(self, sender: trio.MemorySendChannel[bytes]) -> None:
        self._sender = sender

    async def item(self, value: Value) -> None:
        await self._sender.send(frame({"item": value}))

    def progress(self, value: Value) -> None:
        try:
            self._sender.send_nowait(frame({"progress": value}))
        except trio.WouldBlock:
            return


async def _send_all(stream: trio.SocketStream, waiting: trio.MemoryReceiveChannel[bytes]) -> None:
    async for data in waiting:
        with trio.fail_after(SEND_S):
            await stream.send_all(data)


async def _watch(frames: FrameReader, running: trio.CancelScope) -> None:
    """End what runs when its client goes away, or talks out of turn."""
    try:
        await frames.begun()
    except EndOfFrames:
        running.cancel()
        raise
    running.cancel()
    raise ControlError("a client asks the next thing before it was answered")


async def _refuse(stream: trio.SocketStream, error: NodeError) -> None:
    with trio.move_on_after(1):
        await stream.send_all(frame({"error": error_value(error)}))


def _request(value: Value) -> tuple[str, Value]:
    match value:
        case {"op": str(op), "args": dict(args), **rest} if not rest:
            return op, args
        case _:
            raise ControlError("a request is {op, args}")
