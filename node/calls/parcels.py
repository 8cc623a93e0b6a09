"""Exchange by files."""

from __future__ import annotations

from pathlib import Path

from ..channel import (
    Caller,
)
from ..results.parcels import ParcelTaken, ParcelWritten, SaidAgain, Waiting
from .answers import path_text


class ParcelCalls(Caller):
    """Exchange by files."""

    async def outbox(self, peer: str | None = None) -> tuple[Waiting, ...]:
        """What waits for `peer`, or for everybody.  Raises NotFound."""
        return await self._many(Waiting, "outbox", peer=peer)

    async def outbox_again(self, peer: str) -> SaidAgain:
        """What was given up for `peer` is tried again.  Raises NotFound."""
        return await self._one(SaidAgain, "outbox_again", peer=peer)

    async def write_parcel(self, peer: str, path: Path) -> ParcelWritten:
        """Write what waits for `peer` to a new file.  Raises NotFound, NodeError."""
        return await self._one(ParcelWritten, "write_parcel", peer=peer, path=path_text(path))

    async def take(self, path: Path) -> ParcelTaken:
        """Take a file that a peer wrote for this node.  Raises NotFound, NotAllowed, NodeError."""
        return await self._one(ParcelTaken, "take", path=path_text(path))
