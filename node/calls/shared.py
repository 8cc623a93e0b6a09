"""Records of which this node and a peer each keep a signed copy."""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.wire import Value
from .. import results
from ..channel import Caller


class SharedCalls(Caller):
    """Shared records: what both sides hold, propose and answer."""

    async def shared(
        self, peer: str | None = None, path: str | None = None
    ) -> tuple[results.shared.SharedInfo, ...]:
        """Every shared record; only with `peer`, or of a collection.  Raises NotFound."""
        return await self._many(results.shared.SharedInfo, "shared", peer=peer, path=path)

    async def shared_show(self, shared: str | bytes) -> results.shared.SharedInfo:
        """One shared record, named by any version of it.  Raises NotFound, UsageError."""
        return await self._one(results.shared.SharedInfo, "shared_show", shared=shared)

    async def shared_history(self, shared: str | bytes) -> tuple[results.shared.SharedStep, ...]:
        """What both sides have signed of it, in the order in which it came to be known here."""
        return await self._many(results.shared.SharedStep, "shared_history", shared=shared)

    async def shared_propose(
        self,
        peer: str,
        path: str,
        record: str | int | None = None,
        *,
        changes: Sequence[tuple[str, str]] = (),
        whole: str | None = None,
        gone: bool = False,
        schema: str | None = None,
        reason: str = "",
    ) -> results.shared.SharedInfo:
        """Ask a peer to hold a record otherwise: with `changes` of fields, as the JSON object
        `whole`, or not at all (`gone`).  `record` is its id or its time (milliseconds).

        Raises NotFound, UsageError.
        """
        items: list[Value] = [[field, text] for field, text in changes]
        return await self._one(
            results.shared.SharedInfo,
            "shared_propose",
            peer=peer,
            path=path,
            id=record if isinstance(record, str) else None,
            t_ms=record if isinstance(record, int) else None,
            changes=items,
            whole=whole,
            gone=gone,
            schema=schema,
            reason=reason,
        )

    async def shared_answer(
        self,
        shared: str | bytes,
        *,
        accept: bool,
        reason: str = "",
        version: bytes | None = None,
    ) -> results.shared.SharedInfo:
        """Accept what the other side holds, or dispute what it proposed; with `version` only if
        that is still its newest.  Raises NotFound, UsageError."""
        return await self._one(
            results.shared.SharedInfo,
            "shared_answer",
            shared=shared,
            accept=accept,
            reason=reason,
            version=version,
        )

    async def shared_withdraw(
        self, shared: str | bytes, reason: str = ""
    ) -> results.shared.SharedInfo:
        """Take back what was proposed.  Raises NotFound, UsageError."""
        return await self._one(
            results.shared.SharedInfo, "shared_withdraw", shared=shared, reason=reason
        )

    async def shared_prove(
        self, shared: str | bytes, *, whole: bool = False
    ) -> results.shared.SharedProofMade:
        """What both have signed, as a file for strangers; `whole`: with both histories."""
        return await self._one(
            results.shared.SharedProofMade, "shared_prove", shared=shared, whole=whole
        )
