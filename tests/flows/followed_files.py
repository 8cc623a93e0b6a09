"""Follows the files of some folders while programs write them, and keeps all that ever stood there.

A thread looks every few milliseconds.  Of each file that has changed it keeps the parts that are
new: a block that stood there before is not kept again.  What lives for less than a look is not
seen; so `recorded_node.py` lists what is opened, and the test compares.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_S = 0.02
BLOCK_BYTES = 4096
# Beside each new block, so that what lies across its edges is whole.
MARGIN_BYTES = 512


class Followed:
    """A context: while it lasts, the files below `folders` are followed."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._last: dict[Path, tuple[int, int, int]] = {}
        self._blocks: set[tuple[Path, int, int]] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.seen: dict[Path, bytearray] = {}
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.look()

    def _follow(self) -> None:
        while not self._ended.wait(EVERY_S):
            self.look()

    def look(self) -> None:
        """Keep what is new."""
        self.looks += 1
        for path in self._files():
            try:
                now = path.stat()
                mark = (now.st_mtime_ns, now.st_size, now.st_ino)
                if self._last.get(path) == mark:
                    continue
                data = path.read_bytes()
            except OSError:
                continue  # gone or replaced meanwhile; the next look sees what came instead
            self._last[path] = mark
            self._keep(path, data)

    def _files(self) -> Iterator[Path]:
        for folder in self._folders:
            yield from (path for path in folder.rglob("*") if path.is_file())

    def _keep(self, path: Path, data: bytes) -> None:
        seen = self.seen.setdefault(path, bytearray())
        fresh: list[tuple[int, int]] = []
        for at in range(0, len(data), BLOCK_BYTES):
            block = (path, at, hash(data[at : at + BLOCK_BYTES]))
            if block in self._blocks:
                continue
            self._blocks.add(block)
            if fresh and fresh[-1][1] == at:
                fresh[-1] = (fresh[-1][0], at + BLOCK_BYTES)
            else:
                fresh.append((at, at + BLOCK_BYTES))
        for first, last in fresh:
            seen += data[max(0, first - MARGIN_BYTES) : last + MARGIN_BYTES]
