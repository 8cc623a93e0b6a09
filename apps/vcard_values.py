"""The values of a vCard: parted, unescaped, and said as a contact says them.

The versions differ in their escapes: `version` is that of the card, `2.1`, `3.0` or `4.0`.  What is
no date, no revision or no label that is known stays as it was said, or is nothing; nothing here
refuses.

Source: versit's vCard 2.1; RFC 2426; RFC 6350, RFC 6474.
"""

from __future__ import annotations

import re
from typing import Final

from .content_lines import Line

_APPLE_LABEL = re.compile(r"_\$!<(.*)>!\$_")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DATE = re.compile(
    r"(?:(?P<y>[0-9]{4})(?:-?(?P<m>[0-9]{2})-?(?P<d>[0-9]{2})|-(?P<ym>[0-9]{2}))?"
    r"|--(?P<pm>[0-9]{2})(?:-?(?P<pd>[0-9]{2}))?|---(?P<od>[0-9]{2}))(?:[T ].*)?"
)
_REVISION = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})"
    r"(?:[T ]([0-9]{2}):?([0-9]{2}):?([0-9]{2})(?:[.,][0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_NO_YEAR: Final = "1604"
_DAYS_OF: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def split_at(value: str, at: str) -> list[str]:
    """`value` parted at each `at` that is not escaped; escapes stay."""
    if at not in value:
        return [value]
    parts: list[str] = []
    start = place = 0
    while (place := value.find(at, place)) >= 0:
        back = place
        while back > start and value[back - 1] == "\\":
            back -= 1
        if (place - back) % 2 == 0:
            parts.append(value[start:place])
            start = place + 1
        place += 1
    return [*parts, value[start:]]


def text_of(value: str, version: str) -> str:
    """`value` without its escapes, on lines that say something, fit to be shown."""
    if "\\" in value:
        value = _ESCAPE.sub(_OLD_ESCAPE if version == "2.1" else _NEW_ESCAPE, value)
    value = value.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    if not value.isprintable():
        value = "".join(c if c.isprintable() or c == "\n" else "?" for c in value)
    return "\n".join(line.strip() for line in value.split("\n")).strip()


def _new_escape(found: re.Match[str]) -> str:
    letter = found[1]
    if letter in "nN":
        return "\n"
    return letter if letter in '\\,;:"' else found[0]


def _old_escape(found: re.Match[str]) -> str:
    # vCard 2.1 knows `\;` only; telephones write the others, and a path like C:\new stays.
    return found[1] if found[1] in "\\,;:" else found[0]


_NEW_ESCAPE: Final = _new_escape
_OLD_ESCAPE: Final = _old_escape


def joined(part: str, version: str) -> str:
    """One component of a name or address; several words of it are one text."""
    if version == "2.1":
        return text_of(part, version)
    return ", ".join(said for one in split_at(part, ",") if (said := text_of(one, version)))


def labels_of(line: Line, own: str) -> tuple[str, ...]:
    """What is said of a value: its TYPEs, `pref`, its service, and a person's `own` label."""
    words = [_clean(word).lower() for word in line.params.get("TYPE", ())]
    if "PREF" in line.params:
        words.append("pref")
    if service := line.first("X-SERVICE-TYPE"):
        words.append(_clean(service).lower())
    # Every address is one of the internet now; as a label it tells nothing.
    words = [word for word in words if word and word != "internet"]
    return tuple(dict.fromkeys([*words, *([own] if own else [])]))


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def label_of(said: str) -> str:
    """The label that a person gave, or the vendor's own word for a usual one."""
    match = _APPLE_LABEL.fullmatch(said)
    return _clean(said) if match is None else match[1].lower()


def bare(name: str, said: str) -> str:
    """`tel:+33…` and `mailto:…` without what only says that they are addresses."""
    scheme = {"TEL": "tel:", "EMAIL": "mailto:"}.get(name, "")
    return said[len(scheme) :] if scheme and said[: len(scheme)].lower() == scheme else said


def date_of(said: str, line: Line) -> str:
    """A day, as much of it as is known; what is none stays as it was said."""
    match = _DATE.fullmatch(said)
    if match is None or line.first("VALUE").lower() == "text":
        return said
    year = match["y"] or ""
    month = match["m"] or match["ym"] or match["pm"] or ""
    day = match["d"] or match["pd"] or match["od"] or ""
    if month and not 1 <= int(month) <= 12:
        return said
    if day and not 1 <= int(day) <= _DAYS_OF[int(month or 1) - 1]:
        return said
    if year == _NO_YEAR and (line.first("X-APPLE-OMIT-YEAR") or month):
        year = ""
    if year:
        return "-".join(part for part in (year, month, day) if part)
    return f"--{month}{day}" if month else f"---{day}"


def revision_of(said: str) -> str:
    """`20240131T101500Z` and `2024-01-31T10:15:00Z` as the second; nothing for anything else."""
    match = _REVISION.fullmatch(said)
    if match is None:
        return ""
    year, month, day, hour, minute, second, zone = match.groups()
    date = f"{year}-{month}-{day}"
    return date if hour is None else f"{date}T{hour}:{minute}:{second}{zone or ''}"
