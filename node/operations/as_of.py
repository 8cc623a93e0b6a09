"""Grants as they stood at a moment: which of them are shown, and what is said of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...protocol.trust import GrantStatus
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..grants.grant_lines import GrantLine, Happened, Side
from ..history import standing_at
from ..log.mentioned import reads_named
from ..node import Node
from ..results.grants import GrantInfo
from ..store.database import Tx

Lines = Mapping[tuple[Side, bytes], GrantLine]


class ReadCounts:
    """How many reads the log has under a grant, by a reader; from the index, no row is opened."""

    def __init__(self, node: Node, tx: Tx) -> None:
        self._node = node
        self._tx = tx

    def of(self, root: bytes, reader: str) -> int:
        return self._node.rows.count(self._tx, reads_named(root, reader))


def shown_at(
    node: Node, tx: Tx, lines: Lines, at_ms: int | None
) -> tuple[list[GrantGiven], list[GrantHeld]]:
    """The grants given and held; with `at_ms`, those alone that held then, or were suspended."""
    if at_ms is None:
        return node.lending.all(tx), node.borrowing.all(tx)
    given = standing_at((one for one in lines.values() if one.side is Side.GIVEN), at_ms)
    held = standing_at((one for one in lines.values() if one.side is Side.HELD), at_ms)
    return (
        [node.lending.get(tx, cid) for cid in given],
        [node.borrowing.get(tx, cid) for cid in held],
    )


def as_it_stood(info: GrantInfo, lines: Lines, at_ms: int | None) -> GrantInfo:
    """What is told of a grant, with what became of it; as it stood at `at_ms`."""
    line = lines.get((Side(info.side), info.id))
    if line is None:
        return info
    renewed = [one for one in line.events if one.what is Happened.RENEWED]
    deletion, deletion_ms = _deletion(line)
    info = replace(
        info,
        renews=line.renews,
        renewed_by=renewed[-1].cid if renewed else None,
        deletion=deletion,
        deletion_ms=deletion_ms,
        accepted_ms=line.last(Happened.ACCEPTED),
    )
    if at_ms is None:
        return info
    status = line.status_at(at_ms) or GrantStatus.NOT_YET
    if info.status == GrantStatus.NOT_YET.value and status is GrantStatus.LIVE:
        status = GrantStatus.NOT_YET  # it begins later than it was given
    accepted_ms = info.accepted_ms
    if accepted_ms is not None and accepted_ms > at_ms:
        accepted_ms = None
    return replace(
        info, status=status.value, ended_ms=line.ended_ms(at_ms), accepted_ms=accepted_ms
    )


def _deletion(line: GrantLine) -> tuple[str | None, int | None]:
    """Whether its reader owes a deletion, or says that it was done, and since when."""
    for what, word in ((Happened.DELETED, "said"), (Happened.DELETE_ASKED, "owed")):
        if (t_ms := line.last(what)) is not None:
            return word, t_ms
    return None, None


def lent_on_stood(node: Node, tx: Tx, info: GrantInfo, at_ms: int | None) -> bool:
    """Whether what was lent on could be read at `at_ms`."""
    if at_ms is None:
        return True
    began = info.issued_ms or 0
    ended = info.exp_s * 1000 if info.ended_ms is None else info.ended_ms
    return began <= at_ms < ended
