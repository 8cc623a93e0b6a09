"""Views in the store: which there are, and what was published of each period.

What was published of a period is remembered when the view is removed, and taken up again with it:
else a view that is removed and made anew would be a second reading to subtract from the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...protocol.did import Did, check_did
from ...protocol.view import VERSIONS_MAX, DayPart, Days, Published, View, view_from_value
from ...protocol.wire import Body, Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects

# A month has 31 periods at most, a period 31 days.
_DAYS_MAX = 31


@dataclass(frozen=True, slots=True)
class ViewKept:
    """A view, when it was made, and whether it still is one.

    `by` is the device that derives it, where a person has several; None in homes from before they
    could.
    """

    view: View
    made_ms: int
    removed: bool = False
    by: Did | None = None

    def value(self) -> Value:
        value: dict[str, Value] = {
            "view": self.view.value(),
            "made_ms": self.made_ms,
            "removed": self.removed,
        }
        return value if self.by is None else {**value, "by": self.by}

    @classmethod
    def from_value(cls, value: Value) -> ViewKept:
        named = isinstance(value, Mapping) and "by" in value
        keys = ("view", "made_ms", "removed", *(("by",) if named else ()))
        body = Body.open(value, "a view", keys)
        view = view_from_value(body.value("view"))
        by = check_did(body.text("by")) if named else None
        return cls(view, body.integer("made_ms"), body.flag("removed"), by)


@dataclass(frozen=True, slots=True)
class MonthKept:
    """What is known of one month of a view.

    `seen` is a digest of what it was derived from; `waiting` holds the periods that could not be
    told when it was looked at, each with why.
    """

    seen: bytes
    periods: Mapping[int, Published]
    waiting: Mapping[int, str]

    def value(self) -> Value:
        periods = [period_value(first, one) for first, one in sorted(self.periods.items())]
        waiting: list[Value] = [[first, why] for first, why in sorted(self.waiting.items())]
        return {"seen": self.seen, "periods": list(periods), "waiting": waiting}

    @classmethod
    def from_value(cls, value: Value) -> MonthKept:
        body = Body.open(value, "a month of a view", ("seen", "periods", "waiting"))
        return cls(
            body.data("seen"),
            dict(_period(item) for item in body.items("periods", items_max=_DAYS_MAX)),
            dict(_waiting(item) for item in body.items("waiting", items_max=_DAYS_MAX)),
        )


NOTHING_KEPT = MonthKept(b"", {}, {})


class ViewsKept:
    """Views in the store, by their path; months by the view's path and their number."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def all(self, tx: Tx) -> list[ViewKept]:
        """The views that there are, by path."""
        found = self._objects.read_all(tx, Kind.VIEW, ViewKept.from_value)
        return sorted((one for _, one in found if not one.removed), key=lambda one: one.view.path)

    def find(self, tx: Tx, path: str) -> ViewKept | None:
        """The view at `path`, if there is one."""
        found = self.ever(tx, path)
        return None if found is None or found.removed else found

    def ever(self, tx: Tx, path: str) -> ViewKept | None:
        """The view at `path`, if there is or was one."""
        return self._objects.read(tx, Kind.VIEW, path, ViewKept.from_value)

    def put(self, tx: Tx, kept: ViewKept) -> None:
        self._objects.put(tx, Kind.VIEW, kept.view.path, kept.value())

    def month(self, tx: Tx, path: str, month: int) -> MonthKept:
        found = self._objects.read(tx, Kind.VIEW_MONTH, [path, month], MonthKept.from_value)
        return found or NOTHING_KEPT

    def put_month(self, tx: Tx, path: str, month: int, kept: MonthKept) -> None:
        self._objects.put(tx, Kind.VIEW_MONTH, [path, month], kept.value())

    def take_out(self, tx: Tx, path: str, month: int) -> None:
        """Every period of a month is out of the view; what was told is remembered."""
        kept = self.month(tx, path, month)
        if kept.periods:
            periods = {first: replace(one, out=True) for first, one in kept.periods.items()}
            self.put_month(tx, path, month, MonthKept(b"", periods, {}))


def period_value(first: int, one: Published) -> Value:
    """What was published of the period that begins on `first`, as it is kept."""
    versions: list[Value] = [_days_value(days) for days in one.versions]
    return [first, one.at_ms, one.told, versions, one.out]


def _days_value(days: Days) -> Value:
    return [[day, part.count, part.digest] for day, part in sorted(days.items())]


def _period(item: Value) -> tuple[int, Published]:
    match item:
        case [int(first), int(at_ms), bytes(told), list(versions), bool(out)] if 1 <= len(
            versions
        ) <= VERSIONS_MAX and bool not in (type(first), type(at_ms)):
            return first, Published(at_ms, told, tuple(map(_days, versions)), out)
        case _:
            raise _damaged()


def _days(item: Value) -> Days:
    if not isinstance(item, list):
        raise _damaged()
    found: dict[int, DayPart] = {}
    for part in item:
        match part:
            case [int(day), int(count), bytes(digest)] if bool not in (type(day), type(count)):
                found[day] = DayPart(count, digest)
            case _:
                raise _damaged()
    return found


def _waiting(item: Value) -> tuple[int, str]:
    match item:
        case [int(first), str(why)]:
            return first, why
        case _:
            raise _damaged()


def _damaged() -> StoreDamaged:
    return StoreDamaged("what was published of a view has another form in the store")
