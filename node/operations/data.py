"""Operations on records: importing, reading, handing back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import trio

from ...protocol.columns import write_columns
from ...protocol.errors import WireError
from ...protocol.limits import PAGE_ROWS_MAX
from ...protocol.reading import UNSAID, Settings
from ...protocol.record import Batch
from ...protocol.wire import Value
from ..errors import UsageError
from ..exchange.deliveries import Sent
from ..export.inside import is_export
from ..export.reimport import Reimporting
from ..imports.files import handed_in
from ..imports.plan import Placing, ReadFile, installed_readers, read_file, unmoved
from ..node import Node
from ..results.deliveries import Delivered, DeliveryInfo, DeliveryState
from ..results.records import CollectionInfo
from ..shape import from_value, to_value
from ..store.database import Tx
from ..vault.collection import Collection
from ..vault.stored import told_once
from .household import NAMES_CHARS_MAX, whose_names
from .operation import Args, Emit, Host

# Rows of one item: a quarter MiB of readings.  The client reads one while the next is written.
ROWS_AT_A_TIME = 4_096
COLUMNS_BYTES_MAX = 4 * 1024 * 1024
WAIT_S_MAX = 60


# --- columns --------------------------------------------------------------------------------------


def columns_items(batch: Batch) -> Iterator[Value]:
    """`{schema, columns, count}` for each piece of a batch."""
    assert ROWS_AT_A_TIME <= PAGE_ROWS_MAX
    starts = list(range(0, len(batch), ROWS_AT_A_TIME))
    pending = [batch.slice(at, min(at + ROWS_AT_A_TIME, len(batch))) for at in reversed(starts)]
    while pending:
        piece = pending.pop()
        columns = write_columns(piece)
        if len(columns) > COLUMNS_BYTES_MAX and len(piece) > 1:
            middle = len(piece) // 2
            pending += [piece.slice(middle, len(piece)), piece.slice(0, middle)]
            continue
        yield {"schema": batch.schema.name, "columns": columns, "count": len(piece)}


async def emit_batch(node: Node, emit: Emit, batch: Batch) -> None:
    """Hand a batch over as items."""
    items = columns_items(batch)
    while (item := await node.vault.offload.run(lambda: next(items, None))) is not None:
        await emit.item(item)


# --- one's own ------------------------------------------------------------------------------------


async def collections(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node

    def unit(tx: Tx) -> list[CollectionInfo]:
        told = node.imports.told_again(tx) + node.deliveries.told_again(tx)
        return [_info(node, tx, one, told) for one in node.vault.collections.all(tx)]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


def _info(node: Node, tx: Tx, one: Collection, told: Counter[tuple[str, str]]) -> CollectionInfo:
    first = last = None
    # A month stays known when its pages are gone, so the ends are looked for.
    for month in one.months:
        if days := [stored.day for stored in node.vault.stored_of_month(tx, one.path, month)]:
            first = min(days)
            break
    for month in reversed(one.months):
        if days := [stored.day for stored in node.vault.stored_of_month(tx, one.path, month)]:
            last = max(days)
            break
    return CollectionInfo(
        one.path,
        one.schema.name,
        one.records,
        one.pages,
        first,
        last,
        whose_names(node, tx, one.path),
        told[one.path, "same"],
        told[one.path, "differing"],
    )


async def read(host: Host, args: Args, emit: Emit) -> Value:
    first, last = args.days()
    place = await placing(host.node, args)
    reading = await host.node.vault.read(place(args.collection("path")), first, last)
    await emit_batch(host.node, emit, reading.batch)
    return {
        "schema": reading.batch.schema.name,
        "pages": reading.pages,
        "conflicts": reading.conflicts,
        "damaged": [damaged.sentence() for damaged in reading.damaged],
    }


async def placing(node: Node, args: Args) -> Placing:
    """Where records of a path are, for the people whom the arguments name."""
    names = args.maybe_text("people", NAMES_CHARS_MAX)
    if names is None:
        return unmoved
    return await node.store.database.read(
        lambda tx: node.household.placing(tx, node.household.people(tx, names))
    )


async def import_(host: Host, args: Args, emit: Emit) -> Value:
    path = args.path("path")
    if is_export(path):
        _check_plain(args)
        reimporting = Reimporting(host.node, checkpoint=host.node.checkpoint)
        taken = await reimporting.take(path, lambda progress: emit.progress(to_value(progress)))
        return to_value(taken)
    report = await host.node.imports.commit(
        path,
        args.maybe_collection("into"),
        progress=lambda progress: emit.progress(to_value(progress)),
        place=await placing(host.node, args),
        settings=_settings(args),
    )
    await host.node.views.catch_up()
    return to_value(report)


def _check_plain(args: Args) -> None:
    """An export says itself where everything belongs.  Raises UsageError."""
    if args.maybe_collection("into") is not None or args.body.value("people") is not None:
        raise UsageError("an export says itself where everything belongs, and whose it is")


def _settings(args: Args) -> Settings:
    """What a person said of the files.  Raises UsageError."""
    value = args.body.value("settings")
    if value is None:
        return UNSAID
    try:
        return from_value(Settings, value)
    except WireError as error:
        raise UsageError(f"{args.body.what}: settings are not understood: {error}") from error


async def preview(host: Host, args: Args, emit: Emit) -> Value:
    into = args.maybe_collection("into")
    place, settings = await placing(host.node, args), _settings(args)
    path = args.path("path")
    if is_export(path):
        _check_plain(args)
        await emit.item(to_value(await Reimporting(host.node).preview(path)))
        return None
    for one in await host.node.imports.preview(path, into, place, settings):
        await emit.item(to_value(one))
    return None


async def imports(host: Host, args: Args, emit: Emit) -> Value:
    for source in await host.node.imports.list():
        await emit.item(to_value(source))
    return None


async def undo(host: Host, args: Args, emit: Emit) -> Value:
    undone = await host.node.imports.undo(args.text("id"))
    await host.node.views.catch_up()
    return to_value(undone)


# --- handing back ---------------------------------------------------------------------------------


async def deliver(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    path, into = args.path("path"), args.maybe_collection("into")
    to = args.text("to")
    wait_s = min(args.maybe_integer("wait_s") or 0, WAIT_S_MAX)
    await node.store.database.read(lambda tx: node.peers.named(tx, to))

    def reading() -> list[ReadFile]:
        readers = installed_readers()
        return [read_file(file, readers, into) for file in handed_in(path)]

    sent: list[Sent] = []
    for file in await node.vault.offload.run(reading):
        for plan in file.plans:
            batch = told_once(plan.schema, [piece.batch for piece in plan.pieces])
            sent.append(await node.deliveries.deliver(to, plan.path, batch, node.clock.now_ms()))
    if host.running and wait_s:
        with trio.move_on_after(wait_s):
            await _answered(node, [one.statement for one in sent])
    made = await node.store.database.read(
        lambda tx: [node.deliveries.made_of(tx, one.statement) for one in sent]
    )
    for one, became in zip(sent, made, strict=True):
        await emit.item(
            to_value(
                Delivered(
                    statement=one.statement,
                    path=one.path,
                    peer=to,
                    records=one.records,
                    first=one.first,
                    last=one.last,
                    parts=one.parts,
                    state=DeliveryState(became.state),
                    reason=became.reason,
                )
            )
        )
    return None


async def _answered(node: Node, statements: Sequence[bytes]) -> None:
    """Wait until none of these deliveries is queued any more."""

    def waiting(tx: Tx) -> bool:
        made = (node.deliveries.made_of(tx, statement) for statement in statements)
        return any(one.state == DeliveryState.QUEUED for one in made)

    while True:
        changed = node.outgoing.changed  # taken before looking: nothing is missed
        if not await node.store.database.read(waiting):
            return
        await changed.wait()


async def deliveries(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node

    def unit(tx: Tx) -> list[DeliveryInfo]:
        names: dict[str, str] = {pair.their: pair.name for pair in node.peers.all(tx)}
        found = [
            DeliveryInfo(
                one.statement,
                "in",
                names.get(one.src, one.src),
                one.path,
                one.first,
                one.last,
                one.records,
                one.t_ms,
                DeliveryState.STORED,
                one.told.new if one.told else None,
                one.told.same if one.told else None,
                one.told.differing if one.told else None,
                one.told.ambiguous if one.told else None,
                dict(one.told.same_as) if one.told else {},
                one.erased,
            )
            for one in node.deliveries.received(tx)
        ]
        found += [
            DeliveryInfo(
                one.statement,
                "out",
                names.get(one.to, one.to),
                one.path,
                one.first,
                one.last,
                one.records,
                one.t_ms,
                DeliveryState(one.state),
            )
            for one in node.deliveries.made(tx)
        ]
        return sorted(found, key=lambda one: one.t_ms)

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None
