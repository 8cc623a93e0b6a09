"""The log: what was logged leads to its root, and what was tampered with is found and named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from entrenous.crypto.canonical import Value
from entrenous.crypto.digest import hmac_sha256, sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadProof, BadSignature
from entrenous.crypto.keys import IndexKey, LogKey, StoreKey
from entrenous.crypto.merkle import Tree, leaf_hash, tree_hash, verify_inclusion
from entrenous.node.store import log as log_module
from entrenous.node.store.connection import open_writer
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import LogBroken, StoreConflict, StoreDamaged
from entrenous.node.store.log import Log, LogEntry
from entrenous.node.store.sealer import Sealer
from entrenous.node.store.transaction import commit_group
from entrenous.protocol.receipt import leaf_data

RECEIPTS = 21
# Of the formats: a size that leaves the node is a multiple of it.
PADDED_TO = 64
ENTROPY = SeededEntropy(b"log")
SEALER = Sealer(StoreKey.generate(ENTROPY), IndexKey.generate(ENTROPY), ENTROPY)
KEY = LogKey.generate(ENTROPY)


def fingerprint(number: int) -> bytes:
    return sha256(b"fingerprint %d" % number)


def cid(number: int) -> bytes:
    return b"cid %d" % number


def run(path: Path, unit: Callable[[Tx], Any]) -> Any:
    with closing(open_writer(path, durable=False)) as connection:
        return commit_group(connection, (unit,))[0].unwrap()


@pytest.fixture
def log() -> Log:
    return Log(SEALER, KEY)


@pytest.fixture
def path(tmp_path: Path, log: Log) -> Path:
    path = tmp_path / "store.db"

    def unit(tx: Tx) -> None:
        for number in range(RECEIPTS):
            index = log.append(tx, cid(number), fingerprint(number), {"receipt": number})
            assert index == number

    run(path, unit)
    return path


def test_the_root_is_the_tree_over_the_leaves_of_the_formats(path: Path, log: Log) -> None:
    expected = [leaf_hash(leaf_data(KEY, n, fingerprint(n))) for n in range(RECEIPTS)]
    assert run(path, log.leaves) == expected
    assert run(path, log.size) == RECEIPTS
    assert run(path, log.root) == tree_hash(expected)
    assert run(path, lambda tx: log.leaves(tx, 5)) == expected[:5]
    proof = run(path, lambda tx: log.tree(tx, 10).inclusion_proof(3))
    verify_inclusion(10, 3, expected[3], proof, tree_hash(expected[:10]))


def test_receipts_are_found_by_index_and_cid(path: Path, log: Log) -> None:
    entry = LogEntry(4, fingerprint(4), {"receipt": 4})
    assert run(path, lambda tx: log.at(tx, 4)) == entry
    assert run(path, lambda tx: log.find(tx, cid(4))) == entry
    assert run(path, lambda tx: log.at(tx, RECEIPTS)) is None
    assert run(path, lambda tx: log.find(tx, b"another")) is None
    found = run(path, lambda tx: list(log.entries(tx, 18)))
    assert [entry.index for entry in found] == [18, 19, 20]


def test_a_receipt_is_logged_once(path: Path, log: Log) -> None:
    root = run(path, log.root)
    with pytest.raises(StoreConflict):
        run(path, lambda tx: log.append(tx, cid(3), fingerprint(3), None))
    assert (run(path, log.root), run(path, log.size)) == (root, RECEIPTS)


def test_a_unit_that_fails_takes_its_leaf_back(path: Path, log: Log) -> None:
    def unit(tx: Tx) -> None:
        log.append(tx, b"new", fingerprint(99), None)
        raise ValueError

    root = run(path, log.root)
    with pytest.raises(ValueError, match=r"^$"):
        run(path, unit)
    assert run(path, log.root) == root
    assert run(path, log.verify_all) == RECEIPTS


def test_the_countersignature_changes_no_leaf(path: Path, log: Log) -> None:
    root = run(path, log.root)
    more = {"receipt": 7, "countersigned": True}
    run(path, lambda tx: log.amend(tx, cid(7), lambda entry: {"receipt": entry.index} | more))
    assert run(path, log.root) == root
    entry = run(path, lambda tx: log.find(tx, cid(7)))
    assert entry == LogEntry(7, fingerprint(7), {"receipt": 7, "countersigned": True})
    assert run(path, log.verify_all) == RECEIPTS
    with pytest.raises(StoreDamaged, match="not in the log"):
        run(path, lambda tx: log.amend(tx, b"unknown", lambda _: None))


def test_padding_hides_the_size_and_counts_as_nothing(path: Path, log: Log) -> None:
    assert run(path, lambda tx: log.pad(tx, ENTROPY)) == PADDED_TO
    assert run(path, lambda tx: log.pad(tx, ENTROPY)) == PADDED_TO
    assert run(path, log.verify_all) == RECEIPTS
    assert len(run(path, lambda tx: list(log.entries(tx)))) == RECEIPTS
    run(path, lambda tx: log.append(tx, b"next", fingerprint(99), 1))
    assert run(path, log.size) == PADDED_TO + 1
    assert run(path, lambda tx: log.pad(tx, ENTROPY)) == 2 * PADDED_TO
    assert run(path, log.verify_all) == RECEIPTS + 1


def test_two_logs_stand_apart(path: Path, log: Log) -> None:
    second = Log(SEALER, LogKey.generate(ENTROPY), number=1)
    assert run(path, second.size) == 0
    run(path, lambda tx: second.append(tx, cid(0), fingerprint(0), "second"))
    assert run(path, second.leaves) != run(path, lambda tx: log.leaves(tx, 1))
    assert run(path, second.verify_all) == 1
    assert run(path, log.verify_all) == RECEIPTS


def test_verify_computes_fingerprints_again_when_asked(path: Path, log: Log) -> None:
    def again(entry: LogEntry) -> bytes:
        match entry.value:
            case {"receipt": int(number)}:
                return fingerprint(number)
            case _:
                raise AssertionError(entry)

    def altered(entry: LogEntry) -> bytes:
        return bytes(32) if entry.index == 5 else entry.fingerprint

    def unsigned(entry: LogEntry) -> bytes:
        raise BadSignature("the signature does not verify under the key it names")

    assert run(path, lambda tx: log.verify_all(tx, again)) == RECEIPTS
    with pytest.raises(LogBroken, match="receipt 5 of the log is not the one that was logged"):
        run(path, lambda tx: log.verify_all(tx, altered))
    with pytest.raises(LogBroken, match="receipt 0 of the log does not verify: the signature"):
        run(path, lambda tx: log.verify_all(tx, unsigned))


TAMPERING = {
    "a receipt removed": ("DELETE FROM receipt WHERE idx = 4", "no receipt, or no leaf, at 4"),
    "the last receipt removed": ("DELETE FROM receipt WHERE idx = 20", "21 leaves and 20 receipts"),
    "a leaf removed": ("DELETE FROM leaf WHERE idx = 4", "leaf 4 of the log is missing"),
    "the last leaf removed": ("DELETE FROM leaf WHERE idx = 20", "no receipt, or no leaf, at 20"),
    "the last of both removed": (
        "DELETE FROM leaf WHERE idx = 20; DELETE FROM receipt WHERE idx = 20",
        "do not lead to its root",
    ),
    "a leaf altered": ("UPDATE leaf SET hash = zeroblob(32) WHERE idx = 4", "leaf 4 of the log"),
    "a leaf cut short": ("UPDATE leaf SET hash = x'00' WHERE idx = 4", "leaf 4 of the log"),
    "a receipt altered": ("UPDATE receipt SET sealed = zeroblob(99) WHERE idx = 4", "receipt 4"),
    "two receipts change places": (
        "UPDATE receipt SET idx = 99 WHERE idx = 4; UPDATE receipt SET idx = 4 WHERE idx = 5;"
        "UPDATE receipt SET idx = 5 WHERE idx = 99",
        "receipt 4 of the log does not verify",
    ),
    "everything removed": ("DELETE FROM receipt; DELETE FROM leaf", "do not lead to its root"),
    "the end of the tree removed": ("DELETE FROM meta", "do not lead to its root"),
    "an inner hash altered": (
        "UPDATE subtree SET hash = zeroblob(32) WHERE level = 4 AND idx = 0",
        "hash 0 of level 4 of the log is another one",
    ),
    "an inner hash of nothing": (
        "INSERT INTO subtree (log, level, idx, hash) VALUES (0, 4, 9, zeroblob(32))",
        "hash 9 of level 4 of the log is another one",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found_and_named(path: Path, log: Log, what: str) -> None:
    statements, sentence = TAMPERING[what]
    with closing(sqlite3.connect(path)) as thief:
        thief.executescript(statements)
    with pytest.raises(LogBroken, match=sentence):
        run(path, log.verify_all)


def test_other_receipts_under_the_same_keys_do_not_lead_to_the_root(
    path: Path, log: Log, tmp_path: Path
) -> None:
    """Whoever could seal, and put a whole log of the same size in the place of this one."""
    other = tmp_path / "other.db"

    def unit(tx: Tx) -> None:
        for number in range(RECEIPTS):
            log.append(tx, cid(number), fingerprint(number + 100), {"receipt": number})

    run(other, unit)
    assert run(other, log.verify_all) == RECEIPTS
    with closing(sqlite3.connect(path)) as thief:
        thief.execute("ATTACH ? AS other", (str(other),))
        for table in ("receipt", "leaf", "subtree"):
            thief.execute(f"DELETE FROM {table}")
            thief.execute(f"INSERT INTO {table} SELECT * FROM other.{table}")
        thief.commit()
    with pytest.raises(LogBroken, match="do not lead to its root"):
        run(path, log.verify_all)


@pytest.mark.parametrize("form", [None, [1], ["f", None], [bytes(32)], [bytes(32), None, None]])
def test_a_row_of_another_form_is_no_receipt(path: Path, log: Log, form: Value) -> None:
    with closing(sqlite3.connect(path)) as thief, thief:
        ((tag,),) = thief.execute("SELECT tag FROM receipt WHERE idx = 4").fetchall()
        sealed = SEALER.seal("receipt/0/4", tag, form)
        thief.execute("UPDATE receipt SET sealed = ? WHERE idx = 4", (sealed,))
    sentence = "receipt 4 of the log has not the form of one"
    with pytest.raises(StoreDamaged, match=sentence):
        run(path, lambda tx: log.at(tx, 4))
    with pytest.raises(StoreDamaged, match=sentence):
        run(path, lambda tx: log.find(tx, cid(4)))


def test_an_altered_end_of_the_tree_does_not_open(path: Path, log: Log) -> None:
    with closing(sqlite3.connect(path)) as thief, thief:
        thief.execute("UPDATE meta SET value = zeroblob(80)")
    with pytest.raises(StoreDamaged, match="log/0/frontier was altered"):
        run(path, log.root)


# --- proofs ---------------------------------------------------------------------------------------

# Two subtrees of the second level that is stored, and a beginning of each next stretch.
LONG = 2 * 16 * 16 + 16 + 3
SIZES = (1, 2, 15, 16, 17, 100, 255, 256, 257, 272, 511, 512, LONG)


@pytest.fixture(scope="module")
def long_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "store.db"
    log = Log(SEALER, KEY)

    def unit(tx: Tx) -> None:
        half = LONG // 2
        for numbers in (range(half), range(half, LONG)):
            new = [log.entry_of(cid(n), fingerprint(n), {"receipt": n}) for n in numbers]
            assert log.append_all(tx, new) == numbers[0]

    run(path, unit)
    # A second log in the same tables: nothing of it may get into the first one's proofs.
    other = log.numbered(1)
    run(path, lambda tx: other.pad(tx, ENTROPY))
    run(path, lambda tx: other.append(tx, cid(0), fingerprint(0), None))
    run(path, lambda tx: other.pad(tx, ENTROPY))
    return path


def everything_proven(tx: Tx) -> tuple[list[bytes], ...]:
    """Proofs out of the tree as it is stored, for some sizes of the log and places in them."""
    log = Log(SEALER, KEY)
    found: list[list[bytes]] = []
    for size in SIZES:
        tree = log.tree(tx, size)
        assert tree.size == size
        places = {0, size // 2, size - 1}
        found += [tree.inclusion_proof(place) for place in sorted(places)]
        found += [tree.consistency_proof(old) for old in sorted(places)]
        found.append([tree.root])
    return tuple(found)


def everything_reckoned() -> tuple[list[bytes], ...]:
    """The same from all the leaves."""
    leaves = [leaf_hash(leaf_data(KEY, n, fingerprint(n))) for n in range(LONG)]
    found: list[list[bytes]] = []
    for size in SIZES:
        tree = Tree(leaves[:size])
        places = {0, size // 2, size - 1}
        found += [tree.inclusion_proof(place) for place in sorted(places)]
        found += [tree.consistency_proof(old) for old in sorted(places)]
        found.append([tree.root])
    return tuple(found)


def inner_rows(tx: Tx) -> list[tuple[int, int, bytes]]:
    rows = tx.execute("SELECT level, idx, hash FROM subtree WHERE log = 0 ORDER BY level, idx")
    return [(row[0], row[1], row[2]) for row in rows]


def test_proofs_from_stored_hashes_are_those_from_all_the_leaves(long_path: Path) -> None:
    assert run(long_path, everything_proven) == everything_reckoned()


def test_each_whole_subtree_of_16_and_of_256_is_stored_once(long_path: Path, log: Log) -> None:
    leaves = run(long_path, log.leaves)
    expected = [(4, n, tree_hash(leaves[16 * n : 16 * n + 16])) for n in range(LONG // 16)]
    expected += [(8, n, tree_hash(leaves[256 * n : 256 * n + 256])) for n in (0, 1)]
    assert run(long_path, inner_rows) == expected
    assert run(long_path, log.verify_all) == LONG


def test_a_proof_reads_few_hashes_of_a_long_log(long_path: Path, log: Log) -> None:
    """One stretch of 16 for each 4 levels, and each of them once."""
    asked: list[object] = []

    class Counting:
        def __init__(self, tx: Tx) -> None:
            self.one = tx.one
            self._tx = tx

        def execute(self, statement: str, given: tuple[object, ...] = ()) -> object:
            asked.append((statement, given))
            return self._tx.execute(statement, given)  # type: ignore[arg-type]  # as it was given

    run(long_path, lambda tx: log.tree(Counting(tx), 256).inclusion_proof(100))  # type: ignore[arg-type]  # what is used of it
    assert len(asked) == len(set(map(repr, asked))) == 2


@pytest.mark.parametrize(
    "missing", ["1", "level = 4", "level = 4 AND idx = 3", "level = 8 OR idx % 2 = 1"]
)
def test_a_log_of_an_older_version_proves_the_same_and_is_filled(
    long_path: Path, log: Log, tmp_path: Path, missing: str
) -> None:
    """Such a log has no inner hashes, or those only that were appended since."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(long_path)) as whole, closing(sqlite3.connect(path)) as old:
        whole.backup(old)
        old.execute(f"DELETE FROM subtree WHERE {missing}")
        old.commit()
    stored = run(long_path, inner_rows)
    assert run(path, everything_proven) == everything_reckoned()
    run(path, log.fill)
    assert run(path, inner_rows) == stored
    assert run(path, log.verify_all) == LONG


def test_filling_a_log_that_is_whole_reads_no_leaf(
    long_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaves(*_: object) -> None:
        raise AssertionError("the leaves were read")

    monkeypatch.setattr(Log, "leaves", leaves)
    run(long_path, log.fill)


def test_a_beginning_is_no_longer_than_the_log_and_not_less_than_nothing(
    path: Path, log: Log
) -> None:
    assert run(path, log.tree).size == RECEIPTS
    assert run(path, lambda tx: log.tree(tx, 0).root) == tree_hash([])
    for size in (-1, RECEIPTS + 1):
        with pytest.raises(BadProof, match=f"of {RECEIPTS} leaves has no beginning of {size}"):
            run(path, lambda tx, size=size: log.tree(tx, size))


def test_no_proof_is_made_over_a_leaf_that_is_missing(path: Path, log: Log) -> None:
    with closing(sqlite3.connect(path)) as thief, thief:
        thief.execute("DELETE FROM leaf WHERE idx = 17")
    with pytest.raises(StoreDamaged, match="leaf 17 of the log is missing"):
        run(path, lambda tx: log.tree(tx).inclusion_proof(2))


def test_a_log_is_read_some_rows_at_a_time(
    path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "ROWS_AT_A_TIME", 4)
    assert [entry.index for entry in run(path, lambda tx: list(log.entries(tx)))] == list(
        range(RECEIPTS)
    )
    assert run(path, log.verify_all) == RECEIPTS


def test_a_key_opens_one_leaf(path: Path, log: Log) -> None:
    assert log.number == 0
    assert log.numbered(3).number == 3
    keys = {log.leaf_key(index) for index in range(RECEIPTS)}
    assert len(keys) == RECEIPTS
    f = fingerprint(7)
    assert leaf_hash(hmac_sha256(log.leaf_key(7), f)) == run(path, log.leaves)[7]
