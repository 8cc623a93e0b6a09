"""The log: appends in batches and one a unit, the proof of one leaf and of growth at a million.

The reference of an append is bare SQLite, one row of the same size, in the same batches; that of a
proof the verification of one signature, which whoever is shown the proof has to do.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from entrenous.crypto.digest import sha256
from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import IndexKey, LogKey, LogSigningKey, StoreKey, verify_signature
from entrenous.crypto.merkle import verify_consistency, verify_inclusion
from entrenous.node.store.connection import open_writer
from entrenous.node.store.database import Tx
from entrenous.node.store.log import Log
from entrenous.node.store.sealer import Sealer
from entrenous.node.store.transaction import commit_group
from entrenous.protocol.wire import Value
from entrenous.tests.benchmarks.figure import Figure

BATCH = 256
LEAVES = 1_000_000
LEAVES_SMOKE = 5_000
APPENDS = 20_000
APPENDS_SMOKE = 1_000
PROOFS = 500
GOAL_PER_S = 10_000.0
GOAL_MS = 1.0
# As large as a receipt with both signatures and its keys.
ROW: Value = ["receipt", "given", "o" * 56, "t" * 56, bytes(600), bytes(32), bytes(36)]


def run(smoke: bool) -> list[Figure]:
    """Appends a second, then milliseconds a proof in a log of a million leaves."""
    entropy = SystemEntropy()
    sealer = Sealer(StoreKey.generate(entropy), IndexKey.generate(entropy), entropy)
    log = Log(sealer, LogKey.generate(entropy))
    appends = APPENDS_SMOKE if smoke else APPENDS
    with tempfile.TemporaryDirectory() as folder:
        bare = _bare_per_s(Path(folder) / "bare.db", appends)
        with closing(open_writer(Path(folder) / "log.db", durable=True)) as connection:
            batched = _batched_per_s(connection, log, 0, appends)
            grouped = _grouped_per_s(connection, log, appends, appends)
            _grow(connection, log, LEAVES_SMOKE if smoke else LEAVES)
            included, grown = commit_group(connection, (lambda tx: _proofs(tx, log),))[0].unwrap()
    verified = _verified_ms(PROOFS)
    against = "bare SQLite, one row an append"
    proofs = "one Ed25519 verification"
    return [
        Figure("bare SQLite, one row an append", bare, "/s", note=f"{BATCH} a transaction"),
        Figure("log: appends in batches", batched, "/s", GOAL_PER_S, batched / bare, against),
        Figure(
            "log: one append a unit of work, in groups",
            grouped,
            "/s",
            None,
            grouped / bare,
            against,
        ),
        Figure(proofs, verified, "ms", less_is_better=True),
        Figure(
            "log: inclusion proof",
            included,
            "ms",
            GOAL_MS,
            included / verified,
            proofs,
            less_is_better=True,
        ),
        Figure(
            "log: consistency proof",
            grown,
            "ms",
            GOAL_MS,
            grown / verified,
            proofs,
            less_is_better=True,
        ),
    ]


def _verified_ms(rounds: int) -> float:
    key, message = LogSigningKey.generate(SystemEntropy()), bytes(200)
    signature = key.sign(message)
    begin = time.perf_counter()
    for _ in range(rounds):
        verify_signature(key.public, message, signature)
    return (time.perf_counter() - begin) / rounds * 1000


def _bare_per_s(path: Path, appends: int) -> float:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        begin = time.perf_counter()
        for first in range(0, appends, BATCH):
            connection.execute("BEGIN IMMEDIATE")
            rows = [(bytes(900),)] * min(BATCH, appends - first)
            connection.executemany("INSERT INTO row (data) VALUES (?)", rows)
            connection.execute("COMMIT")
        return appends / (time.perf_counter() - begin)


def _batched_per_s(connection: Any, log: Log, first: int, appends: int) -> float:
    begin = time.perf_counter()
    _append(connection, log, first, first + appends, ROW)
    return appends / (time.perf_counter() - begin)


def _append(connection: Any, log: Log, first: int, last: int, value: Value) -> None:
    for low in range(first, last, BATCH):
        numbers = range(low, min(low + BATCH, last))

        def unit(tx: Tx, numbers: range = numbers) -> int:
            entries = [log.entry_of(b"%d" % i, sha256(b"%d" % i), value) for i in numbers]
            return log.append_all(tx, entries)

        commit_group(connection, (unit,))[0].unwrap()


def _grouped_per_s(connection: Any, log: Log, first: int, appends: int) -> float:
    """As the node does it: an append in the unit of its receipt, many units a transaction."""
    begin = time.perf_counter()
    for low in range(first, first + appends, BATCH):
        units = [_one(log, place) for place in range(low, low + BATCH)]
        for answer in commit_group(connection, units):
            answer.unwrap()
    return appends / (time.perf_counter() - begin)


def _one(log: Log, place: int) -> Callable[[Tx], int]:
    name = b"%d" % place
    return lambda tx: log.append(tx, name, sha256(name), ROW)


def _grow(connection: Any, log: Log, leaves: int) -> None:
    size = commit_group(connection, (log.size,))[0].unwrap()
    _append(connection, log, size, leaves, None)


def _proofs(tx: Tx, log: Log) -> tuple[float, float]:
    """Milliseconds of an inclusion and of a consistency proof; each is verified, not timed."""
    size, root = log.size(tx), log.root(tx)
    places = range(0, size, max(1, size // PROOFS))
    begin = time.perf_counter()
    paths = [log.tree(tx).inclusion_proof(place) for place in places]
    included = (time.perf_counter() - begin) / len(places) * 1000
    leaf = log.leaves(tx, 1)[0]
    verify_inclusion(size, 0, leaf, paths[0], root)
    olds = [old - old % 64 for old in places if old >= 64]
    begin = time.perf_counter()
    proofs = [log.tree(tx, size).consistency_proof(old) for old in olds]
    grown = (time.perf_counter() - begin) / len(olds) * 1000
    verify_consistency(olds[0], size, log.tree(tx, olds[0]).root, root, proofs[0])
    return included, grown
