"""Each test that docs/attacks.md points to is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NAMED = re.findall(
    r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (REPOSITORY / "docs" / "attacks.md").read_text()
)


def test_the_table_names_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize(("path", "test"), NAMED, ids=[test or path for path, test in NAMED])
def test_a_named_test_exists(path: str, test: str) -> None:
    file = REPOSITORY / path
    assert file.is_file()
    names = {
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert not test or test in names
