"""What is lent on, as two devices compare it: at who lends it on, and at the owner of the data.

    lent-on   taken back at the earlier moment; accepted anywhere is accepted; the newest keyset;
              after a restore, suspended until it is kept on any device

The proxy speaks with whichever device it reaches, and an owner's door knows a delegation that was
lent on by what was shown to another of its devices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from ...crypto.canonical import encode
from ...protocol.errors import WireError
from ...protocol.keyset import parse_keyset
from ...protocol.wire import Body, Value
from ..grants.lending_on import LendingOn
from ..grants.lent_on import LentOn, LentOnSide
from ..store.database import Tx
from ..store.objects import Kind
from .row_spaces import name_and_value
from .space import Taking, WholeSpace, arriving, row_id

LENT_ON: Final = "lent-on"
_T = TypeVar("_T", int, bytes)


@dataclass(frozen=True, slots=True)
class LentOnRow:
    """One that is lent on, and whether a restore has suspended it."""

    one: LentOn
    suspended: bool

    @property
    def name(self) -> Value:
        return [self.one.side.value, self.one.cid]

    def value(self) -> Value:
        return {"lent": self.one.value(), "suspended": self.suspended}

    @classmethod
    def from_value(cls, name: Value, value: Value) -> LentOnRow:
        """Raises WireError, CryptoError for what is none."""
        body = Body.open(value, "what a device lends on", ("lent", "suspended"))
        with arriving():
            row = cls(LentOn.from_value(body.value("lent")), body.flag("suspended"))
        if name != row.name:
            raise WireError("what is lent on stands under another name than its own")
        _check_keyset(row.one)
        deleted = row.one.deleted
        if deleted is not None and (deleted.dlg, deleted.by) != (row.one.cid, row.one.reader):
            raise WireError("a deletion is not of what is lent on")
        return row


@dataclass(frozen=True, slots=True)
class LentOnSpace(WholeSpace):
    """All that is lent on here."""

    lending_on: LendingOn
    name: str = LENT_ON
    # What is kept again after a restore is written again, so its suspension needs no set.
    sets: tuple[Value, ...] = (Kind.LENT_ON.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        found: dict[bytes, Value] = {}
        for one in self.lending_on.all(tx):
            row = self._row(tx, one)
            found[row_id(self.name, row.name, row.value())] = [row.name, row.value()]
        return found

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        changed = 0
        for row in rows:
            arrived = LentOnRow.from_value(*name_and_value(row))
            found = self.lending_on.find(tx, arrived.one.side, arrived.one.cid)
            before = None if found is None else self._row(tx, found)
            after = arrived if before is None else joined(before, arrived)
            if before is not None and after.value() == before.value():
                continue
            changed += 1
            old = None if before is None else before.one
            self.lending_on.adopt(tx, after.one, old, suspended=after.suspended)
            # New keys that came to a device which had not heard of the acceptance were not sent.
            told = [each.one.keyset for each in (before, arrived) if each and each.one.accepted]
            if told and after.one.keyset not in told:
                self.lending_on.send_keys(tx, after.one, taking.now_ms)
        return changed

    def _row(self, tx: Tx, one: LentOn) -> LentOnRow:
        return LentOnRow(one, self.lending_on.is_suspended(tx, one))


def joined(one: LentOnRow, other: LentOnRow) -> LentOnRow:
    """The same of both: taken back anywhere it is taken back, kept anywhere it is kept."""
    return LentOnRow(lent_on(one.one, other.one), one.suspended and other.suspended)


def lent_on(one: LentOn, other: LentOn) -> LentOn:
    """What is lent on.  Both keysets open the same days with the newest keys that their device
    knew; the newer is the one that counts."""
    first = max(one, other, key=_first)
    newer = max(one, other, key=lambda it: (it.n, it.keyset or b""))
    spoken = [it.deleted for it in (one, other) if it.deleted is not None]
    return replace(
        first,
        t_ms=min(one.t_ms, other.t_ms),
        ended_ms=_of_both(min, one.ended_ms, other.ended_ms),
        keyset=newer.keyset,
        n=newer.n,
        acknowledged=max(one.acknowledged, other.acknowledged),
        accepted=one.accepted or other.accepted,
        asked_ms=_of_both(max, one.asked_ms, other.asked_ms),
        deleted=max(spoken, key=lambda it: (it.t_ms, it.signed.raw), default=None),
    )


def _first(one: LentOn) -> bytes:
    return encode([one.own, one.their, one.bundle.signed.raw])


def _of_both(which: Callable[..., _T], one: _T | None, other: _T | None) -> _T | None:
    known = [it for it in (one, other) if it is not None]
    return which(known) if known else None


def _check_keyset(one: LentOn) -> None:
    """Accept that who lends on has a keyset for it, and the owner of the data none."""
    if one.side is LentOnSide.HERE:
        if one.keyset is not None or one.n:
            raise WireError("the owner of the data has no keyset of what is lent on")
        return
    if one.keyset is None:
        raise WireError("what is lent on has no keyset")
    keyset = parse_keyset(one.keyset, one.giver)
    if (keyset.grant, keyset.n) != (one.cid, one.n):
        raise WireError("a keyset is not of what is lent on")
