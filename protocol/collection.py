"""Paths of collections: `energy/electricity/load-curve`.

A collection is a whole path of one to six parts; a prefix of a path names nothing and has no key.
The first part is one of ten domains, so that a person can speak of "my finances" and mean the same
thing on every node.

Source: formats.md, "Where keys come from"; design.md, section 2.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .errors import RecordError

DOMAINS = (
    "browsing",
    "career",
    "communication",
    "consumption",
    "documents",
    "energy",
    "finance",
    "health",
    "identity",
    "mobility",
)
PARTS_MAX = 6
PART_CHARS_MAX = 32
PATH_CHARS_MAX = PARTS_MAX * (PART_CHARS_MAX + 1) - 1

_PART = rf"[a-z0-9-]{{1,{PART_CHARS_MAX}}}"
_PATH = re.compile(rf"{_PART}(?:/{_PART}){{0,{PARTS_MAX - 1}}}")


@lru_cache(maxsize=1024)
def check_path(path: str) -> str:
    """Return `path` if it has the form of a collection's path.  Raises RecordError."""
    if len(path) > PATH_CHARS_MAX or _PATH.fullmatch(path) is None:
        raise RecordError(
            f"a collection is one to {PARTS_MAX} parts of 1 to {PART_CHARS_MAX} characters "
            "a-z, 0-9 and -, joined by /"
        )
    return path


def check_domain(path: str) -> str:
    """`check_path`, and the first part is one of `DOMAINS`: for paths that a person names here."""
    if check_path(path).split("/", 1)[0] not in DOMAINS:
        raise RecordError(f"a collection begins with one of {', '.join(DOMAINS)}")
    return path
