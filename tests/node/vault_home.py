"""A vault over either backend, for tests: generated keys, a clock that stands, no other node."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from entrenous.crypto.entropy import Entropy, SeededEntropy, SystemEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.node.keystore import Keystore
from entrenous.node.offload import InlineOffload, ThreadOffload
from entrenous.node.store.aiosqlite import AiosqliteDatabase
from entrenous.node.store.database import Database
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.store.store import Store
from entrenous.node.vault.vault import Vault

KEYSTORE = Keystore.create(RecoverySecret(b"r" * 32), SeededEntropy(b"keystore"))


@dataclass
class StillClock:
    """Moves when it is told to."""

    at_ms: int = 1_767_225_600_000

    def now_ms(self) -> int:
        return self.at_ms


@dataclass(frozen=True)
class Home:
    """What a test needs of a node."""

    vault: Vault
    store: Store
    clock: StillClock
    path: Path | None

    @property
    def database(self) -> Database:
        return self.store.database


@asynccontextmanager
async def open_home(backend: str, path: Path | None, seed: bytes = b"home") -> AsyncGenerator[Home]:
    """`backend` is "aiosqlite" (threads, as in the daemon) or "inline" (as in simulations)."""
    # a seeded stream is for one thread
    entropy: Entropy = SystemEntropy() if backend == "aiosqlite" else SeededEntropy(seed)
    if backend == "aiosqlite":
        assert path is not None
        database: AiosqliteDatabase | InlineDatabase = AiosqliteDatabase(path)
        offload: ThreadOffload | InlineOffload = ThreadOffload()
    else:
        database, offload = InlineDatabase(path), InlineOffload()
    async with database:
        store = Store.over(
            database,
            store_key=KEYSTORE.store,
            index_key=KEYSTORE.index,
            log_key=KEYSTORE.log,
            log_number=0,
            entropy=entropy,
        )
        yield Home(Vault(store, KEYSTORE, entropy, offload), store, StillClock(), path)
