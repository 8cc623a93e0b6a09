"""Ctrl-C while a real process encrypts again what was taken back, destroys a home, or brings an
export back: the same command goes on; and what a terminal is told meanwhile."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.cli import INTERRUPTED, main
from entrenous.node.cli.encrypting import Progress
from entrenous.node.cli.options import forget_opened
from entrenous.node.cli.screen import Screen
from entrenous.node.results.grants import EncryptingProgress
from entrenous.node.vault.stored import entry_of
from entrenous.protocol.cid import cid_text
from entrenous.protocol.window import Window
from entrenous.simulations.files import bank_file
from entrenous.tests.node.lost_device import Lost, with_words
from entrenous.tests.node.test_interrupted import (
    WRITTEN_BYTES,
    _interrupted,  # pyright: ignore[reportPrivateUsage]  # as it is pressed there
    _size,  # pyright: ignore[reportPrivateUsage]
)
from entrenous.tests.node.test_reencryption import AGAIN
from entrenous.tests.node.two_nodes import CURVE, DAY, DAY_S, Town, a_town, meet

DAYS = 400
ALL = Window(CURVE, DAY - DAYS, DAY - 1)


def _run(where: tuple[str, ...], *tokens: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "entrenous.node.cli", *tokens, *where],
        env={**os.environ, "PYTHONPATH": ".import"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _empty_log(folder: Path) -> None:
    """What was written before shall not look like what the command writes."""
    with closing(sqlite3.connect(folder / "store.db")) as database:
        assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


async def _eager_home(town: Town, tmp_path: Path) -> tuple[Lost, Path, bytes]:
    """A home with a year and more that was lent on terms that want it encrypted again; no node
    runs on it."""
    lost = await with_words(town, tmp_path, "alice")
    alice = lost.alice
    bank = await town.party("bank")
    await meet(alice, bank)
    await alice.fill(CURVE, DAY - DAYS, DAYS)
    pair = await alice.peer("bank")
    exp_s = alice.now_ms // 1000 + 3_000 * DAY_S
    given = await alice.write(
        lambda tx: alice.node.lending.give(tx, pair, [ALL], AGAIN, exp_s, None, alice.now_ms)
    )
    home, _, folder = await lost.restored(stolen=False)
    await home.write(lambda tx: home.node.lending.keep(tx, given.cid, home.now_ms))
    await home.down()
    return lost, folder, given.cid


async def test_encrypting_again_that_was_interrupted_goes_on(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "entrenous.passphrase").write_bytes(b"another one")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    async with a_town() as town:
        lost, folder, cid = await _eager_home(town, tmp_path)
        where = ("--home", str(folder), "--json")
        log = folder / "store.db-wal"
        _empty_log(folder)
        _interrupted(where, lambda: _size(log) > WRITTEN_BYTES, "revoke", cid_text(cid))
        again = _run(where, "revoke", cid_text(cid))
        assert again.returncode == 0, again.stderr
        assert [one["grant"] for one in json.loads(again.stdout)["before"]] == [cid_text(cid)]
        party = await lost.open(folder)
        node = party.node
        assert await party.read(node.reencryption.waiting) == []
        present = await party.read(lambda tx: node.vault.present(tx, CURVE))
        pages = await party.read(lambda tx: node.vault.stored(tx, CURVE, ALL.first, ALL.last))
        assert len(pages) == DAYS
        gens = {(entry.epoch, entry.gen) for entry in (entry_of(one.raw) for one in pages)}
        assert gens == {present}
        # Nothing is left to go on with.
        assert "Nothing was changed." in _run(where[:2], "revoke", cid_text(cid)).stdout


def test_a_terminal_sees_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "\r\x1b[Kencrypting again: 64 of 400 pages\r\x1b[K"
    for terminal, said in ((False, ""), (True, told)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        tell = Progress(Screen(False))
        tell(EncryptingProgress(64, 400))
        tell(EncryptingProgress(400, 400))
        assert capsys.readouterr().err == said


def test_an_export_that_is_brought_back_and_a_home_that_is_destroyed_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, other, out = tmp_path / "home", tmp_path / "other", tmp_path / "out"
    key = ("--key-file", str(tmp_path / "key"), "--json")
    at, there = ("--home", str(home), *key), ("--home", str(other), *key)

    def run(where: tuple[str, ...], *tokens: str) -> str:
        forget_opened()
        capsys.readouterr()
        assert main([*tokens, *where]) == 0
        return capsys.readouterr().out

    run(at, "init")
    file = bank_file(7, months=6)
    (tmp_path / file.name).write_bytes(file.data)
    run(at, "import", str(tmp_path / file.name))
    run(at, "export", str(out))
    held = [json.loads(line) for line in run(at, "collections").splitlines()]

    run(there, "init")
    log = other / "store.db-wal"
    _interrupted(there, lambda: _size(log) > WRITTEN_BYTES, "import", str(out))
    run(there, "import", str(out))
    found = [json.loads(line) for line in run(there, "collections").splitlines()]
    assert [(one["path"], one["records"]) for one in found] == [
        (one["path"], one["records"]) for one in held
    ]

    _interrupted(at, lambda: (home / "erasing").exists(), "erase", "--everything", "--yes")
    if home.exists():
        run(at, "erase", "--everything", "--yes")
    assert not home.exists()
    assert INTERRUPTED == 130
