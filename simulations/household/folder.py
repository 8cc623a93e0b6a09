"""The folder that is written: all of it or nothing, file by file as it comes.

Everything goes into a folder beside the one that was asked for, which takes its name at the end.
What a killed run leaves begins with a point and the name, and can be removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path

from ...node.errors import NodeError


class Folder:
    """Files by their path inside the folder, with `/` between the parts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._opened: list[OpenFile] = []

    def write(self, path: str, pieces: Iterable[bytes]) -> None:
        with self.open(path) as file:
            for piece in pieces:
                file.write(piece)

    def open(self, path: str) -> OpenFile:
        """A file to be written from the start; its folders are made."""
        where = self._root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        self._opened = [one for one in self._opened if not one.closed]
        self._opened.append(OpenFile(where))
        return self._opened[-1]

    def close(self) -> None:
        """Close what is still open."""
        for one in self._opened:
            one.close()


class OpenFile:
    """One file being written."""

    def __init__(self, where: Path) -> None:
        # Nothing of this is held in memory: the buffer is Python's own.
        self._file = where.open("xb")

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def new_folder(out: Path) -> Generator[Folder]:
    """A folder that is `out` once the block ends, and is gone if it fails.

    Raises NodeError where `out` is not a folder or not empty; nothing is written then.
    """
    refuse_taken(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    folder = Folder(unfinished)
    try:
        try:
            yield folder
        finally:
            folder.close()
        unfinished.chmod(0o755)  # mkdtemp's is for secrets; nothing here is one
        os.rename(unfinished, out)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if out.is_dir() and any(out.iterdir()):
            # Somebody else put something there meanwhile: it stays as it is.
            raise NodeError(f"{out} is not empty any more; nothing was written") from error
        raise
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def refuse_taken(out: Path) -> None:
    """Raises NodeError unless `out` is free: not there, or an empty folder."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise NodeError(f"{out} is there and is not a folder; give the name of a new one")
    if out.is_dir() and any(out.iterdir()):
        raise NodeError(f"{out} is not empty; a household goes into a new or empty folder")
