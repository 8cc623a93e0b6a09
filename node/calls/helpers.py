"""Helpers."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from ..channel import Caller


class HelperCalls(Caller):
    """Who serves while this node is away, and for whom it does."""

    async def helpers(self) -> tuple[results.helpers.HelperInfo, ...]:
        """Who helps this node, then whom it helps."""
        return await self._many(results.helpers.HelperInfo, "helpers")

    async def helper_add(self, peer: str, readers: Sequence[str] = ()) -> None:
        """Ask a peer to serve for this node, to `readers` alone if any are named.

        Raises NotFound, UsageError.
        """
        await self._call("helper_add", {"peer": peer, "readers": list(readers)})

    async def helper_remove(self, peer: str) -> results.helpers.HelperRemoved:
        """Let a peer help no more; until when it may serve if it has not heard.  Raises
        NotFound."""
        return await self._one(results.helpers.HelperRemoved, "helper_remove", peer=peer)

    async def helper_allow(self, peer: str) -> None:
        """Help a peer that asked.  Raises NotFound."""
        await self._call("helper_allow", {"peer": peer})

    async def helper_refuse(self, peer: str, reason: str | None = None) -> None:
        """Do not help it, or not any more.  Raises NotFound."""
        await self._call("helper_refuse", {"peer": peer, "reason": reason})
