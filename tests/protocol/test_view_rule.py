"""The closed-period rule, case by case: each line of its table, at the edge where it begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entrenous.protocol.day import DAY_MS, UNDATED, day_of_date, start_ms
from entrenous.protocol.schema import CONTACT, TRANSACTION
from entrenous.protocol.view import (
    DayPart,
    Days,
    Kind,
    Known,
    Published,
    Step,
    View,
    is_closed,
    is_whole_change,
    next_step,
    published,
)
from entrenous.protocol.view_path import Every

MARCH = day_of_date("2026-03-01")
SUMS = View("finance/a", TRANSACTION, Kind.PAYMENTS, Every.MONTHLY, "payments", again_days=9)
CLOSED_MS = start_ms(MARCH + 31) + SUMS.late_days * DAY_MS
# So many are told without a person; then the period stays as it is.
VERSIONS_MAX = 8
# When it was told, and the first moment at which it may be told again.
TOLD_MS = CLOSED_MS + 5 * DAY_MS
AGAIN_MS = TOLD_MS + 9 * DAY_MS


def days(*parts: tuple[int, int, int]) -> Days:
    """(day of March, records, what they say) of each day that brings something."""
    return {MARCH + day: DayPart(count, bytes([says])) for day, count, says in parts}


ONE = days((0, 2, 1), (5, 3, 1))
OTHER = days((0, 2, 2), (5, 3, 2))
THIRD = days((0, 2, 3), (5, 3, 3))
ONE_DAY_MORE = days((0, 2, 1), (5, 3, 1), (9, 1, 1))
ONE_DAY_OTHER = days((0, 2, 1), (5, 3, 2))
ONE_DAY_LESS = days((0, 2, 1))
ONE_RECORD_LESS = days((0, 2, 1), (5, 2, 9))
ALL_OTHER_AND_LESS = days((0, 1, 2), (5, 3, 2))
NONE: Days = {}

WHAT_IT_TELLS = [NONE, ONE, OTHER, THIRD, ONE_DAY_MORE, ONE_DAY_OTHER, ONE_DAY_LESS]


def told(of: Days) -> bytes:
    """A digest of the records: here, the days themselves."""
    return repr(sorted(of.items())).encode()


def known(of: Days, *, complete: bool = True, lent: bool = True, released: bool = False) -> Known:
    return Known(of, told(of), complete, lent, released)


def was(*versions: Days, out: bool = False) -> Published:
    return Published(TOLD_MS, told(versions[-1]), versions, out)


FIRST: dict[str, tuple[Known, int, Step]] = {
    "nothing in it": (known(NONE), AGAIN_MS, Step.NOTHING),
    "nothing in it, and not over": (known(NONE, complete=False), 0, Step.NOTHING),
    "closed this moment": (known(ONE), CLOSED_MS, Step.PUBLISH),
    "closed, of nobody": (known(ONE, lent=False), CLOSED_MS, Step.PUBLISH),
    "not closed for a moment more": (known(ONE), CLOSED_MS - 1, Step.WAIT),
    "closed, not complete": (known(ONE, complete=False), AGAIN_MS, Step.WAIT),
    "closed, not complete, let go": (
        known(ONE, complete=False, released=True),
        CLOSED_MS,
        Step.PUBLISH,
    ),
    "not complete, let go before it is closed": (
        known(ONE, complete=False, released=True),
        CLOSED_MS - 1,
        Step.WAIT,
    ),
    "let go before it is closed": (known(ONE, released=True), CLOSED_MS - 1, Step.WAIT),
}


@pytest.mark.parametrize("what", FIRST)
def test_a_period_that_was_never_told(what: str) -> None:
    state, now_ms, step = FIRST[what]
    assert next_step(SUMS, MARCH, state, None, now_ms) is step


# What was told, what is known now, when; and what becomes of it.
AGAIN: dict[str, tuple[Published, Known, int, Step]] = {
    "the same": (was(ONE), known(ONE), AGAIN_MS, Step.KEEP),
    "the same, not complete": (was(ONE), known(ONE, complete=False), AGAIN_MS, Step.KEEP),
    "the same, of nobody": (was(ONE), known(ONE, lent=False), AGAIN_MS, Step.KEEP),
    # every day is another one
    "all of it another": (was(ONE), known(OTHER), AGAIN_MS, Step.PUBLISH),
    "all of it another, too soon": (was(ONE), known(OTHER), AGAIN_MS - 1, Step.WAIT),
    "all of it another, of nobody": (was(ONE), known(OTHER, lent=False), TOLD_MS, Step.PUBLISH),
    "all of it another, let go": (was(ONE), known(OTHER, released=True), TOLD_MS, Step.PUBLISH),
    "all of it another, not complete": (
        was(ONE),
        known(OTHER, complete=False),
        AGAIN_MS,
        Step.WAIT,
    ),
    "all of it another, and a record less": (
        was(ONE),
        known(ALL_OTHER_AND_LESS),
        AGAIN_MS,
        Step.PUBLISH,
    ),
    "all of it another than both before": (was(ONE, OTHER), known(THIRD), AGAIN_MS, Step.PUBLISH),
    "as it was before the last": (was(ONE, OTHER), known(ONE), AGAIN_MS, Step.HOLD),
    "one day as before the last": (was(ONE, OTHER), known(ONE_DAY_OTHER), AGAIN_MS, Step.HOLD),
    "the last version but one that there may be": (
        was(*[OTHER] * (VERSIONS_MAX - 2), ONE),
        known(THIRD),
        AGAIN_MS,
        Step.PUBLISH,
    ),
    "one version too many": (
        was(*[OTHER] * (VERSIONS_MAX - 1), ONE),
        known(THIRD),
        AGAIN_MS,
        Step.HOLD,
    ),
    # a part of it is another one
    "a day more": (was(ONE), known(ONE_DAY_MORE), AGAIN_MS, Step.HOLD),
    "a day more, of nobody": (was(ONE), known(ONE_DAY_MORE, lent=False), TOLD_MS, Step.PUBLISH),
    "a day more, let go": (was(ONE), known(ONE_DAY_MORE, released=True), TOLD_MS, Step.PUBLISH),
    "a day more, let go, not complete": (
        was(ONE),
        known(ONE_DAY_MORE, released=True, complete=False),
        TOLD_MS,
        Step.PUBLISH,
    ),
    "a day another": (was(ONE), known(ONE_DAY_OTHER), AGAIN_MS, Step.HOLD),
    "a day less": (was(ONE), known(ONE_DAY_LESS), TOLD_MS, Step.WITHDRAW),
    "a day less, not complete": (
        was(ONE),
        known(ONE_DAY_LESS, complete=False),
        TOLD_MS,
        Step.WITHDRAW,
    ),
    "a day less, of nobody": (was(ONE), known(ONE_DAY_LESS, lent=False), TOLD_MS, Step.PUBLISH),
    "a day less, not complete, let go": (
        was(ONE),
        known(ONE_DAY_LESS, complete=False, released=True),
        TOLD_MS,
        Step.PUBLISH,
    ),
    "a record less": (was(ONE), known(ONE_RECORD_LESS), TOLD_MS, Step.WITHDRAW),
    "a record less, not complete": (
        was(ONE),
        known(ONE_RECORD_LESS, complete=False),
        TOLD_MS,
        Step.WITHDRAW,
    ),
    "a day less than the last, not than the first": (
        was(ONE_DAY_LESS, ONE),
        known(ONE_RECORD_LESS),
        AGAIN_MS,
        Step.WITHDRAW,
    ),
    "nothing any more": (was(ONE), known(NONE), TOLD_MS, Step.WITHDRAW),
    "nothing any more, not complete": (
        was(ONE),
        known(NONE, complete=False),
        TOLD_MS,
        Step.WITHDRAW,
    ),
    # it was taken out
    "out, and all as it was": (was(ONE, out=True), known(ONE), TOLD_MS, Step.PUBLISH),
    "out, and as it was last": (was(OTHER, ONE, out=True), known(ONE), TOLD_MS, Step.PUBLISH),
    "out, and as it was before that": (
        was(OTHER, ONE, out=True),
        known(OTHER),
        AGAIN_MS,
        Step.HOLD,
    ),
    "out, and as it was, not complete": (
        was(ONE, out=True),
        known(ONE, complete=False),
        AGAIN_MS,
        Step.WAIT,
    ),
    "out, and as it was, not complete, let go": (
        was(ONE, out=True),
        known(ONE, complete=False, released=True),
        TOLD_MS,
        Step.PUBLISH,
    ),
    "out, and nothing": (was(ONE, out=True), known(NONE), AGAIN_MS, Step.KEEP),
    "out, and a day less": (was(ONE, out=True), known(ONE_DAY_LESS), AGAIN_MS, Step.HOLD),
    "out, and a day less, not complete": (
        was(ONE, out=True),
        known(ONE_DAY_LESS, complete=False),
        AGAIN_MS,
        Step.WAIT,
    ),
    "out, and a day less, let go": (
        was(ONE, out=True),
        known(ONE_DAY_LESS, released=True),
        TOLD_MS,
        Step.PUBLISH,
    ),
    "out, and all of it another": (was(ONE, out=True), known(OTHER), AGAIN_MS, Step.PUBLISH),
    "out, and all of it another, too soon": (
        was(ONE, out=True),
        known(OTHER),
        AGAIN_MS - 1,
        Step.WAIT,
    ),
}


@pytest.mark.parametrize("what", AGAIN)
def test_a_period_that_was_told(what: str) -> None:
    before, state, now_ms, step = AGAIN[what]
    assert next_step(SUMS, MARCH, state, before, now_ms) is step


def test_what_is_told_by_other_days_in_the_same_records_is_no_reading_of_it() -> None:
    """Two days that change places give the same sum: the figure stands, and nothing is told."""
    state = replace(known(ONE_DAY_OTHER), told=told(ONE))
    assert next_step(SUMS, MARCH, state, was(ONE), AGAIN_MS) is Step.KEEP
    assert next_step(SUMS, MARCH, state, was(ONE, out=True), AGAIN_MS) is Step.HOLD


def test_what_has_no_period_is_always_closed() -> None:
    names = View("a/b", CONTACT, Kind.FIELDS, Every.UNDATED, "names", fields=("name",))
    assert is_closed(Every.UNDATED, UNDATED, names.late_days, 0)
    assert next_step(names, UNDATED, known(ONE), None, 0) is Step.PUBLISH
    assert is_closed(Every.DAILY, MARCH, 1, start_ms(MARCH + 2))
    assert not is_closed(Every.DAILY, MARCH, 1, start_ms(MARCH + 2) - 1)


def test_what_is_remembered_of_what_was_told() -> None:
    assert published(known(ONE), None, 5) == Published(5, told(ONE), (ONE,))
    assert published(known(OTHER), was(ONE), 5) == Published(5, told(OTHER), (ONE, OTHER))
    # nobody was granted it, so nobody has read what was there
    assert published(known(OTHER, lent=False), was(ONE), 5) == Published(5, told(OTHER), (OTHER,))
    # what stood there before stands there again: no version more
    again = published(known(OTHER), was(ONE, OTHER, out=True), 5)
    assert again == Published(5, told(OTHER), (ONE, OTHER))
    # the same sum of other days is another version, and so is another sum of the same days
    moved = replace(known(ONE_DAY_OTHER), told=told(ONE))
    assert published(moved, was(ONE), 5).versions == (ONE, ONE_DAY_OTHER)
    ruled = replace(known(ONE), told=b"by another rule")
    assert published(ruled, was(ONE), 5) == Published(5, b"by another rule", (ONE, ONE))


def test_as_many_versions_are_remembered_as_may_be_told_without_a_person() -> None:
    before = was(*[OTHER] * (VERSIONS_MAX - 1))
    assert published(known(ONE), before, 5).versions == (*before.versions, ONE)
    full = was(ONE, *[OTHER] * (VERSIONS_MAX - 1))
    assert published(known(THIRD), full, 5).versions == (*full.versions[1:], THIRD)


@pytest.mark.parametrize("before", WHAT_IT_TELLS)
@pytest.mark.parametrize("after", WHAT_IT_TELLS)
def test_a_change_is_whole_if_no_day_is_as_it_was(before: Days, after: Days) -> None:
    """A day that brings something only before, or only after, is another one."""
    both = set(before) & set(after)
    assert is_whole_change(before, after) is all(before[day] != after[day] for day in both)
