"""Days and months of the place where a person lives.

A month of a budget is a month on the wall calendar.  A moment belongs to the day that clocks showed
there then; a *date alone*, which is what most banks write, came as midnight in its own offset, and
stays that date wherever one reads it: in New York a payment of the 1st is not one of the 31st.
"""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..protocol.day import DAY_MS
from .text import quoted

Zone = datetime.tzinfo | None
"""None is the zone that this machine is set to."""

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_EPOCH_DATE = _EPOCH.date()
_ONE = datetime.timedelta(days=1)


def zone_named(name: str | None) -> Zone:
    """The zone `Europe/Paris`.  Raises ValueError if there is none of that name here."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"there is no time zone {quoted(name)} here; one is Europe/Paris"
        ) from None


def local(t_ms: int, zone: Zone) -> datetime.datetime:
    """What clocks showed at a moment."""
    return (_EPOCH + datetime.timedelta(milliseconds=t_ms)).astimezone(zone)


def date_of_record(t_ms: int, offset_min: int, zone: Zone) -> datetime.date:
    """The day of a record: as written where its source wrote a date alone, else the local one."""
    day, rest = divmod(t_ms + offset_min * 60_000, DAY_MS)
    if rest == 0:
        return _EPOCH_DATE + day * _ONE
    return local(t_ms, zone).date()


def midnight_ms(date: datetime.date, zone: Zone) -> int:
    """The first moment of a local day; where midnight comes twice, the first."""
    naive = datetime.datetime.combine(date, datetime.time())
    aware = naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
    return round(aware.timestamp() * 1000)


def zone_in_words(t_ms: int, zone: Zone) -> str:
    """`Europe/Paris`, or how far this machine's time is from UTC: `UTC+01:00`."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    offset = local(t_ms, zone).strftime("%z")
    return "UTC" if offset in ("", "+0000") else f"UTC{offset[:3]}:{offset[3:5]}"


def month_of(date: datetime.date) -> str:
    """`2026-10`."""
    return f"{date.year:04}-{date.month:02}"


def first_of(month: str) -> datetime.date:
    """The first day of `2026-10`.  Raises ValueError for what is no month."""
    if len(month) != 7 or month[4] != "-" or not (month[:4] + month[5:]).isdecimal():
        raise ValueError(f"{quoted(month)} is no month; one is 2026-10")
    try:
        return datetime.date(int(month[:4]), int(month[5:]), 1)
    except ValueError:
        raise ValueError(f"{quoted(month)} is no month; one is 2026-10") from None


def months_later(month: str, count: int) -> str:
    """The month `count` months after (or before) another."""
    first = first_of(month)
    year, number = divmod(first.year * 12 + first.month - 1 + count, 12)
    return f"{year:04}-{number + 1:02}"


def last_of(month: str) -> datetime.date:
    """The last day of a month."""
    return first_of(months_later(month, 1)) - _ONE


def date_named(text: str) -> datetime.date:
    """`2026-10-31`.  Raises ValueError."""
    try:
        if len(text) != 10:
            raise ValueError(text)
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is no day; one is 2026-10-31") from None


def in_words(month: str) -> str:
    """`October 2026`."""
    return f"{_MONTHS[int(month[5:]) - 1]} {month[:4]}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip  # a list of words
