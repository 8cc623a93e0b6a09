"""A failure says its reason in one line, and shows what the nodes of the test wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from entrenous.tests.failure_report import LINES_SHOWN, LOGS_SHOWN, logs_in, reason

CONFTEST = Path(__file__).with_name("conftest.py")
TEST = """
def test_a(tmp_path):
    (tmp_path / "homes").mkdir()
    (tmp_path / "homes" / "owner.log").write_text("born\\nfell silent\\n")
    inner = ExceptionGroup("of a nursery", [AssertionError("the days did not come\\nand so on")])
    raise ExceptionGroup("of another", [inner, TimeoutError()])
"""


def test_the_errors_inside_groups_are_named_once_each() -> None:
    one = AssertionError("the days did not come\nassert 1 == 2")
    two = BaseExceptionGroup("b", [KeyboardInterrupt(), AssertionError("the days did not come")])
    assert reason(ExceptionGroup("a", [one])) == "AssertionError: the days did not come"
    assert reason(BaseExceptionGroup("a", [one, two])) == (
        "AssertionError: the days did not come; KeyboardInterrupt"
    )
    assert reason(ValueError()) == "ValueError"


def test_of_each_log_the_end_and_of_many_those_written_last(tmp_path: Path) -> None:
    for number in range(LOGS_SHOWN + 2):
        log = tmp_path / f"{number}.log"
        log.write_text("".join(f"{line}\n" for line in range(number * 20_000)))
        os.utime(log, (number, number))
    found = logs_in(tmp_path)
    assert [name for name, _ in found] == [f"{n}.log" for n in range(LOGS_SHOWN + 1, 1, -1)]
    for name, text in found:
        last = int(name.removesuffix(".log")) * 20_000
        assert text.splitlines() == [str(line) for line in range(last - LINES_SHOWN, last)]


def test_a_failure_tells_its_reason_and_the_logs(tmp_path: Path) -> None:
    shutil.copy(CONFTEST, tmp_path / "conftest.py")
    (tmp_path / "allowed-skips.txt").write_text("")
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    environment = {**os.environ, "CI": "true", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    shown = next(number for number, line in enumerate(lines) if "end of homes/owner.log" in line)
    assert lines[shown + 1 : shown + 3] == ["born", "fell silent"]
    (told,) = [one for one in lines if one.startswith("FAILED")]
    assert told.endswith(" - AssertionError: the days did not come; TimeoutError")
