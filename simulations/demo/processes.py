"""Three nodes as processes of their own, each with a home, started and stopped by the demo.

The demo speaks to them as any program does, over their control sockets.  Passphrases are random,
go through a pipe, and end with the demo.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from ...crypto.entropy import Entropy
from ...node.client import Client, NotRunning, connect

START_S = 60.0
STOP_S = 20.0
_POLL_S = 0.05


class DemoFailed(Exception):  # says what happened, as the project's errors do
    """A process of the demo did not do what it should."""


@dataclass(frozen=True, slots=True)
class DemoHome:
    """One home: `passphrase` is hexadecimal text and opens its keystore."""

    name: str
    folder: Path
    passphrase: str

    def __repr__(self) -> str:
        return f"<demo home {self.name}>"


def new_home(root: Path, name: str, entropy: Entropy, *, organisation: bool) -> DemoHome:
    """`entrenous init`, in a process of its own."""
    home = DemoHome(name, root / name, entropy.random_bytes(16).hex())
    done = _init(home, ["--organisation"] if organisation else [])
    if done.returncode != 0:
        raise DemoFailed(f"init of {name} failed: {done.stderr.strip()}")
    return home


@asynccontextmanager
async def running(home: DemoHome) -> AsyncGenerator[Client]:
    """`entrenous up` on `home`, and a client of it; stopped when the context ends."""
    read, write = os.pipe()
    log = _log_of(home).open("ab")
    process = await trio.lowlevel.open_process(
        [
            *_command(home, "up"),
            "--passphrase-fd",
            str(read),
            "--listen",
            "/ip4/127.0.0.1/tcp/0",
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=(read,),
    )
    os.close(read)
    os.write(write, home.passphrase.encode() + b"\n")
    os.close(write)
    try:
        async with _connected(home, process) as client:
            yield client
    finally:
        log.close()
        await _stopped(process)


@asynccontextmanager
async def _connected(home: DemoHome, process: trio.Process) -> AsyncGenerator[Client]:
    with trio.fail_after(START_S):
        while True:
            if process.poll() is not None:
                raise DemoFailed(f"the node {home.name} ended at its start: {_last_line(home)}")
            try:
                async with connect(home.folder) as client:
                    await client.status()
                break
            except NotRunning:
                await trio.sleep(_POLL_S)
    async with connect(home.folder) as client:
        yield client


def _log_of(home: DemoHome) -> Path:
    return home.folder.parent / f"{home.name}.log"


def _last_line(home: DemoHome) -> str:
    lines = _log_of(home).read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"


async def _stopped(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        process.terminate()
        with trio.move_on_after(STOP_S):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


def _init(home: DemoHome, options: list[str]) -> subprocess.CompletedProcess[str]:
    read, write = os.pipe()
    os.write(write, home.passphrase.encode() + b"\n")
    os.close(write)
    try:
        return subprocess.run(
            [*_command(home, "init"), "--name", home.name, *options, "--passphrase-fd", str(read)],
            pass_fds=(read,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
    finally:
        os.close(read)


def _command(home: DemoHome, command: str) -> list[str]:
    return [sys.executable, "-m", "entrenous.node.cli", command, "--home", str(home.folder)]
