"""Grant lines: what became of each grant, and when, in one small row.

A grant is kept whole, with tokens and keys, and says how it stands now.  Who asks how it stood in
March, or which of ten thousand named a collection, needs little of it: who, which days, what for,
until when, and what happened at which moment, each with the CID of what was signed then.

    given ── suspended ── kept ── renewed ── revoked ── delete-asked ── deleted
                                     └────── expired

A line is written in the unit of work of what it tells.  Grants of homes that older versions wrote
get theirs from what is known of them (`fill`): of these a suspension has left no trace.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from ...protocol.cid import CID_BYTES
from ...protocol.did import Did, check_did
from ...protocol.duty import Duty, has_duty
from ...protocol.limits import DEVICES_MAX, WINDOWS_MAX
from ...protocol.trust import GrantStatus
from ...protocol.window import Window, window_from_value
from ...protocol.wire import Body, Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from .grant_given import GrantGiven
from .grant_held import GrantHeld

# A suspension for each restore, a renewal a grant: nobody comes near it.
EVENTS_MAX = 1_024
# Of what the other side can say again and again: so many.
SAID_AGAIN_MAX = 64


class Side(StrEnum):
    """Whose grant it is here: one that this node gave, or holds."""

    GIVEN = "given"
    HELD = "held"


class Happened(StrEnum):
    """What can become of a grant."""

    GIVEN = "given"
    ACCEPTED = "accepted"
    SUSPENDED = "suspended"
    KEPT = "kept"
    RENEWED = "renewed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    DELETE_ASKED = "delete-asked"
    DELETED = "deleted"


_SAID_AGAIN: Final = frozenset((Happened.DELETE_ASKED, Happened.DELETED))
_ENDS: Final = frozenset((Happened.REVOKED, Happened.EXPIRED))
# What all devices of a person noted apart, each as many as it may.
UNITED_MAX: Final = DEVICES_MAX * (EVENTS_MAX + len(_ENDS))
# A line is read for each grant that there is: looking here takes a tenth of asking the enum.
_HAPPENED: Final = {one.value: one for one in Happened}


@dataclass(frozen=True, slots=True)
class Event:
    """What happened at `t_ms`, and the CID of what was signed then, if anything was."""

    t_ms: int
    what: Happened
    cid: bytes | None = None


@dataclass(frozen=True, slots=True)
class GrantLine:
    """One grant.  `own` and `their` are the pair over which it goes; `root` its root delegation.

    `request` is what it answers; `renews` the grant that it goes on from.  `retention_days` and
    `delete_at_end` are of its terms.
    """

    cid: bytes
    side: Side
    own: Did
    their: Did
    windows: tuple[Window, ...]
    purpose: str
    exp_s: int
    root: bytes
    request: bytes | None
    renews: bytes | None
    retention_days: int
    delete_at_end: bool
    events: tuple[Event, ...]

    @property
    def begins_ms(self) -> int:
        return self.events[0].t_ms if self.events else 0

    def status_at(self, t_ms: int) -> GrantStatus | None:
        """How it stood at `t_ms`; None if it was not there yet."""
        if t_ms < self.begins_ms:
            return None
        suspended = False
        for event in self.events:
            if event.t_ms > t_ms:
                continue
            if event.what is Happened.REVOKED:
                return GrantStatus.REVOKED
            if event.what in (Happened.SUSPENDED, Happened.KEPT):
                suspended = event.what is Happened.SUSPENDED
        if t_ms > self.exp_s * 1000:
            return GrantStatus.EXPIRED
        return GrantStatus.SUSPENDED if suspended else GrantStatus.LIVE

    def ended_ms(self, t_ms: int) -> int | None:
        """When it had ended, as seen from `t_ms`."""
        match self.status_at(t_ms):
            case GrantStatus.REVOKED:
                return self.last(Happened.REVOKED)
            case GrantStatus.EXPIRED:
                return self.exp_s * 1000
            case _:
                return None

    @property
    def renewed_by(self) -> tuple[bytes, ...]:
        """The grants that go on from it: one that was renewed, and then given again because one of
        the two is somebody else now, goes on in two."""
        return tuple(one.cid for one in self.events if one.what is Happened.RENEWED and one.cid)

    def last(self, what: Happened) -> int | None:
        """When that last happened."""
        return max((one.t_ms for one in self.events if one.what is what), default=None)

    @property
    def asked_at_end(self) -> bool:
        """Whether its reader was asked to delete since it ended; what was asked while it held was
        about days that its owner had erased."""
        asked_ms, revoked_ms = self.last(Happened.DELETE_ASKED), self.last(Happened.REVOKED)
        if asked_ms is None:
            return False
        return asked_ms >= self.exp_s * 1000 or (revoked_ms is not None and asked_ms >= revoked_ms)

    def names(self, path: str) -> bool:
        return any(window.collection == path for window in self.windows)

    def value(self) -> Value:
        return {
            "own": self.own,
            "their": self.their,
            "windows": [window.value() for window in self.windows],
            "purpose": self.purpose,
            "exp_s": self.exp_s,
            "root": self.root,
            "request": self.request,
            "renews": self.renews,
            "retention_days": self.retention_days,
            "delete_at_end": self.delete_at_end,
            "events": [[one.t_ms, one.what.value, one.cid] for one in self.events],
        }


_KEYS = (
    "own",
    "their",
    "windows",
    "purpose",
    "exp_s",
    "root",
    "request",
    "renews",
    "retention_days",
    "delete_at_end",
    "events",
)


@dataclass(frozen=True, slots=True)
class _Line:
    """Reads the line of one grant; equal to another for the same, so a row is read once."""

    side: Side
    cid: bytes

    def __call__(self, value: Value) -> GrantLine:
        return _line([self.side.value, self.cid], value)


def line_from_row(name: Value, value: Value) -> GrantLine:
    """Read a line, from the store or another device of this person.  Raises StoreDamaged,
    WireError."""
    return _line(name, value)


def _line(name: Value, value: Value) -> GrantLine:
    match name:
        case [str(side), bytes(cid)]:
            body = Body.open(value, "a line of a grant", _KEYS)
        case _:
            raise StoreDamaged("the line of a grant in the store has not the name of one")
    items = body.items("windows", items_max=WINDOWS_MAX)
    return GrantLine(
        cid,
        Side(side),
        check_did(body.text("own")),
        check_did(body.text("their")),
        tuple([window_from_value(item, body.what) for item in items]),
        body.text("purpose"),
        body.integer("exp_s"),
        body.data("root", length=CID_BYTES),
        body.maybe_data("request", length=CID_BYTES),
        body.maybe_data("renews", length=CID_BYTES),
        body.integer("retention_days"),
        body.flag("delete_at_end"),
        tuple([_event(item) for item in body.items("events", items_max=UNITED_MAX)]),
    )


def _event(item: Value) -> Event:
    match item:
        case [int(t_ms), str(what), bytes() | None as cid] if (
            what in _HAPPENED and type(t_ms) is int
        ):
            return Event(t_ms, _HAPPENED[what], cid)
        case _:
            raise StoreDamaged("the line of a grant in the store tells in another form")


class GrantLines:
    """The line of every grant that this node gave or holds.

    What is lent on is little, and says itself when it began and ended (`lent_on.py`).
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def all(self, tx: Tx) -> list[GrantLine]:
        """Every line, the oldest grant first."""
        return [_line(name, value) for name, value in self._objects.all(tx, Kind.GRANT_LINE)]

    def find(self, tx: Tx, side: Side, cid: bytes) -> GrantLine | None:
        return self._objects.read(tx, Kind.GRANT_LINE, [side.value, cid], _Line(side, cid))

    def begin(self, tx: Tx, line: GrantLine) -> None:
        """A grant is new here."""
        name: Value = [line.side.value, line.cid]
        self._objects.write(tx, Kind.GRANT_LINE, name, line, _Line(line.side, line.cid))

    def happened(
        self,
        tx: Tx,
        side: Side,
        cid: bytes,
        what: Happened,
        t_ms: int,
        signed: bytes | None = None,
    ) -> None:
        """Something became of a grant.  Told twice, it is told once.

        A grant that has no line yet gets it from `fill`, which knows how it stands.
        """
        line = self.find(tx, side, cid)
        event = Event(t_ms, what, signed)
        if line is None or event in line.events:
            return
        events = line.events
        if what in _SAID_AGAIN and sum(one.what is what for one in events) >= SAID_AGAIN_MAX:
            # The newest of them gives way: when it was first said stays, and when last.
            newest = max((one for one in events if one.what is what), key=lambda one: one.t_ms)
            events = tuple(one for one in events if one is not newest)
        # Its end is kept whatever came before: nobody talks so much that it is not noted.
        if len(events) < EVENTS_MAX or what in _ENDS:
            self.begin(tx, replace(line, events=(*events, event)))

    # homes of older versions

    def complete(self, tx: Tx) -> bool:
        """Whether every grant of this home has its line.  Three counts, no row is opened."""
        kinds = (Kind.GRANT_GIVEN, Kind.GRANT_HELD)
        grants = sum(self._objects.count(tx, kind) for kind in kinds)
        return self._objects.count(tx, Kind.GRANT_LINE) >= grants

    def fill(
        self,
        tx: Tx,
        given: Iterable[GrantGiven],
        held: Iterable[tuple[GrantHeld, int]],
    ) -> int:
        """Make the lines that are missing; how many.

        Beside each grant held, when it was asked for: when it came is not known any more.
        """
        lines = [
            *map(line_of_given, given),
            *(line_of_held(one, t_ms) for one, t_ms in held),
        ]
        missing = [line for line in lines if self.find(tx, line.side, line.cid) is None]
        for line in missing:
            self.begin(tx, line)
        return len(missing)


def line_of_given(one: GrantGiven, renews: bytes | None = None) -> GrantLine:
    """The line of a grant that this node gave, as it stands."""
    events = [Event(one.issued_ms, Happened.GIVEN, one.cid)]
    return GrantLine(
        one.cid,
        Side.GIVEN,
        one.own,
        one.their,
        one.windows,
        one.bundle.terms.purpose,
        one.exp_s,
        one.cid,
        one.request,
        renews,
        one.bundle.terms.retention_days,
        has_duty(one.bundle.terms, Duty.DELETE_AT_END),
        tuple([*events, *_ended(one.kept, one.ended_ms)]),
    )


def line_of_held(one: GrantHeld, t_ms: int, renews: bytes | None = None) -> GrantLine:
    """The line of a grant that came at `t_ms`, as it stands."""
    events = [Event(t_ms, Happened.GIVEN, one.cid)]
    return GrantLine(
        one.cid,
        Side.HELD,
        one.own,
        one.their,
        one.windows,
        one.bundle.terms.purpose,
        one.bundle.grant.exp_s,
        one.bundle.root.cid,
        one.request,
        renews,
        one.bundle.terms.retention_days,
        has_duty(one.bundle.terms, Duty.DELETE_AT_END),
        tuple([*events, *_ended(one.kept, one.ended_ms)]),
    )


def _ended(kept: GrantStatus, ended_ms: int | None) -> list[Event]:
    if kept is not GrantStatus.REVOKED or ended_ms is None:
        return []
    return [Event(ended_ms, Happened.REVOKED)]
