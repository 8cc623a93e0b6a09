"""Local days to UTC days: never an hour more than was meant, and every hour left out is said."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.node.cli.days import (
    UTC,
    days_in_words,
    end_of_day_s,
    require_whole_days,
    span,
)
from entrenous.node.cli.words import left_out_sentence
from entrenous.node.errors import UsageError
from entrenous.protocol.day import DAY_MAX, DAY_MS, UNDATED, date_of, start_ms

PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati")


def test_east_of_utc_the_last_day_is_lost() -> None:
    days = span("2026-01-01", "2026-01-30", PARIS)
    assert (date_of(days.first_day), date_of(days.last_day)) == ("2026-01-01", "2026-01-29")
    assert days.left_out() == ("2026-01-01 00:00 to 01:00", "2026-01-30 01:00 to 24:00")


def test_west_of_utc_the_first_day_is_lost() -> None:
    days = span("2026-01-01", "2026-01-30", NEW_YORK)
    assert (date_of(days.first_day), date_of(days.last_day)) == ("2026-01-02", "2026-01-30")
    assert days.left_out() == ("2026-01-01 00:00 to 19:00", "2026-01-30 19:00 to 24:00")


def test_in_utc_nothing_is_lost() -> None:
    days = span("2026-01-01", "2026-01-30", UTC)
    assert days.last_day - days.first_day == 29
    assert days.left_out() == ()


def test_what_was_not_asked_for_is_not_called_left_out() -> None:
    days = span("2026-01-01", "2026-01-30", PARIS)
    assert days.left_out(days.first_day, days.last_day) == ()


def test_where_summer_time_begins_between_both_offsets_are_said() -> None:
    days = span("2025-03-29", "2025-04-05", PARIS)
    assert left_out_sentence(days.left_out(), days, PARIS) == (
        "2025-03-29 00:00 to 01:00 and 2025-04-05 02:00 to 24:00 "
        "(your time, UTC+01:00, then UTC+02:00): days are kept by UTC"
    )
    winter = span("2026-01-01", "2026-01-30", PARIS)
    assert "(your time, UTC+01:00)" in left_out_sentence(winter.left_out(), winter, PARIS)


def test_one_local_day_holds_no_whole_utc_day() -> None:
    days = span("2026-01-01", "2026-01-01", PARIS)
    with pytest.raises(UsageError, match="one day more"):
        require_whole_days(days)


def test_midnight_that_the_clock_jumps_over() -> None:
    # In Beirut 2022-03-27 began at 01:00.
    days = span("2022-03-27", "2022-03-28", ZoneInfo("Asia/Beirut"))
    assert days.start_ms == 1_648_332_000_000
    assert date_of(days.first_day) == "2022-03-27"


def test_a_grant_ends_with_its_day() -> None:
    assert end_of_day_s("2026-01-30", PARIS) == end_of_day_s("2026-01-30", UTC) - 3600


@pytest.mark.parametrize("text", ["2026-1-1", "20260101", "2026-02-30", "tomorrow", "1899-12-31"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="YYYY-MM-DD"):
        span(text, None, UTC)


def test_an_end_before_its_beginning_is_refused() -> None:
    with pytest.raises(UsageError, match="after"):
        span("2026-01-02", "2026-01-01", UTC)


def test_open_ends_are_the_first_and_last_day_there_are() -> None:
    days = span(None, None, PARIS)
    assert (days.first_day, days.last_day, days.left_out()) == (0, DAY_MAX, ())


def test_days_in_words() -> None:
    assert days_in_words(UNDATED, UNDATED) == "undated records"
    assert days_in_words(0, DAY_MAX) == "all days"
    assert days_in_words(46_022, 46_022).endswith("(1 day)")


dates = st.dates(datetime.date(1950, 1, 1), datetime.date(2070, 1, 1))


@given(dates, st.integers(0, 400), st.sampled_from(ZONES))
def test_lent_days_lie_inside_and_no_more_would(
    first: datetime.date, length: int, zone: str
) -> None:
    last = first + datetime.timedelta(days=length)
    days = span(first.isoformat(), last.isoformat(), ZoneInfo(zone))
    begin, end = days.start_ms, days.end_ms
    first_ms = start_ms(0) + days.first_day * DAY_MS
    after_ms = start_ms(0) + (days.last_day + 1) * DAY_MS
    assert begin <= first_ms < begin + DAY_MS
    assert end - DAY_MS < after_ms <= end
    touched = days.touched()
    assert start_ms(touched[0]) <= begin
    assert end <= start_ms(touched[1]) + DAY_MS
    assert len(days.left_out()) == (begin != first_ms) + (end != after_ms)
