"""A household's two meters: every half hour, in both formats."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from entrenous.tests.simulations.household_files import (
    TWO_YEARS,
    green_button,
    linky,
)

PARIS = ZoneInfo("Europe/Paris")


def test_energy_of_both_meters(household: Path, answers: dict[str, Any]) -> None:
    measured: defaultdict[str, Decimal] = defaultdict(Decimal)
    counts: Counter[str] = Counter()
    per_day: Counter[date] = Counter()
    at: dict[int, int | None] = {}
    for path in (household / "linky").iterdir():
        rows = list(linky(path))
        known = answers["files"][f"linky/{path.name}"]
        assert len([1 for _, watts in rows if watts is not None]) == known["records"]
        assert len(rows) - known["records"] == known["empty"]
        assert sum(watts or 0 for _, watts in rows) == Decimal(known["energy_wh"]) * 2
        for end, watts in rows:
            start = end - timedelta(minutes=30)
            assert end.utcoffset() == end.astimezone(PARIS).utcoffset()
            local = start.astimezone(PARIS)
            assert int(start.timestamp()) not in at
            at[int(start.timestamp())] = watts
            per_day[local.date()] += 1
            measured[f"{local:%Y-%m}"] += Decimal(watts or 0) / 2
            counts[f"{local:%Y-%m}"] += 1
    told = answers["energy"]["months"]
    assert {m: (Decimal(one["measured_wh"]), one["half_hours"]) for m, one in told.items()} == {
        month: (measured[month], counts[month]) for month in counts
    }
    short = {day: count for day, count in per_day.items() if count != 48}
    assert short == {
        date(2024, 3, 31): 46,
        date(2024, 10, 27): 50,
        date(2025, 3, 30): 46,
        date(2025, 10, 26): 50,
    }
    starts = sorted(at)
    assert {b - a for a, b in pairwise(starts)} == {1800}
    for year, one in answers["energy"]["years"].items():
        months = [Decimal(told[m]["used_wh"]) for m in told if m.startswith(year)]
        assert sum(months) == Decimal(one["used_wh"])


def test_the_two_files_of_one_meter_agree(household: Path, answers: dict[str, Any]) -> None:
    at = {
        int(end.timestamp()) - 1800: watts
        for path in (household / "linky").iterdir()
        for end, watts in linky(path)
    }
    green = {path.name: green_button(path) for path in (household / "green-button").iterdir()}
    assert len(green) == 2 * TWO_YEARS
    for name, readings in green.items():
        known = answers["files"][f"green-button/{name}"]
        assert len(readings) == known["records"]
        assert sum(value for value, _ in readings.values()) == Decimal(known["energy_wh"])
        for start, (value, quality) in readings.items():
            watts = at[start]
            assert (quality == 8) == (watts is None)
            assert watts is None or value * 2 == watts
    one, other = green["2025-11.xml"], green["2025-12.xml"]
    doubles = {tuple(sorted(d["files"])): d["same"] for d in answers["doubles"]}
    assert doubles["green-button/2025-11.xml", "green-button/2025-12.xml"] == len(
        one.keys() & other.keys()
    )
    estimated = sum(quality == 8 for _, quality in other.values())
    meter = answers["move"]["meters"][1]
    pair = ("green-button/2025-12.xml", f"linky/{meter}-2025.csv")
    assert doubles[pair] == len(other) - estimated


def test_the_base_load_is_what_the_nights_of_holidays_show(
    household: Path, answers: dict[str, Any]
) -> None:
    base = answers["energy"]["base_load_w"]
    checked = 0
    at = {
        (end - timedelta(minutes=30)).astimezone(PARIS): watts
        for path in (household / "linky").iterdir()
        for end, watts in linky(path)
        if watts is not None
    }
    for away in answers["holidays"]:
        if away["first"][5:7] == "08":
            watts = next(b["watts"] for b in reversed(base) if b["from"] <= away["first"])
            found = [
                value
                for when, value in at.items()
                if away["first"] <= when.date().isoformat() <= away["last"]
            ]
            later = [b["from"] for b in base if away["first"] < b["from"] <= away["last"]]
            if not later:
                assert abs(sum(found) / len(found) - watts) < 10
                checked += 1
    assert checked
