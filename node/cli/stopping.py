"""Waiting until a node that was told to stop has let go of its home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..client import NotRunning, connect
from ..errors import HomeInUse, NodeError
from ..store.home import Home

if TYPE_CHECKING:
    from pathlib import Path

_LOOK_S = 0.05
_LOOKS = 300


async def until_stopped(folder: Path) -> None:
    """Return when no node answers on `folder` and none holds it.

    Raises NodeError after 15 seconds.
    """
    for _ in range(_LOOKS):
        if not await _runs(folder):
            return
        await trio.sleep(_LOOK_S)
    raise NodeError("the node was asked to stop and has not stopped yet")


async def _runs(folder: Path) -> bool:
    """Whether a node still answers, or still holds the home while it closes."""
    try:
        async with connect(folder):
            return True
    except NotRunning:
        pass
    try:
        with Home(folder).locked():
            return False
    except HomeInUse:
        return True
