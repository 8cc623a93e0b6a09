"""A target: one reader of bytes from outside, and what must hold whatever the bytes are.

    accepted ▸ the value, the same one each time        refused ▸ one of the errors it names

Anything else is a defect: another exception, a property that does not hold, more processor time or
memory than the target allows.  The same `attempt` runs under libFuzzer, under the plain mutator and
over the kept corpus, so what one of them finds the others judge alike.
"""

from __future__ import annotations

import resource
import sys
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

Run = Callable[[bytes], object]

# One input in so many is run a second time: a reader must not say two things of the same bytes.
_TWICE_EVERY: Final = 8
_SENTENCE_CHARS_MAX: Final = 2_000


class Defect(AssertionError):
    """What a target promises does not hold."""


class Form(Enum):
    """How inputs of a target are changed: as bytes, or as often as one CBOR value."""

    BYTES = "bytes"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table.

    `run` reads the bytes and raises only `allowed`.  `covers`: the modules, by their place in the
    package, that it holds to that.  `seeds`: valid examples.  `words`: what a mutator may put in.
    `weight`: its share of the time.  `cpu_s`, `grows_mb`: what one input may take, at most; both
    are generous, since instrumented code is slow: what must not pass is a hang or a bomb.
    """

    name: str
    run: Run
    covers: tuple[str, ...]
    seeds: Callable[[], Iterable[bytes]]
    allowed: tuple[type[Exception], ...]
    words: tuple[bytes, ...] = ()
    form: Form = Form.BYTES
    bytes_max: int = 4096
    weight: int = 1
    cpu_s: float = 5.0
    grows_mb: int = 96


def require(condition: bool, sentence: str) -> None:
    """A property of a target.  Raises Defect."""
    if not condition:
        raise Defect(sentence)


def same(one: object, other: object, sentence: str) -> None:
    if one != other:
        raise Defect(f"{sentence}: {one!r:.500} and {other!r:.500}")


@dataclass(frozen=True, slots=True)
class Refused:
    """The error that a target ended in, as it can be compared."""

    kind: str
    sentence: str


def attempt(target: Target, data: bytes) -> object:
    """Run one input.  Returns the value or Refused.  Raises whatever is a defect."""
    peak, began = _peak_mb(), time.thread_time()
    found = _once(target, data)
    if zlib.crc32(data) % _TWICE_EVERY == 0:
        same(found, _once(target, data), "the same bytes read twice say two things")
    took, grew = time.thread_time() - began, _peak_mb() - peak
    require(took <= target.cpu_s, f"{len(data)} bytes took {took:.1f} s of the processor")
    require(grew <= target.grows_mb, f"{len(data)} bytes took {grew} MiB of memory")
    return found


def _once(target: Target, data: bytes) -> object:
    try:
        return target.run(data)
    except target.allowed as error:
        sentence = str(error)
        require(0 < len(sentence) <= _SENTENCE_CHARS_MAX, f"no sentence: {sentence[:200]!r}")
        # What cannot be written cannot be shown or logged.
        require(_is_text(sentence), f"a sentence that has no UTF-8 form: {sentence[:200]!r}")
        return Refused(type(error).__name__, sentence)


def _is_text(sentence: str) -> bool:
    try:
        sentence.encode()
    except UnicodeEncodeError:
        return False
    return True


def _peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> 20 if sys.platform == "darwin" else peak >> 10


class Tape:
    """Bytes read as choices, so that a script can be drawn from them.  At the end all is zero."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def rest(self) -> bytes:
        return self.take(max(len(self._data) - self._at, 0))

    def upto(self, most: int) -> int:
        """A number from 0 to `most`, which is below 2^32."""
        size = 1 if most < 256 else 4
        return int.from_bytes(self.take(size).ljust(size, b"\0"), "big") % (most + 1)

    def some(self) -> bytes:
        """Bytes with their length, two bytes, before them."""
        return self.take(int.from_bytes(self.take(2), "big"))
