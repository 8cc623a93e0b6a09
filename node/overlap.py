"""Two steps of one piece of work, overlapped: the next item is prepared while one is finished.

    prepare 1 │ prepare 2 │ prepare 3 │
              │ finish 1  │ finish 2  │ finish 3

Encrypting holds a processor and committing waits for the disk, so a long import takes as long as
the slower of the two and not as long as both.  Items are finished one at a time and in order; what
fails ends the whole, and nothing after it is finished.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import trio

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")


async def overlapped(
    items: Iterable[Item],
    prepare: Callable[[Item], Awaitable[Prepared]],
    finish: Callable[[Prepared], Awaitable[None]],
) -> None:
    """Prepare each of `items` and finish it, one ahead.  Raises what the first failure raised."""
    remaining = iter(items)
    upcoming: list[Prepared] = []
    failed: list[Exception] = []

    async def prepare_next() -> None:
        for item in remaining:
            try:
                upcoming.append(await prepare(item))
            except Exception as error:
                failed.append(error)
            return

    await prepare_next()
    while upcoming and not failed:
        prepared = upcoming.pop()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(prepare_next)
            # Caught here, so that the caller is not handed a group of one.
            try:
                await finish(prepared)
            except Exception as error:
                failed.insert(0, error)
                nursery.cancel_scope.cancel()
    if failed:
        raise failed[0]
