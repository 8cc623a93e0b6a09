"""Those who sit at the machines of a week: they try again, for as long as people do.

An actor speaks to its node through `node.client`, as every program does.  What failed because the
machine went off, the disk was full or the other side away is done again; after some hours they
leave it.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio

from ...node.client import Client
from ...node.errors import Away, Refused
from ...node.node import Node
from ...node.offline import DirectChannel
from ...node.operations import Host
from ...node.store.errors import StoreError
from ...node.store.home import Home
from ...protocol.errors import Code
from ..dice import Dice
from ..machine import DownError, Machine
from ..world import World

T = TypeVar("T")

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
PATIENCE_S = 3 * HOUR_S
_AGAIN_S = (2.0, 10.0, 60.0, 300.0, 900.0)


class NotYetError(Exception):
    """What is waited for has not come."""


class GaveUpError(Exception):
    """It was tried for hours; they leave it."""


class Actor:
    """One machine's owner."""

    def __init__(self, world: World, machine: Machine, folder: Path, purpose: str = "") -> None:
        self.world = world
        self.machine = machine
        self.folder = folder / machine.name
        self.folder.mkdir(exist_ok=True)
        self.dice: Dice = world.dice.fork(f"actor {machine.name} {purpose}")
        self._files = 0

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def now_ms(self) -> int:
        """The world's time, by a clock that is right."""
        return world_ms()

    def told(self, what: str, *about: str) -> None:
        self.world.trace.event("act", self.name, what, *about)
        self.world.acts += 1

    def file(self, name: str, data: bytes) -> Path:
        """A file of this name with this content, in a place of its own."""
        self._files += 1
        place = self.folder / f"{self._files:04}"
        place.mkdir()
        path = place / name
        path.write_bytes(data)
        return path

    def place(self, name: str) -> Path:
        """Where a new file may be written."""
        self._files += 1
        return self.folder / f"{self._files:04}-{name}"

    async def once(self, act: Callable[[Client], Awaitable[T]]) -> T:
        """Do `act`; raises DownError if nobody knows how far it came, and what the node says."""

        async def on(node: Node) -> T:
            host = Host(node, Home(self.folder), running=True, version="simulated")
            return await act(Client(DirectChannel(host)))

        return await self.world.do(self.machine, on)

    async def insist(
        self, act: Callable[[Client], Awaitable[T]], *, patience_s: float = PATIENCE_S
    ) -> T:
        """Do `act` until it is done.  Raises GaveUpError, and refusals."""
        until_s, tries = trio.current_time() + patience_s, 0
        while True:
            try:
                return await self.once(act)
            except (DownError, Away, NotYetError, StoreError):
                pass
            except Refused as error:
                if error.code != Code.BUSY.value:
                    raise
            wait_s = _AGAIN_S[min(tries, len(_AGAIN_S) - 1)]
            if trio.current_time() + wait_s > until_s:
                raise GaveUpError
            await trio.sleep(wait_s)
            tries += 1

    async def pause(self, mean_s: float) -> None:
        await trio.sleep(self.dice.wait(mean_s))


def world_ms() -> int:
    from ..machine import BEGINNING_MS

    return BEGINNING_MS + int(trio.current_time() * 1000)
