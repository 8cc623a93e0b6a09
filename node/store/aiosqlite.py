"""The database of the daemon: aiosqlite, opened through trio-asyncio, one handover a group.

aiosqlite gives each connection a thread and a queue; the daemon runs on trio.  A hop for each
statement costs about as much as the fsync it leads to (docs/adr/0002-units-of-work.md), so a
whole group of units goes over in one call:

    write() ─┐
    write() ─┼─ waiting ─▶ writer task ── one handover ──▶ aiosqlite's thread: commit_group
    write() ─┘     ▲            │                                     │
                   └────────────┴──── every caller is answered ◀──────┘

While one group is on its way to the disk the next one gathers, so the busier the node, the larger
the groups.  Readers do the same over a second connection, and do not wait for writers (WAL).
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

import aiosqlite
import outcome
import trio

from .bridge import open_bridge
from .connection import copy_file, open_reader, open_writer
from .database import Tx
from .errors import StoreClosed
from .transaction import Answer, commit_group, empty_write_ahead_log, read_group, store_error

T = TypeVar("T")
# So that the first caller of a group never waits for more than this many others.
GROUP_UNITS_MAX = 512


class Connection(aiosqlite.Connection):
    """An aiosqlite connection whose thread also runs whole functions, for trio to wait for.

    The thread runs what is put into its queue; a future beside it is only for asyncio to wait on.
    Without one, the answer goes straight to the trio task that asked: twice as fast as by way of
    an asyncio loop inside trio.
    """

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` with the sqlite3 connection, in the connection's own thread.

        Called from trio.  A cancellation waits until `work` is done.  Raises what `work` raises,
        and ValueError once the connection is closed.
        """
        # Protected and without types, but the one way to the thread; the suite pins it.
        inside = cast(Any, self)
        if not inside._running:
            raise ValueError("the connection is closed")
        task = trio.lowlevel.current_task()
        token = trio.lowlevel.current_trio_token()

        def in_thread() -> None:
            answer: outcome.Outcome[Any] = outcome.capture(work, self._conn)
            token.run_sync_soon(trio.lowlevel.reschedule, task, answer)

        inside._tx.put_nowait((None, in_thread))
        result: T = await trio.lowlevel.wait_task_rescheduled(_not_now)
        return result


def _not_now(_raise_cancel: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


@dataclass(slots=True, eq=False)
class _Waiting:
    unit: Callable[[Tx], Any]
    task: trio.lowlevel.Task


class _Group(Protocol):
    def __call__(
        self, connection: sqlite3.Connection, units: list[Callable[[Tx], Any]]
    ) -> list[Answer]: ...


class _Line:
    """Units that wait for one connection, and the task that takes them over in groups."""

    def __init__(self, group: _Group) -> None:
        self._group = group
        self._waiting: deque[_Waiting] = deque()
        self._wake = trio.Event()
        self._drained = trio.Event()
        self._serving = False
        self._finishing = False

    async def answer(self, unit: Callable[[Tx], T]) -> T:
        """Wait until `unit` was run, and return or raise what came of it."""
        if self._finishing or not self._serving:
            raise StoreClosed("the store is closed")
        await trio.lowlevel.checkpoint_if_cancelled()
        place = _Waiting(unit, trio.lowlevel.current_task())
        self._waiting.append(place)
        self._wake.set()

        def withdraw(_raise_cancel: object) -> trio.lowlevel.Abort:
            # Done or not started, never in between: a unit that was taken is waited for.
            try:
                self._waiting.remove(place)
            except ValueError:
                return trio.lowlevel.Abort.FAILED
            return trio.lowlevel.Abort.SUCCEEDED

        result: T = await trio.lowlevel.wait_task_rescheduled(withdraw)
        return result

    def serve_soon(self, nursery: trio.Nursery, connection: Connection) -> None:
        """Begin to accept units."""
        self._serving = True
        nursery.start_soon(self._serve, connection)

    async def _serve(self, connection: Connection) -> None:
        """Take groups over until the line is finished and empty."""
        # Only `finish` ends this task.  Were it cancelled, a group would commit and nobody be told.
        with trio.CancelScope(shield=True):
            while self._waiting or not self._finishing:
                if not self._waiting:
                    self._wake = trio.Event()
                    await self._wake.wait()
                    continue
                size = min(len(self._waiting), GROUP_UNITS_MAX)
                taken = [self._waiting.popleft() for _ in range(size)]
                units = [place.unit for place in taken]
                try:
                    answers = await connection.run(partial(self._group, units=units))
                except Exception as error:
                    # The connection itself failed: each caller is told, the next group tries again.
                    answers = [outcome.Error(store_error(error)) for _ in taken]
                for place, answer in zip(taken, answers, strict=True):
                    trio.lowlevel.reschedule(place.task, answer)
        self._drained.set()

    async def finish(self) -> None:
        """Refuse new units and wait for those that wait."""
        self._finishing = True
        self._wake.set()
        if self._serving:
            await self._drained.wait()


class AiosqliteDatabase:
    """A `Database` for the daemon.  It owns its asyncio loop, two connections and two tasks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = AsyncExitStack()
        self._lines = (_Line(commit_group), _Line(read_group))
        self._connections: tuple[Connection, ...] = ()

    async def __aenter__(self) -> Self:
        # The files are opened first and in a plain thread: what goes wrong there is the caller's
        # to read, and would come out of an asyncio loop wrapped in groups.
        opened = await trio.to_thread.run_sync(_open_both, self._path)
        try:
            self._bridge = await self._stack.enter_async_context(open_bridge())
            for connection in opened:
                self._connections += (await self._adopted(connection),)
            nursery = await self._stack.enter_async_context(trio.open_nursery())
            for line, taken in zip(self._lines, self._connections, strict=True):
                line.serve_soon(nursery, taken)
        except BaseException:
            await self._close_all()
            for connection in opened:
                connection.close()  # a second time does nothing
            raise
        return self

    async def _adopted(self, opened: sqlite3.Connection) -> Connection:
        connection = Connection(lambda: opened, iter_chunk_size=64)
        await self._bridge.cross(connection.__aenter__)
        return connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close_all()

    async def _close_all(self) -> None:
        await self.aclose()
        # Not shielded: a scope opened here could not outlive those that are closed inside it.
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def write(self, unit: Callable[[Tx], T]) -> T:
        return await self._lines[0].answer(unit)

    async def read(self, unit: Callable[[Tx], T]) -> T:
        return await self._lines[1].answer(unit)

    async def erase(self, unit: Callable[[Tx], T]) -> T:
        value = await self.write(unit)
        if self._connections:
            await self._connections[0].run(empty_write_ahead_log)
        return value

    async def copy_to(self, target: Path) -> None:
        # Over a connection of its own: a large store takes seconds, and readers go on meanwhile.
        await trio.to_thread.run_sync(copy_file, self._path, target)

    async def aclose(self) -> None:
        with trio.CancelScope(shield=True):
            for line in self._lines:
                await line.finish()
            connections, self._connections = self._connections, ()
            for connection in reversed(connections):
                await self._bridge.cross(connection.close)


def _open_both(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    writer = open_writer(path, any_thread=True)
    try:
        return writer, open_reader(path, any_thread=True)
    except BaseException:
        writer.close()
        raise
