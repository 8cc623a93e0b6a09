"""kill -9 at every numbered step of an import: the journal names the state, the file goes on.

A child process imports a file and kills itself when a step is reached for the nth time.  Then this
process looks at what is there, imports the same file again, and finds every record once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import trio

from entrenous.node.imports.imports import Imports, Step
from entrenous.node.store.database import Tx
from entrenous.protocol.day import DAY_MAX
from entrenous.simulations.files import energy_file
from entrenous.tests.node.vault_home import open_home

DAYS = 12
CHUNK_PAGES = 4
CHUNKS = DAYS // CHUNK_PAGES
FILE = energy_file(11, days=DAYS)

VICTIM = f"""
import os, signal, sys
from pathlib import Path
import trio
from entrenous.node.imports.imports import Imports
from entrenous.tests.node.vault_home import open_home

class Kill:
    def __init__(self, step, nth):
        self.step, self.left = step, nth
    def reached(self, step):
        self.left -= step == self.step
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

async def main(store, file, step, nth):
    async with open_home("aiosqlite", Path(store)) as home:
        imports = Imports(home.vault, home.clock, checkpoint=Kill(step, int(nth)),
                          chunk_pages={CHUNK_PAGES})
        await imports.commit(Path(file))

trio.run(main, *sys.argv[1:])
"""

# What may be committed when each step is reached for the nth time, in chunks.  A chunk is sealed
# while the one before it is committed, so there the two may be in either order.
KILLS = [
    (Step.READ, 1, {None}),
    (Step.BEGUN, 1, {0}),
    *((Step.SEALED, n, {max(n - 2, 0), n - 1}) for n in range(1, CHUNKS + 1)),
    *((Step.WRITTEN, n, {n - 1}) for n in range(1, CHUNKS + 1)),
    *((Step.COMMITTED, n, {n}) for n in range(1, CHUNKS + 1)),
    (Step.DONE, 1, {CHUNKS}),
]


def killed(store: Path, file: Path, step: Step, nth: int) -> None:
    result = subprocess.run(
        [sys.executable, "-c", VICTIM, str(store), str(file), step.value, str(nth)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()


@pytest.mark.parametrize(("step", "nth", "chunks"), KILLS)
async def test_a_kill_at_any_step_is_named_and_gone_on_from(
    tmp_path: Path, step: Step, nth: int, chunks: set[int | None]
) -> None:
    store, file = tmp_path / "store.db", tmp_path / FILE.name
    file.write_bytes(FILE.data)
    await trio.to_thread.run_sync(killed, store, file, step, nth)

    async with open_home("aiosqlite", store) as home:
        imports = Imports(home.vault, home.clock, chunk_pages=CHUNK_PAGES)

        def look(tx: Tx) -> tuple[int, int]:
            assert tx.one("PRAGMA integrity_check") == ("ok",)
            found = home.vault.collections.find(tx, FILE.known.path)
            return home.store.pages.count(tx), 0 if found is None else found.pages

        pages, counted = await home.database.read(look)
        assert pages == counted, "pages and their counts are committed together"
        sources = await imports.list()
        if not sources:
            assert chunks == {None}
            assert pages == 0
        else:
            (source,) = sources
            assert source.days_done == pages
            assert pages // CHUNK_PAGES in chunks
            assert source.state == ("done" if pages == DAYS else "begun")
            if source.state == "begun":
                assert f"{pages} of {DAYS} days" in source.next_step

        (again,) = (await imports.commit(file)).imported
        assert again.already is (pages == DAYS)
        assert again.new == (DAYS - pages) * 48
        assert (again.records, again.duplicates, again.differing) == (DAYS * 48, 0, 0)
        reading = await home.vault.read(FILE.known.path, 0, DAY_MAX)
        assert (len(reading.batch), reading.pages, reading.damaged) == (DAYS * 48, DAYS, ())
        undone = await imports.undo(again.id)
        assert (undone.pages, undone.records) == (DAYS, DAYS * 48)


def test_every_step_is_killed() -> None:
    assert set(Counter(step for step, _, _ in KILLS)) == set(Step)
