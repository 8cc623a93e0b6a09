"""A stick between the house and its organisations, on the day without a network.

Some sticks are lost, some files are taken twice, some arrive damaged and change nothing.  What was
carried may be said online once more afterwards; it must have happened once.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import trio

from ...node.client import Client
from ...node.errors import NodeError
from .home import Home
from .people import HOUR_S, Actor, GaveUpError
from .watch import Watch
from .weather import WeekWeather


class Courier:
    """Walks while the house is away from the network."""

    def __init__(
        self, home: Home, sources: Sequence[Actor], weather: WeekWeather, watch: Watch
    ) -> None:
        self._home = home
        self._sources = sources
        self._weather = weather
        self._watch = watch
        self._dice = home.dice.fork("courier")

    async def carry(self) -> None:
        """Sleep until the day, then walk every other hour."""
        await trio.sleep(max(0.0, self._weather.away_s - trio.current_time()))
        while self._weather.is_away:
            await trio.sleep(self._dice.wait(2 * HOUR_S))
            source = self._dice.pick(self._sources)
            try:
                await self._by_stick(self._home, source, source.name, "home")
                await self._by_stick(source, self._home, "home", source.name)
            except GaveUpError:
                continue

    async def _by_stick(self, sender: Actor, taker: Actor, to: str, whose: str) -> None:
        path = sender.place(f"for-{to}.parcel".replace(" ", "-"))

        async def write(client: Client) -> None:
            path.unlink(missing_ok=True)
            await client.write_parcel(to, path)

        sender.told("write a parcel", to)
        try:
            await sender.insist(write, patience_s=HOUR_S)
        except NodeError as error:  # nothing to say, mostly
            sender.told("no parcel", type(error).__name__)
            return
        self._watch.files.append(path)
        self._home.world.faults["parcels by stick"] += 1
        if self._dice.chance(0.15):
            self._home.world.faults["sticks lost"] += 1
            return
        if self._dice.chance(0.3):
            await self._damaged(sender, path)
        for _ in range(2 if self._dice.chance(0.3) else 1):
            taker.told("take a parcel", whose)
            try:
                await taker.insist(lambda client: client.take(path), patience_s=HOUR_S)
            except NodeError as error:
                taker.told("parcel refused", type(error).__name__, str(error))

    async def _damaged(self, sender: Actor, path: Path) -> None:
        """One bit is wrong: refused, nothing changed."""
        data = bytearray(content(path))
        data[self._dice.between(0, len(data) - 1)] ^= 1 << self._dice.between(0, 7)
        bad = sender.file("damaged.parcel", bytes(data))
        if sender is not self._home:
            await self._home.refused(lambda client: client.take(bad))


def content(path: Path) -> bytes:
    """A file; reading it takes no time in a simulated world."""
    return path.read_bytes()
