"""A small file that a person wrote or named: read whole, up to a limit, without waiting."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import NotFound, UsageError


def read_small(path: Path, *, name: str, what: str, bytes_max: int) -> bytes:
    """The bytes of the file at `path`; in a refusal it is called `name`, and is to hold `what`.

    Raises NotFound, UsageError.
    """
    try:
        # A pipe is not waited for.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            raw = file.read(bytes_max + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {name}") from None
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    if len(raw) > bytes_max:
        raise UsageError(f"{name} is larger than {what} may be ({bytes_max:,} bytes)")
    return raw
