"""The set that an adversary opens is the set that was granted: no page more, no page less.

Three ways of working it out meet here: the adversary's keys, the grants in the owner's rows
(`simulations/adversary.py`), and a model that has only seen the history (`lent_history.py`).
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from entrenous.crypto.canonical import encode
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.key_tree import collection_key, day_key, derive_cover, tree_root
from entrenous.crypto.keys import VaultSecret
from entrenous.crypto.page import page_key
from entrenous.crypto.unlock import Cost, seal_with_passphrase
from entrenous.node.grants import keys_sent
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.node.vault.collection import Collections
from entrenous.protocol.keyset import PathKeys, path_keys
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode
from entrenous.simulations.adversary import Findings, attack, attack_sealed, main, tell
from entrenous.simulations.stolen import Files, Loot, entries_of, store_key_of
from entrenous.tests.flows.lent_history import (
    DAY_S,
    PATHS,
    READERS,
    TODAY,
    History,
    history,
    live_through,
)


def keystore(found: History, name: str) -> dict[str, Value]:
    value = decode(found.keystores[name].to_bytes())
    assert isinstance(value, dict)
    return value


def loot(found: History, reader: str) -> Loot:
    return Loot.of(Files.of(found.database(reader)), keystore(found, reader))


def attacked(found: History, *readers: str, every_role: bool = True) -> Findings:
    owner = Files.of(found.database("owner"))
    homes = [loot(found, name) for name in readers]
    return attack(owner, keystore(found, "owner"), homes, every_role=every_role)


def attacked_sealed(found: History, *readers: str) -> Findings:
    owner = Files.of(found.database("owner"))
    return attack_sealed(owner, [loot(found, name) for name in readers])


@pytest.mark.parametrize("seed", range(6))
async def test_what_opens_is_what_was_granted(
    seed: int, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with history(tmp_path, seed) as lived:
        await live_through(lived, random.Random(seed), steps=14)
        for readers in (*((name,) for name in READERS), READERS):
            found = attacked(lived, *readers, every_role=readers == READERS)
            assert found.opened == lived.granted(*readers)
            assert found.opened == found.expected
            assert set(found.pages) == set(lived.pages)
            assert found.kept
            sealed = attacked_sealed(lived, *readers)
            fetched = {digest for name in readers for digest in lived.fetched.get(name, ())}
            assert sealed.expected == fetched
            assert sealed.opened == fetched & found.opened
            assert sealed.kept


# --- what it can find -----------------------------------------------------------------------------


async def lent_three_days(lived: History) -> None:
    """Nine days written, three of them granted."""
    await lived.write(PATHS[0], list(range(TODAY - 9, TODAY)))
    window = Window(PATHS[0], TODAY - 6, TODAY - 4)
    await lived.grant("bank", (window,), lived.clock.now_ms() // 1000 + 3 * DAY_S)
    await lived.settle()


async def test_it_finds_a_keyset_that_is_a_day_too_wide(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wider(vault: VaultSecret, *, windows: Iterable[Window], **rest: Any) -> PathKeys | None:
        wide = [Window(w.collection, w.first, w.last + 1) for w in windows]
        return path_keys(vault, windows=wide, **rest)

    monkeypatch.setattr(keys_sent, "path_keys", wider)
    async with history(tmp_path, seed=1) as lived:
        await lent_three_days(lived)
        found = attacked(lived, "bank")
        assert not found.kept
        (entry,) = [found.pages[digest] for digest in found.surplus]
        assert entry is not None
        assert (entry.path, entry.day) == (PATHS[0], TODAY - 3)
        assert any("OPENED, NOT granted: 1" in line for line in tell(found))
        assert found.opened - lived.granted("bank") == found.surplus


async def test_it_finds_a_keyset_of_another_path(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_of_the_purse(vault: VaultSecret, *, path: str, **rest: Any) -> PathKeys | None:
        keys = path_keys(vault, path=path, **rest)
        assert keys is not None
        root = tree_root(collection_key(vault, PATHS[1], keys.gen))
        stray = derive_cover(root, TODAY - 20, TODAY - 20)
        return replace(keys, nodes=(*stray, *keys.nodes))

    monkeypatch.setattr(keys_sent, "path_keys", all_of_the_purse)
    async with history(tmp_path, seed=1) as lived:
        await lived.write(PATHS[1], [TODAY - 20])
        await lent_three_days(lived)
        found = attacked(lived, "bank")
        assert {e.path for d in found.surplus if (e := found.pages[d])} == {PATHS[1]}


async def test_it_finds_a_revocation_that_does_not_rotate(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's rows alone cannot tell when a page was written; the history can."""

    def forget(_self: Collections, _tx: Tx, _path: str, _cid: bytes) -> bool:
        return False

    monkeypatch.setattr(Collections, "take_back", forget)
    async with history(tmp_path, seed=1) as lived:
        await lent_three_days(lived)
        await lived.revoke(lived.grants[0])
        await lived.write(PATHS[0], [TODAY - 5])
        found = attacked(lived, "bank")
        assert len(found.opened - lived.granted("bank")) == 1


@pytest.mark.parametrize("role", ["epoch", "collection", "node", "day", "page"])
async def test_it_finds_any_key_left_in_a_reader_s_home(
    role: str, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """A secret that strayed into a row of the reader, whatever it is a key of."""
    async with history(tmp_path, seed=1) as lived:
        await lent_three_days(lived)
        files, own = Files.of(lived.database("owner")), keystore(lived, "owner")
        (entry,) = [e for e in entries_of(files, store_key_of(own)) if e.day == TODAY - 9]
        vault = lived.keystores["owner"].epoch.secret
        collection = collection_key(vault, entry.path, entry.gen)
        root = tree_root(collection)
        four_days = entry.day & ~3
        (node,) = derive_cover(root, four_days, four_days + 3)
        day = day_key([root], entry.day)
        strayed = {
            "epoch": vault,
            "collection": collection,
            "node": node.key,
            "day": day,
            "page": page_key(day, entry.page_id, entry.page_salt),
        }[role]
        bank = lived.readers["bank"]
        hidden: Value = {"note": [encode([strayed.secret_bytes()])]}
        await bank.store.database.write(
            lambda tx: bank.store.objects.put(tx, Kind.SETTING, "stray", hidden)
        )
        found = attacked(lived, "bank")
        assert entry.digest in found.surplus


async def test_a_store_key_that_strayed_opens_rows(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with history(tmp_path, seed=1) as lived:
        await lent_three_days(lived)
        bank = lived.readers["bank"]
        key = lived.keystores["owner"].store.secret_bytes()
        assert attacked_sealed(lived, "bank").kept
        await bank.store.database.write(
            lambda tx: bank.store.objects.put(tx, Kind.SETTING, "stray", key)
        )
        found = attacked_sealed(lived, "bank")
        assert found.rows_opened > 10
        assert not found.kept


# --- the program ----------------------------------------------------------------------------------


def home_of(lived: History, name: str, passphrase: bytes) -> Path:
    """What lies on the disk of a node: its database, and its keystore under a passphrase."""
    home = lived.folder / name
    sealed = seal_with_passphrase(
        passphrase,
        lived.keystores[name].to_bytes(),
        entropy=SeededEntropy(b"salt"),
        cost=Cost(1, 8),
    )
    (home / "keystore").write_bytes(sealed)
    return home


def pipe_with(passphrase: bytes) -> int:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(passphrase + b"\n")
    return reading


async def test_the_program_opens_homes_by_itself(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with history(tmp_path, seed=1) as lived:
        await lent_three_days(lived)
        owner, bank = home_of(lived, "owner", b"one"), home_of(lived, "bank", b"two")
        homes = ["--owner", str(owner), "--reader", str(bank)]

        def run(*more: str) -> int:
            return main([*homes, "--reader-passphrase-fd", str(pipe_with(b"two")), *more])

        assert run("--owner-passphrase-fd", str(pipe_with(b"one"))) == 0
        assert "opened 3, granted 3" in capsys.readouterr().out
        assert run("--owner-passphrase-fd", str(pipe_with(b"one")), "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] is True
        assert set(told["opened"]) == {digest.hex() for digest in lived.granted("bank")}
        assert run("--sealed") == 0
        assert "opened 0, fetched 0" in capsys.readouterr().out
        assert run("--owner-passphrase-fd", str(pipe_with(b"wrong"))) == 1
        assert "passphrase" in capsys.readouterr().err


# --- the end of a grant ---------------------------------------------------------------------------


async def test_the_first_write_after_the_end_of_a_grant_is_closed_to_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Even if this node has not looked for what has run out since."""
    async with history(tmp_path, seed=1) as lived:
        window = Window(PATHS[0], TODAY - 9, TODAY + 9)
        await lived.write(PATHS[0], [TODAY - 9, TODAY - 1])
        await lived.grant("bank", (window,), lived.clock.now_ms() // 1000 + DAY_S)
        await lived.settle()
        assert len(attacked(lived, "bank").opened) == 2
        await lived.pass_time(1, house=False)
        await lived.write(PATHS[0], [TODAY - 9, TODAY - 1])
        found = attacked(lived, "bank")
        assert len(found.pages) == 4
        assert len(found.opened) == 2
