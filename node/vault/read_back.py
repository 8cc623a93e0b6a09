"""Reading back: whether what was overwritten is gone from the files, looked for as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..offload import Offload
from ..store.errors import StoreError

_PIECE_BYTES = 1024 * 1024


async def read_back(files: Sequence[Path], needles: Sequence[bytes], offload: Offload) -> int:
    """Look for each of `needles` in each of `files` that is there; how many files were read.

    Raises StoreError, naming a file in which one still is.
    """
    return sum([await offload.run(partial(_read, file, needles)) for file in files])


def _read(file: Path, needles: Sequence[bytes]) -> int:
    longest = max(map(len, needles), default=0)
    try:
        with file.open("rb") as stream:
            tail = b""
            while piece := stream.read(_PIECE_BYTES):
                window = tail + piece
                if any(needle in window for needle in needles):
                    raise StoreError(
                        f"what was erased can still be found in {file.name}: ask again"
                    )
                tail = window[-longest:] if longest else b""
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"{file.name} could not be read back: {error.strerror}") from error
    return 1
