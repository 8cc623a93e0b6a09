"""Paths and days: one spelling, no clamping."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.protocol.collection import check_domain, check_path
from entrenous.protocol.day import (
    DAY_MAX,
    TIME_MAX_MS,
    TIME_MIN_MS,
    UNDATED,
    check_day,
    date_of,
    day_of,
    day_of_date,
    month_of,
    start_ms,
)
from entrenous.protocol.errors import RecordError


@pytest.mark.parametrize(
    "path", ["a", "energy/electricity/load-curve", "a/b/c/d/e/f", "/".join(["x" * 32] * 6), "-/0"]
)
def test_paths(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/", "a/", "/a", "a//b", "a/b/c/d/e/f/g", "x" * 33, "A", "a b", "a\n", "é", "a/..", "a_b"],
)
def test_what_is_not_a_path(path: str) -> None:
    with pytest.raises(RecordError, match="a collection is"):
        check_path(path)


def test_a_collection_begins_with_a_domain() -> None:
    assert check_domain("energy/gas") == "energy/gas"
    with pytest.raises(RecordError, match="begins with"):
        check_domain("secrets/gas")
    with pytest.raises(RecordError, match="begins with"):
        check_domain("energy-2/gas")


def test_the_days_that_formats_names() -> None:
    assert day_of(0) == 25_567
    assert day_of_date("1900-01-01") == 0
    assert date_of(0) == "1900-01-01"
    assert date_of(25_567) == "1970-01-01"
    assert day_of(-1) == 25_566
    assert day_of(TIME_MIN_MS) == 0
    assert day_of(TIME_MAX_MS) == DAY_MAX == 65_534
    assert date_of(UNDATED) == "undated"
    assert start_ms(25_568) == 86_400_000


@given(st.integers(TIME_MIN_MS, TIME_MAX_MS))
def test_a_moment_lies_in_its_day(t_ms: int) -> None:
    day = day_of(t_ms)
    assert start_ms(day) <= t_ms < start_ms(day) + 86_400_000
    assert day_of_date(date_of(day)) == day
    utc = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=t_ms)
    assert date_of(day) == utc.date().isoformat()
    assert month_of(day) == (utc.year - 1900) * 12 + utc.month - 1


@pytest.mark.parametrize("t_ms", [TIME_MIN_MS - 1, TIME_MAX_MS + 1, 2**63])
def test_a_moment_outside_is_refused(t_ms: int) -> None:
    with pytest.raises(RecordError, match="a time must lie"):
        day_of(t_ms)


@pytest.mark.parametrize(
    "text", ["", "20260101", "2026-W01-1", "2026-1-1", "2026-02-30", "1899-12-31", "2079-06-07"]
)
def test_a_date_has_one_spelling(text: str) -> None:
    with pytest.raises(RecordError, match="a date is"):
        day_of_date(text)


def test_undated_is_a_place_of_its_own() -> None:
    assert month_of(UNDATED) == UNDATED != month_of(DAY_MAX)
    with pytest.raises(RecordError):
        start_ms(UNDATED)
    for day in (-1, UNDATED + 1):
        with pytest.raises(RecordError):
            check_day(day)
        with pytest.raises(RecordError):
            date_of(day)
