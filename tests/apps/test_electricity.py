"""Load curves: exact sums, days of 46 and 50 half hours, gaps, tariffs against a slow oracle."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.apps.exact import ONE
from entrenous.apps.services.electricity.curve import KWH, WH, BadCurve, Curve, curve_of
from entrenous.apps.services.electricity.figures import figures
from entrenous.apps.services.electricity.pictures import cents
from entrenous.apps.services.electricity.tariff import BadTariff, cost_of, tariff_of
from entrenous.apps.services.electricity.unusual import unusual_hours
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING

PARIS = ZoneInfo("Europe/Paris")
UTC = datetime.UTC
STEP = 1800
BASE = 'name = "Base"\n[[price]]\nfrom = 2020-01-01\nstanding_month = "12.68"\nkwh = 0.2016\n'
TWO = """
name = "Two"
[[price]]
from = 2020-01-01
standing_year = 150
peak = "0.25"
off_peak = "0.15"
off_peak_hours = ["22:15-06:00"]
off_peak_days = ["sunday"]
"""


def batch(
    first: str,
    days: int,
    watts: Callable[[datetime.datetime], int | None] = lambda at: 1000,
    *,
    unit: str = "W",
    zone: datetime.tzinfo = PARIS,
    own_offsets: bool = True,
) -> Batch:
    """Half hours of local days; `watts` of a local time, None for one that is missing."""
    start = datetime.datetime.combine(datetime.date.fromisoformat(first), datetime.time())
    begin = start.replace(tzinfo=zone).timestamp()
    end = (start + datetime.timedelta(days=days)).replace(tzinfo=zone).timestamp()
    rows: list[dict[str, Any]] = []
    for second in range(round(begin), round(end), STEP):
        at = datetime.datetime.fromtimestamp(second, zone)
        value = watts(at)
        if value is None:
            continue
        offset = at.utcoffset()
        assert offset is not None
        rows.append(
            {
                "time": second * 1000,
                "offset_min": round(offset.total_seconds()) // 60 if own_offsets else 0,
                "duration_s": STEP,
                "value": [value, 0],
                "unit": unit,
                "quality": None,
            }
        )
    return Batch.from_rows(METER_READING, rows)


@pytest.mark.parametrize(
    ("day", "half_hours"), [("2025-03-30", 46), ("2025-10-26", 50), ("2025-06-01", 48)]
)
@pytest.mark.parametrize("own_offsets", [True, False])
def test_days_on_which_clocks_are_changed(day: str, half_hours: int, own_offsets: bool) -> None:
    zone = None if own_offsets else PARIS
    curve = curve_of([batch(day, 1, own_offsets=own_offsets)], zone)
    date = datetime.date.fromisoformat(day)
    assert {one.date for one in curve.intervals} == {date}
    assert len(curve.intervals) == half_hours
    assert curve.seconds_of(date) == half_hours * STEP
    found = figures(curve, curve)
    assert found.energy == half_hours * 500 * WH
    assert found.missing == 0
    # Power is power: a day with an hour twice, or not at all, draws no other.
    assert {power for power in found.hours if power is not None} == {1000 * ONE}
    assert [whole for whole, _ in found.highest] == [date]


def test_units_are_made_one() -> None:
    in_wh = curve_of([batch("2025-06-01", 1, lambda at: 500, unit="Wh")])
    in_watts = curve_of([batch("2025-06-01", 1)])
    assert in_wh.intervals == in_watts.intervals
    with pytest.raises(BadCurve, match="'m3'"):
        curve_of([batch("2025-06-01", 1, unit="m3")])


def test_what_is_missing_is_said_and_not_filled() -> None:
    gone = datetime.datetime(2025, 6, 2, 10, tzinfo=PARIS)
    some = batch("2025-06-01", 3, lambda at: None if gone <= at < gone.replace(hour=14) else 1000)
    found = figures(curve_of([some]), curve_of([some]))
    assert found.missing == 4 * 3600
    assert found.energy == (72 - 4) * 1000 * WH
    assert [(one.name, one.missing) for one in found.months] == [("2025-06", 4 * 3600)]
    (gap,) = curve_of([some]).gaps()
    assert (gap.date, gap.minute) == (datetime.date(2025, 6, 2), 600)
    assert datetime.date(2025, 6, 2) not in dict(found.highest)


def test_a_gap_over_months_is_counted_to_each() -> None:
    out = (datetime.date(2025, 3, 31), datetime.date(2025, 5, 1))
    some = batch("2025-03-29", 36, lambda at: None if out[0] <= at.date() <= out[1] else 1000)
    months = figures(curve_of([some]), curve_of([some])).months
    hours = [(one.name, one.missing // 3600) for one in months]
    assert hours == [("2025-03", 24), ("2025-04", 720), ("2025-05", 24)]
    assert months[1].energy == 0


def test_intervals_that_overlap_count_once() -> None:
    day = batch("2025-06-01", 1)
    hourly = [{**row, "duration_s": 3600} for row in day.rows()]
    both = Batch.from_rows(METER_READING, [_plain(row) for row in hourly])
    curve = curve_of([both])
    assert curve.overlapping == 24
    assert sum(one.seconds for one in curve.intervals) == 24 * 3600


def _plain(row: Any) -> dict[str, Any]:
    return {**row, "value": list(row["value"])}


def test_base_load_and_a_machine_that_is_added() -> None:
    added = datetime.date(2025, 7, 1)

    def watts(at: datetime.datetime) -> int:
        base = 100 + (40 if at.date() >= added else 0)
        return base + (at.day * 7 + at.minute) % 11 + (900 if at.hour in (7, 19) else 0)

    some = curve_of([batch("2024-06-01", 430, watts)])
    months = {one.name: one for one in figures(some, some).months}
    july = months["2025-07"]
    assert july.base is not None
    assert july.base_before is not None
    assert 38 * ONE <= july.base - july.base_before <= 42 * ONE
    june = months["2025-06"]
    assert june.base == june.base_before


# --- unusual hours --------------------------------------------------------------------------------


def test_an_oven_left_on_is_unusual_and_winter_is_not() -> None:
    left_on = datetime.date(2025, 3, 12)

    def watts(at: datetime.datetime) -> int:
        heating = 300 + 5 * abs(at.timetuple().tm_yday - 190)
        return (
            heating
            + (at.day * 13 + at.hour) % 40
            + (2500 if at.date() == left_on and at.hour == 3 else 0)
        )

    some = curve_of([batch("2025-01-01", 120, watts)])
    (found,) = unusual_hours(some)
    assert (found.date, found.hour) == (left_on, 3)
    assert found.score > 6


def test_a_freezer_that_stopped_is_unusual_too() -> None:
    silent = datetime.date(2025, 3, 12)
    some = batch("2025-01-01", 120, lambda at: 20 if at.date() == silent else 400 + at.day % 3)
    found = unusual_hours(curve_of([some]))
    assert {one.date for one in found} == {silent}
    assert len(found) == 24
    assert all(one.score < 0 for one in found)


# --- tariffs --------------------------------------------------------------------------------------


def by_the_minute(curve: Curve) -> Fraction:
    """What `TWO` costs, minute by minute: slow and plain."""
    cost = Fraction(0)
    day = curve.first
    while day <= curve.last:
        cost += Fraction(150, 366 if day.year % 4 == 0 else 365)
        day += datetime.timedelta(days=1)
    for one in curve.intervals:
        at = datetime.datetime.combine(one.date, datetime.time()) + datetime.timedelta(
            minutes=one.minute
        )
        for _ in range(one.seconds // 60):
            now = at.hour * 60 + at.minute
            cheap = now >= 22 * 60 + 15 or now < 6 * 60 or at.weekday() == 6
            price = Fraction("0.15") if cheap else Fraction("0.25")
            cost += Fraction(one.energy * 60, one.seconds) / KWH * price
            at += datetime.timedelta(minutes=1)
    return cost


@settings(max_examples=15)
@given(st.dates(datetime.date(2024, 1, 1), datetime.date(2025, 12, 1)), st.integers(1, 4))
def test_a_tariff_costs_what_a_slow_count_says(first: datetime.date, days: int) -> None:
    curve = curve_of([batch(first.isoformat(), days, lambda at: at.hour * 37 + at.minute)])
    cost = cost_of(curve, tariff_of(TWO, "two.toml"))
    assert cost.total == by_the_minute(curve)
    assert cost.peak_energy + cost.off_peak_energy == sum(one.energy for one in curve.intervals)


def test_a_month_of_base() -> None:
    curve = curve_of([batch("2025-06-01", 30)])
    cost = cost_of(curve, tariff_of(BASE, "base.toml"))
    # 720 kWh at 0.2016, and a month's standing charge
    assert (cents(cost.energy_cost), cents(cost.standing_cost)) == ("145.15", "12.68")
    assert cost.total == Fraction(Decimal("145.152")) + Fraction(Decimal("12.68"))


def test_prices_change_on_their_day() -> None:
    text = BASE + '[[price]]\nfrom = 2025-06-16\nkwh = "0.1"\n'
    cost = cost_of(curve_of([batch("2025-06-01", 30)]), tariff_of(text, "t.toml"))
    assert cost.energy_cost == 360 * Fraction("0.2016") + 360 * Fraction("0.1")
    assert cost.standing_cost == Fraction("12.68") / 2


def test_a_tariff_holds_on_every_day_or_is_refused() -> None:
    tariff = tariff_of(BASE.replace("2020-01-01", "2025-06-02"), "late.toml")
    with pytest.raises(BadTariff, match="no price for 2025-06-01"):
        cost_of(curve_of([batch("2025-06-01", 2)]), tariff)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "cannot be understood"),
        ("", r"under \[\[price\]\]"),
        ("price = 3", r"under \[\[price\]\]"),
        ("nmae = 'x'\n" + BASE.partition("\n")[2], "no place for 'nmae'"),
        (BASE.replace("kwh", "kwr"), "no place for 'kwr'"),
        (BASE.replace("kwh", "k" * 5_000), "no place for 'k"),
        (BASE.replace('"Base"', f'"Base"\ncurrency = "{"E" * 5_000}"'), "three letters"),
        (BASE.replace("0.2016", '"1e400"'), "is no amount"),
        (BASE.replace("0.2016", "-1"), "is no amount"),
        (BASE.replace("0.2016", "nan"), "is no amount"),
        (BASE.replace("0.2016", "true"), "is no amount"),
        (BASE.replace("from = 2020-01-01", 'from = "2020-01-01"'), "from which day"),
        (BASE + "standing_day = 1\n", "one standing charge"),
        (BASE + "peak = 1\n", "kwh, or peak and off_peak"),
        (TWO.replace("peak = \"0.25\"", ""), "peak and off_peak"),
        (TWO.partition("off_peak_hours")[0], "go together"),
        (TWO.replace("22:15", "25:15"), "are no hours"),
        (TWO.replace("06:00", "22:15"), "no hours of a day"),
        (TWO.replace("sunday", "sonntag"), "off_peak_days"),
        (BASE + BASE.partition("\n")[2], "from the same day"),
        (BASE.replace('"Base"', '"Base"\ncurrency = "Euro"'), "three letters"),
    ],
)  # fmt: skip  # a table of what is wrong
def test_a_tariff_that_cannot_be_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadTariff, match=why) as refused:
        tariff_of(text, "t.toml")
    assert len(str(refused.value)) < 200


@given(st.text(max_size=200))
def test_any_text_is_a_tariff_or_refused(text: str) -> None:
    with suppress(BadTariff):
        tariff_of(text, "t.toml")
    with suppress(BadTariff):
        tariff_of(BASE + text, "t.toml")
