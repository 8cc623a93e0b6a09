"""Electricity: the mean power of each half hour, from the weather, the people and the machines.

Whole numbers throughout, so that every machine works out the same watts.  A day has 46, 48 or 50
half hours; what people do follows the clock on the wall, what the fridge does does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .life import Life
from .paris import ONE, Day, half_hours, midnight_s, offset_s, school, works

STEP_S: Final = 1800
# Mean of the day in tenths of a degree, by month; near enough to Paris.
_NORMALS: Final = (49, 55, 88, 117, 153, 187, 207, 206, 170, 131, 83, 55)
# Departure from the mean of the day in tenths, every three hours from midnight.
_HOURS: Final = (-22, -34, -38, -12, 20, 38, 30, 2)
# Watts that people use, by the hour: at home all day, out for work or school, away.
_HOME: Final = (
    40, 20, 10, 10, 10, 20, 90, 240, 330, 260, 220, 300,
    520, 380, 230, 210, 240, 330, 480, 690, 620, 460, 300, 130,
)  # fmt: skip  # half a day a line
_OUT: Final = (
    40, 20, 10, 10, 10, 40, 260, 430, 180, 40, 30, 30,
    50, 40, 30, 30, 80, 240, 460, 720, 640, 450, 280, 110,
)  # fmt: skip
_SETBACK: Final = 25  # tenths of a degree lower at night and where nobody is
_COMFORT: Final = 190


@dataclass(frozen=True, slots=True)
class Dwelling:
    """A meter and what stands behind it.  `base_w` runs all the time; `heat` is W a degree."""

    meter: str
    base_w: int
    heat: int
    machine_w: int

    def base(self, day: Day, machine: Day) -> int:
        """Watts of what is never switched off, on `day`."""
        return self.base_w + (self.machine_w if day >= machine else 0)


@dataclass(frozen=True, slots=True)
class DayLoad:
    """The half hours of a local day: `watts` from its midnight on; `lost` are not measured.

    `lost` holds indices of half hours whose value never reached the grid operator.
    """

    day: Day
    dwelling: Dwelling
    start_s: int
    watts: Sequence[int]
    lost: frozenset[int]


class Electricity:
    """Draws one day after the other."""

    def __init__(self, life: Life) -> None:
        self._life = life
        dice = life.dice("dwellings")
        machine = dice.between(26, 48)
        self.dwellings = tuple(
            Dwelling(
                f"{dice.between(10**13, 10**14 - 1)}",
                dice.between(95, 190),
                dice.between(42, 68),
                machine,
            )
            for _ in range(2)
        )
        self._dice = life.dice("load")
        self._weather = life.dice("weather")
        self._warmer = 0

    def dwelling(self, day: Day) -> Dwelling:
        return self.dwellings[day >= self._life.moved]

    def day(self, day: Day) -> DayLoad:
        mean = self._temperature(day)
        dwelling, dice = self.dwelling(day), self._dice
        base = dwelling.base(day, self._life.machine)
        away = self._life.holiday(day) is not None
        at_home = not works(day) or self._life.jobless(day) or not school(day)
        people = _HOME if at_home else _OUT
        wash = dice.between(18, 40) if dice.chance(0.45) and not away else -1
        start_s, count = midnight_s(day), half_hours(day)
        watts: list[int] = []
        for number in range(count):
            at_s = start_s + number * STEP_S
            clock = (at_s + offset_s(at_s)) % 86_400 // STEP_S
            hour = clock // 2
            outside = mean + _HOURS[hour // 3]
            # A fridge starts and stops: around the base, never far from it.
            power = base + dice.between(-12, 14)
            low = away or hour < 6 or hour >= 23 or (not at_home and 9 <= hour < 16)
            inside = _COMFORT - (90 if away else _SETBACK if low else 0)
            # What the sun and the people themselves give is worth four degrees.
            power += max(inside - 40 - outside, 0) * dwelling.heat // 10
            if not away:
                power += people[hour] * dice.between(35, 165) // 100
                power += 1_150 if 0 <= wash <= clock < wash + 3 else 0
            watts.append(power)
        return DayLoad(day, dwelling, start_s, watts, self._losses(count))

    def _temperature(self, day: Day) -> int:
        """Tenths of a degree: the normal of the day, and weather that remembers yesterday's."""
        self._warmer = self._warmer * 7 // 10 + self._weather.between(-22, 22)
        middle = Day(day.year, day.month, 15)
        before = middle if day >= middle else (middle - 25 * ONE).replace(day=15)
        months = _NORMALS[before.month - 1], _NORMALS[before.month % 12]
        passed = (day - before).days
        return months[0] + (months[1] - months[0]) * passed // 30 + self._warmer

    def _losses(self, count: int) -> frozenset[int]:
        """On a day in forty some values are missing: one, or a few hours."""
        if not self._dice.chance(0.025):
            return frozenset()
        begins = self._dice.between(0, count - 1)
        length = self._dice.pick((1, 1, 2, 3, 8))
        return frozenset(range(begins, min(begins + length, count)))
