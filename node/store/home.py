"""The folder of one node: who may look into it, who runs on it, how its small files are written.

One node at a time: a lock (`flock`) that the system gives back when the process ends, however it
ends.  Files other than the database are replaced as a whole: a reader sees the old content or the
new, and so does the next start after a crash.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..errors import HomeError, HomeInUse

# Sockets and files of the home are for its owner only.
FOLDER_MODE = 0o700
FILE_MODE = 0o600


class Home:
    """The paths of a home.  Nothing is read or made before `create`, `check` or `locked`."""

    __slots__ = ("folder",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def database(self) -> Path:
        return self.folder / "store.db"

    @property
    def keystore(self) -> Path:
        return self.folder / "keystore"

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def control(self) -> Path:
        """A small file that says where the control socket is: its own path may be too long."""
        return self.folder / "control"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    def create(self) -> None:
        """Make the folder, for its owner only.  One that is there is checked, not changed.

        Raises HomeError.
        """
        try:
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"{self.folder} cannot be made: {error.strerror}") from error
        self.check()

    def check(self) -> None:
        """Raises HomeError unless the folder is there, ours, and closed to everybody else."""
        try:
            found = self.folder.stat()
        except FileNotFoundError:
            raise HomeError(f"there is no home at {self.folder}; make one with init") from None
        except OSError as error:
            raise HomeError(f"{self.folder} cannot be used: {error.strerror}") from error
        if not stat.S_ISDIR(found.st_mode):
            raise HomeError(f"{self.folder} is not a folder")
        if found.st_uid != os.geteuid():
            raise HomeError(f"{self.folder} belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise HomeError(f"{self.folder} is open to other users; run: chmod 700 {self.folder}")

    @contextmanager
    def locked(self) -> Generator[None]:
        """Be the one node on this home for as long as the context lasts.

        Raises HomeInUse, naming the process that is, and HomeError.
        """
        self.check()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            handle = os.open(self.lock, flags, FILE_MODE)
        except OSError as error:
            raise HomeError(f"{self.lock} cannot be opened: {error.strerror}") from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
                raise HomeInUse(
                    f"a node runs on {self.folder} already (process {holder or 'unknown'}); "
                    "stop it first"
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
            yield
        finally:
            os.close(handle)  # which also gives the lock back; the file stays for the next one


def write_atomically(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Put `data` in place of the whole file, durably, or leave it as it was.

    Raises HomeError (disk full, no permission).
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        # Only one node writes here (the lock), so a leftover is from a crash.
        beside.unlink(missing_ok=True)
        handle = os.open(
            beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode
        )
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise HomeError(f"{path} could not be written: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a rename is not, until its folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
