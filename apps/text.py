"""Words from outside, made fit for a record: one line, printable, not too long."""

from __future__ import annotations

from typing import Final

_QUOTED_CHARS_MAX: Final = 60


def printable(text: str) -> str:
    """`text` on one line, single blanks, every character that cannot be printed as a `?`."""
    clean = " ".join(text.split())
    if not clean.isprintable():
        clean = "".join(c if c.isprintable() else "?" for c in clean)
    return clean


def shortened(text: str, bytes_max: int) -> str:
    """`text` in at most `bytes_max` bytes of UTF-8, no character cut, `…` where it was."""
    raw = text.encode()
    if len(raw) <= bytes_max:
        return text
    return raw[: bytes_max - 3].decode("utf-8", "ignore").rstrip() + "…"


def quoted(text: str) -> str:
    """A cell of a file as it stands in a sentence: on one line, in quotes, not too long."""
    clean = printable(text[:_QUOTED_CHARS_MAX])
    return f"'{clean}…'" if len(text) > _QUOTED_CHARS_MAX else f"'{clean}'"
