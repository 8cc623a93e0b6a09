"""Bad surroundings of a command: files, streams and folders that are not what they should be.

Each ends with one sentence on stderr and its exit code, never in a traceback; nothing is changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from multiformats import multicodec, multihash

from entrenous.crypto.keys import KEY_BYTES
from entrenous.node.cli import main
from entrenous.node.cli.failure import failure
from entrenous.node.cli.options import forget_opened
from entrenous.node.control import control_socket
from entrenous.node.errors import NotFound
from entrenous.node.imports.files import handed_in
from entrenous.node.store.home import Home
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of, public_of
from entrenous.protocol.wire import encode

_REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home, and the key file that opens it."""
    folder = tmp_path_factory.mktemp("edges")
    home, key = folder / "home", folder / "key"
    assert main(["init", "--home", str(home), "--key-file", str(key), "--json"]) == 0
    return home, key


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(capsys)


class Told:
    """Run a command in this process: its exit code and the one sentence that it says."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *tokens: str) -> tuple[int, str]:
        forget_opened()
        self._capsys.readouterr()
        code = main([*tokens])
        captured = self._capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1
        return code, captured.err


def run(*tokens: str, redirected: str = "", home: Path | None = None) -> tuple[int, str, str]:
    """The real program under a shell that redirects its streams."""
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY / ".import")}
    if home is not None:
        environment["ENTRENOUS_HOME"] = str(home)
    done = subprocess.run(
        ["bash", "-c", f'"$0" -m entrenous.node.cli "$@" {redirected}', sys.executable, *tokens],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


# --- the home -------------------------------------------------------------------------------------


def _opening(made: tuple[Path, Path]) -> tuple[str, ...]:
    home, key = made
    return ("collections", "--home", str(home), "--key-file", str(key))


def test_a_store_that_is_gone_is_not_made_anew(made: tuple[Path, Path], told: Told) -> None:
    store, aside = made[0] / "store.db", made[0] / "aside"
    store.rename(aside)
    try:
        code, said = told(*_opening(made))
        assert (code, "store.db is gone" in said) == (1, True)
        assert not store.exists()
    finally:
        aside.rename(store)


def test_a_keystore_that_is_gone_is_not_a_home_to_be_made(
    made: tuple[Path, Path], told: Told
) -> None:
    keystore, aside = made[0] / "keystore", made[0] / "aside"
    (made[0] / "store.db").write_bytes((made[0] / "store.db").read_bytes() or b"x")
    keystore.rename(aside)
    try:
        code, said = told(*_opening(made))
        assert (code, "keystore of" in said and "is gone" in said) == (1, True)
        code, said = told("init", "--home", str(made[0]), "--key-file", str(made[1]))
        assert (code, "nothing was changed" in said) == (1, True)
        assert not keystore.exists()
    finally:
        aside.rename(keystore)
        if (made[0] / "store.db").read_bytes() == b"x":
            (made[0] / "store.db").write_bytes(b"")


def test_an_init_that_was_interrupted_begins_anew(told: Told, tmp_path: Path) -> None:
    home, key = tmp_path / "home", tmp_path / "key"
    Home(home).create()
    Home(home).database.touch(0o600)
    code, said = told("collections", "--home", str(home))
    assert (code, "make one with" in said) == (1, True)
    assert main(["init", "--home", str(home), "--key-file", str(key)]) == 0


@pytest.mark.parametrize("home", ["~nobody-of-this-name/x", "a" * 5_000])
def test_a_home_that_cannot_be(home: str, told: Told) -> None:
    code, said = told("collections", "--home", home)
    assert code in (1, 2)
    assert len(said) < 400


def test_a_pipe_is_no_key_file_and_not_waited_for(
    made: tuple[Path, Path], told: Told, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    code, said = told("collections", "--home", str(made[0]), "--key-file", str(pipe))
    assert (code, f"{KEY_BYTES} bytes" in said) == (2, True)


# --- arguments and files --------------------------------------------------------------------------


def test_a_name_that_is_no_text_cannot_be_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        encode({"name": "b\udcff"})
    assert failure(caught.value, as_json=False) == 2
    assert "not UTF-8" in capsys.readouterr().err


def test_a_file_that_opens_and_does_not_read() -> None:
    with pytest.raises(NotFound, match="cannot be read"):
        handed_in(Path("/proc/self/mem"))


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("redirected", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(redirected: str) -> None:
    code, out, err = run("--help", redirected=redirected)
    assert (code, err) == (0, "")
    assert ("--help" in out) == (">&-" not in redirected.replace("2>&-", ""))


def test_nobody_reads_to_the_end() -> None:
    code, _, err = run("--help", redirected="| true; exit ${PIPESTATUS[0]}")
    assert (code, err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_onto_a_full_disk_claims_nothing() -> None:
    code, _, err = run("--help", redirected="> /dev/full")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "no space" in err


# --- the surroundings -----------------------------------------------------------------------------


async def test_without_a_runtime_folder_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    home = Home(tmp_path / "home")
    home.create()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with home.locked():
            async with control_socket(home, {}):
                assert home.control.exists()


def test_the_constants_are_those_of_the_multiformats_table() -> None:
    head = (
        bytes((1,)) + multicodec.get("dag-cbor").wrap(b"") + multihash.wrap(bytes(32), "sha2-256")
    )
    assert cid_of(b"")[:4] == head[:4]
    assert public_of(did_of(bytes(32))) == bytes(32)
