"""The person's machine burns, and a backup is restored on another one."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import trio

from ...crypto.shares import recovery_words
from ...node.client import Client
from ...node.config import Config
from ...node.offload import InlineOffload
from ...node.opening import make_key_file, open_home
from ...node.restoring import restore_home
from ...node.store.home import Home as HomeFolder
from .book import Book
from .home import Home
from .people import DAY_S
from .watch import Watch


class Phoenix:
    """Backup, fire, restore."""

    def __init__(self, home: Home, book: Book, watch: Watch, until_s: float) -> None:
        self._home = home
        self._book = book
        self._watch = watch
        self._until_s = until_s
        self._dice = home.dice.fork("phoenix")

    async def burn_and_rise(self) -> None:
        """Once a week; never so late that nothing happens afterwards."""
        home, machine, world = self._home, self._home.machine, self._home.world
        await trio.sleep(self._dice.span(0.5, 3) * DAY_S)
        path = home.place("backup")

        async def backup(client: Client) -> None:
            path.unlink(missing_ok=True)
            await client.backup(path)

        home.told("backup")
        kept = self._book.photograph()
        await self._watch.before_backup(machine)
        await home.insist(backup, patience_s=DAY_S)
        self._watch.files.append(path)
        await trio.sleep(self._dice.span(0.1, 2) * DAY_S)
        home.told("fire")
        world.faults["machine lost and restored"] += 1
        machine.found = trio.Event()
        if machine.life is not None:
            life = machine.life
            life.cut_power()
            await life.ended.wait()
        await self._watch.before_loss(machine)
        assert machine.recovery is not None
        entropy = machine.entropy.fork("restore")
        folder = home.place("restored")
        key = make_key_file(home.place("key"), entropy)
        words = recovery_words(machine.recovery, entropy=entropy)
        restored = await restore_home(
            folder, path, words, key, entropy=entropy, clock=machine.clock, offload=InlineOffload()
        )
        world.trace.event("restored", str(restored.pages), str(restored.suspended))
        keystore = open_home(folder, key)
        disk = await world.open_disk(HomeFolder(folder).database)
        world.replace(machine, keystore, disk, Config.read(folder, {}))
        machine.entropy = entropy.fork("life")
        self._book.restored(kept)
        machine.found.set()
        await self._watch.after_restore(machine)
