"""The runner for mutants, on a sample: what it makes, what it catches, that it goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from entrenous.tests.mutation.mutants import mutants
from entrenous.tests.mutation.reach import Reach
from entrenous.tests.mutation.server import Server, options

ROOT = Path(__file__).resolve().parents[2]

SOURCE = '''
"""A module."""
LIMIT = 3

def check(a: int, b: bytes = b"x") -> int:
    """Says: 1."""
    if a < LIMIT and not b:
        raise ValueError(f"{a} is less than {LIMIT}")
    note(a, b)
    return a + 1
'''


def test_every_kind_of_fault_is_made_once() -> None:
    found = {mutant.name.removeprefix("m:"): mutant for mutant in mutants("m", SOURCE)}
    assert list(found) == [
        "3 constant: 3 -> 4",
        "3 constant: 3 -> 2",
        "5 constant: b'x' -> b'x\\x00'",
        "7 condition: if a < LIMIT and (not b) -> if not (a < LIMIT and (not b))",
        "7 boolean: a < LIMIT and (not b) -> a < LIMIT or not b",
        "7 comparison: a < LIMIT -> a <= LIMIT",
        "7 comparison: a < LIMIT -> a >= LIMIT",
        "7 condition: not b -> b",
        "8 statement: raise ValueError(f'{a} is less than {LIMIT}') -> nothing",
        "9 statement: note(a, b) -> nothing",
        "9 arguments: note(a, b) -> note(b, a)",
        "10 return: return a + 1 -> return None",
        "10 arithmetic: a + 1 -> a - 1",
        "10 constant: 1 -> 2",
        "10 constant: 1 -> 0",
    ]
    assert not found["5 constant: b'x' -> b'x\\x00'"].in_function
    assert found["10 constant: 1 -> 2"].in_function


def test_a_long_condition_is_reached_by_each_of_its_lines() -> None:
    """`if (` is a line of its own on which nothing runs."""
    source = "def f(a):\n    if (\n        a\n        < 3\n    ):\n        return 1\n    return 2\n"
    found = {mutant.name.split(" ", 1)[1]: mutant for mutant in mutants("m", source)}
    condition = found["condition: if a < 3 -> if not a < 3"]
    assert (condition.line, condition.last) == (2, 4)
    assert (found["constant: 1 -> 0"].line, found["constant: 1 -> 0"].last) == (6, 6)
    reach = Reach()
    reach.add(1.0, [("m", 3), ("m", 4), ("m", 6)])
    reach.add(0.5, [("m", 3), ("m", 4), ("m", 7)])
    assert reach.tests("m", range(condition.line, condition.last + 1)) == [1, 0]
    assert reach.tests("m", [6]) == [0]
    assert reach.tests("m", None) == [1, 0]


@pytest.mark.parametrize("name", ["protocol/wire", "protocol/session", "crypto/key_tree"])
def test_every_mutant_is_a_program_and_another_one(name: str) -> None:
    source = (ROOT / f"{name}.py").read_text("utf-8")
    honest = compile(source, "m", "exec", dont_inherit=True)
    made = list(mutants(name, source))
    assert len({mutant.name for mutant in made}) == len(made) > 100
    for mutant in made[::9]:
        assert compile(mutant.tree, "m", "exec", dont_inherit=True) != honest


def test_tests_that_cannot_be_imported_catch_nothing(tmp_path: Path) -> None:
    def work(server: Server) -> None:
        raise AssertionError("mutants were tried")

    broken = tmp_path / "test_broken.py"
    broken.write_text("import entrenous.nothing_of_this_name\n\ndef test() -> None: ...\n", "utf-8")
    code = pytest.main(
        [*options(), str(broken)], plugins=[Server({}, work, tmp_path / "reach.json")]
    )
    assert code == pytest.ExitCode.USAGE_ERROR


def test_a_sample_is_caught_and_not_tried_again(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    command = [
        sys.executable, "-m", "entrenous.tests.mutation.run", "protocol/did", "--sample", "3",
        "--seed", "5", "--tests", "protocol/test_did.py", "--results", str(results),
    ]  # fmt: skip
    said = [
        subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
        ).stdout
        for _ in range(2)
    ]
    entries = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    assert len(entries) == 3
    assert sum(entry["caught"] for entry in entries) >= 2
    assert said[0].endswith(said[1])
