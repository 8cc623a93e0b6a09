"""The real program on a real home, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from entrenous.simulations.files import bank_file

_REPOSITORY = Path(__file__).resolve().parent.parent.parent


def entrenous(home: Path, *tokens: str, passphrase: str | None = None) -> tuple[int, str, str]:
    """Run one command; its exit code, stdout and stderr."""
    command: Sequence[str] = (sys.executable, "-m", "entrenous.node.cli", *tokens)
    options: list[str] = []
    reading = -1
    if passphrase is not None:
        reading, writing = os.pipe()
        os.write(writing, passphrase.encode() + b"\n")
        os.close(writing)
        options = ["--passphrase-fd", str(reading)]
    environment = {
        **os.environ,
        "ENTRENOUS_HOME": str(home),
        "PYTHONPATH": str(_REPOSITORY / ".import"),
        "TZ": "UTC",
    }
    try:
        done = subprocess.run(
            [*command, *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            pass_fds=() if passphrase is None else (reading,),
            check=False,
        )
    finally:
        if reading >= 0:
            os.close(reading)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "home"
    code, out, err = entrenous(folder, "init", "--name", "Home", "--json", passphrase="a phrase")
    assert code == 0, err
    made = json.loads(out)
    assert len(made["words"].split()) == 33
    assert (made["name"], made["role"]) == ("Home", "person")
    return folder


def test_a_second_init_changes_nothing(home: Path) -> None:
    before = (home / "keystore").read_bytes()
    code, _, err = entrenous(home, "init", passphrase="another")
    assert (code, "already" in err) == (1, True)
    assert entrenous(home, "init", "--if-missing")[0] == 0
    assert (home / "keystore").read_bytes() == before


def test_import_and_read_without_a_running_node(home: Path, tmp_path: Path) -> None:
    made = bank_file(1)
    (tmp_path / made.name).write_bytes(made.data)
    code, out, err = entrenous(
        home, "import", str(tmp_path / made.name), "--json", passphrase="a phrase"
    )
    assert code == 0, err
    imported = json.loads(out)["imported"]
    path, count = imported[0]["path"], imported[0]["new"]
    assert count > 0
    code, out, err = entrenous(home, "read", path, "--format", "json", passphrase="a phrase")
    assert (code, len(out.splitlines())) == (0, count), err


def test_a_wrong_passphrase_and_none_at_all(home: Path) -> None:
    code, out, err = entrenous(home, "peers", passphrase="wrong")
    assert (code, out) == (4, "")
    assert len(err.splitlines()) == 1
    code, out, err = entrenous(home, "peers")
    assert (code, out) == (4, "")
    assert "no node runs" in err
    assert "--passphrase-fd" in err


def test_a_key_file_opens_a_home(tmp_path: Path) -> None:
    home, key = tmp_path / "home", tmp_path / "key"
    assert entrenous(home, "init", "--key-file", str(key))[0] == 0
    assert entrenous(home, "status", "--key-file", str(key))[0] == 0
    code, _, err = entrenous(home, "status", passphrase="a phrase")
    assert (code, "key file" in err) == (4, True)


def test_help_loads_no_library() -> None:
    code = (
        "import sys; from entrenous.node.cli import main; main(['--help']); "
        "assert not {'trio', 'cyclopts', 'rich', 'nacl', 'libp2p'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY / ".import")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_unit_names_this_program_and_home(tmp_path: Path) -> None:
    home = tmp_path / "a home of 100%"
    code, out, _ = entrenous(home, "unit")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("ExecStart="))
    assert line.endswith(f' up --home "{tmp_path}/a home of 100%%"')


def test_a_file_that_is_no_good_does_not_keep_the_others_out(tmp_path: Path) -> None:
    home, bad, gone = tmp_path / "home", tmp_path / "holiday.jpg", tmp_path / "gone.ofx"
    bad.write_bytes(b"\xff\xd8\xff\xe0 no records here")
    fixtures = _REPOSITORY / "tests" / "apps" / "fixtures"
    good = [str(fixtures / name) for name in ("savings_xml.ofx", "two_meters.xml")]
    assert entrenous(home, "init", passphrase="words")[0] == 0
    code, out, err = entrenous(
        home, "import", good[0], str(bad), str(gone), good[1], passphrase="words"
    )
    assert code == 3, err
    assert "savings_xml.ofx" in out
    assert "two_meters.xml" in out
    assert "holiday.jpg" in err
    assert "gone.ofx" in err


def test_up_makes_the_home_first_and_asks_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "entrenous.node.cli", "up", "--init", "--json"]
    more = ["--listen", "/ip4/127.0.0.1/tcp/0", "--passphrase-fd", "0"]
    environment = {
        **os.environ,
        "ENTRENOUS_HOME": str(home),
        "PYTHONPATH": str(_REPOSITORY / ".import"),
    }
    for words in (33, None):  # the second time there is a home
        process = subprocess.Popen(
            [*command, *more],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, process.stdout:
            print("words nobody guesses", file=process.stdin, flush=True)
            if words is not None:
                assert len(json.loads(process.stdout.readline())["words"].split()) == words
            assert json.loads(process.stdout.readline())["home"] == str(home)
            process.terminate()
            assert process.wait(30) == 0


@pytest.mark.parametrize(
    "before",
    [("--json",), ("--json", "--home", "{home}"), ("--home={home}", "--json")],
)
def test_options_of_every_command_may_stand_before_its_name(
    home: Path, tmp_path: Path, before: tuple[str, ...]
) -> None:
    tokens = [each.format(home=home) for each in before]
    elsewhere = home if len(before) == 1 else tmp_path
    code, out, err = entrenous(elsewhere, *tokens, "status", passphrase="a phrase")
    assert code == 0, err
    assert json.loads(out)["home"] == str(home)
