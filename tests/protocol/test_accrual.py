"""Accruals: what both sides count, held against a second, slower way of counting."""

from __future__ import annotations

import datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.protocol.accrual import Entry, SignedWindow, accrued, month_later_ms
from entrenous.protocol.cid import cid_of
from entrenous.protocol.day import DAY_MS, UNDATED, day_of
from entrenous.protocol.remuneration import Per, Remuneration

NEVER = 2**53 * 1000


def ms(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp() * 1000)


def days_of(entries: tuple[Entry, ...]) -> list[str]:
    return [
        datetime.datetime.fromtimestamp(one.t_ms / 1000, datetime.UTC).isoformat()[:16]
        for one in entries
    ]


NOW = ms("2026-06-15T12:00")
MONTHLY = Remuneration(250, "EUR", Per.MONTH)


def test_months_begin_on_the_day_of_the_acceptance_or_on_the_last_of_a_short_month() -> None:
    found = accrued(
        MONTHLY, (), accepted_ms=ms("2026-01-31T18:30"), end_ms=NEVER, now_ms=ms("2026-06-15T12:00")
    )
    assert days_of(found) == [
        "2026-01-31T18:30", "2026-02-28T00:00", "2026-03-31T00:00", "2026-04-30T00:00",
        "2026-05-31T00:00",
    ]  # fmt: skip  # a list
    assert all(one.amount_minor == 250 and one.receipt is None for one in found)


@pytest.mark.parametrize(
    ("end", "months"),
    [("2026-02-28T00:00", 1), ("2026-02-28T00:01", 2), ("2026-01-31T18:30", 0),
     ("2026-01-31T18:31", 1)],
)  # fmt: skip  # a table
def test_a_month_counts_only_if_it_began_before_the_end(end: str, months: int) -> None:
    found = accrued(MONTHLY, (), accepted_ms=ms("2026-01-31T18:30"), end_ms=ms(end), now_ms=NOW)
    assert len(found) == months


def test_what_was_never_accepted_costs_nothing() -> None:
    for per in (Per.ONCE, Per.MONTH):
        terms = Remuneration(250, "EUR", per)
        assert accrued(terms, (), accepted_ms=None, end_ms=NEVER, now_ms=NOW) == ()
        assert accrued(terms, (), accepted_ms=NOW + 1, end_ms=NEVER, now_ms=NOW) == ()


def test_once_is_once() -> None:
    once = Remuneration(250, "EUR", Per.ONCE)
    found = accrued(once, (), accepted_ms=NOW - 400 * DAY_MS, end_ms=NEVER, now_ms=NOW)
    assert found == (Entry(NOW - 400 * DAY_MS, 1, 250, None),)


def test_months_end_with_the_calendar() -> None:
    assert month_later_ms(ms("2026-01-31T10:00"), 12 * 9000) is None
    assert month_later_ms(ms("2024-02-29T10:00"), 12) == ms("2025-02-28T00:00")


@pytest.mark.parametrize(
    ("accepted", "months", "begins"),
    [
        ("2026-01-30", 1, "2026-02-28"),
        ("2026-01-28", 1, "2026-02-28"),
        ("2024-01-30", 1, "2024-02-29"),
        ("2024-01-30", 2, "2024-03-30"),
        ("2025-12-31", 1, "2026-01-31"),
        ("2026-11-30", 1, "2026-12-30"),
        ("2026-11-30", 3, "2027-02-28"),
        ("1970-01-01", 1, "1970-02-01"),
    ],
)
def test_a_month_later_is_the_same_day_or_the_last(accepted: str, months: int, begins: str) -> None:
    for time in ("T00:00", "T23:59"):
        assert month_later_ms(ms(accepted + time), months) == ms(begins + "T00:00")


def test_the_last_month_of_the_calendar_is_one() -> None:
    accepted = ms("9998-11-30T10:00")
    assert month_later_ms(accepted, 13) == ms("9999-12-30T00:00")
    assert month_later_ms(accepted, 14) is None


def test_what_happens_this_moment_counts_and_what_happens_at_the_end_does_not() -> None:
    once = Remuneration(250, "EUR", Per.ONCE)
    read = Remuneration(250, "EUR", Per.READ)
    window = SignedWindow(cid_of(b"a"), cid_of(b"1"), NOW, 46_000, 46_000)
    for terms, windows_ in ((once, ()), (read, (window,))):
        found = accrued(terms, windows_, accepted_ms=NOW, end_ms=NEVER, now_ms=NOW)
        assert [one.t_ms for one in found] == [NOW]
        early = accrued(terms, windows_, accepted_ms=NOW, end_ms=NEVER, now_ms=NOW - 1)
        ended = accrued(terms, windows_, accepted_ms=NOW, end_ms=NOW, now_ms=NOW)
        assert early == ended == ()
        assert accrued(terms, windows_, accepted_ms=NOW, end_ms=NOW + 1, now_ms=NOW) == found


def test_a_cap_cuts_the_entry_that_passes_it_and_ends_what_is_counted() -> None:
    terms = Remuneration(100, "EUR", Per.READ, 250)
    reads = [SignedWindow(cid_of(b"%d" % n), cid_of(b"i%d" % n), NOW + n, 1, 1) for n in range(5)]
    found = accrued(terms, reads, accepted_ms=None, end_ms=NEVER, now_ms=NOW + 9)
    assert [(one.t_ms - NOW, one.count, one.amount_minor) for one in found] == [
        (0, 1, 100),
        (1, 1, 100),
        (2, 1, 50),
    ]
    exact = accrued(
        Remuneration(100, "EUR", Per.READ, 200),
        reads,
        accepted_ms=None,
        end_ms=NEVER,
        now_ms=NOW + 9,
    )
    assert [one.amount_minor for one in exact] == [100, 100]


# --- reads and days, against a model --------------------------------------------------------------


@st.composite
def windows(draw: st.DrawFn) -> list[SignedWindow]:
    found: list[SignedWindow] = []
    for number in range(draw(st.integers(0, 12))):
        first = draw(st.integers(46_000, 46_020) | st.just(UNDATED))
        last = first if first == UNDATED else first + draw(st.integers(0, 9))
        t_ms = NOW - draw(st.integers(0, 40)) * DAY_MS // 2
        inv = cid_of(bytes([draw(st.integers(0, 4))]))
        found.append(SignedWindow(cid_of(b"%d" % number), inv, t_ms, first, last))
    return found


def model(terms: Remuneration, found: list[SignedWindow], end_ms: int, now_ms: int) -> int:
    """What is owed, counted event by event."""
    counted = [one for one in found if one.t_ms < end_ms and one.t_ms <= now_ms]
    if terms.per is Per.READ:
        events = len({one.inv for one in counted})
    else:
        events = len(
            {
                day
                for one in counted
                for day in range(one.first, one.last + 1)
                if day == UNDATED or day <= day_of(one.t_ms)
            }
        )
    owed = Fraction(events * terms.amount_minor)
    return int(owed if terms.cap_minor is None else min(owed, terms.cap_minor))


@settings(max_examples=200)
@given(
    windows(),
    st.sampled_from([Per.READ, Per.WINDOW_DAY]),
    st.integers(1, 500),
    st.none() | st.integers(0, 40),
    st.integers(0, 40),
    st.randoms(use_true_random=False),
)
def test_reads_and_days_are_counted_as_the_model_counts(
    found: list[SignedWindow],
    per: Per,
    amount: int,
    cap_times: int | None,
    ago: int,
    random: object,
) -> None:
    terms = Remuneration(
        amount, "EUR", per, None if cap_times is None else amount * (cap_times + 1)
    )
    end_ms = NOW - ago * DAY_MS // 2
    entries = accrued(terms, found, accepted_ms=None, end_ms=end_ms, now_ms=NOW)
    assert sum(one.amount_minor for one in entries) == model(terms, found, end_ms, NOW)
    assert [one.t_ms for one in entries] == sorted(one.t_ms for one in entries)
    receipts = [one.receipt for one in entries]
    assert len(set(receipts)) == len(receipts)
    # in whatever order they were logged, and however often one is told
    shuffled = list(found) + found[:3]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' own Random
    again = accrued(terms, shuffled, accepted_ms=None, end_ms=end_ms, now_ms=NOW)
    assert again == entries


def test_a_day_that_had_not_begun_is_not_counted_and_counts_when_it_is_read_later() -> None:
    terms = Remuneration(1, "EUR", Per.WINDOW_DAY)
    today = day_of(NOW)
    early = SignedWindow(cid_of(b"a"), cid_of(b"1"), NOW, today - 1, today + 5)
    late = SignedWindow(cid_of(b"b"), cid_of(b"2"), NOW + 3 * DAY_MS, today - 1, today + 5)
    found = accrued(terms, (early, late), accepted_ms=None, end_ms=NEVER, now_ms=NOW + 4 * DAY_MS)
    assert [one.count for one in found] == [2, 3]
