"""What the owners of borrowed data erased, as two devices compare it: each deletes its own copies.

erased-asked    of a grant, when each span of days was asked for last
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...protocol.cid import CID_BYTES
from ...protocol.errors import WireError
from ...protocol.wire import Value
from ..grants.deletion_duty import DeletionDuty
from ..grants.erased_asked import ErasedAsked, asked_from_value, asked_value, joined_asked
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .row_spaces import Rows, RowSpace
from .space import Space, Taking

ERASED_ASKED: Final = "erased-asked"


def deletion_spaces(objects: Objects, duty: DeletionDuty) -> Iterable[Space]:
    """Fetched after the grants that they are of."""

    def keep(
        tx: Tx, name: Value, before: ErasedAsked | None, row: ErasedAsked, taking: Taking
    ) -> None:
        known = before or {}
        objects.put(tx, Kind.ERASED_ASKED, name, asked_value(row))
        news = [window for window, t_ms in row.items() if known.get(window, -1) < t_ms]
        duty.asked_elsewhere(tx, _named(name), news, taking.now_ms)

    rows: Rows[ErasedAsked] = Rows(_read, asked_value, joined_asked, keep=keep)
    yield RowSpace(ERASED_ASKED, Kind.ERASED_ASKED, objects, rows)


def _read(name: Value, value: Value) -> ErasedAsked:
    _named(name)
    return asked_from_value(value)


def _named(name: Value) -> bytes:
    if not isinstance(name, bytes) or len(name) != CID_BYTES:
        raise WireError("what is to be deleted stands under no grant")
    return name
