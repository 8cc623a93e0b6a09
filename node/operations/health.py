"""What is wrong that only an open node can see: its peers, outbox, log, grants and backup."""

from __future__ import annotations

from collections.abc import Iterator

from ...crypto.errors import EntrenousError
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..log.head import HeadState
from ..log.witnessing import Consent
from ..results.node import Finding, State
from ..shape import to_value
from ..sizes import spelled_size
from ..store.database import Tx
from ..store.objects import Kind
from .audit import BACKED_UP
from .operation import Args, Emit, Host

DAY_MS = 86_400_000
# What a month added is much to lose.
BACKUP_AGE_DAYS = 30


async def health(host: Host, args: Args, emit: Emit) -> Value:
    database = host.node.store.database
    for finding in await database.read(lambda tx: list(_findings(host, tx))):
        await emit.item(to_value(finding))
    await emit.item(to_value(await _log(host)))
    return None


def _findings(host: Host, tx: Tx) -> Iterator[Finding]:
    yield from _addresses(host)
    yield from _outbox(host, tx)
    yield from _quotas(host, tx)
    yield from _suspended(host, tx)
    yield from _rollback(host)
    yield from _witnesses(host, tx)
    yield from _backup(host, tx)


def _addresses(host: Host) -> Iterator[Finding]:
    if not host.running:
        return
    addresses = host.node.addresses()
    if all("/127.0.0.1/" in one or "/ip6/::1/" in one for one in addresses):
        yield Finding(
            "addresses",
            State.NOTE,
            "the node listens on this machine only: no other machine can reach it",
            "`entrenous up --listen /ip4/0.0.0.0/tcp/PORT`",
        )
    else:
        yield Finding("addresses", State.OK, f"the node listens on {len(addresses)} addresses")


def _outbox(host: Host, tx: Tx) -> Iterator[Finding]:
    """Words that wait for peers who are away."""
    node = host.node
    waiting = False
    for pair in node.peers.all(tx):
        if not (items := node.store.outbox.waiting_for(tx, pair.their)):
            continue
        if given_up := sum(item.given_up for item in items):
            yield Finding(
                "outbox",
                State.WRONG,
                f"{given_up} messages to {pair.name} were given up: what came in answer was none",
                "its program is broken or not what it says: ask its owner, then "
                "`entrenous outbox PEER --again`",
            )
        waiting = True
        away = host.running and (pair.own, pair.their) not in node.links.connected
        yield Finding(
            "outbox",
            State.NOTE,
            f"{len(items)} messages wait for {pair.name}" + (", which is away" if away else ""),
            "pair again if the address has changed; `entrenous outbox` lists them"
            if away
            else "they go out when the node runs and the peer can be reached",
        )
    if not waiting:
        yield Finding("outbox", State.OK, "nothing waits to be sent")


def _quotas(host: Host, tx: Tx) -> Iterator[Finding]:
    """Peers who have filled what they may, or nearly."""
    node = host.node
    for pair, quota in node.quotas.nearly_full(tx, node.peers.all(tx)):
        yield Finding(
            "quota",
            State.NOTE,
            f"{pair.name} has filled {spelled_size(quota.used)} of {spelled_size(quota.most)} of "
            "your disk: what it delivers beyond is refused",
            "`entrenous quota PEER SIZE` gives it more, if it should have it",
        )


def _suspended(host: Host, tx: Tx) -> Iterator[Finding]:
    now_ms = host.node.clock.now_ms()
    given = host.node.lending.all(tx)
    if suspended := sum(one.status(now_ms) is GrantStatus.SUSPENDED for one in given):
        yield Finding(
            "grants",
            State.NOTE,
            f"{suspended} grants are suspended since this home was restored",
            "`entrenous keep GRANT` confirms one, `entrenous revoke GRANT` ends it",
        )


def _rollback(host: Host) -> Iterator[Finding]:
    if contradicted := host.node.links.contradicted:
        yield Finding(
            "rollback",
            State.WRONG,
            f"{len(contradicted)} peers hold receipts that this node does not know: this home is "
            "an old copy",
            "stop it and run the newest copy; if there is none, `entrenous restore` a backup",
        )


def _witnesses(host: Host, tx: Tx) -> Iterator[Finding]:
    """The log and its witnesses: an old copy of this home, contradictions in those of others."""
    node = host.node
    if (behind := node.witnesses.behind(tx)) is not None:
        by, note = behind
        yield Finding(
            "rollback",
            State.WRONG,
            f"{by} holds a checkpoint of {note.head.size:,} leaves, signed by this log's key, that "
            "is not in this log: this home is an old copy, and serves nothing",
            "stop it and run the newest copy; if there is none, `entrenous restore` a backup",
        )
    elif node.log_head.state is HeadState.WAITING:
        yield Finding(
            "witness",
            State.NOTE,
            "nothing is served until a witness has confirmed that this is the newest state",
            "wait until one of them is there, or `entrenous log witness remove PEER`",
        )
    names = {(pair.own, pair.their): pair.name for pair in node.peers.all(tx)}
    for fork in node.witnessing.forks(tx):
        yield Finding(
            "witness",
            State.NOTE,
            f"the log of {names.get((fork.own, fork.their), fork.their)} has contradicted itself",
            "`entrenous log forks` prints the evidence; ask its owner what happened",
        )
    for one in node.witnessing.all(tx):
        if one.consent in (Consent.ASKED, Consent.SUSPENDED):
            name = names.get((one.own, one.their), one.their)
            asks = (
                "asks" if one.consent is Consent.ASKED else "asked, before this home was restored,"
            )
            yield Finding(
                "witness",
                State.NOTE,
                f"{name} {asks} that you witness its log",
                f"`entrenous log witness allow {name}`, or `refuse`",
            )


def _backup(host: Host, tx: Tx) -> Iterator[Finding]:
    node = host.node
    made_ms = node.store.objects.get(tx, Kind.SETTING, BACKED_UP)
    todo = "`entrenous backup FILE`, on another disk"
    if not isinstance(made_ms, int):
        if node.vault.collections.all(tx):
            yield Finding(
                "backup",
                State.NOTE,
                "this home was never backed up: losing the machine would lose it",
                todo,
            )
        return
    days = max(0, node.clock.now_ms() - made_ms) // DAY_MS
    old = days > BACKUP_AGE_DAYS
    sentence = f"the last backup is {days} days old"
    yield Finding("backup", State.NOTE if old else State.OK, sentence, todo if old else "")


async def _log(host: Host) -> Finding:
    node = host.node
    try:
        found = await node.store.database.read(node.receipts.verify)
    except EntrenousError as error:
        return Finding(
            "log",
            State.WRONG,
            f"the log does not verify: {error}",
            "stop the node and restore a backup in another home; keep this one as evidence",
        )
    return Finding("log", State.OK, f"the log verifies: {found.size:,} words")
