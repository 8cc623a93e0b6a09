"""kill -9 in the middle of groups: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from entrenous.node.store.aiosqlite import AiosqliteDatabase
from entrenous.node.store.database import Tx

KILLS = 4
CALLERS = 16

# Each caller writes pairs of rows under its own numbers and says so only once `write` returned.
VICTIM = f"""
import os, sys
from pathlib import Path
import trio
from entrenous.node.store.aiosqlite import AiosqliteDatabase

async def caller(db, run, mine):
    number = 0
    while True:
        name = f"{{run}}-{{mine}}-{{number}}"
        def unit(tx):
            tx.execute("INSERT INTO meta VALUES (?, 1)", (name + "-a",))
            tx.execute("INSERT INTO meta VALUES (?, zeroblob(3000))", (name + "-b",))
        await db.write(unit)
        os.write(1, (name + "\\n").encode())
        number += 1

async def main():
    async with AiosqliteDatabase(Path(sys.argv[1])) as db, trio.open_nursery() as nursery:
        for mine in range({CALLERS}):
            nursery.start_soon(caller, db, sys.argv[2], mine)

trio.run(main)
"""


def killed_after(path: Path, run: int, lines: int) -> list[str]:
    """Run the victim, kill it once it has acknowledged `lines` units; all it acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(path), str(run)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        # What it had said before it died is still in the pipe; a line cut short was not said.
        told += process.stdout.read().splitlines(keepends=True)
    assert process.returncode == -signal.SIGKILL
    return [line.decode().strip() for line in told if line.endswith(b"\n")]


@pytest.mark.parametrize("seed", [20260101])
async def test_what_was_acknowledged_is_there_and_whole(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(seed)
    acknowledged: list[str] = []
    for run in range(KILLS):
        lines = chance.randrange(1, 300)
        acknowledged += await trio.to_thread.run_sync(killed_after, path, run, lines)

        def names(tx: Tx) -> set[str]:
            row = tx.one("PRAGMA integrity_check")
            assert row == ("ok",)
            return {found[0] for found in tx.execute("SELECT name FROM meta")}

        async with AiosqliteDatabase(path) as db:
            there = await db.read(names)
        first = {name[:-2] for name in there if name.endswith("-a")}
        second = {name[:-2] for name in there if name.endswith("-b")}
        assert first == second, "a unit is there by half"
        assert set(acknowledged) <= first, "an acknowledged unit is lost"
        # A group may be durable whose callers were not told any more: one group a kill at most.
        assert len(first) - len(set(acknowledged)) <= CALLERS * (run + 1)
    assert len(acknowledged) > KILLS
