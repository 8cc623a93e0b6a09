"""Sizes as people write them: `500 MB`, `2 GiB`, `0`.  In and out."""

from __future__ import annotations

import re

from .errors import UsageError

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))? ?([a-zA-Z]{0,3})")


def size_of(text: str) -> int:
    """Bytes that `text` names.  Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    unit = None if match is None else _UNITS.get(match[3].lower())
    if match is None or unit is None:
        raise UsageError(f"{text[:40]!r} is not a size like 500 MB or 2 GiB")
    places = match[2] or ""
    size = int(match[1] + places) * unit // int(10 ** len(places))
    if size >= 1 << 62:
        raise UsageError(f"{text[:40]!r} is larger than any disk")
    return size


def spelled_size(size: int) -> str:
    """`1.5 GiB`: three digits at most where they are enough."""
    for unit, word in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {word}" if size < 1000 * unit else f"{size // unit} {word}"
    return f"{size} bytes"
