"""Unusual hours: far from what the same hour of the same weekday drew in the weeks around it.

How far is the robust z-score of Iglewicz and Hoaglin, 0.6745 · (x - median) / MAD, over the weeks
from four before to four after, so that winter is not unusual but an oven left on is.  Where the
hours hardly differ the MAD is near nothing and any wash would stand out; then the spread is taken
for a tenth of the median, and for 30 W at least.

Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993).
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from ...exact import ONE, divided, median
from .curve import Curve

WEEKS_AROUND: Final = 4
_WEEKS_MIN: Final = 5
SCORE_MIN: Final = 6.0
UNUSUAL_MAX: Final = 10
_SPREAD_MIN: Final = 30 * ONE
_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Unusual:
    """An hour that drew `power` where `usual` was to be expected (10⁻¹⁸ W)."""

    date: datetime.date
    hour: int
    power: int
    usual: int
    score: float


def unusual_hours(curve: Curve) -> tuple[Unusual, ...]:
    """Every hour with a score of six or more either way, the most unusual first."""
    if curve.step_s() > _HOUR_S:
        return ()
    energy: defaultdict[tuple[int, int], dict[int, list[tuple[int, int]]]] = defaultdict(dict)
    for one in curve.intervals:
        week, weekday = divmod(one.date.toordinal() - 1, 7)
        energy[weekday, one.hour].setdefault(week, []).append((one.energy, one.seconds))
    found: list[Unusual] = []
    for (weekday, hour), weeks in energy.items():
        powers = {
            week: divided(sum(each for each, _ in some), sum(length for _, length in some))
            for week, some in weeks.items()
        }
        for week, power in powers.items():
            around = [
                powers[each]
                for each in range(week - WEEKS_AROUND, week + WEEKS_AROUND + 1)
                if each in powers
            ]
            if len(around) < _WEEKS_MIN:
                continue
            usual = median(around)
            spread = median(abs(each - usual) for each in around)
            score = 0.6745 * (power - usual) / max(spread, usual // 10, _SPREAD_MIN)
            if abs(score) >= SCORE_MIN:
                date = datetime.date.fromordinal(week * 7 + weekday + 1)
                found.append(Unusual(date, hour, power, usual, score))
    return tuple(sorted(found, key=lambda one: (-abs(one.score), one.date, one.hour)))
