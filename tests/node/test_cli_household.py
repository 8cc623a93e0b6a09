"""The command line of a household: whose data is shown before it is lent, mandates in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.names import short
from entrenous.node.results.household import MandateInfo, PersonInfo, ProxyInfo
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.tests.node.cli_node import (
    ASKED,
    GRANT,
    INFO,
    PATH,
    REQUEST,
    CommandLine,
    FakeNode,
    install,
)

ID = short(REQUEST)
MANDATE = cid_of(b"mandate")
GIVEN = MandateInfo(
    MANDATE, cid_text(MANDATE)[:13], "given", "mother", "son", "bank", "proxy",
    ("/grant/request",), False, 0, 4_000_000_000, "live", 0, None,
)  # fmt: skip
MINAS = replace(INFO, path=f"{PATH}/p1", whose=("Mina",))
TOMS = replace(INFO, path=f"{PATH}/p2", whose=("Tom",))
FOR_MINA = replace(ASKED, people=("Mina",))


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    node = FakeNode(
        {
            "inbox": [FOR_MINA],
            "collections": [MINAS, TOMS],
            "decide": {"grant": GRANT},
            "mandates": [GIVEN],
            "proxies": [ProxyInfo("daughter", "shop", 4_000_000_000, 0)],
            "mandate_give": GIVEN,
            "mandate_end": {"mandate": MANDATE},
            "people": [PersonInfo("Mina", 1, "2014-05-01", (f"{PATH}/p1",), ("school",))],
        }
    )
    monkeypatch.setenv("TZ", "UTC")
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


def test_what_is_of_others_is_left_out_and_said(run: CommandLine) -> None:
    done = run("decide", ID, "grant", "--yes")
    assert done.code == 0
    assert f"{PATH}/p1 is Mina's" in done.out
    assert f"{PATH}/p2 is Tom's (--others gives it too)" in done.out
    windows = run.node.asked("decide")["windows"]
    assert isinstance(windows, list)
    assert [window[0] for window in windows if isinstance(window, list)] == [f"{PATH}/p1"]


def test_others_are_given_with_a_warning_only(run: CommandLine) -> None:
    done = run("decide", ID, "grant", "--yes", "--others")
    assert f"{PATH}/p2 is Tom's: NOT whom they know" in done.out
    assert run.node.asked("decide")["others"] is True
    run.node.answers["collections"] = [TOMS]
    refused = run("decide", ID, "grant", "--yes")
    assert refused.code == 4
    assert "is Tom's, and volt knows Mina: --others" in refused.err


def test_acting_for_somebody_goes_with_the_decision(run: CommandLine) -> None:
    run("decide", ID, "grant", "--yes", "--acting-for", "Mina")
    assert run.node.asked("decide")["acting_for"] == "Mina"


def test_people_and_mandates_are_listed(run: CommandLine) -> None:
    assert "Mina" in run("people").out
    (line,) = run("people", "--json").out.splitlines()
    assert json.loads(line)["number"] == 1
    shown = run("mandates").out
    assert "son for mother at bank, as proxy: live" in shown
    assert "daughter would act for you at shop" in shown
    (line,) = run("mandates", "--json").out.splitlines()
    assert json.loads(line)["commands"] == ["/grant/request"]


def test_a_mandate_is_given_and_taken_back(run: CommandLine) -> None:
    done = run(
        "mandate", "give", "son", "--at", "bank", "--may", "request", "--until", "2027-12-31"
    )
    assert done.code == 0
    asked = run.node.asked("mandate_give")
    assert (asked["commands"], asked["office"]) == (["/grant/request"], "proxy")
    done = run("mandate", "revoke", short(MANDATE))
    assert done.code == 0
    assert run.node.asked("mandate_end") == {"mandate": MANDATE}


@pytest.mark.parametrize(
    ("status", "ended_ms", "said"),
    [("revoked", 1_767_225_600_000, "2026-01-01 00:00"), ("expired", None, "2096-10-02 07:06")],
)
def test_of_a_mandate_that_ended_before_it_is_said_when_and_nothing_changes(
    run: CommandLine, status: str, ended_ms: int | None, said: str
) -> None:
    ended = replace(GIVEN, status=status, ended_ms=ended_ms, exp_s=4_000_000_000)
    for side in ("given", "held"):
        run.node.answers["mandates"] = [replace(ended, side=side)]
        done = run("mandate", "revoke", short(MANDATE))
        assert (done.code, done.err) == (0, "")
        assert f"Mandate {short(MANDATE)} ended already, {said}.\nNothing was changed." in done.out
    told = json.loads(run("mandate", "revoke", short(MANDATE), "--json").out)
    assert told["before_ms"] == (ended_ms or 4_000_000_000_000)
    assert not [op for op, _ in run.node.calls if op == "mandate_end"]
    # One that still holds on a side of ours, or that was only handed in, is for the node to judge.
    for others in ([ended, replace(GIVEN, side="held")], [replace(ended, side="lodged")]):
        run.node.calls.clear()
        run.node.answers["mandates"] = others
        told = json.loads(run("mandate", "revoke", short(MANDATE), "--json").out)
        assert told["before_ms"] is None
        assert run.node.asked("mandate_end") == {"mandate": MANDATE}


def test_a_mandate_has_an_end_and_something_to_do(run: CommandLine) -> None:
    for wrong in (
        ("--may", "request"),
        ("--may", "request", "--until", "2027-12-31", "--age", "18"),
        ("--may", "everything", "--until", "2027-12-31"),
        ("--until", "2027-12-31"),
    ):
        assert run("mandate", "give", "son", "--at", "bank", *wrong).code == 2
