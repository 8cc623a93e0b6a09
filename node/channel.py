"""The way to a running node: what carries a client's operations, and its answers back.

    {op, args} ──▶ control socket ──▶ {item}… {progress}… then one {ok} or {error}

A channel says one thing at a time; calls made at once wait for each other.  What is left half way
closes it, so that no answer is taken for another's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from ..protocol.errors import ProtocolError
from ..protocol.wire import Body, Value
from .control_frame import (
    REPLY_BYTES_MAX,
    ControlError,
    EndOfFrames,
    FrameReader,
    frame,
)
from .errors import Away, Exit, NodeError, NotAllowed, NotFound, Refused, UsageError
from .shape import from_value

ADDRESS_BYTES_MAX = 4_096
T = TypeVar("T")


class NotRunning(NodeError):
    """No node runs on this home."""


class Channel(Protocol):
    """What carries operations to a node."""

    async def call(
        self,
        op: str,
        args: Mapping[str, Value],
        on_item: Callable[[Value], None],
        on_progress: Callable[[Value], None],
    ) -> Value:
        """Have `op` done; the value of its `ok`.  Raises NodeError as the node said it."""
        ...


async def open_socket(home: Path) -> trio.SocketStream:
    """The control socket of the node that runs on `home`.  Raises NotRunning."""
    control = home / "control"
    try:
        address = control.read_bytes()[:ADDRESS_BYTES_MAX].decode().strip()
        return await trio.open_unix_socket(address)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise NotRunning(f"no node runs on {home}: start it with `entrenous up`") from error


class SocketChannel:
    """Operations over the control socket."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._frames = FrameReader(stream, REPLY_BYTES_MAX)
        self._turn = trio.Lock()

    async def call(
        self,
        op: str,
        args: Mapping[str, Value],
        on_item: Callable[[Value], None],
        on_progress: Callable[[Value], None],
    ) -> Value:
        async with self._turn:
            try:
                await self._stream.send_all(frame({"op": op, "args": args}))
                kind, value = await self._until_done(on_item, on_progress)
            except (EndOfFrames, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ControlError("the node stopped before it had answered") from error
            except BaseException:
                # A call that was left half way: what comes next on the stream is not for the next.
                await trio.aclose_forcefully(self._stream)
                raise
        if kind == "error":
            raise error_from_value(value)
        return value

    async def _until_done(
        self, on_item: Callable[[Value], None], on_progress: Callable[[Value], None]
    ) -> tuple[str, Value]:
        while True:
            match await self._frames.receive():
                case {"item": value, **rest} if not rest:
                    on_item(value)
                case {"progress": value, **rest} if not rest:
                    on_progress(value)
                case {"ok": value, **rest} if not rest:
                    return "ok", value
                case {"error": value, **rest} if not rest:
                    return "error", value
                case _:
                    raise ControlError("the node answered in another form")


class Caller:
    """Operations of a node by name, each with the type of what it gives.

    Raises NodeError as the node said it, ControlError for an answer of another form.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def _call(
        self,
        op: str,
        args: Mapping[str, Value],
        on_item: Callable[[Value], None] | None = None,
        on_progress: Callable[[Value], None] | None = None,
    ) -> Value:
        return await self._channel.call(op, args, on_item or _ignore, on_progress or _ignore)

    async def _one(self, cls: type[T], op: str, **args: Value) -> T:
        return read_as(cls, await self._call(op, args))

    async def _many(self, cls: type[T], op: str, **args: Value) -> tuple[T, ...]:
        found: list[T] = []
        await self._call(op, args, lambda item: found.append(read_as(cls, item)))
        return tuple(found)


def error_from_value(value: Value) -> NodeError:
    """What `{error: …}` stands for, as an error to raise."""
    with understood():
        body = Body.open(value, "an error", ("exit", "sentence", "code"))
        sentence = body.text("sentence", chars_max=4_096)
        code = body.maybe_text("code")
        exit = body.integer("exit", high=255)
    if code is not None and exit == Exit.NOT_ALLOWED:
        return Refused(sentence, code)
    return _BY_EXIT.get(exit, NodeError)(sentence)


_BY_EXIT: dict[int, type[NodeError]] = {
    Exit.USAGE: UsageError,
    Exit.NOT_FOUND: NotFound,
    Exit.NOT_ALLOWED: NotAllowed,
    Exit.AWAY: Away,
}


def _ignore(_: Value) -> None:
    """Nobody asked for items or progress."""


@contextmanager
def understood() -> Generator[None]:
    """What the node says is of the form that this program knows; else ControlError."""
    try:
        yield
    except ProtocolError as error:
        raise ControlError(f"the node answered in another form: {error}") from error


def read_as(cls: type[T], value: Value) -> T:
    with understood():
        return from_value(cls, value)
