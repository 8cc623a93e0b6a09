"""A skip that nobody listed fails a run in CI; and only there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

LISTED = 'def test_a():\n    pytest.skip("listed")\n'
UNLISTED = """
def test_a():
    pytest.skip("nobody listed this")

@pytest.mark.xfail(reason="some day")
def test_c():
    assert False

def test_d():
    pytest.xfail("now")
"""
MODULE = 'pytest.skip("a whole module", allow_module_level=True)\n'


def run(folder: Path, test: str, ci: str, *more: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "allowed-skips.txt").write_text("# why\nlisted\n")
    (folder / "test_it.py").write_text(f"import pytest\n\ndef test_b():\n    pass\n\n{test}")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
        *more,
    ]
    environment = {**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        (UNLISTED, {"nobody listed this", "xfail: some day", "xfail: now"}),
        (MODULE, {"a whole module"}),
    ],
    ids=["tests", "module"],
)
def test_an_unlisted_skip_fails_in_ci(tmp_path: Path, tests: str, said: set[str]) -> None:
    done = run(tmp_path, tests, "true")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert {line.split("fails: ")[1] for line in lines if "fails: " in line} == said


def test_a_skip_of_one_of_several_processes_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, MODULE, "true", "-p", "xdist", "-n", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "fails: a whole module" in done.stdout


def test_a_listed_skip_passes_in_ci(tmp_path: Path) -> None:
    assert run(tmp_path, LISTED, "true").returncode == 0


def test_any_skip_passes_on_a_desk(tmp_path: Path) -> None:
    assert run(tmp_path, UNLISTED, "").returncode == 0


DRAWN = """
from hypothesis import given, settings, strategies

DRAWS = []

@settings(max_examples=20)
@given(strategies.binary(min_size=16))
def test_a(data):
    DRAWS.append(data)

def test_c():
    raise AssertionError(f"drawn {settings().deadline} {DRAWS}")
"""


@pytest.mark.parametrize(("ci", "often"), [("true", 1), ("", 2)])
def test_examples_are_the_same_each_time_in_ci_and_only_there(
    tmp_path: Path, ci: str, often: int
) -> None:
    said = [run(tmp_path, DRAWN, ci).stdout for _ in range(2)]
    found = {next(line for line in one.splitlines() if "E " in line) for one in said}
    assert len(found) == often
    assert all("drawn None [" in one for one in found)
