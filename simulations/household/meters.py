"""What grid operator and supplier hand out: Linky CSV by year, Green Button for some months.

Both tell of the same half hours.  Where a value did not reach the operator its cell is empty, and
the supplier's file says what was used, marked as estimated.  Each Green Button file has two months,
one of which the next has as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..formats.espi import ESPI_TAIL, ESTIMATED, VALID, espi_block, espi_head, espi_reading
from ..formats.linky import linky_head, linky_row
from .answers import Answers
from .folder import Folder, OpenFile
from .life import Life
from .load import STEP_S, DayLoad, Electricity
from .paris import ONE, Day, month_end, month_start, stamp

# The path of a meter in a feed: links in it name no person.
_POINT = "RetailCustomer/1/UsagePoint/"


@dataclass(slots=True)
class _Green:
    """One Green Button file, from `first` to `last`; open while its days pass."""

    path: str
    first: Day
    last: Day
    file: OpenFile | None = None
    days: int = 0
    records: int = 0
    half_wh: int = 0


class Meters:
    """Writes each day's load into the files that are open on it."""

    def __init__(self, life: Life, curve: Electricity, folder: Folder, answers: Answers) -> None:
        self._life, self._curve, self._folder, self._answers = life, curve, folder, answers
        self._linky: OpenFile | None = None
        self._linky_path = ""
        self._linky_first = life.first
        self._linky_counts = [0, 0, 0]
        self._green = [*self._windows()]

    def _windows(self) -> list[_Green]:
        ends = [Day(year, 12, 31) for year in range(self._life.first.year, self._life.until.year)]
        found: list[_Green] = []
        for end in (*ends, self._life.until):
            for back in (1, 0):
                last = month_end(month_start(end, -back))
                first = max(month_start(last, -1), self._life.first)
                if first <= self._life.moved <= last:
                    first = self._life.moved
                if first < last:
                    found.append(_Green(f"green-button/{last:%Y-%m}.xml", first, last))
        return found

    def day(self, load: DayLoad) -> None:
        self._linky_day(load)
        for green in self._green:
            if green.first <= load.day <= green.last:
                self._green_day(green, load)

    def _linky_day(self, load: DayLoad) -> None:
        last = self._linky_last(load.day)
        if self._linky is None:
            meter = load.dwelling.meter
            self._linky_path = f"linky/{meter}-{load.day.year}.csv"
            self._linky = self._folder.open(self._linky_path)
            self._linky.write(linky_head(meter, load.day, last, STEP_S // 60).encode())
            self._linky_first, self._linky_counts = load.day, [0, 0, 0]
        for number, watts in enumerate(load.watts):
            lost = number in load.lost
            ends = stamp(load.start_s + (number + 1) * STEP_S)
            self._linky.write(linky_row(ends, None if lost else watts).encode())
            self._linky_counts[0] += 1
            self._linky_counts[1] += lost
            self._linky_counts[2] += 0 if lost else watts
        if load.day == last:
            self._linky.close()
            self._linky = None
            rows, empty, half_wh = self._linky_counts
            self._answers.load_file(
                self._linky_path,
                "Linky CSV",
                (self._linky_first, last),
                meter=load.dwelling.meter,
                records=rows - empty,
                empty=empty,
                half_wh=half_wh,
            )

    def _linky_last(self, day: Day) -> Day:
        """The last day of the file that holds `day`: of the year, the contract or the life."""
        last = min(Day(day.year, 12, 31), self._life.until)
        return min(last, self._life.moved - ONE) if day < self._life.moved else last

    def _green_day(self, green: _Green, load: DayLoad) -> None:
        meter = _POINT + load.dwelling.meter[-4:]
        if green.file is None:
            green.file = self._folder.open(green.path)
            green.file.write(espi_head(meter, STEP_S).encode())
        rows = "".join(
            # A watt for half an hour is five tenths of a watt-hour.
            espi_reading(
                load.start_s + number * STEP_S,
                STEP_S,
                watts * 5,
                ESTIMATED if number in load.lost else VALID,
            )
            for number, watts in enumerate(load.watts)
        )
        block = espi_block(meter, green.days, load.start_s, rows, len(load.watts) * STEP_S)
        green.file.write(block.encode())
        green.days += 1
        green.records += len(load.watts)
        green.half_wh += sum(load.watts)
        if load.day == green.last:
            green.file.write(ESPI_TAIL.encode())
            green.file.close()
            green.file = None
            self._answers.load_file(
                green.path,
                "Green Button ESPI",
                (green.first, green.last),
                meter=load.dwelling.meter,
                records=green.records,
                empty=0,
                half_wh=green.half_wh,
            )
