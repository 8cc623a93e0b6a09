"""Chooses, of many inputs, few that reach as much: the corpus that is kept.

What an input reaches is measured here, by tracing lines of the package, so it does not depend on
which engine found it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any, Final

from .target import Target, attempt

Reached = frozenset[tuple[str, int, int]]

FILE_BYTES_MAX: Final = 16 * 1024
_PLACE: Final = "/entrenous/"
_NOT: Final = "/entrenous/tests/"


def reached(target: Target, data: bytes) -> Reached:
    """Steps from line to line in the package while `data` is read; what it raises passes."""
    steps: set[tuple[str, int, int]] = set()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        name = frame.f_code.co_filename
        if _PLACE not in name or _NOT in name:
            return None
        before = frame.f_lineno

        def line(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal before
            if event == "line":
                steps.add((name, before, frame.f_lineno))
                before = frame.f_lineno
            return line

        steps.add((name, 0, before))
        return line

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        attempt(target, data)
    finally:
        sys.settrace(old)
    return frozenset(steps)


def minimised(
    target: Target, inputs: Iterable[bytes], *, bytes_max: int, files_max: int
) -> list[bytes]:
    """Of `inputs`, smallest first, those that reach something new; within the bounds."""
    seen: set[tuple[str, int, int]] = set()
    kept: list[bytes] = []
    size = 0
    for data in sorted(set(inputs), key=lambda one: (len(one), one)):
        if len(data) > FILE_BYTES_MAX:
            break
        new = reached(target, data) - seen
        if not new:
            continue
        if size + len(data) > bytes_max or len(kept) == files_max:
            break
        seen |= new
        kept.append(data)
        size += len(data)
    return kept
