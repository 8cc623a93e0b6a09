"""A person's days and the days of the protocol.

A person says "from the 1st to the 30th" and means the days of the place where they live.  Pages
are kept, keyed and lent by UTC days.  The two meet here, in one direction each:

    lending     the UTC days that lie wholly inside: never an hour more than was meant, and what
                that leaves out at either end is said
    looking     (one's own records) every UTC day that is touched, then cut to the hour

A zone is a `tzinfo`, or None for the one that this machine is set to.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from ...protocol.day import DAY_MAX, DAY_MS, UNDATED, date_of, day_of_date, start_ms
from ...protocol.errors import RecordError
from ..errors import UsageError

Zone = datetime.tzinfo | None
UTC = datetime.UTC
_LAST_MOMENT_MS = start_ms(DAY_MAX) + DAY_MS


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a span of local days.

    `moment_ms` is where it lies; `day` the first (or last) UTC day wholly inside; `left_out` says,
    in the person's own time, which hours between the two are not lent, None for none.
    """

    moment_ms: int
    day: int
    left_out: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """Local days from one bound to another; an end that was not given is None."""

    first: Bound | None
    last: Bound | None

    @property
    def first_day(self) -> int:
        return 0 if self.first is None else self.first.day

    @property
    def last_day(self) -> int:
        return DAY_MAX if self.last is None else self.last.day

    @property
    def start_ms(self) -> int:
        return start_ms(0) if self.first is None else self.first.moment_ms

    @property
    def end_ms(self) -> int:
        return _LAST_MOMENT_MS if self.last is None else self.last.moment_ms

    def left_out(self, first: int = 0, last: int = DAY_MAX) -> tuple[str, ...]:
        """The hours lost at either end, as far as days `first … last` would have held them."""
        lost: list[str] = []
        if self.first is not None and self.first.left_out and first < self.first.day:
            lost.append(self.first.left_out)
        if self.last is not None and self.last.left_out and self.last.day < last:
            lost.append(self.last.left_out)
        return tuple(lost)

    def touched(self) -> tuple[int, int]:
        """The first and last UTC day of which any part lies inside."""
        return _day_under(self.start_ms), _day_under(self.end_ms - 1)


def span(first: str | None, last: str | None, zone: Zone) -> Span:
    """The local days `first` to `last` (YYYY-MM-DD, both included) in `zone`.

    Raises UsageError for what is no date, and for an end before its beginning.
    """
    if first is not None and last is not None and _date(last) < _date(first):
        raise UsageError("--from is after --to")
    return Span(_opening(first, zone), _closing(last, zone))


def require_whole_days(days: Span) -> None:
    """Raise UsageError unless at least one whole UTC day lies inside."""
    if days.first_day > days.last_day:
        raise UsageError(
            "no whole UTC day lies inside these days of your time zone, and data is lent by UTC "
            "days: choose one day more, or give UTC days with --utc"
        )


def end_of_day_s(date: str, zone: Zone) -> int:
    """The second at which the local day `date` ends.  Raises UsageError."""
    return _midnight_ms(_date(date) + datetime.timedelta(days=1), zone) // 1000


def days_in_words(first: int, last: int) -> str:
    """UTC days as dates: `2026-01-01 to 2026-01-30 (30 days)`."""
    if first == UNDATED:
        return "undated records"
    if first <= 0 and last >= DAY_MAX:
        return "all days"
    if first == last:
        return f"{date_of(first)} (1 day)"
    return f"{date_of(first)} to {date_of(last)} ({last - first + 1:,} days)"


def moment(t_ms: int, zone: Zone = None) -> str:
    """A moment in local time, to the minute."""
    return _local(t_ms, zone).strftime("%Y-%m-%d %H:%M")


def zone_in_words(t_ms: int, zone: Zone) -> str:
    """`UTC+01:00`: how far local time is from UTC at that moment."""
    offset = _local(t_ms, zone).strftime("%z")
    return "UTC" if offset in ("", "+0000") else f"UTC{offset[:3]}:{offset[3:5]}"


def _opening(date: str | None, zone: Zone) -> Bound | None:
    if date is None:
        return None
    at = _midnight_ms(_date(date), zone)
    day = _day_under(at + DAY_MS - 1)
    return Bound(at, day, _hours(at, _start(day), zone))


def _closing(date: str | None, zone: Zone) -> Bound | None:
    if date is None:
        return None
    at = _midnight_ms(_date(date) + datetime.timedelta(days=1), zone)
    day = _day_under(at) - 1
    return Bound(at, day, _hours(_start(day + 1), at, zone))


def _hours(start: int, end: int, zone: Zone) -> str | None:
    """`2026-01-30 01:00 to 24:00`, or None for nothing."""
    if start >= end:
        return None
    first, last = _local(start, zone), _local(end, zone)
    until = last.strftime("%H:%M")
    if until == "00:00":
        last, until = last - datetime.timedelta(days=1), "24:00"
    if first.date() != last.date():
        until = f"{last:%Y-%m-%d} {until}"
    return f"{first:%Y-%m-%d %H:%M} to {until}"


def _date(text: str) -> datetime.date:
    try:
        day_of_date(text)
    except RecordError as error:
        raise UsageError(str(error)) from error
    return datetime.date.fromisoformat(text)


def _midnight_ms(date: datetime.date, zone: Zone) -> int:
    """The first moment of a local day.  Where a clock is put forward over midnight, that is the
    moment at which it is; where midnight comes twice, the first."""
    naive = datetime.datetime.combine(date, datetime.time())
    aware = naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
    return round(aware.timestamp() * 1000)


def _local(t_ms: int, zone: Zone) -> datetime.datetime:
    at = datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(milliseconds=t_ms)
    return at.astimezone(zone)


def _start(day: int) -> int:
    return start_ms(0) + day * DAY_MS


def _day_under(t_ms: int) -> int:
    return (t_ms - start_ms(0)) // DAY_MS
