"""Grants held and their keys, as two devices share them.

What a reader does when it hears that a grant has ended, or that new keys have come, each of its
devices does, whichever was told.

Which keysets there are is told by the keysets alone: a device that deleted what it read under a
grant has let its keys go, and the other has not yet.  From then on they are not shared.
"""

from __future__ import annotations

from dataclasses import replace

from ...protocol.errors import WireError
from ...protocol.wire import Body, Value
from ..grants.borrowing import Borrowing
from ..grants.grant_held import GrantHeld
from ..store.database import Tx
from . import joins
from .row_spaces import Rows, as_kept, named, same
from .space import Taking


def held_rows(borrowing: Borrowing) -> Rows[GrantHeld]:
    """How grants held are shared."""

    def read(value: Value) -> GrantHeld:
        row = GrantHeld.from_value(value)
        return replace(row, keysets=tuple(sorted(row.keysets)))

    def keep(
        tx: Tx, _name: Value, before: GrantHeld | None, row: GrantHeld, taking: Taking
    ) -> None:
        borrowing.adopt(tx, row, before, taking.now_ms)

    return Rows(
        named("a grant", read, lambda row: row.cid),
        as_kept,
        joins.held,
        says=lambda row: replace(row, keysets=()).value(),
        keep=keep,
    )


def keyset_rows(borrowing: Borrowing) -> Rows[bytes]:
    """How the keysets of grants held are shared."""

    def read(_name: Value, value: Value) -> bytes:
        if not isinstance(value, bytes):
            raise WireError("a keyset from another device is not bytes")
        return value

    def shared(tx: Tx, name: Value, _row: bytes) -> bool:
        return borrowing.shares_keys(tx, _named(name)[0])

    def keep(tx: Tx, name: Value, _before: bytes | None, row: bytes, _taking: Taking) -> None:
        borrowing.adopt_keyset(tx, *_named(name), row)

    return Rows(read, same, max, shared=shared, keep=keep)


def _named(name: Value) -> tuple[bytes, int]:
    body = Body.of_list(name, "the name of a keyset", ("grant", "n"))
    return body.data("grant"), body.integer("n")
