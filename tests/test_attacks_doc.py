"""Each test that docs/attacks.md points to is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
TEXT = (REPOSITORY / "docs" / "attacks.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)

# Attacks that were asked for by these names: each has its line under "By promise".
ASKED_FOR = (
    *("an empty `pol` under a chain that needs one", "reversed proofs", "a cycle", "10,000 proofs"),
    *("a revoked proof in the middle", "clocks 10 minutes off", "a forged witness"),
    *("a truncated or rolled-back log", "a receipt for other bytes"),
    *("a reader that never countersigns", "args smuggling", "a fellow reader forging pages"),
    *("sizes that tell who is away", "a view differenced day by day"),
    *("keys of an expired grant on stolen pages", "replay on a second device"),
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


@pytest.mark.parametrize("attack", ASKED_FOR)
def test_each_attack_that_was_asked_for_names_its_test(attack: str) -> None:
    _, found, after = TEXT.partition("## By promise\n")
    assert found
    by_promise = after.partition("\n## ")[0]
    (row,) = (line for line in by_promise.splitlines() if line.startswith(f"| … {attack} |"))
    assert "::test_" in row
