"""How much of this node's disk a peer may fill."""

from __future__ import annotations

from .. import results
from ..channel import Caller


class QuotaCalls(Caller):
    """Asking for quotas, and setting them."""

    async def quota(self, peer: str) -> results.peers.QuotaInfo:
        """What a peer has filled of this node's disk, and may.  Raises NotFound."""
        return await self._one(results.peers.QuotaInfo, "quota", peer=peer)

    async def set_quota(self, peer: str, most: int | None) -> results.peers.QuotaInfo:
        """Let a peer fill `most` bytes in all; None: as much as every peer.  Raises NotFound."""
        return await self._one(results.peers.QuotaInfo, "set_quota", peer=peer, most=most)
