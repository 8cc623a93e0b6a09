"""Imports: a file that a person was given becomes records of the vault, once.

    file ── reader ──> extract ── by path and day ──> pieces ── doubles left out ──> pages

`preview` reads and writes nothing.  `commit` writes in chunks, and each chunk's transaction also
moves the journal on (`journal.py`), so a crash leaves a state that the journal names and importing
the file again goes on from there.  A file that is done changes nothing.  What takes one back is
`import_undo.py`.

Steps, each of which a crash may follow:

    1 read        the bytes are read and understood; nothing is written
    2 begun       the journal names every path of the file, and what each is to bring
    3 sealed      a chunk is encrypted
    4 written     a chunk and its journal are in a transaction that is not committed yet
    5 committed   they are durable
    6 done        the last chunk of the last path is

What it does not do: keep the file, or fetch one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, MutableSequence, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeVar

from ...protocol.errors import ReaderError, RecordError
from ...protocol.reading import UNSAID, Reader, Settings, refusal, summary
from ..checkpoint import UNWATCHED, Checkpoint
from ..clock import Clock
from ..overlap import overlapped
from ..results.imports import (
    Imported,
    Preview,
    PreviewItem,
    PreviewSource,
    Progress,
    Report,
    Skipped,
    Source,
    Undone,
)
from ..store.database import Tx
from ..vault.journal import Event, Import, Journal, State, after
from ..vault.sealing import Piece, Sealed
from ..vault.tellers import family_of_reader
from ..vault.vault import CHUNK_PAGES, Vault
from .doubles import Sifted
from .files import HandedIn, handed_in
from .plan import (
    Chunk,
    Placing,
    Plan,
    ReadFile,
    chunks_of,
    installed_readers,
    read_file,
    unmoved,
)
from .told_before import told_before
from .undo import Undoing, months_of

__all__ = [
    "Imported",
    "Imports",
    "Preview",
    "PreviewItem",
    "PreviewSource",
    "Progress",
    "Report",
    "Skipped",
    "Source",
    "Step",
    "Undone",
]

Result = TypeVar("Result")


class Step(StrEnum):
    """The numbered steps of an import, as a `Checkpoint` is told them."""

    READ = "import 1 read"
    BEGUN = "import 2 begun"
    SEALED = "import 3 sealed"
    WRITTEN = "import 4 written"
    COMMITTED = "import 5 committed"
    DONE = "import 6 done"


@dataclass(frozen=True, slots=True)
class _Ready:
    """A chunk whose new records are encrypted."""

    chunk: Chunk
    sifted: Sifted
    sealed: Sealed


class Imports:
    """Files into the vault.  `readers` are asked for at first use: loading them takes time."""

    def __init__(
        self,
        vault: Vault,
        clock: Clock,
        *,
        readers: Callable[[], Iterable[Reader]] = installed_readers,
        checkpoint: Checkpoint = UNWATCHED,
        chunk_pages: int = CHUNK_PAGES,
    ) -> None:
        self._vault = vault
        self._database = vault.store.database
        self._clock = clock
        self._load_readers = readers
        self._readers: tuple[Reader, ...] = ()
        self._checkpoint = checkpoint
        self._chunk_pages = chunk_pages
        self._journal = Journal(vault.store.objects)
        self.journal = self._journal
        self._undoing = Undoing(vault, clock, self._journal)

    async def preview(
        self,
        path: Path,
        into: str | None = None,
        place: Placing = unmoved,
        settings: Settings = UNSAID,
    ) -> tuple[Preview, ...]:
        """What `commit` would write, for each file at `path`.  Writes nothing.

        Files of a folder or archive that no reader knows are left out.
        Raises ReaderError, RecordError, NotFound.
        """
        previews: list[Preview] = []
        await self._each(
            path,
            partial(read_file, into=into, place=place, settings=settings),
            self._preview,
            previews,
        )
        return tuple(previews)

    async def commit(
        self,
        path: Path,
        into: str | None = None,
        progress: Callable[[Progress], None] | None = None,
        place: Placing = unmoved,
        settings: Settings = UNSAID,
    ) -> Report:
        """Write the records of each file at `path` that are not in the vault yet.

        `into` names another path than the reader's, for files that bring one collection; `place`
        gives, for each path, the one under which it is kept (whose it is); `settings` is what a
        person said of the files.
        A file of a folder or archive that is refused is left out and named; one alone raises.
        Raises ReaderError, RecordError, NotFound, StoreError.
        """

        async def commit(file: ReadFile) -> tuple[Imported, ...]:
            return await self._commit(file, progress)

        imported: list[tuple[Imported, ...]] = []
        skipped = await self._each(
            path, partial(read_file, into=into, place=place, settings=settings), commit, imported
        )
        return Report(tuple(one for some in imported for one in some), skipped)

    async def undo(self, id: str) -> Undone:
        """Remove and overwrite what the import `id` brought; nothing if that is undone already.

        `id` may be shortened while it names one import.  Raises UsageError, NotFound, StoreError.
        """
        row = await self._database.read(lambda tx: self._undoing.named(tx, id))
        async with self._vault.alone_on(row.path):
            pages = await self._database.erase(lambda tx: self._undoing.undo(tx, row.id))
            self._vault.changed(row.path)
        return Undone(row.id.hex(), row.path, pages, row.records if pages else 0)

    async def list(self) -> tuple[Source, ...]:
        """Every import and its state, oldest first."""
        return tuple(map(Source.of, await self._database.read(self._journal.all)))

    def told_again(self, tx: Tx) -> Counter[tuple[str, str]]:
        """How many records kept were the `same` as, or `differing` from, others; by path."""
        found: Counter[tuple[str, str]] = Counter()
        for row in self._journal.all(tx):
            found[row.path, "same"] += row.same
            found[row.path, "differing"] += row.beside
        return found

    # each file

    async def _each(
        self,
        path: Path,
        reading: Callable[[HandedIn, Iterable[Reader]], ReadFile],
        work: Callable[[ReadFile], Awaitable[Result]],
        results: MutableSequence[Result],
    ) -> tuple[Skipped, ...]:
        """Read each file at `path` and do `work` with it; those that were refused."""
        if not self._readers:
            self._readers = await self._vault.offload.run(lambda: tuple(self._load_readers()))
        files = await self._vault.offload.run(lambda: handed_in(path))
        skipped: list[Skipped] = []
        for file in files:
            try:
                read = await self._vault.offload.run(partial(reading, file, self._readers))
                self._checkpoint.reached(Step.READ)
                results.append(await work(read))
            except (ReaderError, RecordError) as error:
                if len(files) == 1:
                    raise
                skipped.append(Skipped(file.name, str(error)))
        if not results:
            raise refusal(
                str(path), f"none of its {len(files)} files was read: {skipped[0].reason}"
            )
        return tuple(skipped)

    async def _preview(self, file: ReadFile) -> Preview:
        items: list[PreviewItem] = []
        left_out: list[str] = []
        summaries = summary(file.extract).items
        for plan in file.plans:
            row = await self._database.read(partial(self._journal.find, id=plan.id))
            refused = await self._refusal(plan)
            erased = new = duplicates = differing = same = ambiguous = 0
            same_as: Counter[str] = Counter()
            for chunk in chunks_of(plan, 0, self._chunk_pages):
                sifted = await self._sifted(plan, chunk.pieces)
                new += sifted.new
                erased += sifted.erased
                duplicates += sifted.duplicates
                differing += sifted.differing
                same += sifted.same
                ambiguous += sifted.ambiguous
                same_as.update(sifted.same_as)
            left_out.extend(_erased_note(plan.path, erased))
            parts = [
                part
                for part, item in zip(summaries, file.extract.items, strict=True)
                if file.path_of(item) == plan.path
            ]
            items.append(
                PreviewItem(
                    path=plan.path,
                    sources=tuple(PreviewSource.of(part) for part in parts),
                    new=new,
                    duplicates=duplicates,
                    differing=differing,
                    same=same,
                    ambiguous=ambiguous,
                    same_as=dict(same_as),
                    state=None if row is None else row.state.value,
                    refused=refused,
                )
            )
        return Preview(
            file.name, file.extract.reader, tuple(items), (*file.extract.notes, *left_out)
        )

    async def _refusal(self, plan: Plan) -> str | None:
        """The sentence with which the vault would refuse `plan`, or None."""

        def unit(tx: Tx) -> None:
            self._vault.fitting(tx, plan.path, plan.schema, plan.interval_s)

        try:
            await self._database.read(unit)
        except RecordError as error:
            return str(error)
        return None

    # committing

    async def _commit(
        self, file: ReadFile, progress: Callable[[Progress], None] | None
    ) -> tuple[Imported, ...]:
        async with AsyncExitStack() as locks:
            # In one order, so that two imports never wait for each other.
            for path in sorted(plan.path for plan in file.plans):
                await locks.enter_async_context(self._vault.alone_on(path))
            begun = await self._database.write(lambda tx: self._begin(tx, file))
            self._checkpoint.reached(Step.BEGUN)
            imported = [
                await self._commit_plan(file, plan, row, already, progress)
                for plan, (row, already) in zip(file.plans, begun, strict=True)
            ]
        self._checkpoint.reached(Step.DONE)
        return tuple(imported)

    def _begin(self, tx: Tx, file: ReadFile) -> Sequence[tuple[Import, bool]]:
        """A row for every path of the file, and whether that path is done already.

        All are held against what the vault has before the first is written.  Raises RecordError.
        """
        rows: list[tuple[Import, bool]] = []
        for plan in file.plans:
            self._vault.fitting(tx, plan.path, plan.schema, plan.interval_s)
            found = self._journal.find(tx, plan.id)
            same_plan = found is not None and found.plan == plan.digest
            if found is not None and found.state is State.DONE and same_plan:
                rows.append((found, True))
                continue
            if found is not None and found.state is State.DONE and plan.said:
                # Its records have other days or amounts now: they would stand beside the first.
                raise refusal(
                    file.name,
                    "this file was imported before and read otherwise; first undo that: "
                    f"entrenous imports undo {found.id.hex()[:8]}",
                )
            row = Import(
                id=plan.id,
                file=file.name,
                reader=file.extract.reader,
                path=plan.path,
                state=after(None if found is None else found.state, Event.BEGIN),
                plan=plan.digest,
                pieces=len(plan.pieces),
                done_pieces=0,
                records=0 if found is None else found.records,
                duplicates=0,
                differing=0,
                first=plan.pieces[0].day,
                last=plan.pieces[-1].day,
                changed_ms=self._clock.now_ms(),
                done_ms=None if found is None else found.done_ms,
            )
            if found is not None and found.state is State.BEGUN and same_plan:
                row = replace(
                    row,
                    done_pieces=found.done_pieces,
                    duplicates=found.duplicates,
                    differing=found.differing,
                    beside=found.beside,
                    same=found.same,
                    ambiguous=found.ambiguous,
                    same_as=found.same_as,
                    noted=found.noted,
                )
            elif found is not None:  # from the beginning: what it noted is noted again
                self._vault.left_out.forget(tx, row.path, row.id, months_of(found))
            self._journal.put(tx, row)
            rows.append((row, False))
        return rows

    async def _commit_plan(
        self,
        file: ReadFile,
        plan: Plan,
        row: Import,
        already: bool,
        progress: Callable[[Progress], None] | None,
    ) -> Imported:
        new = erased = 0

        async def prepare(chunk: Chunk) -> _Ready:
            sifted = await self._sifted(plan, chunk.pieces)
            sealed = await self._vault.seal(plan.path, plan.schema, sifted.pieces)
            self._checkpoint.reached(Step.SEALED)
            return _Ready(chunk, sifted, sealed)

        async def finish(ready: _Ready) -> None:
            nonlocal row, new, erased
            then = self._moved_on(row, ready)

            def journal(tx: Tx) -> None:
                self._vault.left_out.add(tx, plan.path, plan.id, ready.sifted.left_out)
                self._journal.put(tx, then)
                self._checkpoint.reached(Step.WRITTEN)

            await self._vault.commit(ready.sealed, origin=plan.id, also=journal)
            row, new = then, new + ready.sifted.new
            erased += ready.sifted.erased
            self._checkpoint.reached(Step.COMMITTED)
            if progress is not None:
                progress(Progress(file.name, plan.path, row.done_pieces, row.pieces))

        if not already:
            chunks = chunks_of(plan, row.done_pieces, self._chunk_pages)
            await overlapped(chunks, prepare, finish)
        return Imported(
            id=row.id.hex(),
            file=file.name,
            reader=row.reader,
            path=row.path,
            new=new,
            records=row.records,
            duplicates=row.duplicates,
            differing=row.differing,
            same=row.same,
            ambiguous=row.ambiguous,
            same_as=dict(row.same_as),
            already=already,
            notes=(*file.extract.notes, *_erased_note(plan.path, erased)),
        )

    def _moved_on(self, row: Import, ready: _Ready) -> Import:
        """The row once a chunk is committed."""
        now_ms = self._clock.now_ms()
        finished = ready.chunk.done == row.pieces
        return replace(
            row,
            state=after(row.state, Event.FINISH) if finished else row.state,
            done_pieces=ready.chunk.done,
            records=row.records + ready.sifted.records,
            duplicates=row.duplicates + ready.sifted.duplicates,
            differing=row.differing + ready.sifted.differing,
            beside=row.beside + ready.sifted.beside,
            same=row.same + ready.sifted.same,
            ambiguous=row.ambiguous + ready.sifted.ambiguous,
            same_as=Counter(row.same_as) + Counter(ready.sifted.same_as),
            changed_ms=now_ms,
            done_ms=now_ms if finished else row.done_ms,
        )

    async def _sifted(self, plan: Plan, pieces: Sequence[Piece]) -> Sifted:
        """What of `pieces` the vault does not hold, and the person did not erase.  Reads only."""
        erased = self._vault.erased
        found = await self._database.read(
            lambda tx: erased.of(tx, plan.path, {piece.day for piece in pieces})
        )
        pieces, gone = erased.sifted(found, plan.path, pieces)
        sifted = await told_before(
            self._vault,
            plan.path,
            plan.schema,
            pieces,
            family=family_of_reader(plan.reader),
            own=plan.id,
        )
        return replace(sifted, erased=gone)


def _erased_note(path: str, count: int) -> tuple[str, ...]:
    """What is said of records that do not come back because they were erased."""
    if not count:
        return ()
    records = "1 record was" if count == 1 else f"{count:,} records were"
    return (
        f"{records} left out of {path}: you erased them; "
        f"`entrenous erased lift {path}` lets them come again",
    )
