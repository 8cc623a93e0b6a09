"""Paths of views: a view stands below its collection, and its path says so.

    energy/electricity/load-curve                            the collection
    energy/electricity/load-curve/view-monthly-energy        a view of it
    energy/electricity/load-curve/view-monthly-energy/p2     a view of what is kept as …/p2

The part of a view is `view-PERIOD-NAME`.  From the path alone a reader sees that what it was
granted is a view of what it asked for, and how long the periods are of which the view speaks; and
an owner's node grants whole periods, whatever registry of views it keeps.

A view is a path of its own: keys, pages, grants and generations are those of any collection.  It
holds what its owner's node derived, and no source's word stands behind it.

Source: formats.md, "Where keys come from", "Views"; ADR 20.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache

from .collection import PART_CHARS_MAX, PARTS_MAX, apart, belonging_to
from .errors import RecordError
from .period import Period, first_of, last_of
from .window import Window

__all__ = [
    "NAME_CHARS_MAX",
    "Every",
    "every_of",
    "is_view",
    "is_view_of",
    "source_of",
    "view_path",
    "whole_periods",
]

NAME_CHARS_MAX = PART_CHARS_MAX - len("view-monthly-")
_PART = re.compile(rf"view-(daily|monthly|undated)-([a-z0-9-]{{1,{NAME_CHARS_MAX}}})")


class Every(StrEnum):
    """How long the periods of a view are, as its path says it; one of what is undated has none."""

    DAILY = "daily"
    MONTHLY = "monthly"
    UNDATED = "undated"

    @property
    def period(self) -> Period | None:
        return None if self is Every.UNDATED else Period(self.value)


def view_path(source: str, every: Every, name: str) -> str:
    """The path of the view `name` of a collection.  Raises RecordError if it can have none."""
    if is_view(source):
        raise RecordError("a view is derived from a collection, not from another view")
    part = f"view-{every.value}-{name}"
    if _PART.fullmatch(part) is None:
        raise RecordError(f"the name of a view is 1 to {NAME_CHARS_MAX} characters a-z, 0-9 and -")
    base, people = apart(source)
    if source.count("/") + 2 > PARTS_MAX:
        raise RecordError(f"{source} has no room for a view below it")
    return belonging_to(f"{base}/{part}", people)


@lru_cache(maxsize=1024)
def every_of(path: str) -> Every | None:
    """How long the periods of a view are, None if `path` is no view's."""
    found = _PART.fullmatch(apart(path)[0].rpartition("/")[2])
    return None if found is None or "/" not in apart(path)[0] else Every(found[1])


def is_view(path: str) -> bool:
    """Whether this is the path of a view."""
    return every_of(path) is not None


def source_of(path: str) -> str:
    """The collection of which `path` is a view.  Raises RecordError if it is none."""
    if not is_view(path):
        raise RecordError(f"{path} is not the path of a view")
    base, people = apart(path)
    return belonging_to(base.rpartition("/")[0], people)


def is_view_of(path: str, named: str) -> bool:
    """Whether `path` is a view of what was named `named`, kept there or as somebody's."""
    if not is_view(path):
        return False
    source = source_of(path)
    return named in (source, apart(source)[0])


def whole_periods(windows: Iterable[Window]) -> list[Window]:
    """`windows`, those of views cut to the periods that lie in them from end to end.

    A record of a view stands on the first day of its period and speaks of all of it: half a period
    granted would be the whole of it read.
    """
    found: list[Window] = []
    for window in windows:
        every = every_of(window.collection)
        period = None if every is None else every.period
        if every is None or window.undated or period is None:
            if every is None or window.undated == (every is Every.UNDATED):
                found.append(window)
            continue
        first = first_of(period, window.first)
        if first < window.first:
            first = last_of(period, window.first) + 1
        last = window.last
        if last_of(period, last) > last:
            last = first_of(period, last) - 1
        if first <= last:
            found.append(replace(window, first=first, last=last))
    return found
