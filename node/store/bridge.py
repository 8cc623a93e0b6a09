"""The bridge from trio to asyncio: the only importer of trio-asyncio, which has no types.

A crossing is shielded: asyncio's cancellation would drop the answer while aiosqlite's thread still
does the work.  What is taken over is finished; who waits decides above (`aiosqlite.py`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar, cast

import trio
import trio_asyncio  # type: ignore[import-untyped]  # ships no types; given some below

P = ParamSpec("P")
T = TypeVar("T")

_library: Any = cast(Any, trio_asyncio)


class Bridge:
    """An asyncio loop that runs inside trio."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    async def cross(self, work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call an asyncio function and wait for it; a cancellation waits until it is done."""
        with trio.CancelScope(shield=True):
            return cast(T, await _library.aio_as_trio(work, loop=self._loop)(*args, **kwargs))
        raise AssertionError("nobody cancels this scope, so it does not swallow anything")


@asynccontextmanager
async def open_bridge() -> AsyncGenerator[Bridge]:
    """Run an asyncio loop for as long as the context lasts."""
    async with _library.open_loop() as loop:
        yield Bridge(loop)
