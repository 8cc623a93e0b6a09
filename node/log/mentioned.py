"""What the log says of a peer, a grant or a collection: its rows, found by what they are about.

The index (`store/mentions.py`) follows the log: whoever asks brings it up to date first, a few
hundred rows a unit of work, and so does the housekeeping, so that there is seldom much to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, partial

from ...protocol.receipt import Receipt
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.store import Store
from .receipts import LOGGED, Logged, logged_of

# Rows of one unit of work: about 40 ms on a slow machine.
ROWS_A_UNIT = 256


@dataclass(frozen=True, slots=True)
class Mentioned:
    """One row of log `log` of this home."""

    log: int
    row: Logged

    @property
    def index(self) -> int:
        return self.row.index


def peer_named(own: str, their: str) -> Value:
    """The thing that rows of this pair are about."""
    return ["peer", own, their]


def grant_named(cid: bytes) -> Value:
    return ["grant", cid]


def collection_named(path: str) -> Value:
    return ["collection", path]


def reads_named(root: bytes, reader: str) -> Value:
    """The thing that the first window of each read is about: counting them counts reads."""
    return ["reads", root, reader]


class MentionedRows:
    """The log of this home, by what its rows are about."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def catch_up(self) -> int:
        """Look at the rows that are new; how many."""
        looked_at = 0
        for number in range(self._store.log.number + 1):
            while some := await self._store.database.write(partial(self._look, number)):
                looked_at += some
        return looked_at

    def _look(self, number: int, tx: Tx) -> int:
        """Index the next rows of log `number`; how many."""
        log = self._store.log.numbered(number)
        first = self._store.mentions.upto(tx, number)
        upto = min(log.size(tx), first + ROWS_A_UNIT)
        if upto == first:
            return 0
        about: list[tuple[int, list[Value]]] = []
        for index in range(first, upto):
            entry = log.at(tx, index)
            # Padding is about nothing; a row that is gone is for `log verify` to name.
            if entry is not None and entry.value is not None:
                about.append((index, list(_things(logged_of(entry)))))
        self._store.mentions.add(tx, number, about, upto)
        self._store.stamps.changed(tx, LOGGED)
        return upto - first

    def count(self, tx: Tx, thing: Value) -> int:
        """How many rows are about `thing`; none of them is opened."""
        return self._store.mentions.count(tx, thing)

    def of(self, tx: Tx, thing: Value) -> list[Mentioned]:
        """Every row that is about `thing`, in the order they were logged.

        Up to what `catch_up` last saw.  Raises StoreDamaged for a row that is gone.
        """
        return [self._at(tx, log, index) for log, index in self._store.mentions.of(tx, thing)]

    def of_grants(self, tx: Tx, cids: Collection[bytes]) -> dict[bytes, list[Mentioned]]:
        """As `of`, of each of many grants at once; a row that is about several is opened once."""
        at = cache(partial(self._at, tx))
        named = {cid: grant_named(cid) for cid in cids}
        places = self._store.mentions.of_each(tx, named.values())
        return {cid: [at(*one) for one in some] for cid, some in zip(named, places, strict=True)}

    def latest(self, tx: Tx) -> Iterator[Mentioned]:
        """The rows that `catch_up` has not seen yet: of a minute, where somebody keeps house."""
        for number in range(self._store.log.number + 1):
            log = self._store.log.numbered(number)
            for index in range(self._store.mentions.upto(tx, number), log.size(tx)):
                entry = log.at(tx, index)
                if entry is not None and entry.value is not None:
                    yield Mentioned(number, logged_of(entry))

    def _at(self, tx: Tx, log: int, index: int) -> Mentioned:
        entry = self._store.log.numbered(log).at(tx, index)
        if entry is None or entry.value is None:
            raise StoreDamaged(f"row {index} of the log is gone: see `entrenous log verify`")
        return Mentioned(log, logged_of(entry))


def _things(row: Logged) -> Iterator[Value]:
    yield peer_named(row.own, row.their)
    if isinstance(row.word, Receipt):
        yield grant_named(row.word.body.dlg)
        if row.word.body.window == 0:
            yield reads_named(row.word.body.dlg, row.word.body.reader)
    subject = row.subject
    if subject is not None and subject.cid is not None:
        yield grant_named(subject.cid)
    if subject is not None and subject.path is not None:
        yield collection_named(subject.path)
