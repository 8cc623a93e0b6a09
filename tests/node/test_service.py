"""What keeps a node running: units, completion scripts, a log that stays small."""

from __future__ import annotations

import logging
import stat
import subprocess
from collections.abc import Generator
from configparser import ConfigParser
from pathlib import Path

import pytest
import structlog

from entrenous.node.cli import main
from entrenous.node.cli.app import make_app
from entrenous.node.cli.commands import command_names
from entrenous.node.cli.service import system_unit, user_unit
from entrenous.node.daemon_log import FILE_BYTES_MAX, FILES_KEPT, set_up_log
from entrenous.node.errors import HomeError, UsageError

COMMAND = ("/opt/entre nous/bin/entrenous",)


def _unit(text: str) -> ConfigParser:
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way
    unit.read_string(text)
    return unit


@pytest.mark.parametrize("home", [Path("/srv/my home"), Path("/srv/100%"), Path("/srv/$HOME")])
def test_a_path_stays_one_word_for_systemd(home: Path) -> None:
    for text in (user_unit(COMMAND, home), system_unit(COMMAND, home, "entrenous")):
        line = _unit(text)["Service"]["ExecStart"]
        assert line.startswith('"/opt/entre nous/bin/entrenous" up --home ')
        said = line.rpartition("--home ")[2].strip('"')
        assert said.replace("%%", "%").replace("$$", "$") == str(home)


def test_a_unit_has_no_secret_and_no_right_that_it_does_not_need() -> None:
    service = _unit(system_unit(COMMAND, Path("/var/lib/entrenous"), "node"))["Service"]
    assert service["User"] == "node"
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == "/var/lib/entrenous"
    assert service["CapabilityBoundingSet"] == ""
    assert service["NoNewPrivileges"] == "yes"
    assert service["LimitCORE"] == "0"
    assert "passphrase" not in service["ExecStart"]


def test_a_home_among_peoples_homes_is_seen_by_the_service() -> None:
    for home, protected in ((Path("/home/ada/node"), "no"), (Path("/var/lib/entrenous"), "yes")):
        assert _unit(system_unit(COMMAND, home, "node"))["Service"]["ProtectHome"] == protected


def test_a_program_among_peoples_homes_is_seen_and_not_written() -> None:
    unit = _unit(system_unit(("/home/ada/bin/entrenous",), Path("/var/lib/entrenous"), "node"))
    assert unit["Service"]["ProtectHome"] == "read-only"


@pytest.mark.parametrize(
    ("words", "home"),
    [
        (["--system"], "/var/lib/entrenous"),
        (["--system", "--home", "/srv/node"], "/srv/node"),
        (["--home", "/srv/node"], "/srv/node"),
    ],
)
def test_a_system_unit_does_not_use_the_home_of_who_prints_it(
    words: list[str],
    home: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("ENTRENOUS_HOME", raising=False)
    assert main(["unit", *words]) == 0
    assert _unit(capsys.readouterr().out)["Service"]["ExecStart"].endswith(f" up --home {home}")


def test_an_account_that_is_no_account_is_refused() -> None:
    for account in ("", "a b", "root\nUser=root", "é"):
        with pytest.raises(UsageError, match="an account is named by"):
            system_unit(COMMAND, Path("/srv/x"), account)


def test_bash_completes_commands(tmp_path: Path) -> None:
    script = tmp_path / "entrenous"
    script.write_text(make_app().generate_completion(shell="bash"))
    asked = (
        f"source {script}; COMP_WORDS=(entrenous ''); COMP_CWORD=1; COMP_LINE='entrenous '; "
        '_entrenous; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert set(command_names()) <= set(done.stdout.split())


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_with_every_command(shell: str) -> None:
    script = make_app().generate_completion(shell=shell)  # pyright: ignore[reportArgumentType] # one of its names
    assert all(name in script for name in command_names())


@pytest.fixture
def own_logging() -> Generator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers[:], _ = before
    root.setLevel(before[1])


@pytest.mark.usefixtures("own_logging")
def test_a_log_file_is_turned_over_and_closed_to_others(tmp_path: Path) -> None:
    file = tmp_path / "node.log"
    set_up_log(file=file)
    log = structlog.get_logger("entrenous.node.test")
    line = "x" * 2_000
    lines = FILES_KEPT * FILE_BYTES_MAX // 2_000 + 1_000
    for number in range(lines):
        # Errors, because a flood of anything else is counted and not written.
        log.error("something", number=number, text=line, peer="Ada")
    files = sorted(tmp_path.iterdir())
    assert len(files) == FILES_KEPT
    for each in files:
        assert each.stat().st_size <= FILE_BYTES_MAX
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert "Ada" not in each.read_text()
    last = file.read_text().splitlines()[-1]
    assert f"number={lines - 1} " in last
    assert last.startswith("timestamp=")


@pytest.mark.usefixtures("own_logging")
def test_a_log_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="cannot be written"):
        set_up_log(file=tmp_path / "nowhere" / "node.log")
