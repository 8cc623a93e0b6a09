"""What was seen, and how far a count has come: the memory that makes a second time different.

The **replay cache** holds the CIDs of invocations, blinded, until a minute after they expire.  A
**counter** only ever rises: sequence numbers, `n` of keysets and reader keys.  Both are changed in
the transaction of what they protect, so neither is ahead of it or behind it after a crash.
"""

from __future__ import annotations

from ...crypto.canonical import Value
from .database import Tx
from .errors import StoreConflict
from .sealer import Sealer

# Counters are SQLite integers and travel as 64-bit ones.
COUNTER_MAX = 2**63 - 1


class Ledger:
    """The tables `replay` and `counter`."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def first_time(self, tx: Tx, cid: bytes, expires_s: int) -> bool:
        """Remember `cid` until `expires_s` (seconds); False if it is remembered already."""
        return bool(
            tx.execute(
                "INSERT INTO replay (tag, expires_s) VALUES (?, ?) "
                "ON CONFLICT DO NOTHING RETURNING 1",
                (self._sealer.tag("replay", cid), expires_s),
            )
        )

    def seen(self, tx: Tx, cid: bytes) -> bool:
        """Whether `cid` is remembered."""
        tag = self._sealer.tag("replay", cid)
        return tx.one("SELECT 1 FROM replay WHERE tag = ?", (tag,)) is not None

    def forget_expired(self, tx: Tx, now_s: int) -> int:
        """Drop what expired before `now_s`; how many."""
        return len(tx.execute("DELETE FROM replay WHERE expires_s < ? RETURNING 1", (now_s,)))

    def counter(self, tx: Tx, name: Value) -> int:
        """Where the counter `name` stands; 0 if it never moved."""
        tag = self._sealer.tag("counter", name)
        row = tx.one("SELECT value FROM counter WHERE tag = ?", (tag,))
        return 0 if row is None else int(row[0])

    def step(self, tx: Tx, name: Value, *, at_least: int = 0) -> int:
        """Move the counter to max(value + 1, `at_least`) and return where it stands now.

        With `at_least=now_ms` this is the rule for `n` of a keyset (formats.md, "Grant").
        """
        value = max(self.counter(tx, name) + 1, at_least)
        self._set(tx, name, value)
        return value

    def raise_to(self, tx: Tx, name: Value, value: int) -> None:
        """Move the counter to `value`.  Raises StoreConflict unless it rises."""
        now = self.counter(tx, name)
        if value <= now:
            raise StoreConflict(f"a counter stands at {now} and does not go to {value}")
        self._set(tx, name, value)

    def _set(self, tx: Tx, name: Value, value: int) -> None:
        if value > COUNTER_MAX:
            raise StoreConflict("a counter has come to its end")
        tx.execute(
            "INSERT INTO counter (tag, value) VALUES (?, ?) "
            "ON CONFLICT (tag) DO UPDATE SET value = excluded.value",
            (self._sealer.tag("counter", name), value),
        )
