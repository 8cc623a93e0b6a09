"""Destroying: records, collections; and taking leave of everybody."""

from __future__ import annotations

from ..channel import Caller
from ..results.erasure import Erased, ErasedItem, LeaveTaken, Lifted


class ErasureCalls(Caller):
    """Destroying."""

    async def erase(self, path: str, id: str | None = None, t_ms: int | None = None) -> Erased:
        """Erase one record of `path`, by its id or the beginning of it, or by its time; or the
        whole collection if neither is given.

        Its readers are asked to delete it.  Raises NotFound, UsageError, NodeError.
        """
        return await self._one(Erased, "erase", path=path, id=id, t_ms=t_ms)

    async def erased(self) -> tuple[ErasedItem, ...]:
        """What was erased, by collection."""
        return await self._many(ErasedItem, "erased")

    async def lift_erased(self, path: str) -> Lifted:
        """What was erased of `path` may come again."""
        return await self._one(Lifted, "lift_erased", path=path)

    async def take_leave(self, wait_s: int) -> LeaveTaken:
        """Take every grant back and tell the readers, before a vault is destroyed."""
        return await self._one(LeaveTaken, "take_leave", wait_s=wait_s)
