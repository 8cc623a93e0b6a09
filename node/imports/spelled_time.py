"""Moments as a person or a script writes them: exact, and with the offset that was meant.

    2026-03-01                      the first moment of that day here
    2026-03-01T18:30[:15[.250]]     local time here; a space for the T will do
    2026-03-01T18:30+02:00, …Z      as it says

"Here" is the time zone of the machine, or the one that is given.  A local time that did not exist
(the clock was put forward over it) or came twice (it was put back) is refused with the two offsets
that it could have had: nobody but the writer knows which was meant.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from ...protocol.day import DAY_MAX, TIME_MAX_MS, TIME_MIN_MS, date_of
from ...protocol.errors import RecordError

Zone = datetime.tzinfo | None
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)
_OFFSET_MIN_MAX = 18 * 60
_FORM = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?)"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_YEARS = (1899, int(date_of(DAY_MAX)[:4]) + 1)
_TOO_FAR = f"a time lies from 1900-01-01 to {date_of(DAY_MAX)}"
_WANTED = "a time is 2026-03-01, 2026-03-01T18:30, or with its offset 2026-03-01T18:30+01:00"


@dataclass(frozen=True, slots=True)
class Moment:
    """Milliseconds since 1970, UTC, and how many minutes the writer's clock was ahead of it."""

    t_ms: int
    offset_min: int


def read_moment(text: str, zone: Zone = None) -> Moment:
    """The moment that `text` names.  Raises RecordError."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise RecordError(_WANTED)
    try:
        date = datetime.date.fromisoformat(found["date"])
        time = datetime.time.fromisoformat(_padded(found["time"] or "00:00"))
    except ValueError:
        raise RecordError(f"there is no such time as {text.strip()}") from None
    if not _YEARS[0] <= date.year <= _YEARS[1]:
        raise RecordError(_TOO_FAR)  # the calendar itself ends a little further out
    naive = datetime.datetime.combine(date, time)
    if found["offset"] is not None:
        return _checked(_at_offset(naive, found["offset"]))
    if found["time"] is None:
        return _checked(_first_of_day(naive, zone))
    return _checked(_local(naive, zone))


def moment_here(t_ms: int, zone: Zone = None) -> Moment:
    """A moment with the offset that clocks have here."""
    return _checked(_moment((_EPOCH + t_ms * _MS).astimezone(zone)))


def _padded(time: str) -> str:
    # Python 3.11 takes 3 or 6 digits after the point, and people write .5
    head, point, digits = time.partition(".")
    return f"{head}.{digits:0<3}" if point else head


def _at_offset(naive: datetime.datetime, offset: str) -> datetime.datetime:
    if offset == "Z":
        return naive.replace(tzinfo=datetime.UTC)
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    total = hours * 60 + minutes
    if minutes > 59 or total > _OFFSET_MIN_MAX:
        raise RecordError(f"{offset} is no offset from UTC")
    signed = -total if offset[0] == "-" else total
    return naive.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=signed)))


def _either(naive: datetime.datetime, zone: Zone) -> tuple[datetime.datetime, datetime.datetime]:
    """`naive` as the clock shows it here the first and the second time (PEP 495)."""

    def aware(fold: int) -> datetime.datetime:
        told = naive.replace(fold=fold)
        return told.astimezone() if zone is None else told.replace(tzinfo=zone)

    try:
        return aware(0), aware(1)
    except (OverflowError, ValueError, OSError):
        raise RecordError(_TOO_FAR) from None


def _local(naive: datetime.datetime, zone: Zone) -> datetime.datetime:
    first, second = _either(naive, zone)
    before, after = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert after is not None
    if before == after:
        return first
    # Before a clock is put back its offset is the larger one; over a gap it is the other way round.
    shown = f"{naive:%Y-%m-%d %H:%M}"
    either = f"{_offset_text(before)} or {_offset_text(after)}"
    if before > after:
        raise RecordError(
            f"{shown} came twice here, as the clock was put back: give its offset, {either}"
        )
    raise RecordError(
        f"{shown} was not shown by a clock here, as it was put forward: give a time with its "
        f"offset, {either}"
    )


def _first_of_day(naive: datetime.datetime, zone: Zone) -> datetime.datetime:
    """Where midnight comes twice, the first; where it is left out, the moment of the change."""
    first, _ = _either(naive, zone)
    return (first.astimezone(datetime.UTC)).astimezone(zone)


def _moment(aware: datetime.datetime) -> Moment:
    offset = aware.utcoffset()
    assert offset is not None
    # Offsets of before 1920 have seconds; a record keeps whole minutes of them.
    return Moment((aware - _EPOCH) // _MS, int(offset.total_seconds() // 60))


def _checked(found: Moment | datetime.datetime) -> Moment:
    try:
        moment = found if isinstance(found, Moment) else _moment(found)
    except (OverflowError, ValueError):
        raise RecordError(_TOO_FAR) from None
    if not TIME_MIN_MS <= moment.t_ms <= TIME_MAX_MS:
        raise RecordError(_TOO_FAR)
    return moment


def _offset_text(offset: datetime.timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
