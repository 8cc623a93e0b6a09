"""JSON from outside: one object, each key once, whole numbers only.

A number with a fraction or an exponent is refused: what is exact here is text or a whole number.
Depth and length are bounded; what nests too deeply for the parser is refused like anything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

from .errors import WireError
from .limits import INTEGER_MAX, INTEGER_MIN
from .wire import Value

# Deeper than anything that is written here, and shallow enough for any parser.
_DEPTH_MAX = 16
_DIGITS_MAX = 20


def read_object(raw: bytes, what: str, *, bytes_max: int) -> Mapping[str, Value]:
    """The one object in `raw`.  Raises WireError, naming `what`."""
    if len(raw) > bytes_max:
        raise WireError(f"{what} has more than {bytes_max:,} bytes")
    try:
        text = raw.decode()
        found: object = json.loads(
            text,
            object_pairs_hook=_once,
            parse_int=_integer,
            parse_float=_no,
            parse_constant=_no,
        )
        if "\\u" in text:  # half of a surrogate pair is no text
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise WireError(f"{what} is not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise WireError(f"{what} is not JSON as it is written here") from None
    if not isinstance(found, dict) or _depth(cast("object", found)) > _DEPTH_MAX:
        raise WireError(f"{what} is not one JSON object")
    return cast("Mapping[str, Value]", found)


def write_object(value: Mapping[str, object]) -> bytes:
    """One object on one line, with its end."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def _depth(value: object, most: int = _DEPTH_MAX + 1) -> int:
    """How deeply `value` nests, as far as `most`."""
    if most == 0:
        return 0
    inner: Iterable[object]
    if isinstance(value, dict):
        inner = cast("Mapping[str, object]", value).values()
    elif isinstance(value, list):
        inner = cast("list[object]", value)
    else:
        return 0
    return 1 + max((_depth(one, most - 1) for one in inner), default=0)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _integer(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise ValueError("a number is too long")
    number = int(text)
    if not INTEGER_MIN <= number <= INTEGER_MAX or str(number) != text:
        raise ValueError("a number is out of bounds")
    return number


def _no(text: str) -> object:
    raise ValueError(f"{text} is not a whole number")
