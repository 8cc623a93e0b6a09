"""The witnessed log."""

from __future__ import annotations

from .. import results
from ..channel import Caller


class LogCalls(Caller):
    """The witnesses of the log, its checkpoints, proofs of its words."""

    async def witness_add(self, peer: str) -> None:
        """Ask a peer to witness this log.  Raises NotFound, UsageError."""
        await self._call("witness_add", {"peer": peer})

    async def witness_remove(self, peer: str) -> None:
        """Show a peer no more checkpoints.  Raises NotFound."""
        await self._call("witness_remove", {"peer": peer})

    async def witness_allow(self, peer: str) -> None:
        """Witness the log of a peer that asked.  Raises NotFound."""
        await self._call("witness_allow", {"peer": peer})

    async def witness_refuse(self, peer: str, reason: str | None = None) -> None:
        """Do not witness it, or not any more.  Raises NotFound."""
        await self._call("witness_refuse", {"peer": peer, "reason": reason})

    async def witnesses(self) -> tuple[results.log.WitnessInfo, ...]:
        """Who witnesses this log, then whose logs this node witnesses."""
        return await self._many(results.log.WitnessInfo, "witnesses")

    async def log_forks(self) -> tuple[results.log.ForkInfo, ...]:
        """Contradictions of peers' logs, with both signed notes of each."""
        return await self._many(results.log.ForkInfo, "log_forks")

    async def log_checkpoint(self, *, publish: bool = False) -> results.log.CheckpointInfo:
        """The log as it stands, signed; padded and shown to the witnesses if `publish`.

        Raises NotAllowed where the log is not confirmed.
        """
        return await self._one(results.log.CheckpointInfo, "log_checkpoint", publish=publish)

    async def log_prove(self, word: str) -> results.log.ProofMade:
        """A proof file of the word at a place of the log, or whose id begins so.

        Raises NotFound, UsageError, NotAllowed.
        """
        return await self._one(results.log.ProofMade, "log_prove", word=word)

    async def consent(self, grant: bytes | str) -> results.log.ConsentWritten:
        """The consent record and receipt of a grant, as JSON-LD.  Raises NotFound, UsageError."""
        return await self._one(results.log.ConsentWritten, "consent", grant=grant)
