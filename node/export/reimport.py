"""Taking an export in: another node's vault becomes this one's, page by page as it was.

    folder ── read, verified whole ──> plan ── begun ──> pages, in their order ──> done

Nothing is written before all of it has been read and verified.  What was delivered stays delivered,
with its statement; what was imported keeps its import, which can be undone; whose it is stays so.
Pages are encrypted anew under this vault's keys, and this device vouches for them.

An export is taken into a vault that does not hold these collections: to bring two vaults together
is another thing, for which there are deliveries and imports.  An export that was taken before
changes nothing; one that was cut short goes on.

Steps, each of which a crash may follow:

    1 read       everything is verified; nothing is written
    2 begun      the vault knows the export; imports, people, notes, shared records are there
    3 pages      some pages are, in order, and the vault knows how many
    4 done

What it does not do: bring back peers, grants or the log.  They are signed under keys that stayed
with the old node; as papers they are in the folder.  Records that were shared come back to be shown
and proven (`shared_copies.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path

from ...protocol.errors import ProtocolError
from ...protocol.wire import Body, Value
from ..checkpoint import UNWATCHED, Checkpoint
from ..errors import NodeError
from ..node import Node
from ..reads.serving import statement_value
from ..results.imports import (
    Imported,
    Preview,
    PreviewItem,
    Progress,
    Report,
)
from ..shared.kept import SharedKept
from ..store.database import Tx
from ..store.objects import Kind
from ..vault.sealing import Piece
from .inside import Inside
from .reimport_lines import PlannedPage
from .reimport_plan import ExportPlan, page_records, plan_of_export

READER = "export"
# Digests of what was erased would let whoever has the folder try their guesses on them (ADR 22).
ERASED_UNKNOWN = (
    "what was erased on the node that wrote this is not known here: a file that holds it brings it "
    "back"
)
# Pages of one unit of work: they are encrypted inside it.
CHUNK_PAGES = 256


class Step(StrEnum):
    """The numbered steps, as a `Checkpoint` is told them."""

    READ = "reimport 1 read"
    BEGUN = "reimport 2 begun"
    PAGES = "reimport 3 pages"
    DONE = "reimport 4 done"


@dataclass(frozen=True, slots=True)
class _Taken:
    """How far an export has come: pages of each collection, in the order of its manifest."""

    done: bool
    pages: tuple[int, ...]

    def value(self) -> Value:
        return {"v": 1, "done": self.done, "pages": list(self.pages)}

    @classmethod
    def from_value(cls, value: Value) -> _Taken:
        body = Body.open(value, "an export in the store", ("v", "done", "pages"))
        pages = body.items("pages", items_max=100_000)
        return cls(body.flag("done"), tuple(one for one in pages if isinstance(one, int)))


class Reimporting:
    """Takes exports in."""

    def __init__(
        self, node: Node, *, checkpoint: Checkpoint = UNWATCHED, chunk_pages: int = CHUNK_PAGES
    ) -> None:
        self._node = node
        self._vault = node.vault
        self._database = node.store.database
        self._checkpoint = checkpoint
        self._chunk_pages = chunk_pages

    async def preview(self, folder: Path) -> Preview:
        """What `take` would write.  Writes nothing.  Raises ReaderError, NodeError."""
        inside = Inside(folder)
        plan = await self._vault.offload.run(lambda: plan_of_export(inside))
        taken = await self._database.read(partial(self._taken, plan=plan))
        refused = None
        if taken is None:
            try:
                await self._database.read(partial(self._check_room, plan=plan))
            except NodeError as error:
                refused = str(error)
        items = tuple(
            PreviewItem(
                path=one.path,
                sources=(),
                new=0 if taken is not None and taken.done else one.records,
                duplicates=0,
                differing=0,
                state=None if taken is None else ("done" if taken.done else "begun"),
                refused=refused,
            )
            for one in plan.manifest.collections
        )
        return Preview(inside.name, READER, items, ())

    async def take(
        self, folder: Path, progress: Callable[[Progress], None] | None = None
    ) -> Report:
        """Take the export at `folder` in.

        Raises ReaderError for one that is damaged, NodeError for a vault that holds some of it.
        """
        inside = Inside(folder)
        plan = await self._vault.offload.run(lambda: plan_of_export(inside))
        self._checkpoint.reached(Step.READ)
        collections = plan.manifest.collections
        async with AsyncExitStack() as locks:
            for path in sorted(one.path for one in collections):
                await locks.enter_async_context(self._vault.alone_on(path))
            taken = await self._database.write(partial(self._begin, plan=plan))
            self._checkpoint.reached(Step.BEGUN)
            if not taken.done:
                for number, _ in enumerate(collections):
                    await self._collection(inside, plan, number, taken.pages[number], progress)
                await self._database.write(partial(self._end, plan=plan))
        self._checkpoint.reached(Step.DONE)
        return Report(
            tuple(
                Imported(
                    id=plan.digest.hex()[:32],
                    file=inside.name,
                    reader=READER,
                    path=one.path,
                    new=0 if taken.done else one.records,
                    records=one.records,
                    duplicates=0,
                    differing=0,
                    already=taken.done,
                    notes=() if taken.done or one is not collections[-1] else (ERASED_UNKNOWN,),
                )
                for one in collections
            ),
            (),
        )

    # the vault knows it

    def _taken(self, tx: Tx, plan: ExportPlan) -> _Taken | None:
        value = self._node.store.objects.get(tx, Kind.EXPORT_TAKEN, plan.digest)
        return None if value is None else _Taken.from_value(value)

    def _check_room(self, tx: Tx, plan: ExportPlan) -> None:
        """Raises NodeError if the vault holds some of it, or is of other people."""
        for one in plan.manifest.collections:
            if self._vault.erased.any(tx, one.path):
                raise NodeError(
                    f"records of {one.path} were erased here: `entrenous erased lift {one.path}` "
                    "lets them come again; nothing was taken in"
                )
            found = self._vault.collections.find(tx, one.path)
            if found is not None and found.pages:
                raise NodeError(
                    f"{one.path} holds records here already: an export is taken into a vault that "
                    "does not hold them; nothing was taken in"
                )
        for shared in plan.shared:
            self._check_shared(tx, shared)
        here = self._node.household.all(tx, removed=True)
        if here and plan.people and tuple(here) != plan.people:
            raise NodeError(
                "other people live in this household than in the export; nothing was taken in"
            )

    def _check_shared(self, tx: Tx, shared: SharedKept) -> None:
        """Raises NodeError if the record is shared here already, or was erased."""
        if self._node.shared.find(tx, shared.own, shared.their, shared.name) is not None:
            raise NodeError(
                f"a record of {shared.kept} is shared here already: an export is taken into a "
                "vault that does not hold what is in it; nothing was taken in"
            )
        if self._node.shared.was_erased(tx, shared):
            raise NodeError(
                f"a shared record of {shared.kept} was erased here: `entrenous erased lift "
                f"{shared.kept}` lets it come again; nothing was taken in"
            )

    def _begin(self, tx: Tx, plan: ExportPlan) -> _Taken:
        """Know the export, and all of it that is no page; how far it had come."""
        taken = self._taken(tx, plan)
        if taken is not None:
            return taken
        self._check_room(tx, plan)
        if plan.people and not self._node.household.all(tx, removed=True):
            self._node.household.take_in(tx, plan.people)
        for path, people in plan.whose.items():
            self._node.household.assign(tx, path, people, self._node.clock.now_ms())
        for row in plan.imports:
            self._node.imports.journal.put(tx, row)
        for path, origin, day in plan.left_out:
            self._vault.left_out.add(tx, path, origin, [day])
        for one in plan.statements.values():
            objects = self._node.store.objects
            kept = statement_value(one.statement, one.leaves)
            objects.add_if_new(tx, Kind.STATEMENT, one.statement.cid, kept)
            name: Value = ["in", one.statement.cid]
            objects.add_if_new(tx, Kind.DELIVERY, name, one.received.value())
        for shared in plan.shared:
            self._node.shared.adopt(tx, shared)
        taken = _Taken(False, (0,) * len(plan.manifest.collections))
        self._put(tx, plan, taken)
        return taken

    def _end(self, tx: Tx, plan: ExportPlan) -> None:
        taken = self._taken(tx, plan)
        assert taken is not None
        self._put(tx, plan, _Taken(True, taken.pages))

    def _put(self, tx: Tx, plan: ExportPlan, taken: _Taken) -> None:
        self._node.store.objects.put(tx, Kind.EXPORT_TAKEN, plan.digest, taken.value())

    # pages

    async def _collection(
        self,
        inside: Inside,
        plan: ExportPlan,
        number: int,
        done: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        """Write the pages of one collection, from the one numbered `done` on."""
        path = plan.manifest.collections[number].path
        pages = plan.pages[path]
        while done < len(pages):
            some = pages[done : done + self._chunk_pages]
            pieces = await self._vault.offload.run(partial(_pieces, inside, plan, number, some))
            unit = partial(self._write, plan=plan, number=number, done=done, pieces=pieces)
            await self._database.write(unit)
            done += len(some)
            self._vault.changed(path)
            self._checkpoint.reached(Step.PAGES)
            if progress is not None:
                progress(Progress(inside.name, path, done, len(pages)))

    def _write(
        self,
        tx: Tx,
        plan: ExportPlan,
        number: int,
        done: int,
        pieces: Sequence[tuple[int, Piece]],
    ) -> None:
        """Write some pages in their order, and how far this is."""
        collection = plan.manifest.collections[number]
        for source, run in groupby(pieces, key=lambda one: one[0]):
            told = plan.sources[source]
            self._vault.write_now(
                tx,
                collection.path,
                collection.schema,
                [piece for _, piece in run],
                origin=told.origin,
                statement=told.statement,
            )
        taken = self._taken(tx, plan)
        assert taken is not None
        counts = list(taken.pages)
        counts[number] = done + len(pieces)
        self._put(tx, plan, _Taken(False, tuple(counts)))


def _pieces(
    inside: Inside, plan: ExportPlan, number: int, pages: Iterable[PlannedPage]
) -> list[tuple[int, Piece]]:
    """The records of some pages, with their sources.  Raises ReaderError."""
    collection = plan.manifest.collections[number]
    found: list[tuple[int, Piece]] = []
    for page in pages:
        try:
            batch = page_records(inside, collection.schema, collection.path, page)
        except ProtocolError as error:
            raise inside.refusal(f"it changed while it was taken in: {error}") from error
        statement = plan.sources[page.source].statement
        salt = None if statement is None else plan.statements[statement].salts[page.day]
        found.append((page.source, Piece(page.day, batch, salt)))
    return found
