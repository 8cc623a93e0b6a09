"""How much of this node's disk a peer may fill."""

from __future__ import annotations

from ..channel import Caller
from ..results.peers import QuotaInfo


class QuotaCalls(Caller):
    """Asking for quotas, and setting them."""

    async def quota(self, peer: str) -> QuotaInfo:
        """What a peer has filled of this node's disk, and may.  Raises NotFound."""
        return await self._one(QuotaInfo, "quota", peer=peer)

    async def set_quota(self, peer: str, most: int | None) -> QuotaInfo:
        """Let a peer fill `most` bytes in all; None: as much as every peer.  Raises NotFound."""
        return await self._one(QuotaInfo, "set_quota", peer=peer, most=most)
