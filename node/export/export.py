"""Exporting: a whole vault, or some of it, as files that anybody can read and verify.

    plan ── each collection, month by month ──> papers ── README ──> manifest

Records come as JSON Lines, and as CSV if that is asked for; what was signed as it was signed.  The
folder is read in again by `reimport.py`, and by anybody else: its form is in docs/export.md.

Steps, each of which a crash may follow; the same command then goes on:

    1 begun      the folder is there
    2 part       a collection is written: its files are durable, and noted
    3 papers     everything else is
    4 done       the manifest is: only now is the folder an export

What it does not do: hold the vault still.  Each month is one state of it; what comes meanwhile is
in the export or in the next one.  Views are not in it, since a node derives them; nor is what peers
lent, which is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from ...crypto.canonical import encode
from ...crypto.digest import sha256
from ...protocol.cid import cid_from_text, cid_text
from ...protocol.day import UNDATED
from ...protocol.errors import WireError
from ...protocol.export_manifest import (
    ExportedCollection,
    ExportedFile,
    Manifest,
    day_text,
    manifest_digest,
    records_file,
    statement_file,
)
from ...protocol.view_path import is_view
from ...protocol.wire import Body, Value
from ..checkpoint import UNWATCHED, Checkpoint
from ..errors import NotFound
from ..node import Node
from ..results.export import Exported, ExportProgress
from ..store.database import Tx
from ..vault.collection import Collection
from ..vault.facts import TellerKey, key_of
from . import papers
from .folder import ExportError, ExportFile, ExportFolder, Part
from .readme import readme
from .records import Gathered, Lines, SignedDay, csv_head, gather, lines_of
from .shared_copies import SHARED_FILE, SHARED_VERSIONS_FILE, shared_records, shared_versions

_NOTES = ("records", "facts", "statements", "sources", "damaged")
# Sources of one export: files, deliveries, programs.
SOURCES_MAX = 1_000_000


class Step(StrEnum):
    """The numbered steps of an export, as a `Checkpoint` is told them."""

    BEGUN = "export 1 begun"
    PART = "export 2 part"
    PAPERS = "export 3 papers"
    DONE = "export 4 done"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported: these collections (all if None), on days `first … last`."""

    paths: tuple[str, ...] | None = None
    first: int | None = None
    last: int | None = None
    as_csv: bool = False

    @property
    def days(self) -> tuple[int, int]:
        return (
            0 if self.first is None else self.first,
            UNDATED if self.last is None else self.last,
        )


@dataclass(slots=True)
class _Done:
    """What a run has written so far."""

    collections: list[ExportedCollection] = field(
        default_factory=lambda: list[ExportedCollection]()
    )
    files: list[ExportedFile] = field(default_factory=lambda: list[ExportedFile]())
    sources: dict[tuple[str, TellerKey], int] = field(
        default_factory=lambda: dict[tuple[str, TellerKey], int]()
    )
    damaged: list[str] = field(default_factory=lambda: list[str]())
    statements: int = 0
    resumed: int = 0

    def number(self, path: str, key: TellerKey) -> int:
        """The number of a source; the next one if it is new."""
        return self.sources.setdefault((path, key), len(self.sources) + 1)


class Exporting:
    """Writes exports of one node."""

    def __init__(self, node: Node, program: str, *, checkpoint: Checkpoint = UNWATCHED) -> None:
        self._node = node
        self._program = program
        self._checkpoint = checkpoint
        self._run = node.offload.run

    async def export(
        self,
        target: Path,
        wanted: Wanted,
        progress: Callable[[ExportProgress], None] | None = None,
    ) -> Exported:
        """Write what is `wanted` into the new folder `target`, or go on with it.

        Raises NotFound for a collection that is not here, ExportError, StoreError.
        """
        collections = await self._node.store.database.read(lambda tx: self._chosen(tx, wanted))
        folder = ExportFolder(target)
        parts = await self._run(lambda: folder.begin(self._name(wanted)))
        self._checkpoint.reached(Step.BEGUN)
        done = _Done()
        for number, collection in enumerate(collections):
            tell = None if progress is None else partial(_tell, progress, number, len(collections))
            async with self._node.vault.alone_on(collection.path):
                await self._part(
                    folder, collection.path, wanted, parts.get(collection.path), done, tell
                )
            self._checkpoint.reached(Step.PART)
        await self._papers(folder, [one.path for one in collections], wanted, done)
        self._checkpoint.reached(Step.PAPERS)
        manifest = Manifest(
            self._node.clock.now_ms(),
            self._program,
            wanted.first,
            wanted.last,
            tuple(done.collections),
            tuple(sorted(done.files, key=lambda one: one.path)),
        )
        raw = manifest.encode()
        last = await self._run(lambda: folder.end(raw))
        self._checkpoint.reached(Step.DONE)
        return Exported(
            folder=str(target),
            digest=manifest_digest(raw).hex(),
            collections=len(done.collections),
            records=sum(one.records for one in done.collections),
            facts=sum(one.facts for one in done.collections),
            statements=done.statements,
            files=len(done.files) + 1,
            bytes=sum(one.size for one in done.files) + last.size,
            resumed=done.resumed,
            damaged=tuple(done.damaged),
        )

    def _chosen(self, tx: Tx, wanted: Wanted) -> list[Collection]:
        found = self._node.vault.collections.all(tx)
        if wanted.paths is None:
            return [one for one in found if one.pages and not is_view(one.path)]
        views = [path for path in wanted.paths if is_view(path)]
        if views:
            raise ExportError(f"{views[0]} is a view: export the collection that it is made from")
        known = {one.path: one for one in found}
        missing = [path for path in wanted.paths if path not in known]
        if missing:
            raise NotFound(f"there is no collection {missing[0]}: see `entrenous collections`")
        return [known[path] for path in sorted(set(wanted.paths))]

    def _name(self, wanted: Wanted) -> str:
        """What tells this export from another one, in `.unfinished`."""
        paths: Value = None if wanted.paths is None else sorted(set(wanted.paths))
        parts: list[Value] = [self._node.vault.device, paths, wanted.first, wanted.last]
        return sha256(encode([*parts, wanted.as_csv])).hex()

    # one collection

    async def _part(
        self,
        folder: ExportFolder,
        path: str,
        wanted: Wanted,
        before: Part | None,
        done: _Done,
        tell: Callable[[str, int, int], None] | None,
    ) -> None:
        stamp, collection = await self._node.store.database.read(
            lambda tx: (self._stamp(tx, path), self._node.vault.collections.get(tx, path))
        )
        if before is not None and before.stamp == stamp and _goes_on(before, path, done):
            done.resumed += 1
            part = before
        else:
            if before is not None:
                await self._run(partial(folder.forget, before))
            part = await self._write_part(folder, collection, stamp, wanted, done, tell)
            await self._run(lambda: folder.finished(part))
        notes = Body.open(part.notes, "what is noted of a part", _NOTES)
        done.files += part.files
        done.statements += notes.integer("statements")
        done.damaged += [str(one) for one in notes.items("damaged", items_max=SOURCES_MAX)]
        done.collections.append(
            ExportedCollection(
                path,
                collection.schema,
                collection.interval_s,
                notes.integer("records"),
                notes.integer("facts"),
            )
        )

    def _stamp(self, tx: Tx, path: str) -> str:
        """What changes with the pages of a collection: each has a number of its own."""
        seqs: list[Value] = [one.seq for one in self._node.vault.stored(tx, path, 0, UNDATED)]
        return sha256(encode(seqs)).hex()

    async def _write_part(
        self,
        folder: ExportFolder,
        collection: Collection,
        stamp: str,
        wanted: Wanted,
        done: _Done,
        tell: Callable[[str, int, int], None] | None,
    ) -> Part:
        path, schema = collection.path, collection.schema
        known = len(done.sources)
        total = Lines()
        with folder.file(records_file(path)) as (jsonl, written):
            if wanted.as_csv:
                with folder.file(records_file(path, "csv")) as (table, more):
                    await self._run(lambda: table.write(csv_head(schema)))
                    await self._months(collection, wanted, done, total, jsonl, table, tell)
                written.extend(more)
            else:
                await self._months(collection, wanted, done, total, jsonl, None, tell)
        files = list(written)
        for statement, days in sorted(total.signed.items()):
            files.append(await self._statement(folder, path, statement, days))
        fresh = list(done.sources.items())[known:]
        notes: dict[str, Value] = {
            "records": total.records,
            "facts": total.facts,
            "statements": len(total.signed),
            "sources": [
                [number, key[0].hex(), None if key[1] is None else cid_text(key[1])]
                for (_, key), number in fresh
            ],
            "damaged": list(total.damaged),
        }
        return Part(path, stamp, tuple(files), notes)

    async def _months(
        self,
        collection: Collection,
        wanted: Wanted,
        done: _Done,
        total: Lines,
        jsonl: ExportFile,
        table: ExportFile | None,
        tell: Callable[[str, int, int], None] | None,
    ) -> None:
        """Write every month, and add up what it comes to."""
        path, vault = collection.path, self._node.vault
        first, last = wanted.days
        for number, month in enumerate(collection.months):
            unit = partial(_gathered, self._node, path, month, first, last)
            gathered = await self._node.store.database.read(unit)
            if gathered is not None:
                numbers = {key: done.number(path, key) for key in _keys(gathered)}
                lines = await self._run(
                    partial(lines_of, vault, gathered, numbers, as_csv=table is not None)
                )
                await self._run(partial(_write, lines, jsonl, table))
                total.records += lines.records
                total.facts += lines.facts
                total.damaged += lines.damaged
                for statement, days in lines.signed.items():
                    total.signed.setdefault(statement, []).extend(days)
            if tell is not None:
                tell(path, number + 1, len(collection.months))

    async def _statement(
        self, folder: ExportFolder, path: str, statement: bytes, days: Sequence[SignedDay]
    ) -> ExportedFile:
        raw = await self._node.store.database.read(
            lambda tx: papers.statement_object(self._node, tx, statement, path, days)
        )
        return await self._run(lambda: folder.write(statement_file(cid_text(statement)), [raw]))

    # the rest

    async def _papers(
        self, folder: ExportFolder, paths: Sequence[str], wanted: Wanted, done: _Done
    ) -> None:
        node = self._node
        # What is shared need not be in the vault: all of it, if all was asked for.
        shared = None if wanted.paths is None else wanted.paths
        written: dict[str, Callable[[Tx], Iterable[bytes]]] = {
            "sources.jsonl": lambda tx: papers.sources(node, tx, done.sources),
            "imports.jsonl": lambda tx: papers.imports(node, tx, paths),
            "left-out.jsonl": lambda tx: papers.left_out(node, tx, paths),
            "people.json": lambda tx: [papers.people(node, tx)],
            "peers.jsonl": lambda tx: papers.peers(node, tx),
            "requests.jsonl": lambda tx: papers.requests(node, tx),
            "grants.jsonl": lambda tx: papers.grants(node, tx),
            "held.jsonl": lambda tx: papers.held(node, tx),
            "terms.jsonl": lambda tx: papers.terms(node, tx),
            "receipts.jsonl": lambda tx: papers.receipts(node, tx),
            "certificates.jsonl": lambda tx: papers.certificates(node, tx),
            "cards.jsonl": lambda tx: papers.cards(node, tx),
            SHARED_FILE: lambda tx: shared_records(node, tx, shared),
            SHARED_VERSIONS_FILE: lambda tx: shared_versions(node, tx, shared),
        }
        for name, of in written.items():
            lines = await node.store.database.read(partial(_all, of))
            done.files.append(await self._run(partial(folder.write, name, lines)))
        text = readme(node.config.name, self._program, node.clock.now_ms(), done.collections)
        done.files.append(await self._run(lambda: folder.write("README.txt", [text.encode()])))


def _goes_on(part: Part, path: str, done: _Done) -> bool:
    """Take over the sources that a finished part numbered; False if they do not follow here."""
    try:
        notes = Body.open(part.notes, "what is noted of a part", _NOTES)
        fresh: list[tuple[tuple[str, TellerKey], int]] = []
        for item in notes.items("sources", items_max=SOURCES_MAX):
            match item:
                case [int(number), str(origin), str() | None as cid]:
                    statement = None if cid is None else cid_from_text(cid)
                    fresh.append(((path, (bytes.fromhex(origin), statement)), number))
                case _:
                    return False
    except (WireError, ValueError):
        return False
    first = len(done.sources) + 1
    if [number for _, number in fresh] != list(range(first, first + len(fresh))):
        return False
    done.sources.update(fresh)
    return True


def _gathered(node: Node, path: str, month: int, first: int, last: int, tx: Tx) -> Gathered | None:
    return gather(node.vault, tx, path, month, first, last)


def _keys(gathered: Gathered) -> list[TellerKey]:
    """The tellers of the pages of a month itself, in the order in which these were written."""
    first, last = gathered.days
    within = [one for one, _ in gathered.found if first <= one.day <= last]
    return list(dict.fromkeys(key_of(one) for one in sorted(within, key=lambda one: one.seq)))


def _write(lines: Lines, jsonl: ExportFile, table: ExportFile | None) -> None:
    jsonl.write(lines.jsonl)
    if table is not None:
        table.write(lines.csv)


def _all(of: Callable[[Tx], Iterable[bytes]], tx: Tx) -> list[bytes]:
    return list(of(tx))


def _tell(
    progress: Callable[[ExportProgress], None],
    number: int,
    of: int,
    path: str,
    done: int,
    total: int,
) -> None:
    progress(ExportProgress(path, done, total, number, of))


__all__ = ["ExportError", "Exporting", "Step", "Wanted", "day_text"]
