"""The person's standing terms as two devices compare them: one row, and when it was set.

The rules stand in the store without a time, as one device has them.  When they are found to differ
from what was last seen, they were set here meanwhile, and the time is noted.  The rules that were
set later hold; of one moment, those with the greater bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ...crypto.canonical import encode
from ...crypto.digest import tag128
from ...crypto.labels import Tag
from ...protocol.errors import WireError
from ...protocol.limits import STANDING_BYTES_MAX
from ...protocol.standing_terms_file import standing_from_mapping
from ...protocol.wire import Value
from ..grants.standing_terms import OWN
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .space import Taking, row_id

_SET_AT: Value = "standing-terms-set"


@dataclass(frozen=True, slots=True)
class StandingSpace:
    """The one row, if the person has set any."""

    name: str
    objects: Objects

    def note(self, tx: Tx, now_ms: int) -> None:
        """Note when the rules were set, if they were since this was last done."""
        value = self.objects.get(tx, Kind.STANDING_TERMS, OWN)
        if value is not None and self._set_ms(tx, value) is None:
            self.objects.put(tx, Kind.SETTING, _SET_AT, [now_ms, _digest(value)])

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        value = self.objects.get(tx, Kind.STANDING_TERMS, OWN)
        set_ms = None if value is None else self._set_ms(tx, value)
        if set_ms is None:
            return {}
        row: Value = [set_ms, value]
        return {row_id(self.name, OWN, row): row}

    def ids(self, tx: Tx) -> Sequence[bytes]:
        return sorted(self.rows(tx))

    def some(self, tx: Tx, ids: Sequence[bytes]) -> Sequence[Value]:
        rows = self.rows(tx)
        return [rows[one] for one in ids if one in rows]

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        self.note(tx, taking.now_ms)
        changed = 0
        for row in rows:
            set_ms, value = _read(row)
            mine = self.objects.get(tx, Kind.STANDING_TERMS, OWN)
            mine_ms = None if mine is None else self._set_ms(tx, mine)
            if mine_ms is None or (mine_ms, encode(mine)) < (set_ms, encode(value)):
                self.objects.put(tx, Kind.STANDING_TERMS, OWN, value)
                self.objects.put(tx, Kind.SETTING, _SET_AT, [set_ms, _digest(value)])
                changed += 1
        return changed

    def _set_ms(self, tx: Tx, value: Value) -> int | None:
        match self.objects.get(tx, Kind.SETTING, _SET_AT):
            case [int(set_ms), bytes(digest)] if digest == _digest(value):
                return set_ms
            case _:
                return None


def _digest(value: Value) -> bytes:
    return tag128(b"", Tag.DEVICE_ROWS, value)


def _read(row: Value) -> tuple[int, Value]:
    match row:
        case [int(set_ms), dict(value)] if len(encode(value)) <= STANDING_BYTES_MAX:
            standing_from_mapping(cast("Mapping[str, object]", value))
            return set_ms, value
        case _:
            raise WireError("standing terms from another device have not the form of some")
