"""Records that are shared with peers, as two devices compare them: each with all that was signed.

A row holds every version that either side signed, as far as any device knows it.  Of one version,
what the peer answered holds: heard, or refused.  Two devices that each signed a next version of
this person's copy while they were apart have made two ends of it; the peer takes the one that it
hears first and refuses the other, and its answers reach both devices.  Until it has answered, both
devices show the same one (`SharedKept.copies`).

A record that was erased here is not brought again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ...protocol.errors import WireError
from ...protocol.limits import SHARED_VERSIONS_MAX, SIGNED_BYTES_MAX
from ...protocol.shared_record import Told
from ...protocol.wire import Value
from ..shared.kept import SaidState, SharedKept, VersionKept
from ..shared.shared_records import SharedRecords
from ..store.database import Tx
from ..store.objects import Kind
from .space import Taking, WholeSpace, arriving, row_id

# Two ends of either copy: what devices that were apart may have signed, and been told.
_VERSIONS_MAX: Final = 4 * SHARED_VERSIONS_MAX
_STATES: Final = {
    state: place for place, state in enumerate((SaidState.SAID, SaidState.REFUSED, SaidState.HEARD))
}


@dataclass(frozen=True, slots=True)
class SharedRecordSpace(WholeSpace):
    """Every shared record, each a row."""

    shared: SharedRecords
    name: str = "shared-records"
    sets: tuple[Value, ...] = (Kind.SHARED.value, Kind.SHARED_VERSION.value, Kind.PAIR.value)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        return {
            row_id(self.name, one.key, one.value()): _travelling(one) for one in self.shared.all(tx)
        }

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        changed = 0
        for row in rows:
            theirs = self._arrived(tx, row)
            if self.shared.was_erased(tx, theirs):
                continue
            mine = self.shared.find(tx, theirs.own, theirs.their, theirs.name)
            after = joined(theirs, theirs) if mine is None else joined(mine, theirs)
            if len(after.versions) > _VERSIONS_MAX:
                raise WireError("with this a shared record would have more versions than are kept")
            if mine is None or after.value() != mine.value():
                self.shared.adopt(tx, after)
                changed += 1
        return changed

    def _arrived(self, tx: Tx, row: Value) -> SharedKept:
        match row:
            case [value, list(raws)] if len(raws) <= _VERSIONS_MAX:
                with arriving():
                    by_cid = self.shared.signed(_signed(raw) for raw in raws)
                    return self.shared.read(tx, value, by_cid.get)
            case _:
                raise WireError("a shared record has not the form of a row and its versions")


def joined(one: SharedKept, other: SharedKept) -> SharedKept:
    """All that was signed of one record."""
    versions: dict[bytes, VersionKept] = {}
    for version in (*one.versions, *other.versions):
        known = versions.get(version.cid)
        versions[version.cid] = version if known is None else _further(known, version)
    told = max((it.told for it in (one, other) if it.told is not None), key=_raw, default=None)
    return replace(
        one,
        kept=max(one.kept, other.kept),
        told=told,
        left_ms=max((it.left_ms for it in (one, other) if it.left_ms is not None), default=None),
        brought=one.brought or other.brought,
        versions=tuple(in_order(one, versions.values())),
    )


def in_order(record: SharedKept, versions: Iterable[VersionKept]) -> Iterable[VersionKept]:
    """As versions stand where several devices tell them: each side's by number, the two by time."""
    after: dict[bool, int] = {}
    places: list[tuple[int, bool, int, bytes, VersionKept]] = []
    for one in sorted(versions, key=lambda it: (it.version.n, it.cid)):
        ours = record.is_ours(one.version)
        # A clock that was set back does not part a chain.
        after[ours] = max(after.get(ours, 0), one.version.t_ms)
        places.append((after[ours], ours, one.version.n, one.cid, one))
    return (place[-1] for place in sorted(places, key=lambda it: it[:-1]))


def _further(one: VersionKept, other: VersionKept) -> VersionKept:
    first = max(one, other, key=lambda it: (_STATES[it.state], it.refusal))
    return replace(first, t_ms=min(one.t_ms, other.t_ms))


def _travelling(one: SharedKept) -> Value:
    return [one.value(), [version.version.raw for version in one.versions]]


def _signed(raw: Value) -> bytes:
    if not isinstance(raw, bytes) or len(raw) > SIGNED_BYTES_MAX:
        raise WireError("a version of a shared record is a signed word")
    return raw


def _raw(told: Told) -> bytes:
    return told.raw
