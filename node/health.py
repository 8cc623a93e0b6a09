"""The health of a home: what is wrong with it, and what its owner can do.

    examine_home   from outside, without keys: folder, settings, files, disk, machine
    examine_node   from inside, once it is open: peers, outbox, log, grants, backup

Each check says one thing in one sentence and, unless all is well, one thing to do.  A check never
stops the others, and changes nothing: a home that will not open is just the one that is examined.
"""

from __future__ import annotations

import os
import resource
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path

from ..crypto.errors import EntrenousError
from .config import ENVIRONMENT_PREFIX, Config
from .errors import HomeError, HomeInUse
from .results.node import Finding, State
from .store.health import check_file
from .store.home import Home

# A busy home writes some megabytes an hour; SQLite needs room beside the file when it tidies up.
DISK_FREE_BYTES_MIN = 100 << 20
DISK_FREE_BYTES_LOW = 1 << 30
# One link a peer, one file a table: more than this is only needed for more than 200 peers.
OPEN_FILES_LOW = 512
# Files have whole seconds on some disks, and clocks of two machines differ by as much.
CLOCK_SLACK_S = 300
# No clock is right that stands before this program was made: 2025-01-01.
CLOCK_S_MIN = 1_735_689_600

Examine = Callable[[Home, Mapping[str, str]], Iterator[Finding]]


def examine_home(
    folder: Path, environment: Mapping[str, str], key_file: Path | None = None
) -> Iterator[Finding]:
    """Every check that needs no keys.  Yields each finding as it is made; raises nothing."""
    home = Home(folder)
    try:
        home.check()
    except HomeError as error:
        yield Finding("home", State.WRONG, str(error), _remedy_for_folder(folder))
        return
    yield Finding("home", State.OK, f"the folder {folder} is there, and closed to others")
    for name, examine in CHECKS:
        try:
            yield from examine(home, environment)
        except (OSError, EntrenousError) as error:
            yield Finding(name, State.WRONG, _sentence(error))
    if key_file is not None:
        yield from _key_file(home, key_file)


def _remedy_for_folder(folder: Path) -> str:
    if not folder.exists():
        return "`entrenous init` makes a home; --home or ENTRENOUS_HOME names another"
    return "put it right as the sentence says"


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}"
    return str(error)


def _settings(home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    try:
        Config.read(home.folder, environment)
    except EntrenousError as error:
        yield Finding(
            "settings", State.WRONG, str(error), f"mend {home.config}, or the environment"
        )
        return
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Config.__dataclass_fields__}
    known |= {f"{ENVIRONMENT_PREFIX}{name}" for name in ("HOME", "SHARED")}
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            yield Finding(
                "settings",
                State.NOTE,
                f"{name} is set, and no setting has that name",
                "see docs/cli.md for the names",
            )
    yield Finding("settings", State.OK, "config.toml is valid")


def _keystore(home: Home, _: Mapping[str, str]) -> Iterator[Finding]:
    if not home.keystore.exists():
        yield Finding(
            "keystore",
            State.WRONG,
            "there are no keys here: without them nothing of this home opens",
            "`entrenous restore` makes a home from a backup and the recovery words",
        )
    else:
        yield Finding("keystore", State.OK, "the keys are there")


def _files(home: Home, _: Mapping[str, str]) -> Iterator[Finding]:
    """Each file of the home is its owner's alone."""
    open_to_others = [
        path
        for path in sorted(home.folder.iterdir())
        if not path.is_symlink() and path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    for path in open_to_others:
        yield Finding(
            "files", State.WRONG, f"{path.name} is open to other users", f"chmod 600 {path}"
        )
    if not open_to_others:
        yield Finding("files", State.OK, "every file is closed to other users")


def _store(home: Home, _: Mapping[str, str]) -> Iterator[Finding]:
    if not home.database.exists():
        yield Finding(
            "store",
            State.WRONG,
            "store.db is gone: your records, grants and log are not here",
            "put it back, or restore a backup in another home",
        )
    elif home.database.stat().st_size == 0:
        yield Finding("store", State.OK, "the store is new and empty")
    else:
        version = check_file(home.database)
        size = home.database.stat().st_size
        yield Finding("store", State.OK, f"the store is whole (version {version}, {size:,} bytes)")


def _disk(home: Home, _: Mapping[str, str]) -> Iterator[Finding]:
    if os.statvfs(home.folder).f_flag & os.ST_RDONLY:
        yield Finding(
            "disk",
            State.WRONG,
            "the disk is mounted read-only",
            "mount it so that it can be written",
        )
        return
    free = shutil.disk_usage(home.folder).free
    sentence = f"{free / (1 << 30):,.1f} GiB of the disk are free"
    if free < DISK_FREE_BYTES_MIN:
        yield Finding("disk", State.WRONG, sentence, "make room: nothing can be stored soon")
    elif free < DISK_FREE_BYTES_LOW:
        yield Finding("disk", State.NOTE, sentence, "make room before it is full")
    else:
        yield Finding("disk", State.OK, sentence)


def _running(home: Home, _: Mapping[str, str]) -> Iterator[Finding]:
    try:
        with home.locked():
            pass
    except HomeInUse:
        if home.control.exists():
            yield Finding("node", State.OK, "the node is running")
        else:
            yield Finding(
                "node",
                State.NOTE,
                "a process holds this home, and its control socket is not there",
                "another command may be at work; if it stays so, stop that process",
            )
        return
    yield Finding("node", State.NOTE, "the node is not running", "`entrenous up` runs it")


def _clock(home: Home, _: Mapping[str, str]) -> Iterator[Finding]:
    now_s = time.time()
    written_s = home.database.stat().st_mtime if home.database.exists() else 0.0
    if now_s < CLOCK_S_MIN or written_s > now_s + CLOCK_SLACK_S:
        yield Finding(
            "clock",
            State.WRONG,
            "the clock of this machine stands before what this home has written",
            "set the clock: peers refuse what is signed with a wrong time",
        )
    else:
        yield Finding("clock", State.OK, "the clock is not behind this home")


def _machine(_: Home, __: Mapping[str, str]) -> Iterator[Finding]:
    """What the machine does with the memory of programs, and how many files it lets them open."""
    if resource.getrlimit(resource.RLIMIT_CORE)[0] != 0:
        yield Finding(
            "memory",
            State.NOTE,
            "a crash of the node may write its memory, keys too, to a core file",
            "`ulimit -c 0`, or the units that `entrenous unit` prints",
        )
    swaps = Path("/proc/swaps")
    if swaps.exists() and len(swaps.read_text().splitlines()) > 1:
        yield Finding(
            "memory",
            State.NOTE,
            "this machine swaps: keys may reach its disk",
            "encrypt the swap, or turn it off",
        )
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= files < OPEN_FILES_LOW:
        yield Finding(
            "open files", State.NOTE, f"a process may open {files} files", "`ulimit -n 1024`"
        )


def _program(_: Home, __: Mapping[str, str]) -> Iterator[Finding]:
    """Whether everything that this program is made of loads."""
    broken: list[str] = []
    count = 0
    for group in ("entrenous.readers", "entrenous.services"):
        for found in entry_points(group=group):
            count += 1
            try:
                found.load()
            except (ImportError, AttributeError):
                broken.append(found.name)
    for name in broken:
        yield Finding("program", State.WRONG, f"{name} cannot be loaded", "install entrenous again")
    if not broken:
        python = ".".join(map(str, sys.version_info[:3]))
        yield Finding("program", State.OK, f"{count} readers and services load (Python {python})")


CHECKS: tuple[tuple[str, Examine], ...] = (
    ("settings", _settings),
    ("keystore", _keystore),
    ("files", _files),
    ("store", _store),
    ("disk", _disk),
    ("node", _running),
    ("clock", _clock),
    ("memory", _machine),
    ("program", _program),
)


def _key_file(home: Home, key_file: Path) -> Iterator[Finding]:
    try:
        same_disk = key_file.stat().st_dev == home.folder.stat().st_dev
    except OSError as error:
        yield Finding(
            "key file", State.WRONG, _sentence(error), "give the file that opens this home"
        )
        return
    if same_disk:
        yield Finding(
            "key file",
            State.NOTE,
            "the key file lies on the same disk as the home: whoever has the disk has both",
            "keep it on a stick, or use a passphrase",
        )
