"""Operations on declared data: adding, mending, and the programs that may push."""

from __future__ import annotations

from ...protocol.columns import read_columns
from ...protocol.did import check_did
from ...protocol.errors import ProtocolError, RecordError, WireError
from ...protocol.limits import PAGE_PLAIN_BYTES_MAX, PUSH_PER_MINUTE_MAX
from ...protocol.record import Batch
from ...protocol.schema import Schema, schema_named
from ...protocol.wire import Value
from ..errors import NodeError, UsageError
from ..imports.mending import remove_record
from ..push.allowances import Row
from ..results.records import AllowanceInfo, RecordRemoved, RecordsAdded
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host


async def add(host: Host, args: Args, emit: Emit) -> Value:
    node, path = host.node, args.collection("path")
    batch = _batch(args)
    async with node.declared.at_hand():
        added = await node.declared.add(path, batch)
    return to_value(RecordsAdded(path, added.new, added.there))


def _batch(args: Args) -> Batch:
    """Records as columns, checked.  Raises UsageError."""
    columns = args.maybe_data("columns", PAGE_PLAIN_BYTES_MAX)
    if columns is None:
        raise UsageError("add: its columns are missing")
    try:
        schema = schema_named(args.text("schema"))
        batch, end = read_columns(schema, columns, 0, args.integer("count"))
    except ProtocolError as error:
        raise UsageError(f"these records cannot be added: {error}") from error
    if end != len(columns):
        raise UsageError("these records go on after their columns")
    return batch


async def remove(host: Host, args: Args, emit: Emit) -> Value:
    path = args.collection("path")
    name = args.maybe_text("id")
    t_ms = args.maybe_integer("t_ms") if name is None else None
    if (name if t_ms is None else t_ms) is None:
        raise UsageError("remove: name the record by its id or its time")
    found = await remove_record(host.node.vault, path, name if name is not None else t_ms or 0)
    await host.node.views.catch_up()
    id = found.name if isinstance(found.name, str) else None
    at = found.record.times[0] if found.record.schema.dated else None
    return to_value(RecordRemoved(path, id, at))


async def allow(host: Host, args: Args, emit: Emit) -> Value:
    node, path = host.node, args.collection("path")
    if host.push is None:
        raise NodeError("this node has no push socket open")
    named = args.maybe_text("schema")
    schema = await node.store.database.read(lambda tx: _schema(host, tx, path, named))
    try:
        program = check_did(args.text("program"))
    except WireError as error:
        raise UsageError(str(error)) from error
    row = await node.allowances.allow(
        args.text("name"),
        program,
        path,
        schema,
        exp_s=args.integer("exp_s"),
        per_minute=min(args.integer("per_minute"), PUSH_PER_MINUTE_MAX + 1),
    )
    return to_value(_info(host, row))


def _schema(host: Host, tx: Tx, path: str, named: str | None) -> Schema:
    """The schema that is named, or that the collection has; they do not differ."""
    found = host.node.vault.collections.find(tx, path)
    held = None if found is None or not found.pages else found.schema
    if named is None:
        if held is None:
            raise UsageError(f"{path} holds nothing yet: name what it will hold with --schema")
        return held
    try:
        schema = schema_named(named)
    except RecordError as error:
        raise UsageError(str(error)) from error
    if held is not None and held is not schema:
        raise UsageError(f"{path} holds {held.name}, not {schema.name}")
    return schema


async def allowed(host: Host, args: Args, emit: Emit) -> Value:
    for row in await host.node.store.database.read(host.node.allowances.all):
        await emit.item(to_value(_info(host, row)))
    return None


async def disallow(host: Host, args: Args, emit: Emit) -> Value:
    return to_value(_info(host, await host.node.allowances.disallow(args.text("name"))))


def _info(host: Host, row: Row) -> AllowanceInfo:
    allowances = host.node.allowances
    row, allowance = allowances.counted(row), row.allowance()
    return AllowanceInfo(
        name=row.name,
        id=allowance.delegation.cid,
        path=allowance.collection,
        schema=allowance.schema.name,
        program=allowance.program,
        node=allowance.delegation.iss,
        exp_s=allowance.exp_s,
        per_minute=row.per_minute,
        status=allowances.status(row),
        connections=allowances.open_sessions(row),
        made_ms=row.made_ms,
        ended_ms=row.ended_ms,
        last_ms=row.last_ms,
        records=row.pushed,
        socket=host.push,
        delegation=row.delegation,
    )
