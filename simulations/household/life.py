"""A life, in large: what happens to a household once, and when.

Everything that is not routine is decided here, before the first day: the job that is lost and the
next one, the move, the holidays, the machine that is bought.  What is drawn for one of them does
not depend on any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..dice import Dice
from . import names
from .paris import ONE, Day, days, month_start, on_day, working
from .people import Address, Family, family

DAYS_AWAY = ((2, 7), (4, 5), (8, 15), (10, 4), (12, 6))


@dataclass(frozen=True, slots=True)
class Away:
    """A holiday away from home: both days included, and the number of its place in `names`."""

    first: Day
    last: Day
    place: int


@dataclass(frozen=True, slots=True)
class Life:
    """`first` to `until`, both included.

    `job_lost` is the last day of the first adult's work, `job_found` the first day of the next;
    `moved` the first night in the second home; `machine` the day a freezer is plugged in.
    """

    seed: int
    first: Day
    until: Day
    family: Family
    job_lost: Day
    job_found: Day
    moved: Day
    machine: Day
    away: tuple[Away, ...]

    def home(self, day: Day) -> Address:
        return self.family.homes[day >= self.moved]

    def jobless(self, day: Day) -> bool:
        return self.job_lost < day < self.job_found

    def holiday(self, day: Day) -> Away | None:
        return next((one for one in self.away if one.first <= day <= one.last), None)

    def dice(self, purpose: str) -> Dice:
        """Dice of their own for one strand of the life."""
        return Dice.of(self.seed).fork("household").fork(purpose)


def life(seed: int, first: Day, until: Day) -> Life:
    """A life from `first`, the first of a month, to `until`, the last of one, a year at least."""
    dice = Dice.of(seed).fork("household").fork("life")
    months = (until.year - first.year) * 12 + until.month - first.month + 1

    def share(low: int, high: int) -> Day:
        """The first of a month between these per cents of the life."""
        return month_start(first, months * dice.between(low, high) // 100)

    lost = share(20, 42)
    lost = working(on_day(lost, dice.between(8, 24)), -1)
    found = month_start(lost, dice.between(3, 4) if months < 24 else dice.between(3, 8))
    moved = working(on_day(share(58, 72), dice.between(6, 22)))
    machine = share(45, 56) + dice.between(2, 24) * ONE
    return Life(
        seed=seed,
        first=first,
        until=until,
        family=family(dice.fork("family"), first),
        job_lost=lost,
        job_found=working(found + dice.between(0, 2) * ONE),
        moved=moved,
        machine=machine,
        away=_holidays(dice.fork("holidays"), first, until, moved),
    )


def _holidays(dice: Dice, first: Day, until: Day, moved: Day) -> tuple[Away, ...]:
    """Summer every year, the shorter ones now and then; nobody leaves in the week of a move."""
    away: list[Away] = []
    for year in range(first.year, until.year + 1):
        for month, length in DAYS_AWAY:
            begins = Day(year, month, dice.between(2, 12) if month == 8 else dice.between(17, 20))
            ends = begins + (length - 1) * ONE
            goes = month == 8 or dice.chance(0.45)
            place = dice.between(0, len(names.HOLIDAYS) - 1)
            busy = any(abs((day - moved).days) < 5 for day in days(begins, ends))
            if goes and not busy and first < begins and ends < until:
                away.append(Away(begins, ends, place))
    return tuple(away)
