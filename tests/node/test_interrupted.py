"""Ctrl-C in the midst of long work of a real process: it ends without a traceback, and the same
command given again goes on; and what a terminal is told meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from entrenous.node.cli import INTERRUPTED, main
from entrenous.node.cli.data import _Progress as _Importing  # pyright: ignore[reportPrivateUsage]
from entrenous.node.cli.erase import _Progress  # pyright: ignore[reportPrivateUsage]  # shown here
from entrenous.node.cli.options import forget_opened
from entrenous.node.cli.screen import Screen
from entrenous.node.results.erasure import ErasureProgress
from entrenous.node.results.imports import Progress
from entrenous.simulations.files import bank_file

PATIENCE_S = 60
# A command that has written this much to the log of the store is in the midst of it.
WRITTEN_BYTES = 100_000


def _interrupted(where: Sequence[str], begun: Callable[[], bool], *tokens: str) -> bool:
    """Press Ctrl-C once `begun`: it ends at once or was done, and shows no traceback.

    True if the signal came so late that it must have been done: Python was already leaving, and
    had given the signal back to the kernel.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "entrenous.node.cli", *tokens, *where],
        env={**os.environ, "PYTHONPATH": ".import"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + PATIENCE_S
    while not begun() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (0, INTERRUPTED, -signal.SIGINT)
    assert "Traceback" not in err
    return process.returncode in (0, -signal.SIGINT)


def test_ctrl_c_leaves_all_in_order_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    where = ("--home", str(home), "--key-file", str(tmp_path / "key"), "--json")

    def run(*tokens: str) -> str:
        forget_opened()
        capsys.readouterr()
        assert main([*tokens, *where]) == 0
        return capsys.readouterr().out

    run("init")
    file = bank_file(7, months=3)
    (tmp_path / file.name).write_bytes(file.data)
    run("import", str(tmp_path / file.name))
    held = _lines(run("collections"))

    done = _interrupted(where, out.exists, "export", str(out))
    if not (out / "manifest.json").exists():
        assert not done
        run("export", str(out))
    assert sum(int(one["records"]) for one in held) == sum(
        len(file.read_text().splitlines()) for file in out.rglob("records.jsonl")
    )

    log, path = home / "store.db-wal", "finance/accounts/transactions"
    done = _interrupted(where, lambda: _size(log) > WRITTEN_BYTES, "erase", path, "--yes")
    if path in [one["path"] for one in _lines(run("collections"))]:
        assert not done
        run("erase", path, "--yes")
    assert path not in [one["path"] for one in _lines(run("collections"))]
    (gone,) = _lines(run("erased"))
    assert [gone["records"]] == [one["records"] for one in held if one["path"] == path]


def _lines(out: str) -> list[dict[str, int | str]]:
    return [json.loads(line) for line in out.splitlines()]


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def test_a_terminal_sees_how_far_an_erasure_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal, said in ((False, ""), (True, "\r\x1b[K1 of 24 months\r\x1b[K")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        tell = _Progress(Screen(False))
        tell(ErasureProgress("energy/gas/index", 1, 24))
        tell(ErasureProgress("energy/gas/index", 24, 24))
        assert capsys.readouterr().err == said


def test_a_terminal_sees_that_an_import_is_read_before_it_has_days_to_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = "\r\x1b[Kreading out\r\x1b[K1 of 24 days\r\x1b[K"
    for terminal, said in ((False, ""), (True, moved)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        with _Importing(Screen(False), Path("somewhere/out")) as tell:
            tell(Progress("out", "energy/gas/index", 1, 24))
        assert capsys.readouterr().err == said
