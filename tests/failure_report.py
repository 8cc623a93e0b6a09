"""What is told of a test that failed: the reason in the summary, and what its nodes wrote.

Most tests here run in a nursery, and what fails in one comes wrapped in groups that say only how
many errors they hold.  The line of the summary names the errors inside.  A node in a process of its
own writes beside its home, and the folder of the test is on a machine that may be gone: the last
lines of each log are shown with the failure.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

LINES_SHOWN = 25
LOGS_SHOWN = 6
# A log may be of any size; of its end so much is read.
END_BYTES = 64 * 1024


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside groups of groups; of one that is no group, itself."""
    inner = cast("Sequence[BaseException] | None", getattr(error, "exceptions", None))
    if not inner:
        yield error
        return
    for one in inner:
        yield from leaves(one)


def reason(error: BaseException) -> str:
    """One line: each error's type and the first line that it says."""
    said: list[str] = []
    for one in leaves(error):
        sentence = next(iter(str(one).splitlines()), "")
        said.append(f"{type(one).__name__}: {sentence}" if sentence else type(one).__name__)
    return "; ".join(dict.fromkeys(said))


def end_of(log: Path) -> str:
    """The last lines of a file."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - END_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LINES_SHOWN:])


def logs_in(folder: Path) -> list[tuple[str, str]]:
    """The logs below a test's folder that say something, those written last first."""
    found = [path for path in folder.rglob("*.log") if path.is_file() and path.stat().st_size]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [(str(path.relative_to(folder)), end_of(path)) for path in found[:LOGS_SHOWN]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not report.failed or call.excinfo is None:
        return report
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and hasattr(call.excinfo.value, "exceptions"):
        crash.message = reason(call.excinfo.value)
    folder = cast("dict[str, object]", getattr(item, "funcargs", {})).get("tmp_path")
    if isinstance(folder, Path):
        report.sections += [(f"end of {name}", text) for name, text in logs_in(folder)]
    return report
