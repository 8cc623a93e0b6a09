"""The daemon as a process: starting, stopping, and every reason not to start.

Few, because each is a whole process; what can be tested without one is in `test_control.py`.
"""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.errors import WrongPassphrase
from entrenous.crypto.unlock import KeyFileSecret
from entrenous.node.client import connect
from entrenous.node.config import Config
from entrenous.node.daemon_log import without_names
from entrenous.node.errors import (
    Exit,
    HomeError,
    HomeInUse,
    NodeError,
    NotAllowed,
    UsageError,
)
from entrenous.node.offline import open_offline
from entrenous.node.opening import (
    Passphrase,
    Unlock,
    init_home,
    make_key_file,
    open_home,
    read_key_file,
    unlock_from,
)
from entrenous.node.store.errors import StoreTooNew
from entrenous.node.store.home import Home
from entrenous.tests.node.daemon_process import PASSPHRASE, daemon

OPEN = Passphrase(PASSPHRASE)
LOCAL = Config(listen="/ip4/127.0.0.1/tcp/0")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    init_home(folder, LOCAL, OPEN, SystemEntropy())
    return folder


async def test_it_starts_serves_stops_and_keeps_its_port(home: Path, tmp_path: Path) -> None:
    with daemon(home, runtime=tmp_path) as first:
        assert first.ready is not None
        async with connect(home) as client:
            status = await client.status()
            assert list(status.addresses) == first.ready["addresses"]
            assert status.running
            with pytest.raises(HomeInUse, match="already"):
                async with open_offline(home, open_home(home, OPEN), LOCAL):
                    pass
            with daemon(home, runtime=tmp_path) as second:
                code, said = second.ended()
                assert (code, second.ready) == (Exit.FAILED, None)
                assert said.count("\n") == 1
                assert f"process {first.process.pid}" in said
            await client.stop()
        code, said = first.ended()
        assert code == Exit.DONE
        assert "Traceback" not in said
        assert str(status.addresses[0]) not in said
    assert not Home(home).control.exists()
    with daemon(home, runtime=tmp_path) as again:
        assert again.ready == {**first.ready, "pid": again.process.pid}
        again.process.send_signal(signal.SIGINT)
        assert again.ended()[0] == Exit.DONE


def test_a_wrong_passphrase_is_one_sentence_and_exit_code_4(home: Path) -> None:
    with daemon(home, passphrase=b"wrong") as refused:
        code, said = refused.ended()
    assert (code, refused.ready) == (Exit.NOT_ALLOWED, None)
    assert said.count("\n") == 1
    assert "passphrase does not open" in said
    assert "wrong" not in said.replace("wrong passphrase", "")


async def test_a_newer_store_is_refused_untouched(home: Path) -> None:
    keystore = open_home(home, OPEN)
    async with open_offline(home, keystore, LOCAL):
        pass
    with closing(sqlite3.connect(Home(home).database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = Home(home).database.read_bytes()
    with pytest.raises(StoreTooNew, match="update this program"):
        async with open_offline(home, keystore, LOCAL):
            pass
    assert Home(home).database.read_bytes() == before


# --- opening --------------------------------------------------------------------------------------


def test_a_home_is_made_once(home: Path) -> None:
    before = Home(home).keystore.read_bytes()
    with pytest.raises(HomeError, match="already"):
        init_home(home, LOCAL, OPEN, SystemEntropy())
    assert Home(home).keystore.read_bytes() == before


def test_homes_that_cannot_be_opened_say_why(home: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongPassphrase):
        open_home(home, Passphrase(b"another"))
    with pytest.raises(NotAllowed, match="passphrase, not"):
        open_home(home, KeyFileSecret(bytes(32)))
    with pytest.raises(NodeError.__base__ or Exception, match="no home at"):
        open_home(tmp_path / "nowhere", OPEN)
    home.chmod(0o755)
    with pytest.raises(Exception, match="chmod 700"):
        open_home(home, OPEN)
    home.chmod(0o700)
    Home(home).keystore.write_bytes(b"not a keystore")
    with pytest.raises(Exception, match="not a keystore"):
        open_home(home, OPEN)
    Home(home).keystore.unlink()
    with pytest.raises(HomeError, match="entrenous init"):
        open_home(home, OPEN)


def test_a_key_file_opens_what_it_closed(tmp_path: Path) -> None:
    entropy = SystemEntropy()
    path = tmp_path / "key"
    key = make_key_file(path, entropy)
    folder = tmp_path / "home"
    init_home(folder, LOCAL, key, entropy)
    assert open_home(folder, read_key_file(path)).device == open_home(folder, key).device
    with pytest.raises(NotAllowed, match="--key-file"):
        open_home(folder, OPEN)
    with pytest.raises(HomeError, match="cannot be made"):
        make_key_file(path, entropy)
    path.chmod(0o640)
    with pytest.raises(HomeError, match="chmod 600"):
        read_key_file(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(UsageError, match="32 bytes"):
        read_key_file(path)


def test_sources_of_the_passphrase_in_their_order(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    environment: Mapping[str, str] = {"CREDENTIALS_DIRECTORY": str(credentials)}

    def found(**more: object) -> Unlock:
        return unlock_from(environment=environment, **more)  # type: ignore[arg-type]  # names of one function

    with pytest.raises(NotAllowed, match="locked"):
        found()
    # e and its accent, as two signs and as one
    assert found(ask=lambda: "cafe\u0301") == Passphrase("caf\u00e9".encode())
    (credentials / "entrenous.passphrase").write_bytes(b"from the manager\nand more")
    assert found(ask=lambda: "typed") == Passphrase(b"from the manager")
    key = make_key_file(tmp_path / "key", SystemEntropy())
    assert found(key_file=tmp_path / "key") == key
    with pytest.raises(UsageError, match="not both"):
        found(key_file=tmp_path / "key", passphrase_fd=0)
    with pytest.raises(UsageError, match="descriptor 999"):
        found(passphrase_fd=999)
    with pytest.raises(UsageError, match="at least one"):
        Passphrase.given(b"\n")
    assert b"typed" not in repr(Passphrase(b"typed")).encode()


def test_the_log_names_nobody_above_debug() -> None:
    line = {"event": "x", "peer": "My bank", "collection": "health", "reason": "Away"}
    assert without_names(structlog.get_logger(), "warning", dict(line)) == {
        "event": "x",
        "reason": "Away",
    }
    assert without_names(structlog.get_logger(), "debug", dict(line)) == line
