"""Evidence: rows of the log gathered into what they show.

The windows of one read are one read; the answer to a command shows that it was said and heard.
Nothing here is believed that the log does not hold: a read of which the log has no receipt is not
listed, and one whose last window its reader never signed says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..protocol.did import Did
from ..protocol.errors import Code
from ..protocol.receipt import Answer, Receipt
from .log.mentioned import Mentioned
from .log.receipts import Way


@dataclass(frozen=True, slots=True)
class ReadMade:
    """One read, from its receipts.  `path` is None where an older version logged it."""

    inv: bytes
    root: bytes
    way: Way
    own: Did
    their: Did
    reader: Did
    path: str | None
    first: int
    last: int
    t_ms: int
    pages: int
    size: int
    two_sided: bool
    server: Did
    rows: tuple[Mentioned, ...]


def reads_in(rows: Iterable[Mentioned]) -> list[ReadMade]:
    """The reads that `rows` show, in the order in which they began."""
    by_read: defaultdict[tuple[Way, bytes], list[Mentioned]] = defaultdict(list)
    for row in rows:
        if isinstance(row.row.word, Receipt):
            by_read[row.row.way, row.row.word.body.inv].append(row)
    return sorted((_read(some) for some in by_read.values()), key=lambda read: read.t_ms)


def _read(rows: Sequence[Mentioned]) -> ReadMade:
    head = rows[0].row
    words = [row.row.word for row in rows]
    bodies = [word.body for word in words if isinstance(word, Receipt)]
    return ReadMade(
        inv=bodies[0].inv,
        root=bodies[0].dlg,
        way=head.way,
        own=head.own,
        their=head.their,
        reader=bodies[0].reader,
        path=None if head.subject is None else head.subject.path,
        first=min(body.first for body in bodies),
        last=max(body.last_day for body in bodies),
        t_ms=bodies[0].t_ms,
        pages=sum(body.pages for body in bodies),
        size=sum(body.size for body in bodies),
        two_sided=all(row.row.two_sided for row in rows),
        server=bodies[0].server,
        rows=tuple(rows),
    )


class Said:
    """The answers among some rows, by the command and what it named."""

    def __init__(self, rows: Iterable[Mentioned]) -> None:
        self._rows: defaultdict[tuple[str, bytes], list[Mentioned]] = defaultdict(list)
        self.refused: list[Mentioned] = []
        for row in rows:
            word, subject = row.row.word, row.row.subject
            if isinstance(word, Answer):
                if subject is not None and subject.cid is not None:
                    self._rows[subject.cmd, subject.cid].append(row)
                if word.code is not Code.OK:
                    self.refused.append(row)

    def about(self, cmd: str, cid: bytes | None) -> tuple[Mentioned, ...]:
        """The rows that show that `cmd` was said of `cid`."""
        return () if cid is None else tuple(self._rows.get((cmd, cid), ()))


def names_of_rows(rows: Iterable[Mentioned], log: int) -> tuple[str, ...]:
    """Rows as a person names them: `7`, or `0/7` in a log before number `log`."""
    return tuple(
        str(row.index) if row.log == log else f"{row.log}/{row.index}"
        for row in sorted(rows, key=lambda row: (row.log, row.index))
    )


def cids_of(rows: Iterable[Mentioned]) -> tuple[bytes, ...]:
    """What was signed in these rows."""
    return tuple(row.row.word.cid for row in rows)
