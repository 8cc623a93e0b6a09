"""docs/architecture.md names every module, and every function that it names exists.

Run as a script, this file writes the list: `python -m entrenous.tests.test_architecture`.
"""

from __future__ import annotations

import ast
import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOC = REPOSITORY / "docs" / "architecture.md"
FLOORS = ("crypto", "protocol", "node", "apps", "simulations")
_BLOCK = re.compile(r"(<!-- begin modules -->\n).*?(<!-- end modules -->)", re.DOTALL)
_STEP = re.compile(r"^\| [^|]+ \| `([a-z_.A-Z]+)` \|", re.MULTILINE)


def modules(floor: str) -> dict[str, str]:
    """Path of each module and package of a floor → the first line of its docstring."""
    found: dict[str, str] = {}
    for path in sorted((REPOSITORY / floor).rglob("*.py")):
        tree = ast.parse(path.read_text())
        if tree.body:
            name = path.relative_to(REPOSITORY).as_posix().removesuffix("__init__.py")
            found[name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def drawn(text: str) -> str:
    lines: list[str] = []
    for floor in FLOORS:
        lines += [f"### {floor}/", "", "| module | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {what} |" for name, what in modules(floor).items()]
        lines.append("")
    return _BLOCK.sub(lambda block: block[1] + "\n".join(lines) + block[2], text)


def steps() -> list[str]:
    return _STEP.findall(DOC.read_text().partition("<!-- begin modules -->")[0])


@pytest.mark.parametrize("floor", FLOORS)
def test_every_module_opens_with_what_it_is(floor: str) -> None:
    assert not [name for name, what in modules(floor).items() if not what]


def test_every_module_is_named() -> None:
    text = DOC.read_text()
    assert drawn(text) == text, "write the list again: make docs"


def test_the_way_of_one_piece_of_data_is_as_long_as_it_was() -> None:
    assert len(steps()) > 20


@pytest.mark.parametrize("step", steps())
def test_every_step_of_the_way_exists(step: str) -> None:
    parts = step.split(".")
    depth = next(n for n in range(len(parts), 0, -1) if _is_module(parts[:n]))
    module = importlib.import_module("entrenous." + ".".join(parts[:depth]))
    assert callable(reduce(getattr, parts[depth:], module))


def _is_module(parts: list[str]) -> bool:
    return (REPOSITORY.joinpath(*parts)).with_suffix(".py").is_file()


if __name__ == "__main__":
    DOC.write_text(drawn(DOC.read_text()))
