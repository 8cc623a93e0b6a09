"""A million parsed meter readings into committed, encrypted, vouched-for pages.

Beside it, in the same run: bare SQLite that writes the same columns in clear, page by page, in
transactions of the same size and at the same durability; and libsodium that encrypts the same
bytes, page by page, and stores nothing.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import trio
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.node.keystore import Keystore
from entrenous.node.offload import ThreadOffload
from entrenous.node.store.aiosqlite import AiosqliteDatabase
from entrenous.node.store.connection import open_writer
from entrenous.node.store.store import Store
from entrenous.node.vault.vault import CHUNK_PAGES, Vault, pieces_of
from entrenous.protocol.columns import write_columns
from entrenous.protocol.day import DAY_MS, TIME_MIN_MS
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING
from entrenous.tests.benchmarks.figure import Figure, in_folder, medians

READINGS = 1_000_000
READINGS_SMOKE = 5_000
ROUNDS = 5
INTERVAL_MS = 1_800_000
PATH = "energy/electricity/load-curve"


def parsed(count: int) -> Batch:
    """What a reader hands over: half-hours, checked, one in two hundred estimated."""
    start = TIME_MIN_MS + 20_000 * DAY_MS
    return Batch(
        METER_READING,
        {
            "time": [start + number * INTERVAL_MS for number in range(count)],
            "offset_min": [60] * count,
            "duration_s": [INTERVAL_MS // 1000] * count,
            "value": [(number * 7_919 % 30_000, 1) for number in range(count)],
            "unit": ["Wh"] * count,
            "quality": ["estimated" if number % 200 == 0 else None for number in range(count)],
        },
    ).check()


def vault_per_s(batch: Batch, keystore: Keystore) -> float:
    """Records a second, from the parsed batch to the last commit."""

    async def measure(folder: Path) -> float:
        entropy = SystemEntropy()
        async with AiosqliteDatabase(folder / "store.db") as database:
            store = Store.over(
                database,
                store_key=keystore.store,
                index_key=keystore.index,
                log_key=keystore.log,
                log_number=0,
                entropy=entropy,
            )
            vault = Vault(store, keystore, entropy, ThreadOffload())
            start = time.perf_counter()
            pieces = await vault.offload.run(lambda: pieces_of(batch))
            done = await vault.write(PATH, METER_READING, pieces, origin=b"bench")
            spent = time.perf_counter() - start
        assert done == len(batch)
        return done / spent

    return in_folder(lambda folder: trio.run(measure, folder))


def sqlite_per_s(batch: Batch) -> float:
    """Bare SQLite: the same columns, unencrypted, a row a day, a transaction a chunk."""

    def measure(folder: Path) -> float:
        connection = open_writer(folder / "bare.db")
        start = time.perf_counter()
        days = list(batch.by_day())
        for first in range(0, len(days), CHUNK_PAGES):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO page (tag, ct) VALUES (?, ?)",
                ((b"%016d" % day, write_columns(some)) for day, some in days[first:][:CHUNK_PAGES]),
            )
            connection.execute("COMMIT")
        spent = time.perf_counter() - start
        connection.close()
        return len(batch) / spent

    return in_folder(measure)


def sqlite_rows_per_s(batch: Batch) -> float:
    """Bare SQLite as most programs would: a row a reading, in clear, the same transactions."""

    def measure(folder: Path) -> float:
        connection = sqlite3.connect(folder / "rows.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE reading (t, o, d, m, s, u, q)")
        step = CHUNK_PAGES * 48
        start = time.perf_counter()
        for first in range(0, len(batch), step):
            columns = batch.slice(first, first + step).columns
            mantissas, scales = zip(*columns["value"], strict=True)
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)",
                zip(
                    columns["time"],
                    columns["offset_min"],
                    columns["duration_s"],
                    mantissas,
                    scales,
                    columns["unit"],
                    columns["quality"],
                    strict=True,
                ),
            )
            connection.execute("COMMIT")
        spent = time.perf_counter() - start
        connection.close()
        return len(batch) / spent

    return in_folder(measure)


def libsodium_per_s(count: int) -> float:
    """libsodium alone on as many bytes, one page of 2 KiB for each 48 readings."""
    plain, key, nonce, aad = bytes(2_048), bytes(32), bytes(24), bytes(150)
    start = time.perf_counter()
    for _ in range(count // 48):
        crypto_aead_xchacha20poly1305_ietf_encrypt(plain, aad, nonce, key)
    return count / (time.perf_counter() - start)


def run(smoke: bool) -> list[Figure]:
    count = READINGS_SMOKE if smoke else READINGS
    batch = parsed(count)
    entropy = SystemEntropy()
    keystore = Keystore.create(RecoverySecret.generate(entropy), entropy)
    ours, bare, rows, sodium = medians(
        1 if smoke else ROUNDS,
        lambda: vault_per_s(batch, keystore),
        lambda: sqlite_per_s(batch),
        lambda: sqlite_rows_per_s(batch),
        lambda: libsodium_per_s(count),
    )
    bare_name, rows_name = "SQLite, the same columns in clear", "SQLite, a row a reading"
    sodium_name = "libsodium, the same bytes"
    what = f"{count:,} readings, 48 a page"
    return [
        Figure("readings committed", ours, "/s", 250_000, ours / bare, bare_name, what),
        Figure("readings committed", ours, "/s", None, ours / rows, rows_name),
        Figure("readings committed", ours, "/s", None, ours / sodium, sodium_name),
        Figure(bare_name, bare, "/s"),
        Figure(rows_name, rows, "/s"),
        Figure(sodium_name, sodium, "/s"),
    ]
