"""One's own data: imported, read, handed back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...protocol.reading import UNSAID, Settings
from ...protocol.record import Batch
from ...protocol.wire import Body, Value
from .. import results
from ..channel import (
    Caller,
    read_as,
    understood,
)
from ..shape import from_value, to_value
from .answers import SENTENCES_MAX, path_text, piece_of, records_of

_READ_KEYS = ("schema", "pages", "conflicts", "damaged")


@dataclass(frozen=True, slots=True)
class _Tellings:
    """One item of `read_sources`."""

    tellings: tuple[tuple[tuple[int, tuple[str, ...]], ...], ...]


class DataCalls(Caller):
    """One's own data: imported, read, handed back."""

    async def import_(
        self,
        path: Path,
        into: str | None = None,
        progress: Callable[[results.imports.Progress], None] | None = None,
        settings: Settings = UNSAID,
        people: str | None = None,
    ) -> results.imports.Report:
        """Import a file, folder or archive.  `settings`: what the files do not say.

        Raises NotFound, NodeError.
        """

        def on_progress(value: Value) -> None:
            if progress is not None:
                progress(from_value(results.imports.Progress, value))

        args: dict[str, Value] = {
            "path": path_text(path),
            "into": into,
            "settings": to_value(settings),
            "people": people,
        }
        return read_as(
            results.imports.Report, await self._call("import", args, on_progress=on_progress)
        )

    async def preview(
        self,
        path: Path,
        into: str | None = None,
        settings: Settings = UNSAID,
        people: str | None = None,
    ) -> tuple[results.imports.Preview, ...]:
        """What `import_` would write; nothing is written."""
        return await self._many(
            results.imports.Preview,
            "preview",
            path=path_text(path),
            into=into,
            settings=to_value(settings),
            people=people,
        )

    async def imports(self) -> tuple[results.imports.Source, ...]:
        return await self._many(results.imports.Source, "imports")

    async def undo(self, id: str) -> results.imports.Undone:
        """Remove what one import brought, and overwrite it.  Raises NotFound, UsageError."""
        return await self._one(results.imports.Undone, "undo", id=id)

    async def collections(self) -> tuple[results.records.CollectionInfo, ...]:
        return await self._many(results.records.CollectionInfo, "collections")

    async def read(
        self, path: str, first: int, last: int, people: str | None = None
    ) -> results.records.Records:
        """The records of one's own collection on days `first … last`; of that of `people`, if
        they are named.  Raises NotFound."""
        pieces: list[Batch] = []
        args: dict[str, Value] = {"path": path, "first": first, "last": last, "people": people}
        done = await self._call("read", args, lambda item: pieces.append(piece_of(item)))
        with understood():
            body = Body.open(done, "a read", _READ_KEYS)
            return records_of(body, pieces)

    async def read_sources(
        self, path: str, first: int, last: int, people: str | None = None
    ) -> results.records.Sourced:
        """As `read`, and who told each record.  Raises NotFound."""
        pieces: list[Batch] = []
        tellings: list[tuple[tuple[int, tuple[str, ...]], ...]] = []

        def on_item(item: Value) -> None:
            if isinstance(item, Mapping) and "tellings" in item:
                tellings.extend(read_as(_Tellings, item).tellings)
            else:
                pieces.append(piece_of(item))

        args: dict[str, Value] = {"path": path, "first": first, "last": last, "people": people}
        done = await self._call("read_sources", args, on_item)
        with understood():
            body = Body.open(done, "a read", (*_READ_KEYS, "ambiguous", "tellers"))
            return results.records.Sourced(
                records_of(body, pieces),
                tuple(
                    from_value(results.records.ToldBy, item)
                    for item in body.items("tellers", items_max=SENTENCES_MAX)
                ),
                tuple(tellings),
                body.integer("ambiguous"),
            )

    async def deliver(
        self, path: Path, to: str, into: str | None = None, wait_s: int = 10
    ) -> tuple[results.deliveries.Delivered, ...]:
        """Sign the records of a file and hand them to `to`; one delivery for each collection.

        Waits up to `wait_s` for the peer to have stored them; else they stay queued.
        Raises NotFound, UsageError.
        """
        return await self._many(
            results.deliveries.Delivered,
            "deliver",
            path=path_text(path),
            to=to,
            into=into,
            wait_s=wait_s,
        )

    async def deliveries(self) -> tuple[results.deliveries.DeliveryInfo, ...]:
        return await self._many(results.deliveries.DeliveryInfo, "deliveries")
