"""The node itself: `init`, `up`, `stop`, `status`, `backup`, `restore`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..client import connect
from ..config import Config, Role
from ..errors import NodeError
from .days import moment
from .options import USUAL, Options, keep_unlock, keystore_of, node_of, require_home
from .screen import Screen
from .stopping import until_stopped
from .words import counted

if TYPE_CHECKING:
    from ...crypto.entropy import Entropy
    from ..opening import Unlock

_WORDS_IN_ROW = 3
DEFAULT_NAME = "Home"


async def init(
    *,
    name: Annotated[str, Parameter(help="What this node is called.")] = DEFAULT_NAME,
    organisation: Annotated[
        bool,
        Parameter(help="For an organisation: known to all by one persona.", show_default=False),
    ] = False,
    join: Annotated[
        str | None,
        Parameter(
            help="Join another device of yours, by the link of its `entrenous devices invite`; "
            "- reads it from standard input.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    if_missing: Annotated[
        bool, Parameter(help="Do nothing if there is a home already.", show_default=False)
    ] = False,
    options: Options = USUAL,
) -> None:
    """Make a home for a node: its keys, a passphrase, and the recovery words.

    The words are shown this once and kept nowhere: write them on paper.  With --key-file the home
    opens with that file instead of a passphrase; it is made if it is not there.

    Example: entrenous init --name "Home"
    """
    screen, folder = options.screen, options.folder
    role = Role.ORGANISATION if organisation else Role.PERSON
    if (folder / "keystore").exists() and if_missing:
        config = Config.read(folder)
        made = {"home": str(folder), "name": config.name, "role": config.role, "words": None}
        screen.show("init", made)
        return
    if (folder / "keystore").exists():
        raise NodeError(f"there is a home at {folder} already; nothing was changed")
    # The cipher library is loaded by the few commands that open or make a home.
    from ...crypto.entropy import SystemEntropy
    from ..opening import init_home
    from ..peers.peers import clean_name

    entropy = SystemEntropy()
    if join is not None:
        from .join import join as join_as

        own = None if name == DEFAULT_NAME else name
        await join_as(join, own, _new_unlock(options, entropy), entropy, options)
        return
    config = Config(name=clean_name(name), role=role)
    unlock = _new_unlock(options, entropy)
    words = init_home(folder, config, unlock, entropy)
    keep_unlock(folder, unlock)
    made = {"home": str(folder), "name": config.name, "role": role, "words": words}
    screen.show("init", made)
    screen.say(f"A home for {config.name} is made in {folder}.")
    screen.say()
    screen.say(
        "These are its recovery words.  They open its backups, and they are the only way back if "
        "this machine or the passphrase is lost.  They are shown this once: write them on paper."
    )
    screen.say()
    _show_words(screen, words)
    screen.say()
    screen.say("Next: `entrenous up` runs the node, `entrenous import FILE` puts data in.")


def _new_unlock(options: Options, entropy: Entropy) -> Unlock:
    """What shall open a new home: its key file, made if need be, or a passphrase."""
    from ..opening import make_key_file

    if options.key_file is not None and not options.key_file.exists():
        return make_key_file(options.key_file, entropy)
    return options.unlock(new=True)


def _show_words(screen: Screen, words: str) -> None:
    """Numbered, in columns: read down, as a list is written."""
    all_words = words.split()
    rows = -(-len(all_words) // _WORDS_IN_ROW)
    width = max(map(len, all_words))
    for row in range(rows):
        cells = [
            f"{number + 1:>2}  {all_words[number]:<{width}}"
            for number in range(row, len(all_words), rows)
        ]
        screen.say(f"    {'    '.join(cells)}".rstrip())


async def up(
    *,
    listen: Annotated[
        str | None,
        Parameter(help="Where to listen, as a multiaddr: /ip4/0.0.0.0/tcp/4101."),
    ] = None,
    debug: Annotated[
        bool, Parameter(help="Log more, with names of peers and paths.", show_default=False)
    ] = False,
    log_file: Annotated[
        Path | None,
        Parameter(help="Log to this file, not to stderr; five files of 1 MiB are kept."),
    ] = None,
    make: Annotated[
        bool,
        Parameter(name="--init", help="Make a home first, if there is none.", show_default=False),
    ] = False,
    options: Options = USUAL,
) -> None:
    """Run the node until it is stopped: by Ctrl-C, `entrenous stop` or its service manager.

    The port is chosen at the first start and kept.

    Example: entrenous up --listen /ip4/0.0.0.0/tcp/4101
    """
    folder, screen = options.folder, options.screen
    if make and not (folder / "keystore").exists():
        await init(options=options)
    require_home(folder)
    config = Config.read(folder)
    keystore = keystore_of(options)
    # The network library takes a second to load; nothing else needs it.
    from ..daemon import Ready, run_daemon
    from ..daemon_log import set_up_log

    # On a terminal somebody reads along: what goes well is told in words, below.
    watched = log_file is None and not debug and sys.stderr.isatty()
    set_up_log(debug=debug, quiet=watched, file=log_file)

    def ready(now: Ready) -> None:
        screen.show("up", {"home": str(folder), "device": now.device, "addresses": now.addresses})
        screen.say(f"{config.name} is up.")
        for address in now.addresses:
            screen.fact("address", address)
        screen.fact("device", now.device)
        screen.fact("home", str(folder))
        screen.say("Ctrl-C stops it.  In another terminal: `entrenous invite`, `entrenous status`.")

    await run_daemon(folder, keystore, config, listen=listen, ready=ready)
    screen.say(f"{config.name} is stopped.")


async def stop(*, options: Options = USUAL) -> None:
    """Stop the node that runs on this home, in order.

    Example: entrenous stop
    """
    folder = options.folder
    require_home(folder)
    async with connect(folder) as client:
        await client.stop()
    await until_stopped(folder)
    options.screen.show("stop", {"stopped": True})
    options.screen.say("The node is stopped.")


async def status(*, options: Options = USUAL) -> None:
    """Show how the node is: what it holds, with whom it is connected, what waits.

    Example: entrenous status
    """
    async with node_of(options) as client:
        now = await client.status()
    screen = options.screen
    fields = {name: getattr(now, name) for name in type(now).__dataclass_fields__}
    screen.show("status", {**fields, "home": str(options.folder)})
    screen.say(f"{now.name} ({now.role}), {'running' if now.running else 'not running'}")
    screen.fact("home", str(options.folder))
    screen.fact("device", now.device)
    for number, address in enumerate(now.addresses):
        screen.fact("" if number else "addresses", address)
    screen.fact("peers", f"{now.peers:,}, {now.connected:,} connected")
    screen.fact("vault", counted(now.collections, "collection"))
    screen.fact("grants", f"{now.grants_given:,} given, {now.grants_held:,} held")
    if now.suspended:
        screen.fact("", f"{now.suspended:,} suspended: `entrenous keep GRANT` confirms one")
    screen.fact("to send", counted(now.outbox, "message"))
    screen.fact("log", counted(now.log_size, "word"))
    screen.fact("rollback", now.rollback)
    screen.fact("version", now.version)
    if not now.running:
        screen.say("`entrenous up` runs it.")


async def backup(
    file: Annotated[Path, Parameter(help="A new file; one that is there is not replaced.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Write the whole node, encrypted, to one file that only the recovery words open.

    Example: entrenous backup /media/stick/home.entrenous
    """
    async with node_of(options) as client:
        made = await client.backup(file)
    options.screen.show("backup", made)
    options.screen.say(f"Written: {made.path}, {made.bytes:,} bytes.")
    options.screen.say("Only the recovery words open it: `entrenous restore` asks for them.")


async def restore(
    file: Annotated[Path, Parameter(help="A file that `entrenous backup` wrote.")],
    /,
    *,
    words_fd: Annotated[
        int | None, Parameter(help="Read the recovery words from this file descriptor.")
    ] = None,
    stolen: Annotated[
        bool,
        Parameter(help="Leave the device behind that the backup came from.", show_default=False),
    ] = False,
    options: Options = USUAL,
) -> None:
    """Make a home from a backup.  Asks for the recovery words and for a new passphrase.

    Grants that were given are suspended until you confirm them: the backup may be older than what
    you have taken back since.  With --stolen every peer is told that the old device is not you any
    more, as `entrenous devices remove` does later.

    Example: entrenous restore /media/stick/home.entrenous
    """
    folder, screen = options.folder, options.screen
    if (folder / "keystore").exists():
        raise NodeError(f"there is a home at {folder} already: give another with --home")
    from ...crypto.entropy import SystemEntropy
    from ...crypto.shares import recovery_secret
    from ..clock import SystemClock
    from ..restoring import restore_home
    from .devices_remove import recovery_words, say_left

    words = recovery_words(words_fd, screen)
    recovery_secret(words)  # a slip is said before a passphrase is asked for twice
    entropy = SystemEntropy()
    unlock = _new_unlock(options, entropy)
    restored = await restore_home(
        folder, file, words, unlock, entropy=entropy, clock=SystemClock(), stolen=stolen
    )
    fields = {name: getattr(restored, name) for name in type(restored).__dataclass_fields__}
    fields["left"] = None if restored.left is None else restored.left.device
    screen.show("restore", {"home": str(folder), **fields})
    screen.say(f"The backup of {moment(restored.made_ms)} is restored in {folder}.")
    screen.fact("peers", f"{restored.peers:,}")
    screen.fact("vault", counted(restored.collections, "collection"))
    if restored.left is not None:
        say_left(screen, restored.left)
    if restored.suspended:
        screen.say(
            f"{counted(restored.suspended, 'suspended grant')} to confirm or leave: "
            "`entrenous grants` lists them, `entrenous keep GRANT` confirms one."
        )
