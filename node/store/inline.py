"""The database in place: sqlite3 on the calling thread, for simulations and tests.

A thread does not keep a mock clock's time and answers when it likes; here a unit runs where it is
called, so a world replays from its seed.  The rules are those of `database.py`; each write is a
group of one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import trio

from .connection import copy_into, open_writer
from .database import Tx
from .errors import StoreClosed
from .transaction import Answer, commit_group, empty_write_ahead_log, read_group

T = TypeVar("T")


class InlineDatabase:
    """A `Database` in place.

    `path` None keeps it in memory.  `durable` False leaves out the fsync, which a simulated disk
    does not need.
    """

    def __init__(self, path: Path | None, *, durable: bool = False) -> None:
        self._path = path
        self._durable = durable
        self._connection: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        self._connection = open_writer(self._path, durable=self._durable)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def write(self, unit: Callable[[Tx], T]) -> T:
        await trio.lowlevel.checkpoint()
        return _unwrapped(unit, commit_group(self._live(), (unit,)))

    async def read(self, unit: Callable[[Tx], T]) -> T:
        await trio.lowlevel.checkpoint()
        connection = self._live()
        connection.execute("PRAGMA query_only = ON")
        try:
            return _unwrapped(unit, read_group(connection, (unit,)))
        finally:
            connection.execute("PRAGMA query_only = OFF")

    async def erase(self, unit: Callable[[Tx], T]) -> T:
        value = await self.write(unit)
        empty_write_ahead_log(self._live())
        return value

    async def copy_to(self, target: Path) -> None:
        await trio.lowlevel.checkpoint()
        copy_into(self._live(), target)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreClosed("the store is closed")
        return self._connection


def _unwrapped(_unit: Callable[[Tx], T], answers: list[Answer]) -> T:
    # A group answers in order, so this is what `_unit` returned; lists cannot say that in types.
    value: Any = answers[0].unwrap()
    return cast(T, value)
