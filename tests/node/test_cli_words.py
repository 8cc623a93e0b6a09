"""One word for one thing: options that had another name, days that are days, a way out that is
named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.app import make_app
from entrenous.node.cli.history import moment_of
from entrenous.node.cli.renamed import RENAMED
from entrenous.node.results.history import HistoryEvent
from entrenous.node.results.terms import StandingTold
from entrenous.node.results.views import ViewInfo, ViewWaiting
from entrenous.protocol.standing_terms import NOT_ALLOWED
from entrenous.protocol.standing_terms_file import standing_from_mapping, standing_value
from entrenous.protocol.wire import Value
from entrenous.tests.node.cli_node import (
    PATH,
    REQUEST,
    CommandLine,
    FakeNode,
    install,
    standing,
)
from entrenous.tests.node.test_cli_terms import WAITS

NEEDED = {"decide": ("x", "grant"), "push": ("--token", "x"), "view add": ("x", "y")}
DRAFT = ("ask", "volt", PATH, "--from", "2025-01-01", "--to", "2025-01-31", "--purpose", "dpv:x")
RULE: dict[str, object] = {
    "name": "standing terms 1",
    "does": "grant",
    "level": "unknown",
    "purposes": ["dpv:x"],
    "collections": ["energy"],
    "days": 5,
    "retention_days": 0,
    "life_days": 3_000,
    "beyond": "narrow",
}


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    node = FakeNode(standing(ask={"request": REQUEST}))
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


def told(*rules: dict[str, object]) -> StandingTold:
    value = standing_value(standing_from_mapping({"rules": list(rules)}))
    assert isinstance(value, dict)
    shown = value["rules"]
    assert isinstance(shown, list)
    return StandingTold("volt", 1_700_000_000_000, tuple[Value, ...](shown))


@pytest.mark.parametrize(("command", "old"), RENAMED)
def test_an_option_that_had_another_name_is_refused_with_the_new_one(
    run: CommandLine, command: str, old: str
) -> None:
    now = RENAMED[command, old]
    for written in ((old, "3"), (f"{old}=3",)):
        done = run(*command.split(), *NEEDED[command], *written)
        assert done.code == 2
        assert done.err == (
            f"entrenous: {old} is called {now} now; see `entrenous {command} --help`\n"
        )
    assert not run.node.calls
    app = make_app(command.split()[0])
    for word in command.split():
        app = app[word]
    names = {name for one in app.assemble_argument_collection() for name in one.names}
    assert now in names
    assert old not in names


def test_the_last_day_of_a_history_is_in_it(run: CommandLine) -> None:
    noon = moment_of("2025-03-01T12:00")
    run.node.answers["history"] = [HistoryEvent(noon, "card", "taken", "volt")]
    assert "showed its card" in run("history", "volt", "--to", "2025-03-01").out
    assert "showed its card" not in run("history", "volt", "--to", "2025-02-28").out
    assert "showed its card" not in run("history", "volt", "--to", "2025-03-01T11:59").out


def test_a_view_that_waits_says_how_to_let_it_go(run: CommandLine) -> None:
    waiting = tuple(
        ViewWaiting(number, f"2025-0{number}", why)
        for number, why in enumerate(["incomplete"] * 5 + ["held", "open"], 1)
    )
    one = ViewInfo(
        f"{PATH}/view-monthly-energy", PATH, "monthly-energy", "period-sum/1", 2, 2, waiting,
        None, (), (), None, 5, 7, 0, 1, None,
    )  # fmt: skip
    run.node.answers["views"] = [one]
    shown = " ".join(run("views").out.split())
    assert "come: 2025-03, 2025-04, 2025-05 and 2 before" in shown
    assert f"`entrenous view release {one.path} 2025-05` tells it as it is" in shown
    assert f"`entrenous view release {one.path} 2025-06` tells it all the same" in shown
    assert "not over yet: 2025-07" in shown


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ((RULE,), "less than this: for fewer days (told "),
        (({**RULE, "days": 400},), "all of this (told "),
        (
            ({"name": "no", "does": "refuse", "collections": [PATH], "reason": "mine"},),
            "nothing of this: they would refuse it",
        ),
        (({**RULE, "purposes": ["dpv:y"]},), "no answer to this beforehand"),
        ((), "nothing: they show you no standing terms"),
    ],
)
def test_a_draft_is_held_to_what_was_offered_first_and_nothing_is_asked(
    run: CommandLine, rules: tuple[dict[str, object], ...], words: str
) -> None:
    run.node.answers["ask_standing_terms"] = told(*rules)
    done = run(*DRAFT, "--check")
    assert done.code == 0, done.err
    assert words in done.out
    assert "Nothing was asked." in done.out
    assert [op for op, _ in run.node.calls] == ["ask_standing_terms"]


def test_what_was_told_before_stands_beside_a_request(run: CommandLine) -> None:
    assert "they offer" not in run(*DRAFT).out, "nobody was asked what they offer"
    run.node.answers["standing_told"] = told(RULE)
    assert re.search(r"they offer\s+less than this: for fewer days", run(*DRAFT).out)
    kept = run("terms", "standing", "of", "volt", "--kept")
    assert "As volt told it on " in kept.out
    assert "days: 5" in kept.out
    assert "ask_standing_terms" not in [op for op, _ in run.node.calls]


def test_which_rule_refused_is_shown_to_who_wrote_it(run: CommandLine) -> None:
    assert WAITS.marks is not None
    marks = replace(WAITS.marks, rule="not my health", why=NOT_ALLOWED)
    run.node.answers["inbox"] = [replace(WAITS, marks=marks)]
    assert f"your rules: {NOT_ALLOWED} (not my health)" in " ".join(run("inbox").out.split())
