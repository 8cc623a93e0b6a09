"""Tombstones of one month of a collection: of each record that was erased, eight bytes and when.

    [[day, at_ms, erased, digests], …]      `erased` false: it may come again, since `at_ms`

The digests are made under a key that all devices of a person have, so what one of them erases the
others know too.  Of two words about one record the later holds; of one moment, that it was erased.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ...protocol.day import UNDATED
from ...protocol.errors import WireError
from ...protocol.limits import INTEGER_MAX
from ...protocol.wire import Value

DIGEST_BYTES: Final = 8


class Mark(NamedTuple):
    """When a record was erased, or allowed to come again."""

    at_ms: int
    erased: bool


class Named(NamedTuple):
    """What a mark is about."""

    day: int
    digest: bytes


Marks = Mapping[Named, Mark]


def joined(one: Marks, other: Marks) -> Marks:
    """What holds of two tellings."""
    found = dict(one)
    for named, mark in other.items():
        known = found.get(named)
        found[named] = mark if known is None else max(known, mark)
    return found


def marks_value(marks: Marks) -> Value:
    """Marks as they are kept and travel."""
    by_word: defaultdict[tuple[int, Mark], list[bytes]] = defaultdict(list)
    for named, mark in marks.items():
        by_word[named.day, mark].append(named.digest)
    return [
        [day, mark.at_ms, mark.erased, b"".join(sorted(by_word[day, mark]))]
        for day, mark in sorted(by_word)
    ]


def marks_from_value(value: Value) -> Marks:
    """Read marks.  Raises WireError."""
    if not isinstance(value, list):
        raise _wrong()
    found: dict[Named, Mark] = {}
    for item in value:
        match item:
            case [int(day), int(at_ms), bool(erased), bytes(digests)] if (
                bool not in (type(day), type(at_ms))
                and 0 <= day <= UNDATED
                and 0 <= at_ms <= INTEGER_MAX
                and digests
                and not len(digests) % DIGEST_BYTES
            ):
                found |= {Named(day, one): Mark(at_ms, erased) for one in _cut(digests)}
            case _:
                raise _wrong()
    if marks_value(found) != value:
        raise WireError("tombstones stand in another order than theirs")
    return found


def _cut(digests: bytes) -> Iterable[bytes]:
    return (digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES))


def _wrong() -> WireError:
    return WireError("what is kept of erased records has not the form of it")
