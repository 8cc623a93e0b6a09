"""Operations that destroy: a record, a collection; the vault is taken leave of before it goes."""

from __future__ import annotations

from pathlib import Path

from ...protocol.duty import Duty, has_duty
from ...protocol.wire import Value
from ..erasure.erasure import Erasure
from ..errors import NotFound, UsageError
from ..leave_taking import take_leave
from ..results.erasure import Erased, ErasedItem, ErasureProgress, LeaveTaken, Lifted
from ..shape import to_value
from ..store.database import Tx
from ..store.errors import StoreError
from ..vault.read_back import read_back
from .operation import Args, Emit, Host

WAIT_S_MAX = 600


async def erase(host: Host, args: Args, emit: Emit) -> Value:
    """A record, by its id or its time; or the whole collection."""
    path = args.collection("path")
    name = args.maybe_text("id")
    t_ms = args.maybe_integer("t_ms")
    if name is not None and t_ms is not None:
        raise UsageError("erase: name the record by its id or its time, not by both")
    erasing = host.node.erasing
    if name is None and t_ms is None:

        def tell(done: int, total: int) -> None:
            emit.progress(to_value(ErasureProgress(path, done, total)))

        done = await erasing.erase_collection(path, tell)
    else:
        done = await erasing.erase_record(path, name if name is not None else t_ms or 0)
    await host.node.offload.run(lambda: _forget_copy(host))
    read = await read_back(_files(host), done.needles, host.node.offload)
    return to_value(await _result(host, done, read))


async def _result(host: Host, done: Erasure, files: int) -> Erased:
    node = host.node

    def unit(tx: Tx) -> tuple[set[str], set[str]]:
        bound: set[str] = set()
        free: set[str] = set()
        for grant in (node.lending.get(tx, cid) for cid in done.lent):
            held_to = has_duty(grant.bundle.terms, Duty.DELETE_AT_END)
            (bound if held_to else free).add(node.peers.name_of(tx, grant.their))
        return bound, free

    bound, free = await node.store.database.read(unit)
    return Erased(
        done.path,
        done.records,
        done.tellings,
        done.pages,
        tuple(sorted(bound)),
        done.lent,
        files,
        tuple(sorted(free)),
    )


async def erased(host: Host, args: Args, emit: Emit) -> Value:
    """What was erased, by collection."""
    for one in await host.node.store.database.read(host.node.vault.erased.all):
        await emit.item(to_value(ErasedItem(one.path, one.count, one.first, one.last, one.last_ms)))
    return None


async def lift(host: Host, args: Args, emit: Emit) -> Value:
    """What was erased of a collection may come again."""
    path, node = args.collection("path"), host.node
    count = await node.store.database.write(lambda tx: node.erasing.lift(tx, path))
    if not count:
        raise NotFound(f"nothing of {path} was erased: see `entrenous erased`")
    return to_value(Lifted(path, count))


async def leave(host: Host, args: Args, emit: Emit) -> Value:
    """Take every grant back and tell everybody, before the vault is destroyed."""
    wait_s = min(args.integer("wait_s"), WAIT_S_MAX)
    left = await take_leave(host.node, wait_s if host.running else 0)
    return to_value(LeaveTaken(left.grants, left.told, left.untold))


def _forget_copy(host: Host) -> None:
    """A backup copies the store first: the copy of one that is being made, or was cut short, goes.

    A backup that is being made fails then, or holds what was erased as one made before does.
    """
    try:
        host.home.database.with_name(".store.copy").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"a copy of the store could not be removed: {error.strerror}") from error


def _files(host: Host) -> list[Path]:
    """The files in which rows of the store may stand."""
    database = host.home.database
    return [database, *(database.with_name(f"{database.name}-{one}") for one in ("wal", "shm"))]
