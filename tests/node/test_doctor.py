"""Each thing that can be wrong with a home is found, and named with what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node.cli import main
from entrenous.node.config import Config
from entrenous.node.health import examine_home
from entrenous.node.keystore import Keystore
from entrenous.node.offline import open_offline
from entrenous.node.opening import init_home, make_key_file, open_home
from entrenous.node.results.node import Finding, State

Opened = tuple[Path, Keystore]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A home that has been opened once, so that it has a store."""
    folder = tmp_path / "home"
    unlock = make_key_file(tmp_path / "key", SystemEntropy())
    init_home(folder, Config(), unlock, SystemEntropy())
    keystore = open_home(folder, unlock)

    async def once() -> None:
        async with open_offline(folder, keystore, Config()) as client:
            await client.status()

    trio.run(once)
    return folder, keystore


@pytest.fixture
def home(opened: Opened) -> Path:
    return opened[0]


def found_in(home: Path, environment: dict[str, str] | None = None) -> dict[str, Finding]:
    """The worst finding of each check."""
    order = list(State)
    found: dict[str, Finding] = {}
    for one in examine_home(home, environment or {}):
        if one.check not in found or order.index(one.state) > order.index(found[one.check].state):
            found[one.check] = one
    return found


def wrong_in(home: Path) -> set[str]:
    return {name for name, one in found_in(home).items() if one.state is State.WRONG}


def test_nothing_is_wrong_with_a_new_home(home: Path) -> None:
    assert not wrong_in(home)


def _open_to_others(home: Path) -> None:
    (home / "keystore").chmod(0o640)


def _no_keys(home: Path) -> None:
    (home / "keystore").unlink()


def _no_store(home: Path) -> None:
    (home / "store.db").unlink()


def _torn_store(home: Path) -> None:
    store = home / "store.db"
    for leftover in ("store.db-wal", "store.db-shm"):
        (home / leftover).unlink(missing_ok=True)
    raw = bytearray(store.read_bytes())
    raw[4096:12288] = os.urandom(8192)
    store.write_bytes(raw)


def _another_database(home: Path) -> None:
    (home / "store.db").write_bytes(b"SQLite format 3\0 but no more of it")


def _bad_settings(home: Path) -> None:
    (home / "config.toml").write_text("name = [")


def _written_tomorrow(home: Path) -> None:
    late = (home / "store.db").stat().st_mtime + 86_400
    os.utime(home / "store.db", (late, late))


BREAKS: tuple[tuple[Callable[[Path], None], str], ...] = (
    (_open_to_others, "files"),
    (_no_keys, "keystore"),
    (_no_store, "store"),
    (_torn_store, "store"),
    (_another_database, "store"),
    (_bad_settings, "settings"),
    (_written_tomorrow, "clock"),
)


@pytest.mark.parametrize(("break_it", "check"), BREAKS, ids=[one.__name__ for one, _ in BREAKS])
def test_what_is_wrong_is_found_and_the_rest_still_looked_at(
    home: Path, break_it: Callable[[Path], None], check: str
) -> None:
    before = found_in(home).keys()
    break_it(home)
    files = {path: path.read_bytes() for path in home.iterdir()}
    found = found_in(home)
    assert wrong_in(home) == {check}
    assert found[check].sentence
    assert found.keys() >= before - {"store"}
    # SQLite keeps an index of its journal beside the store while it reads; that is all.
    assert {path: path.read_bytes() for path in files if path.suffix != ".db-shm"} == {
        path: raw for path, raw in files.items() if path.suffix != ".db-shm"
    }, "looking changed it"


def test_a_folder_that_is_no_home(tmp_path: Path) -> None:
    (finding,) = examine_home(tmp_path / "none", {})
    assert finding.state is State.WRONG
    assert "entrenous init" in finding.remedy


def test_a_setting_that_nobody_reads_is_noted(home: Path) -> None:
    found = found_in(home, {"ENTRENOUS_LISTENS": "/ip4/0.0.0.0/tcp/1", "ENTRENOUS_HOME": "x"})
    assert found["settings"].state is State.NOTE
    assert "ENTRENOUS_LISTENS" in found["settings"].sentence


def test_a_key_file_beside_its_home_is_noted(home: Path) -> None:
    found = list(examine_home(home, {}, home.parent / "key"))
    assert found[-1].check == "key file"
    assert found[-1].state is State.NOTE


async def test_a_home_without_a_backup_is_told_until_there_is_one(
    opened: Opened, tmp_path: Path
) -> None:
    folder, keystore = opened
    fixture = Path(__file__).parent.parent / "apps" / "fixtures" / "savings_xml.ofx"
    async with open_offline(folder, keystore, Config()) as client:
        await client.import_(fixture)
        before = {one.check: one.state for one in await client.health()}
        await client.backup(tmp_path / "backup")
        after = {one.check: one.state for one in await client.health()}
    assert before["backup"] is State.NOTE
    assert after["backup"] is State.OK
    assert after["log"] is State.OK


def test_the_command_ends_with_1_if_something_is_wrong(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("doctor", "--home", str(home), "--key-file", str(tmp_path / "key"))
    assert main(asked) == 0
    assert "Nothing is wrong" in capsys.readouterr().out
    _no_store(home)
    assert main(asked) == 1
    said = capsys.readouterr().out
    assert "WRONG" in said
    assert "restore a backup" in said


def test_a_locked_home_is_still_looked_at_from_outside(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("doctor", "--home", str(home))) == 0
    assert "was not looked into" in capsys.readouterr().out
