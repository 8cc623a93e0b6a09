"""Single records, each durable before it is acknowledged, 32 callers at once.

Beside it, at equal durability (WAL, `synchronous=FULL`) and in the same run: bare SQLite, a record
a transaction, as a program with one connection does it; and this store's own unit of work, 32
callers sharing a commit, writing the record in clear.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.node.imports.declared import Declared
from entrenous.node.keystore import Keystore
from entrenous.node.offload import ThreadOffload
from entrenous.node.store.aiosqlite import AiosqliteDatabase
from entrenous.node.store.connection import open_writer
from entrenous.node.store.database import Tx
from entrenous.node.store.store import Store
from entrenous.node.vault.vault import Vault
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.tests.benchmarks.figure import Figure, in_folder, medians

CALLERS = 32
SECONDS = 3.0
SECONDS_SMOKE = 0.2
ROUNDS = 5
PATH = "finance/accounts/transactions"
START_MS = 1_767_225_600_000
INSERT = "INSERT INTO page (tag, ct) VALUES (?, ?)"
_numbers = count()


def record() -> Batch:
    number = next(_numbers)
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": f"record-{number:012d}",
                "time": START_MS + number % 86_400 * 1_000,
                "offset_min": 60,
                "amount": [-1_250, 2],
                "currency": "EUR",
                "label": "Market",
                "counterparty": None,
                "kind": "POS",
            }
        ],
    )


async def per_second(step: Callable[[], Awaitable[object]], seconds: float) -> float:
    """How often CALLERS tasks together complete `step` in a second."""
    done = 0
    start = time.perf_counter()

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < start + seconds:
            await step()
            done += 1

    async with trio.open_nursery() as nursery:
        for _ in range(CALLERS):
            nursery.start_soon(caller)
    return done / (time.perf_counter() - start)


async def declared_per_s(folder: Path, keystore: Keystore, seconds: float) -> float:
    entropy = SystemEntropy()
    async with (
        AiosqliteDatabase(folder / "store.db") as database,
        trio.open_nursery() as nursery,
    ):
        store = Store.over(
            database,
            store_key=keystore.store,
            index_key=keystore.index,
            log_key=keystore.log,
            log_number=0,
            entropy=entropy,
        )
        declared = Declared(Vault(store, keystore, entropy, ThreadOffload()))
        await nursery.start(declared.serve)
        rate = await per_second(lambda: declared.add(PATH, record()), seconds)
        nursery.cancel_scope.cancel()
    return rate


async def units_per_s(folder: Path, seconds: float) -> float:
    def unit(tx: Tx) -> None:
        tx.execute(INSERT, (b"%016d" % next(_numbers), bytes(100)))

    async with AiosqliteDatabase(folder / "units.db") as database:
        return await per_second(lambda: database.write(unit), seconds)


def sqlite_per_s(folder: Path, seconds: float) -> float:
    connection = open_writer(folder / "bare.db")
    done, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        connection.execute(INSERT, (b"%016d" % next(_numbers), bytes(100)))
        done += 1
    spent = time.perf_counter() - start
    connection.close()
    return done / spent


def run(smoke: bool) -> list[Figure]:
    seconds = SECONDS_SMOKE if smoke else SECONDS
    entropy = SystemEntropy()
    keystore = Keystore.create(RecoverySecret.generate(entropy), entropy)
    ours, units, bare = medians(
        1 if smoke else ROUNDS,
        lambda: in_folder(lambda folder: trio.run(declared_per_s, folder, keystore, seconds)),
        lambda: in_folder(lambda folder: trio.run(units_per_s, folder, seconds)),
        lambda: in_folder(lambda folder: sqlite_per_s(folder, seconds)),
    )
    bare_name = "SQLite, a transaction each"
    what = f"{CALLERS} callers"
    return [
        Figure("records durable", ours, "/s", 2_000, ours / bare, bare_name, what),
        Figure(bare_name, bare, "/s", note="one connection"),
        Figure("units of work, in clear", units, "/s", note=what),
    ]
