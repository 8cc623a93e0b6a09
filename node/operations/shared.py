"""Operations on shared records: list, show, propose, answer, withdraw, prove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from ...protocol.collection import apart
from ...protocol.did import Did
from ...protocol.errors import ProtocolError
from ...protocol.limits import SHARED_REASON_CHARS_MAX, TEXT_CHARS_MAX
from ...protocol.persona_line import PersonaLine
from ...protocol.schema import SCHEMAS, Schema
from ...protocol.shared_copy import Copy, CopyState
from ...protocol.shared_proof import make_proof
from ...protocol.shared_record import (
    Name,
    Record,
    SharedName,
    SharedWord,
    Told,
    check_name,
    name_of,
)
from ...protocol.wire import Value
from ..erasure.found_fact import FoundFact
from ..errors import NotFound, UsageError
from ..imports.spelled import LINE_BYTES_MAX, read_line, spelled
from ..node import Node
from ..peers.peers import Pair
from ..results.shared import CopyInfo, SharedInfo, SharedProofMade, SharedStep
from ..shape import to_value
from ..shared.beginning import told_by
from ..shared.changing import CHANGES_MAX, Change, changed
from ..shared.kept import SaidState, SharedKept, VersionKept
from ..store.database import Tx
from .operation import ID_CHARS_MIN, Args, Emit, Host

T = TypeVar("T")


async def shared(host: Host, args: Args, emit: Emit) -> Value:
    """Every shared record; only with a peer, or of a collection, if that was asked for."""
    node, peer, path = host.node, args.maybe_text("peer"), args.maybe_collection("path")

    def unit(tx: Tx) -> list[SharedInfo]:
        pair = None if peer is None else node.peers.named(tx, peer)
        return [
            _info(node, tx, one)
            for one in node.shared.all(tx)
            if (pair is None or (one.own, one.their) == (pair.own, pair.their))
            and path in (None, one.kept, one.name.path)
        ]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def shared_show(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    kept = await node.store.database.read(lambda tx: _named(node, tx, args))
    held = None if kept.mine.said else await _held(node, kept)
    return to_value(await node.store.database.read(lambda tx: _info(node, tx, kept, held)))


async def shared_history(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    kept = await node.store.database.read(lambda tx: _named(node, tx, args))
    before: dict[Did, Record | None] = {}
    if kept.told is not None:
        before[kept.copies.side(kept.told.src)] = kept.told.record
    for one in kept.versions:
        side = kept.copies.side(one.version.by)
        await emit.item(to_value(_step(kept, one, before.get(side))))
        if one.state is not SaidState.REFUSED:
            before[side] = one.version.record
    return None


# --- saying ---------------------------------------------------------------------------------------


async def shared_propose(host: Host, args: Args, emit: Emit) -> Value:
    """Ask a peer to hold a record as it should be: with changes, whole, or not at all."""
    node, peer, path = host.node, args.text("peer"), args.collection("path")
    reason = args.maybe_text("reason", SHARED_REASON_CHARS_MAX) or ""
    whole, gone = args.maybe_text("whole", LINE_BYTES_MAX), args.flag("gone")
    changes = _changes(args.items("changes", CHANGES_MAX))
    if sum((whole is not None, gone, bool(changes))) != 1:
        raise UsageError(
            "say what should change (--set), or give the whole record (--from-json), or say that "
            "it is none (--gone)"
        )
    told_name = args.maybe_text("id", TEXT_CHARS_MAX)
    t_ms = args.maybe_integer("t_ms")
    now_ms = node.clock.now_ms()
    pair = await node.store.database.read(lambda tx: node.peers.named(tx, peer))
    record: Record | None = None
    schema: Schema | None = None
    if whole is not None:
        schema = await _schema(node, path, args.maybe_text("schema"))
        record = _usage(lambda: spelled(schema, read_line(whole)))
        given: Name | None = name_of(schema, record)
    else:
        given = told_name if told_name is not None else t_ms
    if given is None:
        raise UsageError("name the record by its id or its time, or give it whole")
    begun = await _begun(node, pair, path, given, exact=whole is not None)
    fact = None if begun is not None else await _fact(node, path, given)

    def unit(tx: Tx) -> SharedInfo:
        name, kept_as, told, base = _beginning(node, tx, pair, path, given, begun, fact, schema)
        said = record
        if changes:
            if base is None:
                raise UsageError("there is no such record to change: give it whole")
            said = _usage(lambda: changed(name.schema, base, changes))
        done = _usage(
            lambda: node.shared.propose(
                tx, pair, name, said, reason, now_ms, kept_as=kept_as, told=told
            )
        )
        return _info(node, tx, done)

    done = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(done)


async def shared_answer(host: Host, args: Args, emit: Emit) -> Value:
    """Accept what a peer holds, or dispute what it proposed."""
    node, accept = host.node, args.flag("accept")
    reason = args.maybe_text("reason", SHARED_REASON_CHARS_MAX) or ""
    if not accept and not reason.strip():
        raise UsageError("say why you dispute it: the other side is told, and can answer")
    kept = await node.store.database.read(lambda tx: _named(node, tx, args))
    held = None if accept or kept.mine.said else await _held(node, kept)
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> SharedInfo:
        fresh = _named(node, tx, args)
        head = fresh.copies.head(fresh.their)
        if head is None:
            raise UsageError("the other side has said nothing yet that you could answer")
        seen = args.maybe_data("version", len(head.cid)) or head.cid
        if accept:
            done = _usage(lambda: node.shared.accept(tx, fresh, seen, reason, now_ms))
        else:
            done = _usage(lambda: node.shared.dispute(tx, fresh, seen, reason, now_ms, held))
        return _info(node, tx, done)

    done = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(done)


async def shared_withdraw(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    reason = args.maybe_text("reason", SHARED_REASON_CHARS_MAX) or ""
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> SharedInfo:
        kept = _named(node, tx, args)
        return _info(node, tx, _usage(lambda: node.shared.withdraw(tx, kept, reason, now_ms)))

    done = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(done)


async def shared_prove(host: Host, args: Args, emit: Emit) -> Value:
    """What can be shown to a stranger: the newest versions, or both whole histories."""
    node, whole = host.node, args.flag("whole")

    def unit(tx: Tx) -> tuple[SharedKept, tuple[PersonaLine, ...]]:
        found = _named(node, tx, args)
        if found.brought is not None:
            return found, found.brought.lines
        return found, node.lines.shown(tx, node.peers.pair(tx, found.own, found.their))

    kept, lines = await node.store.database.read(unit)
    proof = _usage(lambda: make_proof(kept.copies, whole=whole, lines=lines))
    return to_value(
        SharedProofMade(kept.id, proof.raw, proof.copies.agree, len(proof.copies.versions))
    )


# --- which record ---------------------------------------------------------------------------------


def _named(node: Node, tx: Tx, args: Args) -> SharedKept:
    """The record of which `shared` names a version, of either side.  Raises as `Args.id`."""
    found = node.shared.all(tx)
    of = {one.cid: kept for kept in found for one in kept.versions}
    return of[args.id("shared", of, "shared record")]


async def _begun(
    node: Node, pair: Pair, path: str, given: Name, *, exact: bool
) -> SharedKept | None:
    """The record, if it is shared with this peer already.  Raises UsageError for several."""

    def unit(tx: Tx) -> list[SharedKept]:
        return [
            one
            for one in node.shared.all(tx)
            if (one.own, one.their) == (pair.own, pair.their)
            and path in (one.kept, one.name.path)
            and _is_named(one.name.id, given, exact=exact)
        ]

    found = await node.store.database.read(unit)
    if len(found) > 1:
        raise UsageError(f"{len(found)} records begin like this: give more of the id")
    return found[0] if found else None


def _is_named(id: Name, given: Name, *, exact: bool) -> bool:
    if exact or not isinstance(id, str) or not isinstance(given, str):
        return id == given
    return id == given or (len(given) >= ID_CHARS_MIN and id.startswith(given))


async def _fact(node: Node, path: str, given: Name) -> FoundFact | None:
    """The record in this vault, if it is there."""
    with suppress(NotFound):
        return await node.erasing.find(path, given)
    return None


async def _held(node: Node, kept: SharedKept) -> Record | None:
    """What this vault has of a record of which this side has said nothing."""
    fact = await _fact(node, kept.kept, kept.name.id)
    return None if fact is None else fact.record.row(0)


async def _schema(node: Node, path: str, given: str | None) -> Schema:
    """What records of `path` look like: as they are kept here, or as was said."""
    held = await node.store.database.read(lambda tx: node.vault.collections.find(tx, path))
    if held is not None and held.pages:
        return held.schema
    if given is None or given not in SCHEMAS:
        known = ", ".join(SCHEMAS)
        raise UsageError(f"say what {path} holds, with --schema: {known}")
    return SCHEMAS[given]


def _beginning(
    node: Node,
    tx: Tx,
    pair: Pair,
    path: str,
    given: Name,
    begun: SharedKept | None,
    fact: FoundFact | None,
    schema: Schema | None,
) -> tuple[SharedName, str, Told | None, Record | None]:
    """What a proposal is about: its name, where it is kept, what was delivered, and what it
    changes."""
    if begun is not None:
        copies = (begun.mine, begun.theirs)
        base = next((one.record for one in copies if one.said and one.record is not None), None)
        return begun.name, begun.kept, begun.told, base
    if fact is None:
        if schema is None:
            raise NotFound(f"{path} has no such record, and none is shared with {pair.name}")
        new = schema
        name = _usage(lambda: check_name(_path_between(node, tx, pair, path), new, given))
        return name, path, None, None
    base = fact.record.row(0)
    told = told_by(node.vault, tx, path, fact.rows, pair)
    if told is not None:
        return told.name, path, told, told.record
    schema = fact.record.schema
    id = name_of(schema, base)
    name = _usage(lambda: check_name(_path_between(node, tx, pair, path), schema, id))
    return name, path, None, base


def _path_between(node: Node, tx: Tx, pair: Pair, path: str) -> str:
    """How a peer is told of a collection: whose it is in this house is nobody else's business."""
    base = apart(path)[0]
    return base if node.household.kept_under(tx, pair.own, base) == path else path


def _changes(items: Sequence[Value]) -> list[Change]:
    found: list[Change] = []
    for item in items:
        match item:
            case [str(field), str(text)] if len(text) <= LINE_BYTES_MAX:
                found.append((field, text))
            case _:
                raise UsageError("a change is a field and what it should say")
    return found


# --- as a client sees it --------------------------------------------------------------------------


def _info(node: Node, tx: Tx, kept: SharedKept, held: Record | None = None) -> SharedInfo:
    mine, theirs = kept.mine, kept.theirs
    record = mine.record if mine.said else held
    refused = [one.refusal for one in kept.versions if kept.is_ours(one.version)][-1:]
    id = kept.name.id
    return SharedInfo(
        id=kept.id,
        peer=_peer(node, tx, kept),
        path=kept.name.path,
        kept=kept.kept,
        schema=kept.name.schema.name,
        record=id if isinstance(id, str) else None,
        time_ms=id if isinstance(id, int) else None,
        state=kept.state.value,
        agree=kept.copies.agree,
        differing=_differing(kept.name.schema, record, theirs.record),
        mine=_copy(kept, kept.own, mine, record),
        theirs=_copy(kept, kept.their, theirs, theirs.record),
        told=None if kept.told is None else kept.told.statement.cid,
        refused=refused[0] if refused else "",
        versions=len(kept.versions),
        brought=kept.brought is not None,
        told_by_us=kept.told is not None
        and kept.followed.get(kept.told.src, kept.told.src) == kept.own,
    )


def _peer(node: Node, tx: Tx, kept: SharedKept) -> str:
    """The other side, as it is called here, or was called where the record came from."""
    if kept.brought is not None:
        return kept.brought.name
    return node.peers.pair(tx, kept.own, kept.their).name


def _copy(kept: SharedKept, who: Did, copy: Copy, record: Record | None) -> CopyInfo:
    head = kept.copies.head(who)
    why = _reason(kept, who, copy)
    shown: Value = None if record is None else dict(record)
    if head is None:
        return CopyInfo(copy.state.value, copy.said, shown, None, None, None, why, None)
    return CopyInfo(
        copy.state.value, copy.said, shown, head.cid, head.n, head.word.value, why, head.t_ms
    )


def _reason(kept: SharedKept, who: Did, copy: Copy) -> str:
    """Why this side holds what it holds: what it said last with a reason."""
    for version in reversed(kept.copies.of(who)):
        if version.reason:
            return version.reason
        # What was withdrawn was asked for a reason that holds no more.
        if copy.state is CopyState.SETTLED or version.word is SharedWord.WITHDRAWN:
            break
    return ""


def _step(kept: SharedKept, one: VersionKept, before: Record | None) -> SharedStep:
    version = one.version
    answers = any(version in kept.copies.answers(other) for other in kept.copies.versions)
    return SharedStep(
        id=version.cid,
        by="you" if kept.is_ours(version) else "them",
        n=version.n,
        word=version.word.value,
        answers=version.seen if answers else None,
        record=None if version.record is None else dict(version.record),
        changed=_differing(version.name.schema, before, version.record),
        reason=version.reason,
        t_ms=version.t_ms,
        state=one.state.value,
        refusal=one.refusal,
    )


def _differing(schema: Schema, one: Record | None, other: Record | None) -> tuple[str, ...]:
    """The fields in which two copies differ, in the order of the schema."""
    left, right = one or {}, other or {}
    return tuple(f.name for f in schema.fields if left.get(f.name) != right.get(f.name))


def _usage(read: Callable[[], T]) -> T:
    try:
        return read()
    except ProtocolError as error:
        raise UsageError(str(error)) from error
