"""Shared records in an export: both copies with their histories, as both sides signed them.

    shared.jsonl           a line for each record: between whom, of what, what was delivered of it,
                           who followed whom of the two (`lines`)
    shared-versions.jsonl  a line for each version, as signed, with how far it had come

They come back as they were, to be shown, proven and erased.  To say more of one takes the keys of
its persona, which stayed with the old node; so on another node it is a paper, marked as brought,
and whoever wants to go on meets the other side anew and begins anew.

What is read is believed nothing: each signature, each promise of a line, what was delivered, and
that everything is between the two, about the one record.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Final

from ...crypto.canonical import encode
from ...protocol.cid import cid_from_text, cid_text
from ...protocol.collection import check_path, is_kept_as
from ...protocol.did import Did, check_did
from ...protocol.errors import RecordError, WireError
from ...protocol.json_text import write_object
from ...protocol.limits import (
    LINE_CHARS_MAX,
    SHARED_TOLD_BYTES_MAX,
    SHARED_VERSION_BYTES_MAX,
    SHARED_VERSIONS_MAX,
    SUCCESSION_BYTES_MAX,
    SUCCESSIONS_MAX,
    TEXT_CHARS_MAX,
)
from ...protocol.persona_line import PersonaLine, line_from_value
from ...protocol.shared_record import (
    SharedName,
    Told,
    check_told,
    name_from_body,
    parse_told,
    parse_version,
)
from ...protocol.wire import Body, Value, decode
from ..node import Node
from ..shared.kept import Brought, SaidState, SharedKept, VersionKept
from ..store.database import Tx

SHARED_FILE: Final = "shared.jsonl"
SHARED_VERSIONS_FILE: Final = "shared-versions.jsonl"
# Records of one export, and versions of one record: its two copies, with what was not taken.
RECORDS_MAX: Final = 100_000
_VERSIONS_MAX: Final = 4 * SHARED_VERSIONS_MAX
_LINE_BYTES_MAX: Final = 2 * SUCCESSION_BYTES_MAX * (SUCCESSIONS_MAX + 1)
_RECORD = (
    "shared",
    "own",
    "their",
    "peer",
    "path",
    "schema",
    "id",
    "kept",
    "told",
    "lines",
    "left_ms",
)
_VERSION = ("shared", "version", "by", "n", "word", "reason", "state", "refusal", "t_ms", "signed")


# --- out ------------------------------------------------------------------------------------------


def shared_records(node: Node, tx: Tx, paths: Collection[str] | None) -> Iterator[bytes]:
    """A line for each shared record of these collections; of all for None."""
    for one in _chosen(node, tx, paths):
        pair = node.peers.find(tx, one.own, one.their)
        if one.brought is not None:
            peer, lines = one.brought.name, one.brought.lines
        else:
            peer = one.their if pair is None else pair.name
            lines = () if pair is None else node.lines.shown(tx, pair)
        yield record_line(one, peer, lines)


def shared_versions(node: Node, tx: Tx, paths: Collection[str] | None) -> Iterator[bytes]:
    """A line for each version of these records, record by record, in their order."""
    for one in _chosen(node, tx, paths):
        for kept in one.versions:
            yield version_line(one, kept)


def record_line(one: SharedKept, peer: str, lines: Iterable[PersonaLine]) -> bytes:
    """A record, with what the other side is called here, and the lines of the two."""
    return write_object(
        {
            "shared": cid_text(one.id),
            "own": one.own,
            "their": one.their,
            "peer": peer,
            **one.name.value(),
            "kept": one.kept,
            "told": None if one.told is None else _text(one.told.raw),
            "lines": [_text(encode(line.value())) for line in lines],
            "left_ms": one.left_ms,
        }
    )


def version_line(one: SharedKept, kept: VersionKept) -> bytes:
    """A version of the record, as signed, with how far it had come."""
    version = kept.version
    return write_object(
        {
            "shared": cid_text(one.id),
            "version": cid_text(version.cid),
            "by": version.by,
            "n": version.n,
            "word": version.word.value,
            "reason": version.reason,
            "state": kept.state.value,
            "refusal": kept.refusal,
            "t_ms": kept.t_ms,
            "signed": _text(version.raw),
        }
    )


def _chosen(node: Node, tx: Tx, paths: Collection[str] | None) -> list[SharedKept]:
    found = node.shared.all(tx)
    return found if paths is None else [one for one in found if one.kept in paths]


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# --- in -------------------------------------------------------------------------------------------


def read_shared(records: Iterable[Value], versions: Iterable[Value]) -> list[SharedKept]:
    """The shared records of an export, from the lines of its two files.

    Raises WireError, RecordError, StatementError, CapabilityError, BadSignature.
    """
    found: dict[bytes, SharedKept] = {}
    for line in records:
        id, one = _record(line)
        if id in found or len(found) >= RECORDS_MAX:
            raise WireError("a shared record is in the export twice, or too many are")
        found[id] = one
    of: dict[bytes, list[VersionKept]] = {id: [] for id in found}
    for line in versions:
        id, kept = _version(line)
        if id not in found:
            raise WireError("a version is of a shared record that is not in the export")
        _check_fits(found[id], of[id], kept)
        of[id].append(kept)
    if any(not some or some[0].cid != id for id, some in of.items()):
        raise WireError("a shared record is not named by its first version")
    if len({encode(one.key) for one in found.values()}) != len(found):
        raise WireError("one record is shared twice between the same two")
    return [replace(one, versions=tuple(of[id])) for id, one in found.items()]


def _record(line: Value) -> tuple[bytes, SharedKept]:
    body = Body.open(line, "a shared record", _RECORD)
    name = name_from_body(body)
    own, their = check_did(body.text("own")), check_did(body.text("their"))
    kept = check_path(body.text("kept"))
    if own == their or not is_kept_as(kept, name.path):
        raise RecordError("a shared record is between one and the same, or kept elsewhere")
    raws = [_bytes(one, _LINE_BYTES_MAX) for one in body.items("lines", items_max=2)]
    lines = tuple(line_from_value(decode(one, bytes_max=_LINE_BYTES_MAX)) for one in raws)
    if any(one.first.did not in (own, their) for one in lines):
        raise WireError("a line of personas is of neither side of a shared record")
    brought = Brought(body.text("peer", chars_max=LINE_CHARS_MAX), lines)
    raw = body.value("told")
    told = None if raw is None else parse_told(_bytes(raw, SHARED_TOLD_BYTES_MAX))
    one = SharedKept(own, their, name, kept, told, (), brought.followed, brought=brought)
    if told is not None:
        _check_told(one, told, name)
    if body.value("left_ms") is not None:
        one = replace(one, left_ms=body.integer("left_ms"))
    return cid_from_text(body.text("shared")), one


def _check_told(one: SharedKept, told: Told, name: SharedName) -> None:
    side = {one.own: one.their, one.their: one.own}.get(one.copies.side(told.src))
    sub = check_did(told.statement.sub)
    if side is None or one.copies.side(sub) != side:
        raise RecordError("what was delivered of a shared record was so by or to another persona")
    check_told(told, name, src=(told.src,), sub=(sub,))


def _version(line: Value) -> tuple[bytes, VersionKept]:
    body = Body.open(line, "a version of a shared record", _VERSION)
    version = parse_version(_bytes(body.value("signed"), SHARED_VERSION_BYTES_MAX))
    said = (version.cid, version.by, version.n, version.word.value, version.reason)
    shown = (cid_from_text(body.text("version")), body.text("by"), body.integer("n"))
    if said != (*shown, body.text("word"), body.text("reason", chars_max=TEXT_CHARS_MAX)):
        raise WireError("a version of a shared record is shown otherwise than it was signed")
    state = body.text("state")
    if state not in set(SaidState):
        raise WireError("a version of a shared record is in a state that is not known")
    refusal = body.text("refusal", chars_max=TEXT_CHARS_MAX)
    kept = VersionKept(version, SaidState(state), refusal, body.integer("t_ms"))
    return cid_from_text(body.text("shared")), kept


def _check_fits(one: SharedKept, before: list[VersionKept], kept: VersionKept) -> None:
    """A version is between the two, of this record, there once, and follows one of its side."""
    version, copies = kept.version, one.copies
    between = {copies.side(version.by), copies.side(version.to)}
    if version.name != one.name or between != {one.own, one.their}:
        raise WireError("a version is of another shared record, or between others")
    known = {it.cid: copies.side(it.version.by) for it in before}
    if version.cid in known or len(before) >= _VERSIONS_MAX:
        raise WireError("a version of a shared record is there twice, or too many are")
    if version.prev is not None and known.get(version.prev) != copies.side(Did(version.by)):
        raise WireError("a version of a shared record follows one that is not there")


def _bytes(item: Value, bytes_max: int) -> bytes:
    """Bytes written in base64, in its one spelling.  Raises WireError."""
    try:
        found = base64.b64decode(item, validate=True) if isinstance(item, str) else None
    except ValueError:
        found = None
    if found is None or _text(found) != item or len(found) > bytes_max:
        raise WireError("a shared record has bytes that are not written as they should be")
    return found
