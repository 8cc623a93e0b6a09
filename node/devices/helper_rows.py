"""Helpers and their leases, as two devices compare them.

    helpers   of each peer that was asked, what was decided last
    leases    of each helper and reader the lease that ends last, so that one device makes it and
              each knows until when at most a helper serves

That a reader was told, and that a helper has what it was given, each device finds out itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...crypto.canonical import encode
from ...protocol.errors import WireError
from ...protocol.helped import is_lease
from ...protocol.wire import Value
from ..helping.helper import Helper, Leased
from ..helping.helpers import Helpers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .row_spaces import Rows, RowSpace
from .space import Space, Taking


def helper_spaces(objects: Objects, helpers: Helpers) -> Iterable[Space]:
    """In the order in which they are fetched."""

    def keep(tx: Tx, _name: Value, _before: Helper | None, row: Helper, _taking: Taking) -> None:
        helpers.adopt(tx, row)

    how = Rows(_helper, _helper_value, helper, keep=keep)
    yield RowSpace("helpers", Kind.HELPER, objects, how)
    yield RowSpace("leases", Kind.LEASED, objects, Rows(_leased, _leased_value, leased, says=_says))


def helper(one: Helper, other: Helper) -> Helper:
    """What became of a helper last; of one moment, the greater bytes."""
    return max(one, other, key=lambda it: (it.changed_ms, encode(it.value())))


def leased(one: Leased, other: Leased) -> Leased:
    """The lease that ends last."""
    return max(one, other, key=lambda it: (it.lease.exp_s, encode(_says(it)), encode(it.value())))


def _helper(name: Value, value: Value) -> Helper:
    return Helper.from_row(name, value)


def _helper_value(row: Helper) -> Value:
    return row.value()


def _leased(name: Value, value: Value) -> Leased:
    found = Leased.from_row(name, value)
    if not is_lease(found.lease):
        raise WireError("a lease from another device is none")
    return found


def _leased_value(row: Leased) -> Value:
    return row.value()


def _says(row: Leased) -> Value:
    """What of a lease is to be the same everywhere."""
    return [row.lease.signed.raw, [[cid, n] for cid, n in row.grants]]
