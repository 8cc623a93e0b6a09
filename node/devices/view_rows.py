"""Views, as two devices compare them: which there are, and what was published of each period.

    views          by path: what was made last; of one moment, that it was removed
    view-periods   of a period: what was published last; of one moment, that it was taken out

One device derives a view: that which made it, as long as it is one of the person's, else the one
that has been there longest.  Two that derived it apart would publish a period twice, of other days
each time, and whoever was lent both could subtract one from the other.  The others hold its pages
and serve them; whoever makes the same view on one of them moves it there.

What a device knows of a month beyond that (what it looked at, what waits) is its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...crypto.canonical import encode
from ...protocol.day import UNDATED, month_of
from ...protocol.errors import WireError
from ...protocol.view import Published
from ...protocol.view_path import is_view
from ...protocol.wire import Body, Value
from ..store.database import Tx
from ..store.objects import Kind, Objects
from ..views.kept import MonthKept, ViewKept, period_value
from .own_devices import OwnDevices
from .row_spaces import Rows, RowSpace, as_kept, named
from .space import Space

# What has no date lies in a month of its own.
_MONTH_MAX: Final = month_of(UNDATED)


def view_spaces(objects: Objects) -> Iterable[Space]:
    """In the order in which they are fetched."""
    read = named("a view", ViewKept.from_value, lambda row: row.view.path)
    yield RowSpace("views", Kind.VIEW, objects, Rows(read, as_kept, view))
    yield RowSpace(
        "view-periods",
        Kind.VIEW_MONTH,
        objects,
        Rows(_month, as_kept, month, travels=_travels, told=_is_published),
    )


def derives(devices: OwnDevices, tx: Tx, kept: ViewKept) -> bool:
    """Whether this device is the one that derives a view."""
    known = [row.device for row in devices.all(tx) if not row.left]
    teller = kept.by if kept.by in known else next(iter(known), devices.device)
    return teller == devices.device


def view(one: ViewKept, other: ViewKept) -> ViewKept:
    """What was made last under a path; of one moment, that it was removed."""
    return max(one, other, key=lambda it: (it.made_ms, it.removed, encode(it.value())))


def month(one: MonthKept, other: MonthKept) -> MonthKept:
    """What was published of each period last.  What waits is looked at again where `one` is."""
    periods: dict[int, Published] = dict(one.periods)
    for first, theirs in other.periods.items():
        mine = periods.get(first)
        periods[first] = theirs if mine is None else _later(first, mine, theirs)
    if periods == one.periods:
        return one
    return MonthKept(b"", periods, {})


def _later(first: int, one: Published, other: Published) -> Published:
    return max(
        one,
        other,
        key=lambda it: (it.at_ms, it.out, len(it.versions), encode(period_value(first, it))),
    )


def _month(name: Value, value: Value) -> MonthKept:
    body = Body.of_list(name, "the name of a month of a view", ("path", "month"))
    body.integer("month", high=_MONTH_MAX)
    if not is_view(body.text("path")):
        raise WireError("a month of a view is of another path than one of a view")
    return MonthKept.from_value(value)


def _travels(row: MonthKept) -> Value:
    return MonthKept(b"", row.periods, {}).value()


def _is_published(row: MonthKept) -> bool:
    return bool(row.periods)
