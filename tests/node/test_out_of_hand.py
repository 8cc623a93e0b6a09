"""Export, import of an export, erase: the command line on real homes."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import pytest

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node import cli
from entrenous.node.cli import options
from entrenous.node.config import Config
from entrenous.node.erasure.home import destroy_home, is_being_erased
from entrenous.node.opening import Passphrase, init_home
from entrenous.node.store.home import Home
from entrenous.simulations.files import bank_file
from entrenous.tests.node.daemon_process import daemon
from entrenous.tests.node.killing import KillAt, Killed

PHRASE = "a phrase"


def entrenous(home: Path, *tokens: str, passphrase: str | None = None) -> tuple[int, str, str]:
    """One command, in this process: exit code, stdout, stderr."""
    reading = -1
    more = ["--home", str(home)]
    if passphrase is not None:
        reading, writing = os.pipe()
        os.write(writing, passphrase.encode() + b"\n")
        os.close(writing)
        more += ["--passphrase-fd", str(reading)]
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.main([*tokens, *more])
    finally:
        options.forget_opened()
        if reading >= 0:
            with suppress(OSError):  # whoever read it to its end has closed it
                os.close(reading)
    return code, out.getvalue(), err.getvalue()


def made(folder: Path, source: Path) -> str:
    """A home with the payments of a file; the collection in which they are."""
    code, _, err = entrenous(folder, "init", "--name", "Home", "--json", passphrase=PHRASE)
    assert code == 0, err
    code, out, err = entrenous(folder, "import", str(source), "--json", passphrase=PHRASE)
    assert code == 0, err
    path: str = json.loads(out)["imported"][0]["path"]
    return path


def records(folder: Path, path: str) -> list[dict[str, object]]:
    code, out, err = entrenous(folder, "read", path, "--json", passphrase=PHRASE)
    assert code == 0, err
    found: list[dict[str, object]] = json.loads(out)["records"]
    return found


def test_a_vault_moves_to_another_node_and_is_erased_on_the_first(tmp_path: Path) -> None:
    bank = bank_file(1)
    source = tmp_path / bank.name
    source.write_bytes(bank.data)
    old, new = tmp_path / "old", tmp_path / "new"
    path = made(old, source)
    before = records(old, path)

    code, out, err = entrenous(
        old, "export", str(tmp_path / "out"), "--format", "csv", "--json", passphrase=PHRASE
    )
    assert code == 0, err
    assert json.loads(out)["facts"] == len(before)
    code, _, err = entrenous(new, "init", "--name", "New", "--json", passphrase=PHRASE)
    assert code == 0, err
    code, out, err = entrenous(
        new, "import", str(tmp_path / "out"), "--preview", "--json", passphrase=PHRASE
    )
    assert code == 0, err
    code, out, err = entrenous(new, "import", str(tmp_path / "out"), passphrase=PHRASE)
    assert code == 0, err
    assert "undo" not in out
    assert records(new, path) == before
    code, out, err = entrenous(new, "import", str(tmp_path / "out"), "--json", passphrase=PHRASE)
    assert (code, json.loads(out)["imported"][0]["already"]) == (0, True)

    first = str(before[0]["id"])
    code, out, err = entrenous(old, "erase", path, first, "--json", passphrase=PHRASE)
    assert code == 0, err
    done = json.loads(out)
    assert (done["records"], done["files"] >= 1) == (1, True)
    assert "backups" in err
    assert [one["id"] for one in records(old, path)] == [one["id"] for one in before[1:]]
    again = tmp_path / f"again-{bank.name}"
    again.write_bytes(bank.data + b"\n")
    code, out, err = entrenous(old, "import", str(again), passphrase=PHRASE)
    assert code == 0, err
    assert "you erased" in out
    code, out, err = entrenous(old, "erased", "--json", passphrase=PHRASE)
    assert json.loads(out)["records"] == 1
    # A script that names no record does not take the whole collection by that.
    assert entrenous(old, "erase", path, passphrase=PHRASE)[0] == 2
    code, out, err = entrenous(old, "erase", path, "--yes", passphrase=PHRASE)
    assert code == 0, err
    code, _, err = entrenous(old, "read", path, passphrase=PHRASE)
    assert code == 3, err
    code, out, err = entrenous(old, "erased", "lift", path, "--json", passphrase=PHRASE)
    assert json.loads(out)["records"] == len(before)
    code, out, err = entrenous(old, "import", str(source), passphrase=PHRASE)
    assert code == 0, err
    assert records(old, path) == before


def test_everything_goes_of_a_running_node_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    bank = bank_file(1)
    source = tmp_path / bank.name
    source.write_bytes(bank.data)
    home = tmp_path / "home"
    made(home, source)
    (home / "my-notes.txt").write_text("mine")
    (home / "my-notes.txt").chmod(0o600)
    code, _, err = entrenous(home, "erase", "--everything", passphrase=PHRASE)
    assert code == 2, err
    assert "--yes" in err
    with daemon(home, passphrase=PHRASE.encode()):
        code, out, err = entrenous(home, "erase", "--everything", "--yes", "--json")
        assert code == 0, err
    done = json.loads(out)
    assert done["left"] == ["my-notes.txt"]
    assert sorted(one.name for one in home.iterdir()) == ["my-notes.txt"]
    code, _, err = entrenous(home, "status", passphrase=PHRASE)
    assert code != 0
    assert "there is no home" in err


@pytest.mark.parametrize("step", range(7))
def test_destroying_goes_on_wherever_it_was_cut_and_the_keys_go_first(
    step: int, tmp_path: Path
) -> None:
    folder = tmp_path / "home"
    init_home(folder, Config(name="x"), Passphrase(b"secret phrase"), SystemEntropy())
    (folder / "store.db").write_bytes(b"sealed rows")
    (folder / "elsewhere").write_text("a friend's")
    (folder / "control").symlink_to(folder / "elsewhere")
    keys = (folder / "keystore").read_bytes()
    with pytest.raises(Killed):
        destroy_home(Home(folder), KillAt(step))
    assert is_being_erased(folder) is (step < 6)
    if step >= 1:
        assert not (folder / "keystore").exists()
        for one in folder.iterdir():
            assert keys not in one.read_bytes()
    if step < 6:
        destroy_home(Home(folder))
    assert [one.name for one in folder.iterdir()] == ["elsewhere"]
    assert (folder / "elsewhere").read_text() == "a friend's"
