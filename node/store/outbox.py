"""What must still be said to a peer that may be away.  Store before send.

An item is put in the transaction that makes it necessary (a revocation and the keysets of the
survivors are one).  It stays until the peer has answered; a try that fails moves it to a later
time.  Receivers are idempotent, so an item that was sent just before a crash is sent again.

In clear: when an item is due and which items are for one peer (a tag); not which peer, nor what.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...crypto.canonical import Value
from .database import Tx
from .errors import StoreDamaged
from .sealer import Sealer

# When an item is due that was given up: no clock comes so far, and a row without a time would be
# another table.
NEVER_MS = 1 << 62
_PLACE = "outbox"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to say: `tries` times tried so far."""

    id: int
    due_ms: int
    to: str
    tries: int
    value: Value
    faults: int = 0

    @property
    def given_up(self) -> bool:
        """Whether it is said over no link any more: too many answers to it were none."""
        return self.due_ms >= NEVER_MS


class Outbox:
    """The table `outbox`."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def put(self, tx: Tx, to: str, value: Value, *, due_ms: int) -> int:
        """Say `value` to the persona `to`, from `due_ms` on; the item's id."""
        tag = self._tag(to)
        sealed = self._sealer.seal(_PLACE, tag, [to, 0, value])
        rows = tx.execute(
            "INSERT INTO outbox (due_ms, tag, sealed) VALUES (?, ?, ?) RETURNING id",
            (due_ms, tag, sealed),
        )
        return int(rows[0][0])

    def due(self, tx: Tx, now_ms: int, *, limit: int = 64) -> list[Item]:
        """Up to `limit` items that are due, the longest waiting first.  Raises StoreDamaged."""
        rows = tx.execute(
            "SELECT id, due_ms, tag, sealed FROM outbox WHERE due_ms <= ? "
            "ORDER BY due_ms, id LIMIT ?",
            (now_ms, limit),
        )
        return [self._item(*row) for row in rows]

    def due_peers(self, tx: Tx, now_ms: int) -> list[str]:
        """The peers for which something is due, the longest waiting first.  Raises StoreDamaged."""
        rows = tx.execute(
            "SELECT id, due_ms, tag, sealed FROM outbox WHERE id IN "
            "(SELECT min(id) FROM outbox WHERE due_ms <= ? GROUP BY tag) ORDER BY due_ms, id",
            (now_ms,),
        )
        return [self._item(*row).to for row in rows]

    def not_before(self, tx: Tx, to: str, due_ms: int) -> None:
        """The peer is away: nothing for it is due before `due_ms`."""
        tx.execute(
            "UPDATE outbox SET due_ms = max(due_ms, ?) WHERE tag = ?", (due_ms, self._tag(to))
        )

    def fault(self, tx: Tx, id: int, due_ms: int | None) -> None:
        """What came in answer was none: count that, and try again from `due_ms` on, or never."""
        item = self.find(tx, id)
        if item is not None:
            self._save(tx, replace(item, tries=item.tries + 1, faults=item.faults + 1), due_ms)

    def waiting_for(self, tx: Tx, to: str) -> list[Item]:
        """Every item for one peer, in the order they were put.  Raises StoreDamaged."""
        rows = tx.execute(
            "SELECT id, due_ms, tag, sealed FROM outbox WHERE tag = ? ORDER BY id",
            (self._tag(to),),
        )
        return [self._item(*row) for row in rows]

    def find(self, tx: Tx, id: int) -> Item | None:
        """The item, or None if its answer was kept already.  Raises StoreDamaged."""
        row = tx.one("SELECT id, due_ms, tag, sealed FROM outbox WHERE id = ?", (id,))
        return None if row is None else self._item(*row)

    def all(self, tx: Tx) -> list[Item]:
        """Every item, in the order they were put.  Raises StoreDamaged."""
        rows = tx.execute("SELECT id, due_ms, tag, sealed FROM outbox ORDER BY id")
        return [self._item(*row) for row in rows]

    def next_due_ms(self, tx: Tx) -> int | None:
        """When the next item is due; None if nothing waits."""
        row = tx.one("SELECT min(due_ms) FROM outbox WHERE due_ms < ?", (NEVER_MS,))
        return None if row is None else row[0]

    def count(self, tx: Tx) -> int:
        row = tx.one("SELECT count(*) FROM outbox")
        return 0 if row is None else int(row[0])

    def done(self, tx: Tx, id: int) -> bool:
        """The peer has answered: forget the item; False if it was not there any more."""
        return bool(tx.execute("DELETE FROM outbox WHERE id = ? RETURNING 1", (id,)))

    def retry_at(self, tx: Tx, id: int, due_ms: int) -> None:
        """A try failed: count it and try again from `due_ms` on.  An item that is gone stays so."""
        item = self.find(tx, id)
        if item is not None:
            self._save(tx, replace(item, tries=item.tries + 1), due_ms)

    def _save(self, tx: Tx, item: Item, due_ms: int | None) -> None:
        row: list[Value] = [item.to, item.tries, item.value]
        if item.faults:
            row.append(item.faults)
        sealed = self._sealer.seal(_PLACE, self._tag(item.to), row)
        due_ms = NEVER_MS if due_ms is None else due_ms
        tx.execute(
            "UPDATE outbox SET due_ms = ?, sealed = ? WHERE id = ?", (due_ms, sealed, item.id)
        )

    def hurry(self, tx: Tx, to: str, now_ms: int) -> int:
        """The peer is here: what waits for it is due now; how many items."""
        rows = tx.execute(
            "UPDATE outbox SET due_ms = min(due_ms, ?) WHERE tag = ? AND due_ms < ? RETURNING 1",
            (now_ms, self._tag(to), NEVER_MS),
        )
        return len(rows)

    def again(self, tx: Tx, to: str, now_ms: int) -> int:
        """What was given up is due now, as if it had not been tried; how many items."""
        given_up = [item for item in self.waiting_for(tx, to) if item.given_up]
        for item in given_up:
            self._save(tx, replace(item, faults=0), now_ms)
        return len(given_up)

    def _item(self, id: int, due_ms: int, tag: bytes, sealed: bytes) -> Item:
        match self._sealer.open(_PLACE, tag, sealed):
            case [str(to), int(tries), value]:
                return Item(id, due_ms, to, tries, value)
            case [str(to), int(tries), value, int(faults)]:
                return Item(id, due_ms, to, tries, value, faults)
            case _:
                raise StoreDamaged("a row of the outbox has not the form of one")

    def _tag(self, to: str) -> bytes:
        return self._sealer.tag("outbox", to)
