"""Operations that give the vault out of hand: exporting it."""

from __future__ import annotations

from ...protocol.collection import check_path
from ...protocol.day import UNDATED
from ...protocol.errors import RecordError
from ...protocol.export_manifest import COLLECTIONS_MAX
from ...protocol.wire import Value
from ..errors import UsageError
from ..export.export import Exporting, Wanted
from ..shape import to_value
from .operation import Args, Emit, Host


async def export(host: Host, args: Args, emit: Emit) -> Value:
    paths = None
    if args.body.value("paths") is not None:
        paths = tuple(_path(item) for item in args.items("paths", COLLECTIONS_MAX))
    wanted = Wanted(
        paths, args.maybe_integer("first"), args.maybe_integer("last"), args.flag("csv")
    )
    first, last = wanted.days
    if not 0 <= first <= last <= UNDATED:
        raise UsageError("an export goes from a day to the same or a later one")
    exporting = Exporting(host.node, f"entrenous {host.version}", checkpoint=host.node.checkpoint)
    done = await exporting.export(
        args.path("path"), wanted, lambda progress: emit.progress(to_value(progress))
    )
    return to_value(done)


def _path(item: Value) -> str:
    try:
        return check_path(item if isinstance(item, str) else "")
    except RecordError as error:
        raise UsageError(str(error)) from error
