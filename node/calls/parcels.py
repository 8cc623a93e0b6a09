"""Exchange by files."""

from __future__ import annotations

from pathlib import Path

from .. import results
from ..channel import (
    Caller,
)
from .answers import path_text


class ParcelCalls(Caller):
    """Exchange by files."""

    async def outbox(self, peer: str | None = None) -> tuple[results.parcels.Waiting, ...]:
        """What waits for `peer`, or for everybody.  Raises NotFound."""
        return await self._many(results.parcels.Waiting, "outbox", peer=peer)

    async def outbox_again(self, peer: str) -> results.parcels.SaidAgain:
        """What was given up for `peer` is tried again.  Raises NotFound."""
        return await self._one(results.parcels.SaidAgain, "outbox_again", peer=peer)

    async def write_parcel(self, peer: str, path: Path) -> results.parcels.ParcelWritten:
        """Write what waits for `peer` to a new file.  Raises NotFound, NodeError."""
        return await self._one(
            results.parcels.ParcelWritten, "write_parcel", peer=peer, path=path_text(path)
        )

    async def take(self, path: Path) -> results.parcels.ParcelTaken:
        """Take a file that a peer wrote for this node.  Raises NotFound, NotAllowed, NodeError."""
        return await self._one(results.parcels.ParcelTaken, "take", path=path_text(path))
