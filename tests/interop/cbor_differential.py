"""Our strict DAG-CBOR against PyPI's `dag-cbor`, on random and on damaged bytes.

Both read the same bytes.  What both accept must be the same value; what one accepts must be
accepted by the other, but for the four departures below, each decided by what is in the bytes, and
not by what one of the two says.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from multiformats import CID

from entrenous.crypto.canonical import Link, Value, encode
from entrenous.protocol.errors import WireError
from entrenous.protocol.wire import decode
from entrenous.tests.interop.model import Refused, Unjudged, decoded, everything
from entrenous.tests.protocol.forge import Odd, Pairs, Raw, Tagged, cbor, head

# Small, so that random values reach them.
DEPTH_MAX = 4
ITEMS_MAX = 12
BYTES_MAX = 200

DEPARTURES = {
    "float": "theirs reads floats of 64 bits; our formats have none",
    "integer": "DAG-CBOR goes from -2^64 to 2^64 - 1; our integers are signed 64 bits",
    "limit": "deeper, longer or more than a limit that we set",
    "table": "theirs refuses links whose codec or hash its table does not name",
}


@dataclass(slots=True)
class Report:
    """What a run found.  `unexplained` is empty unless something is wrong."""

    cases: int = 0
    accepted: int = 0
    disagreements: Counter[str] = field(default_factory=Counter[str])
    unexplained: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class _No:
    """Bytes were refused; `table` if only for a name that is not in a table."""

    why: str
    table: bool = False


def ours(data: bytes) -> Value | _No:
    """The value, or why not."""
    try:
        return decode(data, depth_max=DEPTH_MAX, items_max=ITEMS_MAX, bytes_max=BYTES_MAX)
    except WireError as error:
        return _No(str(error))


def theirs(data: bytes) -> object | _No:
    """The value, or why not."""
    try:
        return decoded(data)
    except Unjudged as error:
        return _No(str(error), table=True)
    except Refused as error:
        return _No(str(error))


def compare(report: Report, data: bytes, where: str) -> None:
    """Let both read `data` and note what they make of it."""
    we, they = ours(data), theirs(data)
    report.cases += 1
    if not isinstance(we, _No):
        report.accepted += 1
        # Ours read, written again, is what came.
        if encode(we) != data:
            report.unexplained.append(f"{where}: ours is not what came: {data.hex()}")
    if isinstance(we, _No) is isinstance(they, _No):
        if not isinstance(we, _No) and not alike(we, they):
            report.unexplained.append(f"{where}: two values: {data.hex()}")
        if not isinstance(we, _No) and _departure(data, we, they) is not None:
            report.unexplained.append(f"{where}: ours passes its own limits: {data.hex()}")
        return
    name = _departure(data, we, they)
    if name is None:
        report.unexplained.append(
            f"{where}: ours {_verdict(we)}, theirs {_verdict(they)}: {data.hex()}"
        )
    else:
        report.disagreements[name] += 1


def _verdict(found: object) -> str:
    return f"refuses ({found.why})" if isinstance(found, _No) else "accepts"


def _departure(data: bytes, we: Value | _No, they: object | _No) -> str | None:
    if isinstance(they, _No):
        return "table" if they.table else None
    parts = list(everything(they))
    if any(isinstance(part, float) for part in parts):
        return "float"
    if any(type(part) is int and not -(2**63) <= part < 2**63 for part in parts):
        return "integer"
    if len(data) > BYTES_MAX or len(parts) > ITEMS_MAX or _depth(they) > DEPTH_MAX:
        return "limit"
    return None


def _depth(value: object) -> int:
    """Lists and maps around the innermost value; a link is one more, its bytes in a tag.

    One that is empty holds nothing, and is not counted.
    """
    if isinstance(value, dict):
        return 1 + max(map(_depth, cast("dict[str, object]", value).values()), default=-1)
    if isinstance(value, list):
        return 1 + max(map(_depth, cast("list[object]", value)), default=-1)
    return 1 if isinstance(value, CID) else 0


def alike(we: object, they: object) -> bool:
    """Whether the two read the same value: types too, and the order of keys."""
    if type(we) is not type(they) and not isinstance(we, Link):
        return False
    if isinstance(we, Link):
        return isinstance(they, CID) and bytes(they) == we.cid
    if isinstance(we, dict) and isinstance(they, dict):
        one, other = cast("dict[str, object]", we), cast("dict[str, object]", they)
        return [*one] == [*other] and all(alike(one[key], other[key]) for key in one)
    if isinstance(we, list) and isinstance(they, list):
        left, right = cast("list[object]", we), cast("list[object]", they)
        return len(left) == len(right) and all(map(alike, left, right))
    return we == they


class Generator:
    """Encoded values from a seed: good ones, odd ones, damaged ones, and noise."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def data(self) -> bytes:
        """The next bytes."""
        chance = self._random.random()
        if chance < 0.05:
            return self._random.randbytes(self._random.randrange(1, 12))
        data = cbor(self._value(4))
        return data if chance < 0.5 else self._damaged(data)

    def _value(self, depth: int) -> Odd:
        if depth and self._random.random() < 0.6:
            if self._random.random() < 0.4:
                return {self._name(): self._value(depth - 1) for _ in range(self._few())}
            if self._random.random() < 0.1:
                return Pairs([(self._key(), self._value(depth - 1)) for _ in range(self._few())])
            return [self._value(depth - 1) for _ in range(self._few())]
        return self._random.choice(_LEAVES)(self._random)

    def _few(self) -> int:
        return self._random.randrange(5)

    def _name(self) -> str:
        return self._random.choice(("", "a", "b", "aa", "é", "ab", "z" * 24, "\U0001f600"))

    def _key(self) -> Odd:
        return self._random.choice((self._name(), self._name(), 1, b"a", None))

    def _damaged(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            at = self._random.randrange(len(changed) + 1)
            match self._random.randrange(5):
                case 0:
                    changed[at:at] = self._random.randbytes(1)
                case 1:
                    del changed[at : at + self._random.choice((1, 1, 3))]
                case 2:
                    changed[at : at + 1] = bytes([self._random.choice(_HEADS)])
                case 3 if at < len(changed):
                    changed[at] ^= 1 << self._random.randrange(8)
                case _:
                    changed[at:at] = changed[: self._random.randrange(len(changed) + 1)]
        return bytes(changed) or b"\xf6"


# Heads at the edges of what DAG-CBOR allows.
_HEADS = bytes.fromhex(
    "00 17 18 19 1b 1c 20 3b 40 5f 60 78 7f 80 81 9f a0 a1 bf c0 c2 d8 e0 f4 f7 f8 f9 fb ff"
)


def _link(rng: random.Random) -> Odd:
    good = b"\x01\x71\x12\x20" + rng.randbytes(32)
    return Tagged(42, b"\x00" + rng.choice((
        good, good, b"\x01\x55\x00\x03abc", b"\x12\x20" + rng.randbytes(32),
        b"\x01\x71\x12\x04abcd", b"\x01\x71\x12\x05abcd", b"\x01\x80\x00\x12\x00",
        b"\x02" + good[1:], b"\x12\x21" + bytes(33),
        b"\x01\xff\xff\xff\x7f\x00\x00", b"\x01\x71\xfe\xff\x7f\x01x", b"",
    )))  # fmt: skip


_LEAVES: tuple[Callable[[random.Random], Odd], ...] = (
    lambda _: None,
    lambda rng: rng.random() < 0.5,
    lambda rng: rng.choice((0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63 - 1, 2**63,
                            2**64 - 1, -1, -24, -25, -256, -257, -(2**63), -(2**63) - 1)),
    lambda rng: rng.randrange(-(2**64), 2**64),
    lambda rng: rng.choice(("", "a", "é", "x" * 23, "x" * 24, "\u2028", "\ufeff", "a\u0301")),
    lambda rng: rng.randbytes(rng.choice((0, 1, 23, 24, 40, 300))),
    _link,
    _link,
    lambda rng: Raw(rng.choice((b"\xfb\x3f\xf8" + bytes(6), b"\xfb\x7f\xf8" + bytes(6), b"\xf7",
                                b"\xf9\x00\x00", b"\xfa" + bytes(4), b"\xfb" + bytes(8),
                                b"\xe0", b"\xf8\x20"))),
    lambda rng: Raw(head(rng.randrange(6), rng.randrange(30), rng.choice((1, 2, 4, 8)))),
    lambda rng: Tagged(rng.choice((0, 1, 2, 3, 24, 28, 29, 43, 55_799, 2**40)), rng.randrange(9)),
)  # fmt: skip


def run(seed: int, *, cases: int | None = None, seconds: float = 0.0) -> Report:
    """Compare `cases` of them, or as many as `seconds` allow."""
    generator, report = Generator(seed), Report()
    until = time.monotonic() + seconds
    while report.cases < cases if cases is not None else time.monotonic() < until:
        compare(report, generator.data(), f"seed {seed}, case {report.cases}")
    return report
