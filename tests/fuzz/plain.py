"""The engine without coverage, where libFuzzer is not: valid examples after a few changes."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Sequence
from random import Random
from types import FrameType
from typing import Final, NoReturn

from . import cbor_mutation
from .process import Current, Limits, Place
from .target import Form, Target, attempt

_PIECES: Final = (
    b"\0",
    b"\xff",
    b"\x80",
    b"\n",
    b"<",
    b"&",
    b'"',
    b"9" * 20,
    b"-",
    b"\xed\xa0\x80",
)


class Hang(Exception):  # what happened
    """An input took longer than any may."""


def inputs(seeds: Sequence[bytes], target: Target, random: Random) -> bytes:
    """One changed example, at most `bytes_max` long."""
    data = random.choice(seeds) if seeds else b""
    if target.form is Form.VALUE and random.random() < 0.75:
        seed = random.getrandbits(32)
        found = cbor_mutation.mutated(
            data, seed, target.bytes_max, lambda piece: changed(piece, target.words, random)
        )
        if found is not None:
            return found
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        if random.random() < 0.1 and seeds:
            other = random.choice(seeds)
            data = data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]
        else:
            data = changed(data, target.words, random)
    return data[: target.bytes_max]


def changed(data: bytes, words: Sequence[bytes], random: Random) -> bytes:
    """`data` after one cut, doubling, insertion or flip."""
    at = random.randint(0, len(data))
    end = min(len(data), at + random.choice((1, 1, 2, 4, 8, 64)))
    match random.randrange(6):
        case 0:
            return data[:at] + data[end:]
        case 1:
            return data[:end] + data[at:]
        case 2:
            return data[:at] + random.choice((*_PIECES, *words)) + data[at:]
        case 3:
            return data[:at] + random.choice((*_PIECES, *words)) + data[end:]
        case 4:
            return data[:at] + random.randbytes(end - at) + data[end:]
        case _:
            flipped = bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 1])
            return data[:at] + flipped + data[at + 1 :]


def run(target: Target, place: Place, limits: Limits, current: Current, seed: int) -> NoReturn:
    """Fuzz in this process, which ends: 0, or 1 with the input in `current`."""
    seeds = [path.read_bytes() for folder in place.corpora for path in sorted(folder.iterdir())]
    random = Random(seed)
    signal.signal(signal.SIGALRM, _hang)
    began, runs = time.monotonic(), 0
    pending = iter(seeds)
    while time.monotonic() - began < limits.seconds and runs != limits.runs:
        data = next(pending, None)
        if data is None:
            data = inputs(seeds, target, random)
        current.write(data)
        signal.alarm(limits.hang_s)
        try:
            attempt(target, data)
        except BaseException:
            signal.alarm(0)
            place.log.write_text(traceback.format_exc(), errors="replace")
            sys.exit(1)
        runs += 1
    signal.alarm(0)
    per_s = int(runs / max(time.monotonic() - began, 0.001))
    place.log.write_text(
        f"stat::number_of_executed_units: {runs}\nstat::average_exec_per_sec: {per_s}\n"
        f" corp: {len(seeds)}/\n"
    )
    sys.exit(0)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang("an input took longer than any may")
