"""Operations on the log, and the backup."""

from __future__ import annotations

from dataclasses import replace

from ...protocol.did import Did
from ...protocol.receipt import Receipt
from ...protocol.wire import Value
from ..backup import write_backup
from ..log.receipts import Logged, LogReport, Way
from ..node import Node
from ..results.log import LogInfo, LogSummary
from ..results.node import BackedUp
from ..shape import to_value
from ..store.database import Tx
from ..store.objects import Kind
from .household import names_of
from .operation import Args, Emit, Host

# The setting that remembers when the last backup was made.
BACKED_UP = "backed-up"


async def log(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node

    def unit(tx: Tx) -> list[LogInfo]:
        names = {(pair.own, pair.their): pair.name for pair in node.peers.all(tx)}
        names |= {(pair.own, pair.their): pair.name for pair in node.peers.reading(tx)}
        granted = {one.cid: one.bundle.root.paths for one in node.lending.all(tx)}
        granted |= {one.bundle.root.cid: one.bundle.root.paths for one in node.borrowing.all(tx)}
        lent = {one.cid: one.their for one in node.lending.all(tx)}
        # What this node read for another: granted to them.
        lent |= {one.bundle.root.cid: one.giver for one in node.borrowing.all(tx) if one.via}
        personas = names_of(node, tx)
        return [
            _with_helper(
                node,
                tx,
                _with_both(_info(logged, names, granted), logged, lent, personas),
                logged,
            )
            for logged in node.receipts.all(tx)
        ]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


def _with_both(
    info: LogInfo, logged: Logged, lent: dict[bytes, Did], personas: dict[str, str]
) -> LogInfo:
    """With both names, where one acted for another: as the answer has them, or, of a read, the
    one who was granted and the one who read."""
    word = logged.word
    if isinstance(word, Receipt):
        granted = lent.get(word.body.dlg)
        acts = None if granted in (None, word.body.reader) else (granted, word.body.reader)
    else:
        acts = None if word.acted is None else (word.acted.principal, word.acted.proxy)
    if acts is None:
        return info
    principal, proxy = (personas.get(str(did), str(did)) for did in acts)
    return replace(info, principal=principal, proxy=proxy)


def _with_helper(node: Node, tx: Tx, info: LogInfo, logged: Logged) -> LogInfo:
    """With the name of the helper that served, or of whom this node served for."""
    if logged.way is Way.HELPED:
        return replace(info, helped=node.shelves.name_of(tx, logged.own, logged.their))
    word = logged.word
    if not isinstance(word, Receipt):
        return info
    name = node.served_by.named(tx, logged.own, logged.their, word.body.server)
    if logged.way is Way.HELPER:
        name = node.helpers.named(tx, word.body.server) or word.body.server
    return info if name is None else replace(info, helper=name)


def _info(
    logged: Logged, names: dict[tuple[Did, Did], str], granted: dict[bytes, tuple[str, ...]]
) -> LogInfo:
    peer = names.get((logged.own, logged.their), logged.their)
    word = logged.word
    if isinstance(word, Receipt):
        body = word.body
        return LogInfo(
            index=logged.index,
            kind="receipt",
            peer=peer,
            way=_way(logged),
            grant=body.dlg,
            collections=granted.get(body.dlg, ()),
            window=body.window,
            first=body.first,
            last=body.last_day,
            pages=body.pages,
            bytes=body.size,
            two_sided=logged.two_sided,
            t_ms=body.t_ms,
            code=None,
            id=word.cid,
        )
    return LogInfo(
        index=logged.index,
        kind="answer",
        peer=peer,
        way=_way(logged),
        grant=None,
        collections=(),
        window=None,
        first=None,
        last=None,
        pages=0,
        bytes=0,
        two_sided=False,
        t_ms=word.t_ms,
        code=word.code.value,
        id=word.cid,
        cmd=None if logged.subject is None else logged.subject.cmd,
    )


def _way(logged: Logged) -> str:
    """Who was read from: whether it was lent here, or taken."""
    return (Way.TAKEN if logged.way is Way.TAKEN else Way.GIVEN).value


async def log_verify(host: Host, args: Args, emit: Emit) -> Value:
    return to_value(await _verified(host.node))


async def _verified(node: Node) -> LogSummary:
    def unit(tx: Tx) -> tuple[LogReport, tuple[int, int]]:
        return node.receipts.verify(tx), node.witnesses.verify(tx)

    found, (checkpoints, cosigned) = await node.store.database.read(unit)
    return LogSummary(
        number=node.keystore.log_number,
        size=found.size,
        root=found.root,
        receipts=found.receipts,
        one_sided=found.one_sided,
        answers=found.answers,
        gaps=found.gaps,
        checkpoints=checkpoints,
        cosigned=cosigned,
    )


async def backup(host: Host, args: Args, emit: Emit) -> Value:
    path = args.path("path")
    node = host.node
    size = await write_backup(
        path,
        database=node.store.database,
        home=host.home,
        keystore=node.keystore,
        config=node.config,
        entropy=node.entropy,
        offload=node.offload,
        program=host.version,
        now_ms=node.clock.now_ms(),
    )
    await node.store.database.write(
        lambda tx: node.store.objects.put(tx, Kind.SETTING, BACKED_UP, node.clock.now_ms())
    )
    return to_value(BackedUp(str(path), size))
