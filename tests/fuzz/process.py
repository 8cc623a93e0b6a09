"""What the process of one target is given, and what outlives it: the input that it died of."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the target runs, and how long one input may: longer on any machine is a hang.

    It ends after `runs` inputs, if they are done sooner; -1: there is no such number.
    What is dear by the processor alone is found sooner (`Target.cpu_s`).
    """

    seconds: int
    hang_s: int
    runs: int = -1


@dataclass(frozen=True, slots=True)
class Place:
    """Folders to read inputs from, the first also to write new ones to; and the log."""

    corpora: Sequence[Path]
    log: Path


class Current:
    """The input being read, in memory that parent and child share: there also after a kill."""

    def __init__(self, bytes_max: int) -> None:
        self._memory = mmap.mmap(-1, _LENGTH_BYTES + bytes_max)

    def write(self, data: bytes) -> None:
        self._memory[_LENGTH_BYTES : _LENGTH_BYTES + len(data)] = data
        self._memory[:_LENGTH_BYTES] = len(data).to_bytes(_LENGTH_BYTES, "big")

    def read(self) -> bytes:
        size = int.from_bytes(self._memory[:_LENGTH_BYTES], "big")
        return self._memory[_LENGTH_BYTES : _LENGTH_BYTES + size]

    def close(self) -> None:
        self._memory.close()
