"""What a person writes in a file for this program: YAML, TOML or JSON, by the ending of its name.

What is signed afterwards should be what was meant, so nothing is guessed: a key given twice, an
alias, a tag are refused, and in YAML whatever is not a number, text, a list or a map is text as it
stands there (`no` is a country, not a denial).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from ...protocol.toml_text import toml_table
from ..errors import UsageError
from ..small_file import read_small
from .visible import visible

# A map of lists of maps.
_DEPTH_MAX = 8


def read_mapping(path: Path, *, what: str, bytes_max: int) -> Mapping[str, object]:
    """The mapping in the file at `path`; `what` it should hold, as in "terms" or "a card".

    Raises NotFound, UsageError.
    """
    name = visible(path.name)
    raw = read_small(path, name=name, what=what, bytes_max=bytes_max)
    try:
        found = _parse(path.suffix.lower(), raw.decode())
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # each parser's own error is a ValueError
        reason = visible(str(error).splitlines()[0]) if str(error) else "it nests too deeply"
        raise UsageError(f"{name} cannot be understood: {reason}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{name} does not hold {what}: docs/cli.md says what is in it")
    return cast("Mapping[str, object]", found)


def _parse(suffix: str, text: str) -> object:
    match suffix:
        case ".toml":
            return _toml_value(toml_table(text))
        case ".json":
            return json.loads(text, object_pairs_hook=_once)
        case ".yaml" | ".yml":
            return _yaml(text)
        case _:
            raise ValueError("it must be a file that ends in .yaml, .toml or .json")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _toml_value(value: object) -> object:
    """A day that TOML knows as one is text here, as in the other two."""
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return {key: _toml_value(item) for key, item in pairs}
    if isinstance(value, list):
        return [_toml_value(item) for item in cast("list[object]", value)]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def _yaml(text: str) -> object:
    # Imported when a file needs it: a start of the program should not wait for a YAML library.
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}: "
        raise ValueError(where + str(getattr(error, "problem", None) or error)) from error
    return None if node is None else _yaml_value(node, set(), _DEPTH_MAX)


def _yaml_value(node: object, seen: set[int], depth: int) -> object:
    import yaml

    if id(node) in seen:
        raise ValueError("aliases are not used here")
    seen.add(id(node))
    if depth == 0:
        raise ValueError("it nests too deeply")
    match node:
        case yaml.MappingNode():
            pairs = [
                (_yaml_key(key), _yaml_value(value, seen, depth - 1)) for key, value in node.value
            ]
            return _once(pairs)
        case yaml.SequenceNode():
            return [_yaml_value(item, seen, depth - 1) for item in node.value]
        case yaml.ScalarNode():
            return _yaml_scalar(node.tag, node.value)
        case _:
            raise ValueError("it holds something else than text, numbers, lists and maps")


def _yaml_key(node: object) -> str:
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise ValueError("a key is not text")
    return str(node.value)


def _yaml_scalar(tag: str, value: str) -> object:
    """A scalar by its tag.  What has no use here (dates, fractions, yes and no) is text."""
    match tag.removeprefix("tag:yaml.org,2002:"):
        case "null":
            return None
        case "int" if value.lstrip("+-").isdecimal():
            return int(value)
        case "str" | "int" | "bool" | "float" | "timestamp":
            return value
        case _:
            raise ValueError("it uses a YAML tag; here are plain text, numbers, lists and maps")
