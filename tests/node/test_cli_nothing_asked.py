"""Under `--json` nothing is asked: the options say it all, or one sentence names those that would.

A program that started a command at a terminal would wait for an answer that nobody gives.  Without
a terminal nothing is asked either: what was typed is the answer, or it is refused in the same way.
"""

from __future__ import annotations

import ast
import getpass
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cyclopts import App

import entrenous
from entrenous.node import cli
from entrenous.node.cli.app import make_app
from entrenous.node.cli.names import short
from entrenous.node.cli.options import forget_opened
from entrenous.node.cli.screen import Screen
from entrenous.node.errors import UsageError
from entrenous.node.results.views import ViewInfo
from entrenous.tests.node.cli_node import (
    GIVEN,
    GRANT,
    PATH,
    REQUEST,
    CommandLine,
    FakeNode,
    install,
    standing,
)
from entrenous.tests.node.test_cli_accounts import ACCOUNT, OWED
from entrenous.tests.node.test_cli_shared import ASKS
from entrenous.tests.node.test_cli_terms import FOUND, OFFERED, WAITS

VIEW = f"{PATH}/view-monthly-energy"
HELD = ViewInfo(
    VIEW, PATH, "monthly-energy", "period-sum/1", 2, 2, (),
    None, (), (), None, 5, 7, 0, 1, None,
)  # fmt: skip  # one thing
# What each command that takes --yes asks before it does something.
QUESTIONS = {
    f"decide {short(REQUEST)} grant": "Grant this to volt?",
    f"decide {short(REQUEST)} refuse": "Refuse this to volt?",
    f"decide {short(REQUEST)} grant --acting-for ann": "Grant this to volt, for ann?",
    f"decide {short(REQUEST)} refuse --acting-for ann": "Refuse this to volt, for ann?",
    f"decide {short(OFFERED.id)} accept": "Agree to these terms?",
    f"decide {short(OFFERED.id)} decline": "Decline what alice offers?",
    f"renew {short(GRANT)} --until 2070-01-01": "Let this go on until",
    f"renew {short(GRANT)} --until 2070-01-01 --always": "Renew this by itself, 30 days at a time",
    f"accounts confirm {short(REQUEST)}": "Confirm that this payment came?  It is final.",
    "accounts paid volt 4 EUR": "Say that you have paid 4.00 EUR once more?",
    "accounts off": "Switch paid terms off",
    f"shared accept {short(REQUEST)}": "Sign the record as bank has it?",
    "vouch bank": "Vouch for bank?",
    "peers --ask bank": "Ask them?",
    "imports undo 3f9a12bc": "Remove everything that import 3f9a12bc brought?",
    f"view release {VIEW} 2026-03": f"Tell 2026-03 of {VIEW} as it is now?",
    f"erase {PATH} 2025-01-01T12:00": f"Erase this record of {PATH} for good?",
    f"erase {PATH}": f"`erase {PATH} --yes` erases all of it",
    "erase --everything": "`erase --everything --yes` does not ask",
}
# More than the words name would be done: without a terminal they are refused as well.
NEVER_MEANT = (f"erase {PATH}", "erase --everything")
# What asks for a secret or for digits, on a home that is locked, or that there is not: what to give
# in its place.
SECRETS = {
    "grants": "--passphrase-fd, --key-file",
    "up": "--passphrase-fd, --key-file",
    "init --home new": "--passphrase-fd or --key-file",
    "init --home new --join entrenous-device:x": "--passphrase-fd or --key-file",
    "restore backup --home new": "--words-fd",
    "devices remove": "--words-fd",
    "devices confirm": "`entrenous devices confirm 123456`",
    "meet bank": "give the link",
}
# Every function that may ask, or read what is typed; all others leave the terminal alone.
ASKS_A_PERSON = {
    ("node/cli/screen.py", "asks"),
    ("node/cli/screen.py", "confirm"),
    ("node/cli/options.py", "_ask"),
    ("node/cli/options.py", "_ask_new"),
    ("node/cli/devices.py", "confirm"),
    ("node/cli/devices_remove.py", "recovery_words"),
    ("node/cli/meet_again.py", "meet"),
}
READS_WHAT_IS_PIPED = {  # for `-`, or as a stream of records
    ("node/cli/accounts.py", "iban"),
    ("node/cli/declare.py", "_opened"),
    ("node/cli/join.py", "join"),
    ("node/cli/meet.py", "pair"),
    ("node/cli/programs.py", "_waiting_lines"),
    ("node/cli/shared.py", "_object_of"),
}


LOOKS = {
    *("status", "peers", "collections", "inbox", "asked", "grants", "choices", "helpers", "terms"),
    *("people", "waiting_for", "accounts", "account_lines", "shared_show", "acquaintances"),
    "views",
}


class Silent(io.StringIO):
    """Standard input on which nobody types: whoever reads it would wait for ever."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def readline(self, size: int | None = -1, /) -> str:
        raise AssertionError("something was asked")

    def read(self, size: int | None = -1, /) -> str:
        raise AssertionError("something was asked")


def _asked(prompt: str = "") -> str:
    raise AssertionError(f"something was asked: {prompt}")


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    node = FakeNode(
        standing(
            inbox=[WAITS],
            asked=[OFFERED],
            terms=FOUND,
            people=[],
            waiting_for=[WAITS],
            accounts=[ACCOUNT, OWED],
            account_lines=[],
            shared_show=ASKS,
            acquaintances=["ann", "bank"],
            views=[HELD],
        )
    )
    install(monkeypatch, node)
    monkeypatch.setattr(getpass, "getpass", _asked)
    monkeypatch.setattr("builtins.input", _asked)
    return CommandLine(node, tmp_path, capsys)


def _changes(run: CommandLine) -> list[str]:
    """What the node was asked to do, beside what it was asked to show."""
    return [op for op, _ in run.node.calls if op not in LOOKS]


@pytest.mark.parametrize(("line", "question"), QUESTIONS.items(), ids=QUESTIONS)
def test_at_a_terminal_json_is_refused_with_the_option_that_answers(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, line: str, question: str
) -> None:
    monkeypatch.setattr("sys.stdin", Silent(terminal=True))
    done = run(*line.split(), "--json")
    error = json.loads(done.err)["error"]
    assert (done.code, done.out, error["exit"], error["code"]) == (2, "", 2, None)
    assert "--yes" in error["sentence"]
    assert question in error["sentence"]
    assert not _changes(run)


@pytest.mark.parametrize("line", QUESTIONS)
@pytest.mark.parametrize("json_too", [(), ("--json",)], ids=["words", "json"])
def test_without_a_terminal_what_was_typed_is_the_answer(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, line: str, json_too: tuple[str, ...]
) -> None:
    """It comes as far as the node, which does none of it here."""
    monkeypatch.setattr("sys.stdin", Silent(terminal=False))
    del run.node.answers["decide"]
    if line in NEVER_MEANT:
        done = run(*line.split(), *json_too)
        assert (done.code, done.out, "--yes" in done.err) == (2, "", True)
        return
    with pytest.raises(KeyError):
        run(*line.split(), *json_too)
    assert len(_changes(run)) == 1


def test_every_command_that_takes_yes_is_held_to_this() -> None:
    asking = {words for words, app in _commands(make_app()) if _takes_yes(app)}
    held = {words for words in asking for line in QUESTIONS if line.startswith(words)}
    assert held == asking
    assert asking >= {"decide", "renew", "erase", "accounts confirm", "imports undo"}


def _commands(app: App, words: str = "") -> Iterator[tuple[str, App]]:
    if app.default_command is not None:
        yield words, app
    for name in app:
        if not name.startswith("-"):
            yield from _commands(app[name], f"{words} {name}".strip())


def _takes_yes(app: App) -> bool:
    return any("--yes" in one.names for one in app.assemble_argument_collection())


@pytest.mark.parametrize(("line", "given"), SECRETS.items(), ids=SECRETS)
@pytest.mark.parametrize("terminal", [True, False])
def test_no_secret_is_asked_for_under_json(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
    given: str,
    terminal: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(getpass, "getpass", _asked)
    monkeypatch.setattr("builtins.input", _asked)
    assert cli.main(["init", "--home", "home", "--key-file", "key", "--json"]) == 0
    capsys.readouterr()
    forget_opened()
    stdin = Silent(terminal=terminal) if line != "meet bank" or terminal else io.StringIO()
    monkeypatch.setattr("sys.stdin", stdin)
    where = () if "--home" in line else ("--home", "home")
    code = cli.main([*line.split(), *where, "--json"])
    out, err = capsys.readouterr()
    assert (code, out) == (4 if "key-file" in given else 2, "")
    assert given in json.loads(err)["error"]["sentence"]
    assert not (tmp_path / "new").exists()


def test_nothing_else_reads_what_a_person_types() -> None:
    root = Path(entrenous.__file__).parent
    found: set[tuple[str, str]] = set()
    for folder in ("node", "apps", "simulations"):
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            for function in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    found |= {(name, function.name) for one in ast.walk(function) if _reads(one)}
    assert found == ASKS_A_PERSON | READS_WHAT_IS_PIPED


def _reads(node: ast.AST) -> bool:
    """`sys.stdin`, `input`, `getpass`: wherever it is named, not only where it is called."""
    match node:
        case ast.Attribute(value=ast.Name(id="sys"), attr="stdin" | "__stdin__"):
            return True
        case ast.Name(id="input" | "getpass"):
            return True
        case _:
            return False


def test_only_a_terminal_without_json_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        monkeypatch.setattr("sys.stdin", Silent(terminal=terminal))
        assert Screen(json=False).asks is terminal
        assert not Screen(json=True).asks
        assert Screen(json=True).confirm("This?", yes=True)
    monkeypatch.setattr("sys.stdin", Silent(terminal=True))
    with pytest.raises(UsageError, match="--yes does it without: This\\?"):
        Screen(json=True).confirm("This?", yes=False)


def test_a_held_grant_is_asked_about_in_its_own_words(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Silent(terminal=True))
    run.node.answers["grants"] = [replace(GIVEN, side="held")]
    done = run("renew", short(GRANT), "--until", "2070-01-01", "--json")
    assert "Ask for this until" in json.loads(done.err)["error"]["sentence"]
