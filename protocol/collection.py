"""Paths of collections: `energy/electricity/load-curve`.

A collection is a whole path of one to six parts; a prefix of a path names nothing and has no key.
The first part is one of ten domains, so that a person can speak of "my finances" and mean the same
thing on every node.

In a household the last part may say whose a collection is: `…/p2`, the second person of the house,
or `…/p1-p2`, of both.  A number and not a name, and a small one: a path goes to whoever is lent
it, and must neither name anybody nor be a mark by which two readers join what they hold.

Source: formats.md, "Where keys come from"; design.md, section 2; ADR 14.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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


# People of one house, and how many of them one collection may belong to: eight fill one part.
PEOPLE_MAX = 99
JOINT_MAX = 8
_WHOSE = re.compile(rf"p[1-9][0-9]?(?:-p[1-9][0-9]?){{0,{JOINT_MAX - 1}}}")


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


def apart(path: str) -> tuple[str, tuple[int, ...]]:
    """A path without its last part, and the people whom that part names.

    A path whose last part names nobody comes back whole, with nobody: it is the home's.
    """
    base, _, last = path.rpartition("/")
    if not base or _WHOSE.fullmatch(last) is None:
        return path, ()
    people = tuple(int(one[1:]) for one in last.split("-"))
    # One form only: else two paths would be the same people's.
    return (base, people) if list(people) == sorted(set(people)) else (path, ())


def belonging_to(base: str, people: Iterable[int]) -> str:
    """The path of `base` for these people; `base` itself for nobody.  Raises RecordError."""
    numbers = sorted(set(people))
    if not numbers:
        return check_path(base)
    if len(numbers) > JOINT_MAX or not 1 <= numbers[0] <= numbers[-1] <= PEOPLE_MAX:
        raise RecordError(f"a collection belongs to at most {JOINT_MAX} people")
    return check_path(f"{base}/{'-'.join(f'p{number}' for number in numbers)}")


def is_kept_as(path: str, named: str) -> bool:
    """Whether what was named `named` may be kept under `path`: there, or as somebody's."""
    return named in (path, apart(path)[0])
