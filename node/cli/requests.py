"""Requests, as they are listed, named and narrowed: one's own, and a principal's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...protocol.processor import processors
from ...protocol.remuneration import LICENCE
from ...protocol.view_path import is_view
from ...protocol.window import Window
from ..errors import UsageError
from .days import Span, days_in_words, require_whole_days
from .json_form import plain
from .names import find, short
from .screen import Screen
from .standing_words import standing_in_a_line
from .terms_words import marks_in_lines, purpose_in_words
from .words import ago, in_return, shown_id

if TYPE_CHECKING:
    from ..results.grants import RequestInfo
    from ..results.records import CollectionInfo


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def show_requests(
    screen: Screen, found: Sequence[RequestInfo], empty: str, *, known: bool = False
) -> None:
    for one in found:
        outcome = one.state
        if one.grant is not None:
            outcome += f" as {short(one.grant)}"
        elif one.reason is not None:
            outcome += f": {one.reason}"
        if one.decided_by is not None:
            outcome += f", decided by {one.decided_by} for you"
        screen.entry(
            shown_id(one),
            f"{one.peer}, {ago(one.t_ms, now_ms())}: {outcome}",
            *([standing_in_a_line(one.standing)] if known and one.standing is not None else []),
            *(f"{item.collection}, {days_in_words(item.first, item.last)}" for item in one.items),
            f"for {purpose_in_words(one.purpose)}",
            *(f"also read by {it.name}, for the one who asks" for it in processors(one.terms)),
            *([f"in return {in_return(one.terms)} ({LICENCE})"] if one.terms.paid else []),
            *(marks_in_lines(one) if known else []),
        )
    if not found:
        screen.say(empty)


def wanted_of(
    items: Sequence[Window], vault: Sequence[CollectionInfo], only: Sequence[str]
) -> list[Window]:
    """What was asked for, collection by collection: a category is what the vault has under it."""
    found: list[Window] = []
    for item in items:
        below = [
            one.path
            for one in vault
            if one.path.startswith(item.collection + "/") and not is_view(one.path)
        ]
        paths = below or [item.collection]
        if below and any(one.path == item.collection for one in vault):
            paths = [item.collection, *below]
        found += [Window(path, item.first, item.last) for path in paths]
    if only:
        for path in only:
            if all(window.collection != path for window in found):
                raise UsageError(f"{path} was not asked for; `entrenous inbox ID` shows what was")
        found = [window for window in found if window.collection in only]
    return found


def narrowed(
    items: Sequence[Window], vault: Sequence[CollectionInfo], days: Span, only: Sequence[str]
) -> list[Window]:
    """What would be given: of what was asked for, the whole UTC days inside `days`.

    Undated records have no days, so they are given only where no days were chosen.
    Raises UsageError if nothing is left.
    """
    bounded = days.first is not None or days.last is not None
    given: list[Window] = []
    for window in wanted_of(items, vault, only):
        if window.undated:
            given += [] if bounded else [window]
            continue
        first, last = max(window.first, days.first_day), min(window.last, days.last_day)
        if first <= last:
            given.append(Window(window.collection, first, last))
    if not given:
        require_whole_days(days)
        asked = "; ".join(
            f"{one.collection}, {days_in_words(one.first, one.last)}" for one in items
        )
        raise UsageError(f"none of these days were asked for, but {asked}")
    return given


def request_named(found: Sequence[RequestInfo], id: str) -> RequestInfo:
    """The one of `found` that `id` begins.  Raises NotFound, UsageError."""
    cid = find(id, [one.id for one in found], "request", "entrenous inbox --all")
    return next(one for one in found if one.id == cid)


def check_waiting(request: RequestInfo) -> None:
    """Raises UsageError for what was decided."""
    if request.state != "waiting":
        raise UsageError(f"this request was {request.state} already")


def requests_form(
    requests: Iterable[RequestInfo],
    choices: Mapping[bytes, Sequence[object]] = MappingProxyType({}),
) -> list[Mapping[str, object]]:
    """Requests as `inbox` prints them as JSON, with their `choices` by id."""
    found: list[Mapping[str, object]] = []
    for one in requests:
        form = plain(one)
        assert isinstance(form, dict)
        found.append({**form, "choices": choices.get(one.id)})
    return found
