"""Operations on the witnessed log: its witnesses, its checkpoints, proofs of its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ...protocol.checkpoint_note import CheckpointNote
from ...protocol.limits import TEXT_CHARS_MAX
from ...protocol.wire import Value
from ..errors import NotAllowed, NotFound
from ..log.head import HeadState
from ..log.receipts import Logged, logged_of
from ..log.witnesses import cosigners
from ..node import Node
from ..peers.peers import Pair
from ..results.log import CheckpointInfo, ForkInfo, ProofMade, WitnessInfo
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host, named


async def witness_add(host: Host, args: Args, emit: Emit) -> Value:
    """Ask a peer to witness this log."""
    await _with_peer(host.node, args, host.node.witnesses.add)
    return None


async def witness_remove(host: Host, args: Args, emit: Emit) -> Value:
    """Show a peer no more checkpoints."""
    await _with_peer(host.node, args, host.node.witnesses.remove)
    return None


async def witness_allow(host: Host, args: Args, emit: Emit) -> Value:
    """Witness the log of a peer that asked."""
    await _with_peer(host.node, args, host.node.witnessing.allow)
    return None


async def witness_refuse(host: Host, args: Args, emit: Emit) -> Value:
    """Witness it not, or not any more."""
    node, reason = host.node, args.maybe_text("reason", TEXT_CHARS_MAX)
    await _with_peer(
        node, args, lambda tx, pair, now_ms: node.witnessing.refuse(tx, pair, reason, now_ms)
    )
    return None


async def _with_peer(node: Node, args: Args, step: Callable[[Tx, Pair, int], object]) -> None:
    """One `step` with the peer that is named, in one commit; what it has to send goes out.

    Raises NotFound and what `step` raises.
    """
    peer, now_ms = args.text("peer"), node.clock.now_ms()
    await node.store.database.write(lambda tx: step(tx, node.peers.named(tx, peer), now_ms))
    node.outgoing.notify()


async def witnesses(host: Host, args: Args, emit: Emit) -> Value:
    """Who witnesses this log, and whose logs this node witnesses."""
    found = await host.node.store.database.read(lambda tx: list(_witnesses(host.node, tx)))
    for one in found:
        await emit.item(to_value(one))
    return None


def _witnesses(node: Node, tx: Tx) -> Iterator[WitnessInfo]:
    names = _names(node, tx)
    for one in node.witnesses.all(tx):
        name = names.get((one.own, one.their), one.their)
        yield WitnessInfo(
            name, "ours", one.state.value, one.size, one.cosigned_ms, None, 0, one.reason
        )
    forks = node.witnessing.forks(tx)
    for kept in node.witnessing.all(tx):
        last = kept.logs[-1] if kept.logs else None
        yield WitnessInfo(
            peer=names.get((kept.own, kept.their), kept.their),
            side="theirs",
            state=kept.consent.value,
            size=0 if last is None else last.note.head.size,
            cosigned_ms=None if last is None else last.seen_ms,
            older_ms=None if last is None else last.older_ms,
            forks=sum((one.own, one.their) == (kept.own, kept.their) for one in forks),
            reason=None,
        )


async def log_forks(host: Host, args: Args, emit: Emit) -> Value:
    """The contradictions of peers' logs that were kept, each with both signed notes."""
    node = host.node

    def unit(tx: Tx) -> list[ForkInfo]:
        names = _names(node, tx)
        return [
            ForkInfo(
                names.get((one.own, one.their), one.their),
                one.judgement.value,
                one.t_ms,
                one.kept.raw.decode(),
                one.shown.raw.decode(),
                one.succession,
            )
            for one in node.witnessing.forks(tx)
        ]

    for one in await node.store.database.read(unit):
        await emit.item(to_value(one))
    return None


async def log_checkpoint(host: Host, args: Args, emit: Emit) -> Value:
    """The log as it stands, signed; `publish`: padded, and shown to its witnesses."""
    node, publish = host.node, args.flag("publish")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> CheckpointInfo:
        if publish:
            _check_head(host)
            return _checkpoint(node, tx, node.log_proving.publish(tx, now_ms), published=True)
        return _checkpoint(node, tx, node.witnesses.local(tx), published=False)

    database = node.store.database
    made = await (database.write(unit) if publish else database.read(unit))
    node.outgoing.notify()
    return to_value(made)


def _checkpoint(node: Node, tx: Tx, note: CheckpointNote, *, published: bool) -> CheckpointInfo:
    return CheckpointInfo(
        note=note.raw.decode(),
        size=note.head.size,
        root=note.head.root.hex(),
        published=published,
        cosigned=cosigners(note, node.peers.all(tx)),
    )


async def log_prove(host: Host, args: Args, emit: Emit) -> Value:
    """A proof of one word: by its place in the log, or the beginning of its id."""
    node, word = host.node, args.text("word")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> ProofMade:
        logged = _word(node, tx, word)
        if node.witnesses.covering(tx, logged.index) is None:
            _check_head(host)
        proof = node.log_proving.prove(tx, logged, now_ms)
        cosigned = cosigners(proof.checkpoint, node.peers.all(tx))
        return ProofMade(proof.raw, logged.index, proof.checkpoint.head.size, cosigned)

    made = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(made)


def _word(node: Node, tx: Tx, word: str) -> Logged:
    """Raises NotFound, UsageError."""
    if word.isascii() and word.isdigit() and len(word) < 19:
        entry = node.store.log.at(tx, int(word))
        if entry is None or entry.value is None:
            raise NotFound(f"there is no word at {word} of the log; `entrenous log` lists them")
        return logged_of(entry)
    words = {one.word.cid: one for one in node.receipts.all(tx)}
    return words[named(word, words, "word of the log")]


def _check_head(host: Host) -> None:
    if host.node.log_head.state is HeadState.WAITING:
        raise NotAllowed("this node waits for a witness to confirm its log: try again later")


def _names(node: Node, tx: Tx) -> Mapping[tuple[str, str], str]:
    return {(pair.own, pair.their): pair.name for pair in node.peers.all(tx)}
