"""Pairs that only read, as two devices compare them: an owner of data and a processor of a reader.

    reading-pairs     the one that was agreed last: a chain that is shown again makes a new key
    processing-for    for whom this node processes, or does no more: what was said last

Which chains were shown stays with the device that was shown them, or showed them: each shows by
itself what it reads under, and whoever is shown something looks at it anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ...crypto.canonical import encode
from ...protocol.did import check_did
from ...protocol.errors import WireError
from ...protocol.limits import INTEGER_MAX
from ...protocol.wire import Value
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .row_spaces import Rows, RowSpace
from .space import Space, Taking

READING_PAIRS: Final = "reading-pairs"
PROCESSING_FOR: Final = "processing-for"


def reading_spaces(objects: Objects, peers: Peers) -> Iterable[Space]:
    """In the order in which they are fetched."""
    yield RowSpace(READING_PAIRS, Kind.READING_PAIR, objects, _pairs(peers))
    yield RowSpace(PROCESSING_FOR, Kind.PROCESSES_FOR, objects, Rows(_said, _same, processing))


def reading_pair(one: Pair, other: Pair) -> Pair:
    """The one that was agreed last; the name is each device's own."""
    last = max(one, other, key=lambda it: (it.paired_ms, encode(replace(it, name="").value())))
    return replace(last, name=one.name)


def processing(one: Value, other: Value) -> Value:
    """What was said last; of one moment, that this node processes no more."""
    return max(one, other, key=_moment)


def _pairs(peers: Peers) -> Rows[Pair]:
    def keep(tx: Tx, _name: Value, before: Pair | None, row: Pair, _taking: Taking) -> None:
        if before is not None:
            peers.save(tx, row)
        elif peers.find(tx, row.own, row.their) is None:
            # Who has met the other meanwhile is paired with it, which is more.
            peers.add(tx, row)

    def read(name: Value, value: Value) -> Pair:
        row = replace(Pair.from_value(value), reads_only=True)
        if name != [row.own, row.their]:
            raise WireError("a pair stands under another name than its own")
        return row

    return Rows(
        read,
        lambda row: row.value(),
        reading_pair,
        says=lambda row: replace(row, name="").value(),
        keep=keep,
    )


def _said(name: Value, value: Value) -> Value:
    match name:
        case [str(own), str(their)]:
            check_did(own)
            check_did(their)
        case _:
            raise WireError("who processes for whom is two personas")
    _moment(value)
    return value


def _moment(value: Value) -> tuple[int, bool]:
    match value:
        case int(t_ms) | [int(t_ms)] if not isinstance(t_ms, bool) and 0 <= t_ms <= INTEGER_MAX:
            return t_ms, isinstance(value, list)
        case _:
            raise WireError("since when somebody processes, or does no more, is a moment")


def _same(value: Value) -> Value:
    return value
