"""Taking one's data out: exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...protocol.wire import Value
from .. import results
from ..channel import Caller, read_as
from ..shape import from_value
from .answers import path_text


class ExportCalls(Caller):
    """Taking one's data out."""

    async def export(
        self,
        target: Path,
        paths: Sequence[str] | None = None,
        first: int | None = None,
        last: int | None = None,
        *,
        as_csv: bool = False,
        progress: Callable[[results.export.ExportProgress], None] | None = None,
    ) -> results.export.Exported:
        """Write the vault, or these collections on days `first … last`, into the new folder
        `target`; or go on with an export there that was cut short.

        Raises NotFound, UsageError, NodeError.
        """

        def on_progress(value: Value) -> None:
            if progress is not None:
                progress(from_value(results.export.ExportProgress, value))

        args: dict[str, Value] = {
            "path": path_text(target),
            "paths": None if paths is None else list(paths),
            "first": first,
            "last": last,
            "csv": as_csv,
        }
        return read_as(
            results.export.Exported, await self._call("export", args, on_progress=on_progress)
        )
