"""What must still be said to a peer that may be away.  Store before send.

An item is put in the transaction that makes it necessary (a revocation and the keysets of the
survivors are one).  It stays until the peer has answered; a try that fails moves it to a later
time.  Receivers are idempotent, so an item that was sent just before a crash is sent again.

In clear: when an item is due and which items are for one peer (a tag); not which peer, nor what.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...crypto.canonical import Value
from .database import Tx
from .errors import StoreDamaged
from .sealer import Sealer

_PLACE = "outbox"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to say: `tries` times tried so far."""

    id: int
    due_ms: int
    to: str
    tries: int
    value: Value


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
        row = tx.one("SELECT min(due_ms) FROM outbox")
        return None if row is None else row[0]

    def count(self, tx: Tx) -> int:
        row = tx.one("SELECT count(*) FROM outbox")
        return 0 if row is None else int(row[0])

    def done(self, tx: Tx, id: int) -> bool:
        """The peer has answered: forget the item; False if it was not there any more."""
        return bool(tx.execute("DELETE FROM outbox WHERE id = ? RETURNING 1", (id,)))

    def retry_at(self, tx: Tx, id: int, due_ms: int) -> None:
        """A try failed: count it and try again from `due_ms` on.  An item that is gone stays so."""
        row = tx.one("SELECT due_ms, tag, sealed FROM outbox WHERE id = ?", (id,))
        if row is None:
            return
        item = self._item(id, *row)
        sealed = self._sealer.seal(_PLACE, row[1], [item.to, item.tries + 1, item.value])
        tx.execute("UPDATE outbox SET due_ms = ?, sealed = ? WHERE id = ?", (due_ms, sealed, id))

    def hurry(self, tx: Tx, to: str, now_ms: int) -> int:
        """The peer is here: what waits for it is due now; how many items."""
        rows = tx.execute(
            "UPDATE outbox SET due_ms = min(due_ms, ?) WHERE tag = ? RETURNING 1",
            (now_ms, self._tag(to)),
        )
        return len(rows)

    def _item(self, id: int, due_ms: int, tag: bytes, sealed: bytes) -> Item:
        match self._sealer.open(_PLACE, tag, sealed):
            case [str(to), int(tries), value]:
                return Item(id, due_ms, to, tries, value)
            case _:
                raise StoreDamaged("a row of the outbox has not the form of one")

    def _tag(self, to: str) -> bytes:
        return self._sealer.tag("outbox", to)
