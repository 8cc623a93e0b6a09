"""Records declared by hand, and programs that may push them."""

from __future__ import annotations

from ...protocol.columns import write_columns
from ...protocol.record import Batch
from ...protocol.wire import Value
from .. import results
from ..channel import (
    Caller,
    read_as,
)


class DeclaringCalls(Caller):
    """Records declared by hand, and programs that may push them."""

    async def add(self, path: str, batch: Batch) -> results.records.RecordsAdded:
        """Add a few records, in order, of which no source has a word; durable once this returns.

        Raises RecordError and NodeError; then nothing of `batch` was stored.
        """
        args: dict[str, Value] = {
            "path": path,
            "schema": batch.schema.name,
            "columns": write_columns(batch),
            "count": len(batch),
        }
        return read_as(results.records.RecordsAdded, await self._call("add", args))

    async def remove(
        self, path: str, id: str | None = None, t_ms: int | None = None
    ) -> results.records.RecordRemoved:
        """Take out a record that was declared, named by its id or, if it has none, its time.

        Raises NotFound, UsageError, NodeError for one that was not declared here.
        """
        return await self._one(results.records.RecordRemoved, "remove", path=path, id=id, t_ms=t_ms)

    async def allow(
        self,
        name: str,
        path: str,
        program: str,
        *,
        exp_s: int,
        per_minute: int,
        schema: str | None = None,
    ) -> results.records.AllowanceInfo:
        """Let the local program whose DID is `program` push records to `path` until `exp_s`.

        Raises UsageError, NodeError if `name` may push already.
        """
        return await self._one(
            results.records.AllowanceInfo,
            "allow",
            name=name,
            path=path,
            program=program,
            exp_s=exp_s,
            per_minute=per_minute,
            schema=schema,
        )

    async def allowed(self) -> tuple[results.records.AllowanceInfo, ...]:
        """Every program that may push, or could once, the oldest first."""
        return await self._many(results.records.AllowanceInfo, "allowed")

    async def disallow(self, name: str) -> results.records.AllowanceInfo:
        """End what a program may do: once this returns, nothing more comes.  Raises NotFound."""
        return await self._one(results.records.AllowanceInfo, "disallow", name=name)
