"""For whom this node processes what they were lent."""

from __future__ import annotations

from .. import results
from ..channel import Caller


class ProcessingCalls(Caller):
    """A processor's side of lending on."""

    async def processing(self) -> tuple[results.grants.ProcessingInfo, ...]:
        """For whom this node processes, and how much it holds of each."""
        return await self._many(results.grants.ProcessingInfo, "processing")

    async def processing_add(self, peer: str) -> results.grants.ProcessingInfo:
        """From now on, take what `peer` lends on.  Raises NotFound, UsageError."""
        return await self._one(results.grants.ProcessingInfo, "processing_add", peer=peer)

    async def processing_remove(self, peer: str) -> results.grants.ProcessingInfo:
        """Take no more; what was taken stays until it ends.  Raises NotFound, UsageError."""
        return await self._one(results.grants.ProcessingInfo, "processing_remove", peer=peer)
