"""Walks and rides: on weekends from home, on holidays from where they are spent.

A track goes in steps of a known length, each in one of sixteen directions, so that its length is
known without a model of the earth: the steps are turned into degrees at the latitude of its start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..dice import Dice
from ..formats.gpx import TrackPoint, gpx_file
from . import names
from .answers import Answers
from .folder import Folder
from .life import Life
from .paris import Day, at, stamp, utc

_STEP_S: Final = 15
# North and east of a step in each direction, in thousandths of its length.
_TURNS: Final = (
    (1000, 0), (924, 383), (707, 707), (383, 924), (0, 1000), (-383, 924), (-707, 707),
    (-924, 383), (-1000, 0), (-924, -383), (-707, -707), (-383, -924), (0, -1000), (383, -924),
    (707, -707), (924, -383),
)  # fmt: skip  # pairs
# Thousandths of a kilometre's longitude in one of latitude, by whole degrees north.
_COSINES: Final = {43: 731, 44: 719, 45: 707, 46: 695, 47: 682, 48: 669, 49: 656}
# A degree of latitude in decimetres.
_DEGREE_DM: Final = 1_111_950


class Outings:
    """A file for each outing."""

    def __init__(self, life: Life, folder: Folder, answers: Answers) -> None:
        self._life, self._folder, self._answers = life, folder, answers
        self._dice = life.dice("outings")

    def day(self, day: Day) -> None:
        dice, away = self._dice, self._life.holiday(day)
        mild = 4 <= day.month <= 10
        chance = 0.5 if away else 0.3 if day.weekday() >= 5 and mild else 0.04
        if not dice.chance(chance):
            return
        rides = dice.chance(0.4)
        began = at(day, dice.between(8 * 60, 16 * 60))
        steps = dice.between(100, 420)
        # Decimetres in a step: five kilometres an hour on foot, eighteen on a bicycle.
        length = 750 if rides else 210
        if away is None:
            home = self._life.home(day)
            lat, lon, height = home.lat, home.lon, 45
        else:
            _, lat, lon, height = names.HOLIDAYS[away.place]
        path = f"tracks/{day}-{'velo' if rides else 'marche'}.gpx"
        name = f"{'Vélo' if rides else 'Marche'} {stamp(began)[:10]}"
        points = [*_walk(dice.fork(path), lat, lon, height * 10, began, steps, length)]
        pieces = gpx_file(name, "cycling" if rides else "walking", points, points[0].time)
        self._folder.write(path, (piece.encode() for piece in pieces))
        self._answers.other_file(
            path,
            "GPX 1.1",
            len(points),
            began=points[0].time,
            ended=points[-1].time,
            length_m=steps * length // 10,
        )


def _walk(
    dice: Dice, lat: int, lon: int, height: int, began: int, steps: int, length: int
) -> Iterator[TrackPoint]:
    """Points `_STEP_S` apart; a walk turns little, and climbs and falls a little."""
    east = _COSINES[lat // 1_000_000]
    north_unit, east_unit = 1_000_000 * length, 1_000_000 * length * 1000 // east
    heading = dice.between(0, 15)
    yield TrackPoint(lat, lon, height, utc(began))
    for number in range(1, steps + 1):
        heading = (heading + dice.pick((-1, 0, 0, 0, 1))) % 16
        ahead, aside = _TURNS[heading]
        lat += ahead * north_unit // (_DEGREE_DM * 1000)
        lon += aside * east_unit // (_DEGREE_DM * 1000)
        height = max(height + dice.between(-12, 12), 0)
        yield TrackPoint(lat, lon, height, utc(began + number * _STEP_S))
