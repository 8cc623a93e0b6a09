"""Days: the numbers under which pages are kept, keyed and granted.

Day 0 is 1900-01-01 UTC, day 65 534 the last; 65 535 is not a day but the place of what has none
(contacts, contracts).  A moment before day 0 or after the last is refused, never clamped: it would
be read under another day's key.

Source: formats.md, "Where keys come from".
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Final

from ..crypto import key_tree
from .errors import RecordError

__all__ = [
    "DAY_MAX",
    "DAY_MS",
    "TIME_MAX_MS",
    "TIME_MIN_MS",
    "UNDATED",
    "check_day",
    "date_of",
    "day_of",
    "day_of_date",
    "month_of",
    "start_ms",
]

DAY_MS = 86_400_000
UNDATED: Final[int] = key_tree.UNDATED
DAY_MAX: Final[int] = UNDATED - 1
# Days from 1900-01-01 to 1970-01-01.
_EPOCH_DAY = 25_567
_FIRST_ORDINAL = datetime.date(1900, 1, 1).toordinal()
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

TIME_MIN_MS = -_EPOCH_DAY * DAY_MS
TIME_MAX_MS = (DAY_MAX - _EPOCH_DAY + 1) * DAY_MS - 1


def day_of(t_ms: int) -> int:
    """The day in which the moment `t_ms` (milliseconds since 1970, UTC) lies.

    Raises RecordError for a moment that lies in none.
    """
    if not TIME_MIN_MS <= t_ms <= TIME_MAX_MS:
        raise RecordError(f"a time must lie from 1900-01-01 to {date_of(DAY_MAX)}")
    return t_ms // DAY_MS + _EPOCH_DAY


def start_ms(day: int) -> int:
    """The first millisecond of `day`.  Raises RecordError for UNDATED, which has none."""
    if not 0 <= day <= DAY_MAX:
        raise RecordError("what is undated has no first moment")
    return (day - _EPOCH_DAY) * DAY_MS


def check_day(day: int) -> int:
    """Return `day` if it is one, or UNDATED.  Raises RecordError."""
    if not 0 <= day <= UNDATED:
        raise RecordError(f"a day is a number from 0 to {UNDATED}")
    return day


def day_of_date(text: str) -> int:
    """The day that `text` (YYYY-MM-DD, in that one spelling) names.  Raises RecordError."""
    try:
        # fromisoformat alone also takes 20260101 and week dates: two names for one day
        date = datetime.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        date = None
    day = -1 if date is None else date.toordinal() - _FIRST_ORDINAL
    if not 0 <= day <= DAY_MAX:
        raise RecordError(f"a date is YYYY-MM-DD, from 1900-01-01 to {date_of(DAY_MAX)}")
    return day


def date_of(day: int) -> str:
    """`day` as YYYY-MM-DD, or `undated`.  Raises RecordError."""
    if check_day(day) == UNDATED:
        return "undated"
    return datetime.date.fromordinal(day + _FIRST_ORDINAL).isoformat()


@lru_cache(maxsize=8192)
def month_of(day: int) -> int:
    """The month of `day`, counted from 0 = January 1900; UNDATED is a month of its own."""
    if check_day(day) == UNDATED:
        return UNDATED
    date = datetime.date.fromordinal(day + _FIRST_ORDINAL)
    return (date.year - 1900) * 12 + date.month - 1
