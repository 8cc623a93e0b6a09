"""`helpers` and what other commands say of them, against a node that answers from a table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.names import short
from entrenous.node.results.grants import Revoked
from entrenous.node.results.helpers import HelperInfo, HelperRemoved, NotHeard
from entrenous.protocol.cid import cid_of
from entrenous.tests.node.cli_node import (
    GIVEN,
    GRANT,
    REQUEST,
    CommandLine,
    FakeNode,
    install,
    standing,
)

UNTIL_MS = 1_767_355_200_000  # 2026-01-02, noon
OURS = HelperInfo("ann", "ours", "helper", ("volt",), 0, 0, 1_767_225_600_000, UNTIL_MS, None)
THEIRS = HelperInfo("ben", "theirs", "asked", (), 0, 0, 1_767_225_600_000, None, None)
READER = "did:key:z6Mkec63pDiE7Ae7M49mWjJxgSzddGRJLN11wZ4PDvjdx2ZD"
KEPT = replace(THEIRS, peer="eve", state="allowed", readers=(READER,), pages=1_234)
NO = HelperInfo("cy", "ours", "refused", (), 0, 0, 1_767_225_600_000, None, "my disk is small")


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.setenv("TZ", "UTC")
    node = FakeNode(standing(helpers=[OURS, NO, THEIRS, KEPT]))
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


def test_helpers_are_listed_with_whom_and_until_when(run: CommandLine) -> None:
    done = run("helpers")
    assert done.code == 0
    for word in ("ann", "serves for you", "volt", "2026-01-02", "my disk is small", "1,234"):
        assert word in done.out
    assert "helpers allow" in done.out
    assert "…Dvjdx2ZD  " in done.out
    assert READER not in done.out


def test_helpers_are_printed_for_programs(run: CommandLine) -> None:
    done = run("helpers", "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [(row["peer"], row["side"], row["state"]) for row in rows] == [
        ("ann", "ours", "helper"),
        ("cy", "ours", "refused"),
        ("ben", "theirs", "asked"),
        ("eve", "theirs", "allowed"),
    ]


def test_a_helper_is_asked_for_named_readers(run: CommandLine) -> None:
    run.node.answers["helper_add"] = None
    run.node.answers["helpers"] = [replace(OURS, state="asked")]
    done = run("helpers", "add", "ann", "--for", "volt", "--for", "bank")
    assert done.code == 0
    assert run.node.asked("helper_add") == {"peer": "ann", "readers": ["volt", "bank"]}
    assert "can open nothing" in done.out


def test_one_that_serves_already_is_not_said_to_be_asked(run: CommandLine) -> None:
    run.node.answers["helper_add"] = None
    done = run("helpers", "add", "ann", "--for", "volt")
    assert (done.code, done.out) == (0, "ann serves for you already; it is told for whom.\n")


def test_removing_says_until_when_it_may_serve(run: CommandLine) -> None:
    run.node.answers["helper_remove"] = HelperRemoved(UNTIL_MS)
    assert "2026-01-02" in run("helpers", "remove", "ann").out
    run.node.answers["helper_remove"] = HelperRemoved(None)
    assert "lease" not in run("helpers", "remove", "ann").out


def test_helping_is_allowed_and_refused(run: CommandLine) -> None:
    run.node.answers |= {"helper_allow": None, "helper_refuse": None}
    assert "serves for ben" in run("helpers", "allow", "ben").out
    assert run("helpers", "refuse", "ben", "--reason", "no").code == 0
    assert run.node.asked("helper_refuse") == {"peer": "ben", "reason": "no"}


def test_revoke_says_which_helpers_have_not_heard(run: CommandLine) -> None:
    run.node.answers["revoke"] = Revoked(
        (cid_of(b"r"),), 0, (), (NotHeard("ann", UNTIL_MS),), (GRANT,)
    )
    done = run("revoke", short(GRANT))
    assert "ann has not heard of it yet" in done.out
    assert "2026-01-02" in done.out
    found = json.loads(run("revoke", short(GRANT), "--json").out)
    assert found["not_heard"] == [{"peer": "ann", "until_ms": UNTIL_MS}]


def test_who_decides_is_told_who_may_serve(run: CommandLine) -> None:
    done = run("decide", short(REQUEST), "grant", "--yes")
    assert "ann while you are away" in done.out
    assert "24 hours" in done.out


def test_a_grant_names_who_may_serve_it(run: CommandLine) -> None:
    run.node.answers["grants"] = [replace(GIVEN, helpers=("ann",))]
    assert "may be served by ann while you are away" in run("grants").out
    run.node.answers["grants"] = [replace(GIVEN, side="held", helpers=("ann",))]
    assert "may be served by ann while volt is away" in run("grants").out
