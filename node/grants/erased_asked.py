"""Days that their owner erased, as a reader was asked to delete them, for each of its devices.

An owner says it once, to whichever device of its reader it reaches; each device holds copies of its
own, deletes them and says so.  So the one that was asked keeps which days and when, the others take
it from there: of each span of days, when it was asked for last.  What was asked for again since is
deleted again.

A duty at the end of a grant needs none of this: each device sees for itself that it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final, TypeAlias

from ...protocol.errors import WireError
from ...protocol.limits import INTEGER_MAX
from ...protocol.window import Window, window_from_value
from ...protocol.wire import Value

# Spans of one grant: before there are more, one span takes in all of its days.
SPANS_MAX: Final = 1_024
ErasedAsked: TypeAlias = Mapping[Window, int]
"""When (ms) each span of days was asked for."""


def with_asked(
    known: ErasedAsked, windows: tuple[Window, ...], whole: tuple[Window, ...], t_ms: int
) -> ErasedAsked:
    """`known` with the days `windows` of a grant on `whole`, asked for at `t_ms`."""
    if len(known) + len(windows) > SPANS_MAX:
        return dict.fromkeys(whole, t_ms)
    return joined_asked(known, dict.fromkeys(windows, t_ms))


def joined_asked(one: ErasedAsked, other: ErasedAsked) -> ErasedAsked:
    """What two devices were asked: of each span the latest; of more than are kept, the newest."""
    found = dict(one)
    for window, t_ms in other.items():
        found[window] = max(t_ms, found.get(window, 0))
    newest = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return dict(newest[:SPANS_MAX])


def asked_value(asked: ErasedAsked) -> Value:
    return [[window.value(), asked[window]] for window in sorted(asked)]


def asked_from_value(value: Value) -> ErasedAsked:
    """Raises WireError."""
    found: list[tuple[Window, int]] = []
    for item in value if isinstance(value, list) and len(value) <= SPANS_MAX else [None]:
        match item:
            case [list(window), int(t_ms)] if (
                not isinstance(t_ms, bool) and 0 <= t_ms <= INTEGER_MAX
            ):
                found.append((window_from_value(window, "a span of days"), t_ms))
            case _:
                raise WireError("what is to be deleted is spans of days, each with a time")
    if any(one >= other for (one, _), (other, _) in pairwise(found)):
        raise WireError("spans of days to delete stand in another order than theirs")
    return dict(found)
