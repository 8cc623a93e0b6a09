"""What a person has chosen for the whole node, as two devices compare it: one value, and when.

    standing     the person's standing terms
    creditor     to whom money for licences goes, or to nobody
    paid-off     whether terms for money are switched off

The value stands in the store without a time, as one device has it, or does not.  When it is found
to differ from what was last seen, it was chosen here meanwhile, and the time is noted.  What was
chosen later holds, nothing too; of one moment, the greater bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ...crypto.canonical import encode
from ...crypto.digest import tag128
from ...crypto.labels import Tag
from ...protocol.errors import WireError
from ...protocol.limits import INTEGER_MAX, STANDING_BYTES_MAX
from ...protocol.sepa import check_creditor
from ...protocol.standing_terms_file import standing_from_mapping
from ...protocol.wire import Body, Value
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .space import Taking, WholeSpace, row_id


@dataclass(frozen=True, slots=True)
class ChosenSpace(WholeSpace):
    """One value that a person may have chosen.  `check` raises ProtocolError for what is none;
    `noted` is the setting under which the time is kept."""

    name: str
    objects: Objects
    kind: Kind
    key: Value
    noted: Value
    check: Callable[[Value], None]

    @property
    def sets(self) -> tuple[Value, ...]:
        return (self.kind.value, Kind.SETTING.value)

    def note(self, tx: Tx, now_ms: int) -> None:
        """Note when the value was chosen, if it was since this was last done."""
        value = self.objects.get(tx, self.kind, self.key)
        seen = self.objects.get(tx, Kind.SETTING, self.noted)
        if (value is not None or seen is not None) and self._set_ms(tx, value) is None:
            # Never before what it takes the place of, whatever the clock says.
            before = seen[0] if isinstance(seen, list) and isinstance(seen[0], int) else 0
            self.objects.put(
                tx, Kind.SETTING, self.noted, [max(now_ms, before + 1), _digest(value)]
            )

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        value = self.objects.get(tx, self.kind, self.key)
        set_ms = self._set_ms(tx, value)
        if set_ms is None:
            return {}
        row: Value = [set_ms, value]
        return {row_id(self.name, self.key, row): row}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        self.note(tx, taking.now_ms)
        changed = 0
        for row in rows:
            set_ms, value = self.read(row)
            mine = self.objects.get(tx, self.kind, self.key)
            mine_ms = self._set_ms(tx, mine)
            if mine_ms is not None and (mine_ms, encode(mine)) >= (set_ms, encode(value)):
                continue
            if value is None:
                self.objects.delete(tx, self.kind, self.key)
            else:
                self.objects.put(tx, self.kind, self.key, value)
            self.objects.put(tx, Kind.SETTING, self.noted, [set_ms, _digest(value)])
            changed += 1
        return changed

    def read(self, row: Value) -> tuple[int, Value]:
        """When it was chosen, and what.  Raises WireError, ProtocolError."""
        body = Body.of_list(row, "what was chosen on another device", ("set_ms", "value"))
        value = body.value("value")
        if value is not None:
            self.check(value)
        return body.integer("set_ms"), value

    def _set_ms(self, tx: Tx, value: Value) -> int | None:
        match self.objects.get(tx, Kind.SETTING, self.noted):
            case [int(set_ms), bytes(digest)] if digest == _digest(value):
                return set_ms
            case _:
                return None


def _digest(value: Value) -> bytes:
    return tag128(b"", Tag.DEVICE_ROWS, value)


def standing_terms(value: Value) -> None:
    """Raises WireError, ProtocolError for what are no standing terms."""
    if not isinstance(value, dict) or len(encode(value)) > STANDING_BYTES_MAX:
        raise WireError("standing terms from another device have not the form of some")
    standing_from_mapping(cast("Mapping[str, object]", value))


def creditor(value: Value) -> None:
    """Raises WireError for what names nobody to whom money can go."""
    match value:
        case [str(name), str(iban)]:
            check_creditor(name, iban)
        case _:
            raise WireError("whom to pay has not the form of a name and an IBAN")


def moment(value: Value) -> None:
    """Raises WireError for what is no time."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= INTEGER_MAX:
        raise WireError("a switch is set at a time")
