"""What an organisation and its processor type: what is lent on, found, kept and listed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.names import short
from entrenous.protocol.window import Window
from entrenous.tests.node.cli_node import (
    ASKED,
    FIRST,
    GIVEN,
    GRANT,
    PATH,
    PEER,
    REQUEST,
    CommandLine,
    FakeNode,
    install,
)

HELD = replace(GIVEN, side="held", peer="alice")
LENT_ON = replace(GIVEN, side="lent-on", peer="analytics", principal="volt")
GAS = "energy/gas/load-curve"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    node = FakeNode({"grants": [LENT_ON], "peers": [PEER], "keep": None, "lend_on": GRANT})
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


def test_a_request_says_in_the_list_already_who_else_would_read(run: CommandLine) -> None:
    did = "did:key:z6MkjeNFhgTrRRQRTPPzYiAWvbtjRuxHJ8Vydz8oc3Gd8C8M"
    terms = replace(ASKED.terms, recipients=("the auditor", f"analytics <{did}>"))
    run.node.answers |= {"inbox": [replace(ASKED, terms=terms)], "collections": []}
    for words, said in (((), "also read by analytics"), ((short(ASKED.id),), "also reads  ")):
        done = run("inbox", *words)
        assert done.code == 0, done.err
        assert said in done.out


def test_what_was_lent_on_is_kept_after_a_restore(run: CommandLine) -> None:
    done = run("keep", short(GRANT))
    assert done.code == 0, done.err
    assert run.node.asked("keep")["grant"] == GRANT


def test_grants_with_a_processor_are_listed_by_its_name(run: CommandLine) -> None:
    done = run("grants", "analytics")
    assert done.code == 0, done.err
    assert "analytics: live" in done.out
    assert run("grants", "nobody").code == 3


def test_what_is_lent_on_is_of_the_grant_that_opens_it(run: CommandLine) -> None:
    """Not only of the one that holds the longest."""
    longer = replace(
        HELD, id=REQUEST, windows=(Window(GAS, FIRST, FIRST + 1),), exp_s=HELD.exp_s + 86_400
    )
    run.node.answers |= {"grants": [HELD, longer], "lend_on": {"grant": GRANT}}
    done = run("lend-on", "analytics", "--of", "alice", "--collection", PATH)
    assert done.code == 0, done.err
    asked = run.node.asked("lend_on")
    assert (asked["windows"], asked["exp_s"]) == ([[PATH, FIRST, FIRST + 29]], HELD.exp_s)
    # … and what the processor must have said, without which it turns it away
    assert "`entrenous processing add`" in done.out
    done = run("lend-on", "analytics", "--of", "alice", "--collection", "finance")
    assert (done.code, "granted you none of these days" in done.err) == (4, True)


def test_who_reads_for_another_is_told_to_say_so(run: CommandLine) -> None:
    held = replace(HELD, peer="volt/k7Qz81Ab", principal="volt")
    run.node.answers["grants"] = [held]
    for words in ((), ("--acting-for", "nobody")):
        done = run("fetch", "volt/k7Qz81Ab", PATH, *words)
        assert done.code == 4
        assert "--acting-for volt" in done.err


def test_what_its_reader_did_not_take_is_listed_as_such(run: CommandLine) -> None:
    why = "analytics: this node does not process for the one who lends on to it"
    run.node.answers |= {"grants": [replace(LENT_ON, turned_away=why)]}
    done = run("grants")
    assert done.code == 0, done.err
    told = " ".join(done.out.split())
    assert "analytics: turned away" in told
    assert f"not taken by {why}" in told
