"""Changes one CBOR value as a value: what comes out is canonical again.

A change of single bytes nearly always breaks the canonical form and is refused at the door.  Here a
place in the value is chosen and what stands there is replaced, doubled, left out or put elsewhere,
so the readers behind the codec are reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias, cast

from entrenous.crypto.canonical import Link, Value, encode
from entrenous.protocol.cid import cid_of
from entrenous.protocol.errors import WireError
from entrenous.protocol.wire import decode

Place: TypeAlias = "tuple[int | str, ...]"
MutateBytes: TypeAlias = Callable[[bytes], bytes]

_BYTES_MAX: Final = 1024 * 1024
_NESTED_FROM: Final = 24  # bytes that may hold a value of their own
_INTEGERS: Final = (
    *(0, 1, 2, 23, 24, 255, 256, 65_534, 65_535, 65_536),
    *(2**31 - 1, 2**31, 2**32, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**63)),
)
_LEAVES: Final[tuple[Value, ...]] = (
    *(None, True, False, "", b"", [], {}, "\0", "a" * 300, bytes(32), bytes(16), bytes(64)),
    *(["all"], [""], {"": 0}, "é", "\U0010ffff", "-", "/", Link(cid_of(b""))),
)


def mutated(data: bytes, seed: int, size_max: int, change: MutateBytes) -> bytes | None:
    """`data`, a value, after one or a few changes; None if it is no value or became too large."""
    random = Random(seed)
    try:
        value = decode(data, bytes_max=_BYTES_MAX)
    except WireError:
        return None
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        value = _changed(value, random, change)
    try:
        found = encode(value)
    except (UnicodeEncodeError, RecursionError):
        return None
    return found if len(found) <= size_max else None


def _changed(value: Value, random: Random, change: MutateBytes) -> Value:
    place = random.choice(list(_places(value)))
    there = _at(value, place)
    nested = _nested(there)
    if nested is not None and random.random() < 0.7:
        return _put(value, place, encode(_changed(nested, random, change)))
    match random.randrange(6):
        case 0 if place:
            return _without(value, place)
        case 1 if place and isinstance(_at(value, place[:-1]), list):
            return _doubled(value, place)
        case 2:
            other = _at(value, random.choice(list(_places(value))))
            return _put(value, place, other)
        case _:
            return _put(value, place, _other(there, random, change))


def _other(there: Value, random: Random, change: MutateBytes) -> Value:
    if random.random() < 0.15:
        return random.choice((*_LEAVES, *_INTEGERS))
    match there:
        case bool():
            return not there
        case int():
            return random.choice((there + 1, there - 1, -there, *_INTEGERS)) & (2**64 - 1)
        case str():
            return change(there.encode()).decode("utf-8", "replace")
        case bytes():
            return change(there)
        case list():
            shuffled = list(cast("Sequence[Value]", there))
            random.shuffle(shuffled)
            return shuffled
        case dict():
            return {**cast("Mapping[str, Value]", there), random.choice(("x", "v", "n", "")): 1}
        case _:
            return random.choice((*_LEAVES, *_INTEGERS))


def _nested(there: Value) -> Value:
    """The list or map inside a byte string, which is how tokens and signed objects travel."""
    if not isinstance(there, bytes) or len(there) < _NESTED_FROM:
        return None
    try:
        inner = decode(there, bytes_max=_BYTES_MAX)
    except WireError:
        return None
    return inner if isinstance(inner, (list, dict)) else None


def _places(value: Value, here: Place = ()) -> list[Place]:
    found = [here]
    if isinstance(value, dict):
        for key, item in value.items():
            found += _places(item, (*here, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:256]):
            found += _places(item, (*here, index))
    return found


def _at(value: Value, place: Place) -> Value:
    for step in place:
        value = cast("Value", value[step])  # pyright: ignore  # a place of it
    return value


def _put(value: Value, place: Place, new: Value) -> Value:
    if not place:
        return new
    step, rest = place[0], place[1:]
    if isinstance(value, dict):
        key = cast("str", step)
        return {**value, key: _put(value[key], rest, new)}
    items = list(cast("Sequence[Value]", value))
    items[cast("int", step)] = _put(items[cast("int", step)], rest, new)
    return items


def _without(value: Value, place: Place) -> Value:
    outer = _at(value, place[:-1])
    if isinstance(outer, dict):
        return _put(value, place[:-1], {k: v for k, v in outer.items() if k != place[-1]})
    items = list(cast("Sequence[Value]", outer))
    del items[cast("int", place[-1])]
    return _put(value, place[:-1], items)


def _doubled(value: Value, place: Place) -> Value:
    items = list(cast("Sequence[Value]", _at(value, place[:-1])))
    items.insert(cast("int", place[-1]), items[cast("int", place[-1])])
    return _put(value, place[:-1], items)
