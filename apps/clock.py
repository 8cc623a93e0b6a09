"""Local time, as a file describes it: an offset from UTC, and rules for putting the clocks forward.

A file that carries its own rules needs no time zone database, and says what its writer believed.
The rule that starts summer time is said in standard time, the one that ends it in summer time:
both are what the clock on the wall shows just before it is changed.  South of the equator the end
comes before the start in each year, which needs no case of its own.

Source: ESPI's LocalTimeParameters and DstRuleType (espi.xsd).
"""

from __future__ import annotations

import datetime
from bisect import bisect_right
from dataclasses import dataclass

# No zone has ever been further from UTC.
ZONE_S_MAX = 14 * 3600
_EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
_YEAR_S = 31_556_952
_YEAR_FIRST, _YEAR_LAST = 1900, 2079


@dataclass(frozen=True, slots=True)
class Rule:
    """One moment of each year, on the clock as it stands before it."""

    month: int
    operator: int
    day: int
    weekday: int
    second: int

    @classmethod
    def from_bits(cls, bits: int) -> Rule | None:
        """ESPI's DstRuleType: 4 bits month, 3 operator, 5 day, 3 weekday, 5 hour, 12 seconds.

        None if it does not name a moment of every year.
        """
        hour, second = bits >> 12 & 31, bits & 4095
        rule = cls(
            bits >> 28, bits >> 25 & 7, bits >> 20 & 31, bits >> 17 & 7, hour * 3600 + second
        )
        if not 1 <= rule.month <= 12 or hour > 23 or second > 3599:
            return None
        # A fifth Sunday, or 31 June, is not in every year: too odd for a clock to be set by.
        if rule.operator in (0, 1) and not 1 <= rule.day <= 28 + (rule.month != 2) * 2:
            return None
        if (rule.operator and not rule.weekday) or rule.operator == 6:
            return None
        return rule

    def local_s(self, year: int) -> int:
        """Seconds from 1970 to that moment of `year`, counted on the local clock."""
        first = datetime.date(year, self.month, 1)
        if self.operator in (0, 1):
            at = first.replace(day=self.day)
        elif self.operator == 7:
            at = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=7)
        else:
            at = first + datetime.timedelta(weeks=self.operator - 2)
        if self.operator:
            at += datetime.timedelta(days=(self.weekday - at.isoweekday()) % 7)
        return (at.toordinal() - _EPOCH_ORDINAL) * 86_400 + self.second


@dataclass(frozen=True, slots=True)
class Clock:
    """A zone's standard offset, and when its clocks are put forward."""

    zone_s: int
    summer_s: int
    start: Rule | None
    end: Rule | None

    def offsets(self, starts: list[int]) -> list[int]:
        """What clocks showed, in minutes from UTC, at `starts` (ascending, seconds since 1970)."""
        standard, summer = self.zone_s // 60, (self.zone_s + self.summer_s) // 60
        if self.start is None or self.end is None:
            return [standard] * len(starts)
        first, last = (1970 + int(s // _YEAR_S) for s in (starts[0], starts[-1]))
        changes: list[tuple[int, int]] = []
        for year in range(max(first - 2, _YEAR_FIRST), min(last + 2, _YEAR_LAST) + 1):
            changes.append((self.start.local_s(year) - self.zone_s, summer))
            changes.append((self.end.local_s(year) - self.zone_s - self.summer_s, standard))
        changes.sort()
        moments = [moment for moment, _ in changes]
        before = standard if changes[0][1] == summer else summer
        after = [before, *(offset for _, offset in changes)]
        return [after[bisect_right(moments, start_s)] for start_s in starts]
