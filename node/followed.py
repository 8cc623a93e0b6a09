"""Followed: when either side of a relationship became another persona, as its history tells it.

Each step was signed by the key that the persona before had promised, so it names its evidence: the
succession, and the rows of the log with the answer to `/persona/succeed`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.command import Cmd
from .evidence import Said, cids_of, names_of_rows
from .log.receipts import Way
from .peers.lines import PersonaLines
from .peers.peers import Pair
from .results.history import HistoryEvent
from .store.database import Tx


def followed(
    lines: PersonaLines, tx: Tx, pair: Pair, said: Said, log: int
) -> Iterator[HistoryEvent]:
    """The steps of both lines since the two met; `log` is the number of this device's log."""
    ours = lines.said(tx, pair)
    steps = () if ours is None else ours.steps
    heard_to = 0
    for number, one in enumerate(steps, 1):
        if ours is not None and one.step.new == ours.known:
            heard_to = number
    for way, line in ((Way.GIVEN, steps), (Way.TAKEN, lines.heard(tx, pair))):
        for number, one in enumerate(line, 1):
            succession = one.step.succession.signed.cid
            rows = said.about(Cmd.SUCCEED, succession)
            waits = way is Way.GIVEN and number > heard_to
            yield HistoryEvent(
                t_ms=one.t_ms,
                what="followed",
                way=way.value,
                peer=pair.name,
                note="a device was left behind" + (", and they have not heard" if waits else ""),
                log=names_of_rows(rows, log),
                cids=(succession, *cids_of(rows)),
            )
