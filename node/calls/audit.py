"""What was signed, and the backup."""

from __future__ import annotations

from pathlib import Path

from .. import results
from ..channel import (
    Caller,
)
from .answers import path_text


class AuditCalls(Caller):
    """What was signed, and the backup."""

    async def log(self) -> tuple[results.log.LogInfo, ...]:
        """Every word of the log, in order."""
        return await self._many(results.log.LogInfo, "log")

    async def log_verify(self) -> results.log.LogSummary:
        """Verify the whole log.  Raises NodeError naming the first row that is wrong."""
        return await self._one(results.log.LogSummary, "log_verify")

    async def backup(self, path: Path) -> results.node.BackedUp:
        """Write the whole node, encrypted, to a new file.  Raises NodeError."""
        return await self._one(results.node.BackedUp, "backup", path=path_text(path))
