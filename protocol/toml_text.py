"""TOML that a person wrote: read by the standard library, after a look at what would hold it up.

The library's parser takes time in the square of the parts of a dotted key, so a small file could
keep it for hours.  Nobody writes a key of a hundred parts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Final, cast

# In one line, strings too: addresses and abbreviations have a few.
DOTS_MAX: Final = 100
SAID_CHARS_MAX: Final = 200


def toml_table(text: str, parse_float: Callable[[str], object] = float) -> dict[str, object]:
    """The table that `text` holds; numbers with a point as `parse_float` makes them.

    Raises ValueError, as `tomllib.TOMLDecodeError` is one, with what is wrong and where, in a
    sentence that stays short however long the key is that it names.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > DOTS_MAX:
            raise ValueError(f"line {number} has more than {DOTS_MAX} points")
    try:
        return cast("dict[str, object]", tomllib.loads(text, parse_float=parse_float))
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        if len(said) <= SAID_CHARS_MAX:
            raise
        half = SAID_CHARS_MAX // 2
        raise ValueError(f"{said[:half]}…{said[-half:]}") from None
