"""Destroying: records, collections; and taking leave of everybody."""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.wire import Value
from .. import results
from ..channel import Caller, read_as
from ..shape import from_value


class ErasureCalls(Caller):
    """Destroying."""

    async def erase(
        self,
        path: str,
        id: str | None = None,
        t_ms: int | None = None,
        progress: Callable[[results.erasure.ErasureProgress], None] | None = None,
    ) -> results.erasure.Erased:
        """Erase one record of `path`, by its id or the beginning of it, or by its time; or the
        whole collection if neither is given: of that, `progress` hears.

        Its readers are asked to delete it.  Raises NotFound, UsageError, NodeError.
        """

        def on_progress(value: Value) -> None:
            if progress is not None:
                progress(from_value(results.erasure.ErasureProgress, value))

        args: dict[str, Value] = {"path": path, "id": id, "t_ms": t_ms}
        return read_as(
            results.erasure.Erased, await self._call("erase", args, on_progress=on_progress)
        )

    async def erased(self) -> tuple[results.erasure.ErasedItem, ...]:
        """What was erased, by collection."""
        return await self._many(results.erasure.ErasedItem, "erased")

    async def lift_erased(self, path: str) -> results.erasure.Lifted:
        """What was erased of `path` may come again."""
        return await self._one(results.erasure.Lifted, "lift_erased", path=path)

    async def take_leave(self, wait_s: int) -> results.erasure.LeaveTaken:
        """Take every grant back and tell the readers, before a vault is destroyed."""
        return await self._one(results.erasure.LeaveTaken, "take_leave", wait_s=wait_s)
