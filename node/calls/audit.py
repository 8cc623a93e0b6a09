"""What was signed, and the backup."""

from __future__ import annotations

from pathlib import Path

from ..channel import (
    Caller,
)
from ..results.log import LogInfo, LogSummary
from ..results.node import BackedUp
from .answers import path_text


class AuditCalls(Caller):
    """What was signed, and the backup."""

    async def log(self) -> tuple[LogInfo, ...]:
        """Every word of the log, in order."""
        return await self._many(LogInfo, "log")

    async def log_verify(self) -> LogSummary:
        """Verify the whole log.  Raises NodeError naming the first row that is wrong."""
        return await self._one(LogSummary, "log_verify")

    async def backup(self, path: Path) -> BackedUp:
        """Write the whole node, encrypted, to a new file.  Raises NodeError."""
        return await self._one(BackedUp, "backup", path=path_text(path))
