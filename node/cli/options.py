"""Options that every command takes, and the way from a command to a node.

A command speaks to the node that runs on the home.  If none runs, one that needs no network opens
the home itself, which asks for the passphrase; one that does says how to start it.  Either way it
holds a `Client`, and cannot tell which.
"""

from __future__ import annotations

import getpass
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from ..client import Client, NotRunning, connect
from ..config import default_home
from ..erasure.home import is_being_erased
from ..errors import HomeError, NotAllowed, UsageError
from .days import UTC, Zone
from .screen import Screen

if TYPE_CHECKING:
    from ..keystore import Keystore
    from ..opening import Unlock

HOME_OPTIONS = Group("Home and output", sort_key=90)


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Options:
    """Where the home is, how it is opened, and how results are printed."""

    home: Annotated[
        Path | None,
        Parameter(group=HOME_OPTIONS, help="The folder of the node (or ENTRENOUS_HOME)."),
    ] = None
    json: Annotated[
        bool,
        Parameter(
            group=HOME_OPTIONS,
            help="Print JSON, with the keys that docs/cli.md lists.",
            show_default=False,
        ),
    ] = False
    passphrase_fd: Annotated[
        int | None,
        Parameter(group=HOME_OPTIONS, help="Read the passphrase from this file descriptor."),
    ] = None
    key_file: Annotated[
        Path | None,
        Parameter(group=HOME_OPTIONS, help="Open the home with this key file, not a passphrase."),
    ] = None

    @property
    def folder(self) -> Path:
        """The folder of the home, whether it is there or not.  Raises UsageError."""
        named = self.home or default_home()
        try:
            return named.expanduser()
        except RuntimeError as error:
            raise UsageError(f"{named} names the folder of nobody here") from error

    @property
    def screen(self) -> Screen:
        return Screen(self.json)

    def unlock(self, *, new: bool = False) -> Unlock:
        """What opens the home; on a terminal, and without `--json`, the person is asked, for a new
        one twice.

        Raises NotAllowed, UsageError, HomeError.
        """
        # Opening needs the cipher library; a command that speaks to a running node does not.
        from ..opening import unlock_from

        ask = (_ask_new if new else _ask) if self.screen.asks else None
        try:
            return unlock_from(passphrase_fd=self.passphrase_fd, key_file=self.key_file, ask=ask)
        except NotAllowed as error:
            if new:
                raise NotAllowed(
                    "a new home needs a passphrase: give it by --passphrase-fd or "
                    "--key-file, or run this on a terminal and without --json"
                ) from error
            asked = "; at a terminal it is asked for without --json" if self.json else ""
            raise NotAllowed(f"no node runs on {self.folder}, and {error}{asked}") from error


USUAL = Options()

# A command may reach for its home twice (look, ask, act); a passphrase is asked for once.
_opened: dict[Path, Keystore] = {}
_made: dict[Path, Unlock] = {}


@asynccontextmanager
async def node_of(options: Options, *, network: bool = False) -> AsyncGenerator[Client]:
    """The node of the home: the one that runs, or the home itself unless `network` is needed.

    Raises NotRunning, HomeError, WrongPassphrase.
    """
    home = options.folder
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(connect(home))
        except NotRunning:
            require_home(home)
            if network:
                raise
            client = await stack.enter_async_context(_offline(options))
        yield client


@asynccontextmanager
async def _offline(options: Options) -> AsyncGenerator[Client]:
    # A store and its libraries: loaded only by a command that opens the home itself.
    from ..config import Config
    from ..daemon_log import set_up_log
    from ..offline import open_offline

    set_up_log(quiet=True)  # a fault is told on stderr, and never with the values it met
    home = options.folder
    keystore = keystore_of(options)
    async with open_offline(home, keystore, Config.read(home)) as client:
        yield client


def keystore_of(options: Options) -> Keystore:
    """The opened keystore of the home; asked for once."""
    from ..opening import open_home

    home = options.folder
    if (keystore := _opened.get(home)) is None:
        unlock = _made.pop(home, None) or options.unlock()
        keystore = _opened[home] = open_home(home, unlock)
    return keystore


def keep_unlock(home: Path, unlock: Unlock) -> None:
    """Remember what opens a home that was just made, so that nobody is asked once more."""
    _made[home] = unlock


def forget_opened() -> None:
    """Forget keystores opened before: for a process that runs more than one command."""
    _opened.clear()
    _made.clear()


def require_home(home: Path) -> None:
    """Raise HomeError if there is no home at all: a better word than that no node runs on it."""
    if not (home / "keystore").exists():
        if is_being_erased(home):
            raise HomeError(
                f"{home} is being erased: `entrenous erase --everything` brings it to its end"
            )
        store = home / "store.db"
        if store.exists() and store.stat().st_size:  # an empty one: `init` was interrupted
            raise HomeError(
                f"the keystore of {home} is gone: put it back, or restore a backup in another home"
            )
        raise HomeError(f"there is no home at {home}: make one with `entrenous init`")


def zone_of(utc: bool) -> Zone:
    """Whose days options mean: the person's own (None), or UTC."""
    return UTC if utc else None


def _ask() -> str:
    return getpass.getpass("Passphrase: ")


def _ask_new() -> str:
    first = getpass.getpass("A passphrase for this node: ")
    if getpass.getpass("The same once more: ") != first:
        raise UsageError("the two are not the same; nothing was made")
    return first
