"""The disk that forgets does: what these programs did not sync is gone, what they synced is not."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrenous.tests.shim.disk import Disk, Loss, build

SIZE = 10_000
Run = Callable[[str], str]

# Each program ends itself as a power cut would; `put` writes a whole file.
HEAD = """
import os, signal, sys
from pathlib import Path
os.chdir(sys.argv[1])

def put(name, data, sync=False, flags=os.O_CREAT):
    handle = os.open(name, os.O_WRONLY | flags, 0o600)
    left = data
    while left:
        left = left[os.write(handle, left):]
    if sync:
        os.fsync(handle)
    os.close(handle)

def sync_folder():
    handle = os.open(".", os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
"""
END = "\nos.kill(os.getpid(), signal.SIGKILL)\n"


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return build(tmp_path_factory.mktemp("library"))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk.make(tmp_path / "disk", tmp_path / "side")


@pytest.fixture
def run(disk: Disk, preload: dict[str, str]) -> Run:
    def run(program: str) -> str:
        return _run(disk, preload, program)

    return run


def _run(disk: Disk, preload: dict[str, str], program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program + END, str(disk.folder)],
        env={**preload, **disk.places},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout


def files(disk: Disk) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(disk.folder.iterdir())}


def test_what_is_not_synced_is_gone(disk: Disk, run: Run) -> None:
    run(f"put('kept', b'a' * {SIZE}, True); sync_folder(); put('lost', b'b' * {SIZE})")
    assert files(disk) == {"kept": b"a" * SIZE, "lost": b"b" * SIZE}, "a kill alone loses nothing"
    disk.cut_power()
    assert files(disk) == {"kept": b"a" * SIZE}
    assert disk.dropped


def test_bytes_written_over_come_back(disk: Disk, run: Run) -> None:
    run(f"put('file', b'a' * {SIZE}, True); sync_folder(); put('file', b'b' * 100, flags=0)")
    disk.cut_power()
    assert files(disk) == {"file": b"a" * SIZE}


def test_a_file_cut_short_is_whole_again(disk: Disk, run: Run) -> None:
    run(f"put('file', b'a' * {SIZE}, True); sync_folder(); put('file', b'b', flags=os.O_TRUNC)")
    assert files(disk) == {"file": b"b"}
    disk.cut_power()
    assert files(disk) == {"file": b"a" * SIZE}


def test_a_name_is_durable_with_its_folder(disk: Disk, run: Run) -> None:
    before = "put('old', b'old', True); sync_folder(); put('new', b'new', True); "
    run(before + "os.replace('new', 'old')")
    assert files(disk) == {"old": b"new"}
    disk.cut_power()
    assert files(disk) == {"old": b"old"}
    run(before + "os.replace('new', 'old'); sync_folder()")
    disk.cut_power()
    assert files(disk) == {"old": b"new"}
    run("os.unlink('old')")
    disk.cut_power()
    assert files(disk) == {"old": b"new"}
    run("os.unlink('old'); sync_folder()")
    disk.cut_power()
    assert files(disk) == {}


def test_chance_tears_what_is_not_synced(disk: Disk, run: Run) -> None:
    disk.chance = random.Random(7)
    run(f"put('file', b'a' * {SIZE}, True); sync_folder(); put('file', b'b' * {SIZE}, flags=0)")
    disk.loss = Loss.SOME
    disk.cut_power()
    found = files(disk)["file"]
    sectors = {found[at : at + 512] for at in range(0, 512 * (SIZE // 512), 512)}
    assert sectors == {b"a" * 512, b"b" * 512}


def test_the_disk_is_full(disk: Disk, run: Run) -> None:
    disk.set(space=SIZE)
    said = run(
        f"try: put('file', b'a' * {2 * SIZE})\n"
        "except OSError as error: os.write(1, str(error.errno).encode())\n",
    )
    assert said == "28"  # ENOSPC
    assert files(disk) == {"file": b"a" * SIZE}
    assert disk.space == 0


def test_what_a_failed_sync_left_the_next_one_leaves_too(disk: Disk, run: Run) -> None:
    disk.set(syncs=1)
    said = run(
        "handle = os.open('file', os.O_WRONLY | os.O_CREAT)\n"
        "os.write(handle, b'lost')\n"
        "try: os.fsync(handle)\n"
        "except OSError as error: os.write(1, str(error.errno).encode())\n"
        "os.write(handle, b'kept'); os.fsync(handle); sync_folder()\n",
    )
    assert said == "5"  # EIO
    disk.cut_power()
    assert files(disk) == {"file": b"\0\0\0\0kept"}


def test_the_power_goes_at_a_sync(disk: Disk, run: Run) -> None:
    disk.set(kills=2)
    run("put('one', b'1', True); sync_folder(); os.write(1, b'not reached')")
    disk.cut_power()
    assert files(disk) == {}, "the folder was not synced"


def test_writes_are_halved(disk: Disk, run: Run) -> None:
    disk.set(halves=True)
    said = run(
        "handle = os.open('file', os.O_WRONLY | os.O_CREAT)\n"
        "sizes = [os.write(handle, b'a' * 100), os.pwrite(handle, b'a', 50)]\n"
        "os.write(1, repr(sizes).encode())\n",
    )
    assert said == "[50, 1]"
