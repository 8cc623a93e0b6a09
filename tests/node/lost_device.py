"""A person whose device is stolen: the backup, the thief's copy, the home on another machine."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from entrenous.crypto.keys import RecoverySecret
from entrenous.crypto.shares import recovery_words
from entrenous.node.backup import write_backup
from entrenous.node.checkpoint import UNWATCHED, Checkpoint
from entrenous.node.client import Client
from entrenous.node.config import Config, Role
from entrenous.node.keystore import Keystore
from entrenous.node.leaving_behind import LeftBehind, leave_behind
from entrenous.node.network.memory import MemoryNetwork
from entrenous.node.node import Ground, Node
from entrenous.node.offline import DirectChannel
from entrenous.node.offload import InlineOffload
from entrenous.node.opening import Passphrase, open_home
from entrenous.node.operations import Host
from entrenous.node.restoring import Restored, restore_home
from entrenous.node.store.backup import snapshot
from entrenous.node.store.home import Home
from entrenous.node.store.inline import InlineDatabase
from entrenous.tests.node.two_nodes import Party, Town, a_town, settle

NEW = Passphrase(b"another one")


@dataclass
class Lost:
    """Everything of one theft.  `thief` has the old device with all its keys."""

    town: Town
    alice: Party
    words: str
    tmp_path: Path
    role: Role = Role.PERSON
    number: int = 0

    async def stolen(self) -> Party:
        """The device is gone, switched off.  What the thief will start: a copy of it as it was."""
        await self.alice.down()
        self.number += 1
        copy = self.tmp_path / f"thief{self.number}.db"
        async with snapshot(self.alice.node.store.database, self.tmp_path) as made:
            shutil.copyfile(made, copy)
        database = await self.town.stack.enter_async_context(InlineDatabase(copy))
        return self._party(self.alice.node.keystore, database, self.alice.node.config)

    async def restored(self, *, stolen: bool = True) -> tuple[Party, Restored, Path]:
        """The home on another machine, from a backup made just before; it is up."""
        backup = self.tmp_path / f"backup{self.number}"
        folder = self.tmp_path / f"home{self.number}"
        node = self.alice.node
        await write_backup(
            backup,
            database=node.store.database,
            home=Home(self.tmp_path),
            keystore=node.keystore,
            config=node.config,
            entropy=self.town.entropy.fork(f"backup {self.number} of {self.alice.name}"),
            offload=InlineOffload(),
            program="test",
            now_ms=self.alice.now_ms,
        )
        done = await restore_home(
            folder,
            backup,
            self.words,
            NEW,
            entropy=self.town.entropy.fork(f"restore {self.number} of {self.alice.name}"),
            clock=self.town.clock,
            offload=InlineOffload(),
            stolen=stolen,
        )
        party = await self.open(folder)
        await party.up()
        return party, done, folder

    async def open(self, folder: Path) -> Party:
        database = await self.town.stack.enter_async_context(InlineDatabase(Home(folder).database))
        return self._party(open_home(folder, NEW), database, Config.read(folder, {}))

    async def leave_behind(
        self, folder: Path, name: str | None = None, checkpoint: Checkpoint = UNWATCHED
    ) -> LeftBehind:
        return await leave_behind(
            folder,
            name,
            self.words,
            NEW,
            entropy=self.town.entropy.fork(f"leave {self.number} of {self.alice.name}"),
            clock=self.town.clock,
            offload=InlineOffload(),
            checkpoint=checkpoint,
        )

    def _party(self, keystore: Keystore, database: InlineDatabase, config: Config) -> Party:
        self.number += 1
        entropy = self.town.entropy.fork(f"life {self.number} of {self.alice.name}")
        network = MemoryNetwork(keystore.device, self.town.world)
        ground = Ground(database, network, self.town.clock, entropy, InlineOffload())
        return Party(self.alice.name, Node(ground, keystore, config), self.town.nursery)


@asynccontextmanager
async def a_theft(tmp_path: Path, role: Role = Role.PERSON) -> AsyncGenerator[Lost]:
    async with a_town(b"theft") as town:
        yield await with_words(town, tmp_path, "alice", role)


async def with_words(town: Town, folder: Path, name: str, role: Role = Role.PERSON) -> Lost:
    """Somebody of a town who has recovery words on paper, and so can lose a device."""
    entropy = town.entropy.fork(f"owner {name}")
    recovery = RecoverySecret.generate(entropy)
    keystore = Keystore.create(recovery, entropy, successions=32)
    database = await town.stack.enter_async_context(InlineDatabase(folder / f"{name}.db"))
    network = MemoryNetwork(keystore.device, town.world)
    ground = Ground(database, network, town.clock, entropy, InlineOffload())
    party = Party(name, Node(ground, keystore, Config(name=name, role=role)), town.nursery)
    await party.up()
    return Lost(town, party, recovery_words(recovery, entropy=entropy), folder, role)


async def came_back(lost: Lost, *, keep: bool = True) -> Party:
    """The home on another machine, its peers told, its grants confirmed."""
    party, _, _ = await lost.restored()
    await settle(5)
    if keep:
        for grant in await party.read(lambda tx: party.node.lending.all(tx)):
            if grant.kept.value == "suspended":
                await party.write(
                    lambda tx, cid=grant.cid: party.node.lending.keep(tx, cid, party.now_ms)
                )
        await settle(5)
    return party


def client_of(party: Party) -> Client:
    return Client(DirectChannel(Host(party.node, Home(Path("/nowhere")), True, "test")))
