"""What every test may ask for, and the rule that no check stops being made unnoticed."""

from __future__ import annotations

import importlib
import os
import pkgutil
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import cast

import pytest
import structlog
from hypothesis import HealthCheck, settings

import entrenous
from entrenous.tests import failure_report

REPOSITORY = Path(__file__).resolve().parent.parent
ALLOWED_SKIPS = Path(__file__).with_name("allowed-skips.txt")
NO_SHARED = "the folder of shared vectors and samples is not here (ENTRENOUS_SHARED)"
IN_CI = os.environ.get("CI") == "true"

# Times of day are shown in the zone of the machine: for tests, and processes that they start, this
# one.  A test that means another says so.
os.environ["TZ"] = "UTC"
time.tzset()

# A time limit for each example, or for making it, would only measure how busy the machine is.
settings.register_profile(
    "desk", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
# The same examples each time: whether a change lands is not left to what was drawn.
settings.register_profile(
    "landing",
    settings.get_profile("desk"),
    derandomize=True,
    database=None,
    print_blob=True,
)
settings.load_profile("landing" if IN_CI else "desk")


def pytest_collection_finish() -> None:
    """In CI every module is loaded before the first test: Hypothesis draws from the constants of
    those that are, and which one a test before had needed differs from run to run."""
    ours = Path(entrenous.__file__).resolve().is_relative_to(REPOSITORY)
    if IN_CI and ours:
        for found in pkgutil.walk_packages(entrenous.__path__, "entrenous."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


@pytest.fixture(autouse=True)
def own_log() -> Generator[None]:
    """Whoever runs the command line in this process sets up its log: the next test has its own."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published vectors and real samples, `ENTRENOUS_SHARED` or `../shared`.

    It is not part of the repository, so a test that needs it is skipped where it is not.  Whoever
    names a folder means it: then a missing one fails.
    """
    named = os.environ.get("ENTRENOUS_SHARED")
    folder = REPOSITORY / (named or "../shared")
    if folder.is_dir():
        return folder
    if named:
        pytest.fail("ENTRENOUS_SHARED names a folder that is not there")
    pytest.skip(NO_SHARED)


# --- skips ----------------------------------------------------------------------------------------


def allowed_skips(text: str) -> frozenset[str]:
    """The reasons that `allowed-skips.txt` lists."""
    lines = map(str.strip, text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


class Skips:
    """Collects why tests were left out; with CI=true, a reason that is not listed fails the run."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = frozenset(allowed)
        self.found: dict[str, int] = {}

    def unlisted(self) -> list[str]:
        """The reasons found that nobody allowed, sorted."""
        return sorted(self.found.keys() - self.allowed)

    def _add(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if not report.skipped:
            return
        reason = getattr(report, "wasxfail", None)
        if reason is None:
            where = report.longrepr
            said = where[2] if isinstance(where, tuple) else str(where)
            reason = said.removeprefix("Skipped: ")
        else:
            reason = f"xfail: {str(reason).removeprefix('reason: ')}"
        self.found[reason] = self.found.get(reason, 0) + 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._add(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._add(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """A process of several has ended: what it left out while it collected is told here only."""
        told = cast("dict[str, dict[str, int]]", getattr(node, "workeroutput", {}))
        for reason, times in told.get("left_out", {}).items():
            self.found.setdefault(reason, times)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        told = cast("dict[str, object] | None", getattr(session.config, "workeroutput", None))
        if told is not None:
            told["left_out"] = dict(self.found)
        passing = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if self.unlisted() and session.exitstatus in passing:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for reason in self.unlisted():
            terminalreporter.write_line(
                f"not in tests/allowed-skips.txt, so this run fails: {reason}", red=True
            )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(failure_report, "failure-report")
    if IN_CI:
        config.pluginmanager.register(Skips(allowed_skips(ALLOWED_SKIPS.read_text())), "skips")
