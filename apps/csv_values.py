"""Dates and amounts of a whole column: what they say is decided once, by all cells together.

One cell reads two ways (`03/04/2026`, `1,234`); a column seldom does, because somewhere in it is a
31st or an amount with two decimals.  So a column is asked which readings fit *all* of its cells.
One that fits is the answer; two that fit and give the same values are one; two that give different
values are no answer, and then a person is asked.

What is never ambiguous: a year first; points between day and month (no calendar puts the month
before a point); a month by its name.  A clock time without an offset is taken for UTC.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ..protocol.reading import Decimal, decimal_of, shortest

Cell = tuple[int, str]
"""(line, text)"""


class Unclear(Exception):
    """Two readings fit, with different values.  `line` and `text` of one such cell."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(line, text)
        self.line, self.text = line, text


class Unfit(Exception):
    """No reading fits.  `line` and `text` of the first cell that does not."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(line, text)
        self.line, self.text = line, text


# --- dates ----------------------------------------------------------------------------------------

_CLOCK = (
    r"(?:(?:[ T]|, )(?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})"
    r"(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    r" ?(?P<zone>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_YEAR_FIRST = re.compile(
    rf"(?P<y>[0-9]{{4}})(?P<sep>[-/.])(?P<m>[0-9]{{1,2}})(?P=sep)(?P<d>[0-9]{{1,2}})\.?{_CLOCK}"
)
_COMPACT = re.compile(rf"(?P<y>[0-9]{{4}})(?P<m>[0-9]{{2}})(?P<d>[0-9]{{2}}){_CLOCK}")
_NUMBERS = re.compile(
    rf"(?P<a>[0-9]{{1,2}})(?P<sep>[-/.])(?P<b>[0-9]{{1,2}})(?P=sep)(?P<y>[0-9]{{4}}|[0-9]{{2}}){_CLOCK}"
)
_NAMED = re.compile(
    rf"(?:(?P<d>[0-9]{{1,2}})[ -](?P<name>[A-Za-z]{{3,9}})"
    rf"|(?P<name2>[A-Za-z]{{3,9}}) (?P<d2>[0-9]{{1,2}}),?)"
    rf"[ -](?P<y>[0-9]{{4}}|[0-9]{{2}}){_CLOCK}"
)
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip  # twelve words
_EPOCH = datetime.datetime(1970, 1, 1)
_TURN_OF_CENTURY = 80
_OFFSET_MINUTES_MAX = 14 * 60

Moment = tuple[int, int]
"""(UTC milliseconds, offset in minutes)"""


def date_of(text: str, day_first: bool | None) -> Moment | None:
    """The moment that `text` spells, or None.  With `day_first` None, only what reads one way."""
    for pattern in (_YEAR_FIRST, _COMPACT):
        if match := pattern.fullmatch(text):
            return _moment(match, match["y"], match["m"], match["d"])
    if match := _NAMED.fullmatch(text):
        name = (match["name"] or match["name2"]).lower()
        for number, month in enumerate(_MONTHS, start=1):
            if name in (month, month[:3]) or (name == "sept" and number == 9):
                return _moment(match, match["y"], str(number), match["d"] or match["d2"])
        return None
    match = _NUMBERS.fullmatch(text)
    if match is None:
        return None
    if match["sep"] == ".":
        return _moment(match, match["y"], match["b"], match["a"])
    if day_first is None:
        return None
    day, month = (match["a"], match["b"]) if day_first else (match["b"], match["a"])
    return _moment(match, match["y"], month, day)


def looks_like_date(text: str) -> bool:
    """Whether `text` has the form of a date, on no matter which day."""
    return any(p.fullmatch(text) for p in (_YEAR_FIRST, _COMPACT, _NUMBERS, _NAMED))


def order_of(cells: Iterable[Cell]) -> bool | None:
    """Whether the day comes first in dates that have two orders; None if none of them has.

    Raises Unclear, Unfit.
    """
    both: list[tuple[int, str]] = []
    first: set[bool] = {True, False}
    for line, text in cells:
        if date_of(text, None) is not None:
            continue
        readings = {order: date_of(text, order) for order in (True, False)}
        fits = {order for order, moment in readings.items() if moment is not None}
        if not fits or not first & fits:
            raise Unfit(line, text)
        first &= fits
        two_digits = _NUMBERS.fullmatch(text)
        short = two_digits is not None and len(two_digits["y"]) == 2 and two_digits["sep"] == "-"
        # 23-01-15 has a third reading, year first, that no other cell can rule out.
        if readings[True] != readings[False] or short:
            both.append((line, text))
        if short:
            raise Unclear(line, text)
    if len(first) == 1:
        return first.pop()
    if both:
        raise Unclear(*both[0])
    return True if first else None


def _moment(match: re.Match[str], year: str, month: str, day: str) -> Moment | None:
    number = int(year)
    if len(year) == 2:
        number += 1900 if number >= _TURN_OF_CENTURY else 2000
    try:
        local = datetime.datetime(
            number,
            int(month),
            int(day),
            int(match["H"] or 0),
            int(match["M"] or 0),
            int(match["S"] or 0),
        )
    except ValueError:
        return None
    offset_min = 0
    if (zone := match["zone"]) and zone not in ("Z", "UTC", "GMT"):
        digits = zone[1:].replace(":", "")
        offset_min = int(digits[:2]) * 60 + int(digits[2:])
        if offset_min > _OFFSET_MINUTES_MAX or int(digits[2:]) > 59:
            return None
        offset_min = -offset_min if zone[0] == "-" else offset_min
    milliseconds = int((match["f"] or "0").ljust(3, "0")[:3])
    local_ms = (local - _EPOCH) // datetime.timedelta(milliseconds=1) + milliseconds
    return local_ms - offset_min * 60_000, offset_min


# --- amounts --------------------------------------------------------------------------------------


class Mark(Enum):
    """What stands before the decimals."""

    COMMA = "comma"
    POINT = "point"


_BLANKS = "[ \u00a0\u202f\u2009]"


def _form(mark: str, other: str) -> re.Pattern[str]:
    """Digits in one piece, or in threes with one and the same sign between; then decimals."""
    group = rf"(?P<group>{other}|{_BLANKS}|['\u2019])"
    whole = rf"[1-9][0-9]{{0,2}}{group}[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*|[0-9]+"
    return re.compile(rf"(?P<whole>{whole})?(?:{mark}(?P<decimals>[0-9]*))?")


_FORMS: Final = {Mark.COMMA: _form(",", r"\."), Mark.POINT: _form(r"\.", ",")}
_SIGNS: Final = str.maketrans({"\u2212": "-", "\u2013": "-", "\ufe63": "-", "\uff0d": "-"})
_MONEY = re.compile(
    # Without the blanks beside it: a cell full of them would be tried in the square of its length.
    r"(?:[A-Z]{3}|[€$£¥])(?P<after>.*)|(?P<before>.*)(?:[A-Z]{3}|[€$£¥])"
)
SYMBOLS: Final = {"€": "EUR", "£": "GBP"}


@dataclass(frozen=True, slots=True)
class _Digits:
    negative: bool
    text: str


def _bare(text: str) -> _Digits:
    """`text` without sign, brackets and currency."""
    text = text.translate(_SIGNS).strip()
    negative = False
    if text.startswith("(") and text.endswith(")"):
        negative, text = True, text[1:-1].strip()
    for _ in range(2):  # -€5 and €-5
        if text[:1] in ("-", "+"):
            negative ^= text[0] == "-"
            text = text[1:].strip()
        if match := _MONEY.fullmatch(text):
            text = (match["after"] if match["after"] is not None else match["before"]).strip()
    if text[-1:] in ("-", "+"):
        negative ^= text[-1] == "-"
        text = text[:-1].strip()
    return _Digits(negative, text)


def amount_of(text: str, mark: Mark) -> Decimal | None:
    """The exact number that `text` spells with `mark`; None if it spells none."""
    bare = _bare(text)
    match = _FORMS[mark].fullmatch(bare.text)
    if match is None or not (match["whole"] or match["decimals"]):
        return None
    whole = "".join(c for c in match["whole"] or "0" if c.isdigit())
    amount = decimal_of(f"{whole}.{match['decimals'] or ''}")
    if amount is None:
        return None
    return (-amount[0], amount[1]) if bare.negative else amount


def mark_of(cells: Sequence[Cell]) -> Mark:
    """Which mark the amounts of a column have.  Raises Unclear, Unfit."""
    fits = set(Mark)
    differing: Cell | None = None
    for line, text in cells:
        comma, point = (amount_of(text, mark) for mark in (Mark.COMMA, Mark.POINT))
        if comma is not None and point is not None:
            if differing is None and shortest(comma) != shortest(point):
                differing = (line, text)
            continue
        fits &= {
            m for m, amount in ((Mark.COMMA, comma), (Mark.POINT, point)) if amount is not None
        }
        if not fits:
            raise Unfit(line, text)
    if len(fits) == 2 and differing is not None:
        raise Unclear(*differing)
    return Mark.POINT if Mark.POINT in fits else Mark.COMMA


def symbol_of(text: str) -> str:
    """The currency whose sign stands at an amount; nothing for $, which is that of twenty."""
    return next((code for sign, code in SYMBOLS.items() if sign in text), "")
