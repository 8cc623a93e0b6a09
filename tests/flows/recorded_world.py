"""Three real nodes in processes of their own, everything they send and write recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from entrenous.node.client import Client, NotRunning, connect
from entrenous.tests.failure_report import end_of
from entrenous.tests.flows import recorded_node

START_S = 120.0
PASSPHRASE = b"three words nobody guesses"


@dataclass(frozen=True)
class Stage:
    """Where everything is: homes, the user's other folders, logs; and, apart, the recordings."""

    root: Path

    @property
    def world(self) -> Path:
        """All that the nodes may write to."""
        return self.root / "world"

    @property
    def recordings(self) -> Path:
        return self.root / "recordings"

    def home(self, name: str) -> Path:
        return self.world / "homes" / name

    def log(self, name: str) -> Path:
        return self.world / "logs" / f"{name}.log"

    def set_up(self) -> None:
        for folder in ("homes", "logs", "user", "run", "tmp"):
            (self.world / folder).mkdir(parents=True, mode=0o700)
        self.recordings.mkdir()

    def environment(self) -> Mapping[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.world / "user"),
            "XDG_RUNTIME_DIR": str(self.world / "run"),
            "TMPDIR": str(self.world / "tmp"),
            # What the interpreter caches of its own program is not the node's.
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def recorded(self, kind: str, *names: str) -> list[bytes]:
        """The recordings of one kind: of the nodes named, else of every process."""
        of = [f"{kind}-{pid}" for name in names for pid in self.pids(name)]
        return [
            path.read_bytes()
            for path in sorted(self.recordings.glob(f"{kind}-*"))
            if not of or path.name in of
        ]

    def pids(self, name: str) -> list[int]:
        """The processes in which the node `name` ran."""
        return [int(line) for line in (self.recordings / f"pids-of-{name}").read_text().split()]

    def _command(self, command: str, name: str, *more: str) -> list[str]:
        recorder = [sys.executable, str(recorded_node.__file__), str(self.recordings)]
        return [*recorder, command, "--home", str(self.home(name)), *more]

    def init(self, name: str, *, shown_as: str, organisation: bool) -> None:
        """`entrenous init`."""
        with _passphrase() as fd:
            more = ["--name", shown_as, "--passphrase-fd", str(fd), "--json"]
            more += ["--organisation"] if organisation else []
            done = subprocess.run(
                self._command("init", name, *more),
                env=self.environment(),
                cwd=self.world / "user",
                pass_fds=(fd,),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=START_S,
                check=False,
            )
        assert done.returncode == 0, done.stderr.decode()

    @asynccontextmanager
    async def up(self, name: str) -> AsyncGenerator[Client]:
        """`entrenous up`, its output in a log; and a client of it."""
        with self.log(name).open("ab") as log, _passphrase() as fd:
            more = ["--passphrase-fd", str(fd), "--listen", "/ip4/127.0.0.1/tcp/0"]
            process = await trio.lowlevel.open_process(
                self._command("up", name, *more),
                env=self.environment(),
                cwd=self.world / "user",
                pass_fds=(fd,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        with (self.recordings / f"pids-of-{name}").open("a") as pids:
            pids.write(f"{process.pid}\n")
        try:
            with trio.fail_after(START_S):
                await self._until_up(name, process)
            async with connect(self.home(name)) as client:
                yield client
        except BaseException:
            print(f"{name} wrote last:\n{end_of(self.log(name))}", file=sys.stderr)
            raise
        finally:
            with trio.CancelScope(shield=True):
                process.terminate()
                with trio.move_on_after(60):
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    async def _until_up(self, name: str, process: trio.Process) -> None:
        while True:
            assert process.poll() is None, self.log(name).read_text()
            try:
                async with connect(self.home(name)) as client:
                    await client.status()
                    return
            except NotRunning:
                await trio.sleep(0.05)

    def opened_for_writing(self) -> set[Path]:
        """Every path that a process opened for writing, or as a database."""
        lines = b"".join(self.recorded("files")).splitlines()
        return {Path(self.world / "user", os.fsdecode(line)) for line in lines}


class _passphrase:  # reads as a function: `with _passphrase() as fd`
    """A pipe that holds the passphrase; its reading end."""

    def __enter__(self) -> int:
        self._fd, writing = os.pipe()
        os.write(writing, PASSPHRASE + b"\n")
        os.close(writing)
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
