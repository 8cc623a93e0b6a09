"""Valid examples for seeds: the worked examples of docs/spec.md, by chapter and caption."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import cast

from entrenous.crypto.canonical import Value, encode

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


@cache
def _vectors() -> dict[str, dict[str, object]]:
    text = (REPOSITORY / "docs" / "spec-vectors.json").read_text()
    return cast("dict[str, dict[str, object]]", json.loads(text))


def example(chapter: str, caption: str) -> bytes:
    """The bytes of one example.  Raises KeyError where docs/spec-vectors.json has it no more."""
    return bytes.fromhex(cast("str", _vectors()[chapter][caption]))


def args_shown() -> list[tuple[str, bytes]]:
    """Every command that docs/spec.md has an example of, with its args."""
    return [
        (caption.removeprefix("args of ").partition(",")[0], bytes.fromhex(str(value)))
        for shown in _vectors().values()
        for caption, value in shown.items()
        if caption.startswith("args of /")
    ]


def examples(*named: tuple[str, str]) -> Callable[[], list[bytes]]:
    return lambda: [example(chapter, caption) for chapter, caption in named]


def chapter(name: str) -> list[bytes]:
    """All examples of a chapter that are bytes."""
    found: list[bytes] = []
    for value in _vectors()[name].values():
        try:
            found.append(bytes.fromhex(str(value)))
        except ValueError:
            continue
    return found


def values(*given: Value) -> Callable[[], list[bytes]]:
    """Each value as its bytes."""
    return lambda: [encode(value) for value in given]


def texts(*given: str) -> Callable[[], list[bytes]]:
    return lambda: [text.encode() for text in given]


def files(folder: str, *patterns: str) -> list[bytes]:
    """The files of `folder`, below the repository, that fit."""
    found: Iterable[Path] = (
        path for pattern in patterns for path in sorted((REPOSITORY / folder).glob(pattern))
    )
    return [path.read_bytes() for path in found]
