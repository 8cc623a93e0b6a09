"""A real daemon in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PASSPHRASE = b"open sesame"
READY_S = 60


@dataclass
class Daemon:
    """A process, and what it said when it was ready; None if it ended before."""

    process: subprocess.Popen[bytes]
    ready: dict[str, object] | None

    def rss_kib(self, line: str = "VmRSS") -> int:
        """Resident memory, as the kernel counts it (`VmHWM`: its peak)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(one for one in status.splitlines() if one.startswith(line)).split()[1])

    def cpu_s(self) -> float:
        """Processor time that it has used so far, its own and the kernel's for it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it said on stderr."""
        _, said = self.process.communicate(timeout=READY_S)
        return self.process.returncode, said.decode()


@contextmanager
def daemon(
    home: Path, *more: str, passphrase: bytes = PASSPHRASE, runtime: Path | None = None
) -> Generator[Daemon]:
    """Run a node on `home` until the context ends; it is told to stop then, and waited for.

    If the context fails, what the node wrote to stderr is told with the failure.
    """
    read_end, write_end = os.pipe()
    os.write(write_end, passphrase + b"\n")
    os.close(write_end)
    ready_end, tell_end = os.pipe()
    arguments = _arguments(home, read_end, tell_end, more)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / ".import")}
    environment.pop("CREDENTIALS_DIRECTORY", None)
    if runtime is not None:
        environment["XDG_RUNTIME_DIR"] = str(runtime)
    process = subprocess.Popen(
        arguments, pass_fds=(read_end, tell_end), stderr=subprocess.PIPE, env=environment
    )
    os.close(read_end)
    os.close(tell_end)
    try:
        with open(ready_end) as parent:
            line = parent.readline()  # empty once the process has ended
        yield Daemon(process, json.loads(line) if line else None)
    except BaseException:
        _end(process)
        if process.stderr is not None and not process.stderr.closed:
            print(process.stderr.read().decode(errors="replace"), file=sys.stderr)
        raise
    finally:
        _end(process)
        assert process.stderr is not None
        process.stderr.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(READY_S)


def _arguments(home: Path, passphrase: int, ready: int, more: Sequence[str]) -> list[str]:
    return [
        sys.executable,
        "-m",
        "entrenous.node.daemon",
        f"--home={home}",
        f"--passphrase-fd={passphrase}",
        f"--ready-fd={ready}",
        *more,
    ]
