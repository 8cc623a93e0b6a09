"""`terms`, `terms standing`, and decisions that narrow terms, as a person types them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.shapes import SHAPES
from entrenous.node.results.grants import RequestInfo
from entrenous.node.results.terms import (
    ClauseInfo,
    FieldsAsked,
    Frugality,
    JudgementInfo,
    RequestMarks,
    StandingTold,
    TermsInfo,
)
from entrenous.node.views.choice import Choice
from entrenous.protocol.standing_terms_file import standing_from_mapping, standing_value
from entrenous.protocol.terms import Clause, Force
from entrenous.protocol.terms_enforced import LICENCE, always_held
from entrenous.protocol.wire import Value
from entrenous.tests.node.cli_node import (
    ASKED,
    GRANT,
    INFO,
    PATH,
    REQUEST,
    TERMS,
    CommandLine,
    FakeNode,
    install,
)

FRUGAL = Frugality(
    5,
    4,
    80,
    1,
    (
        FieldsAsked(PATH, TERMS.purpose, "meter-reading/1", ("time", "value"), ("time",)),
        FieldsAsked("health/weight", TERMS.purpose, None, (), None),
    ),
)
MARKS = RequestMarks(
    "Providing a service",
    ("if you refuse, they say: your contract ends",),
    3,
    2,
    "advice",
    "beyond the rule advice: for fewer days",
    (),
    FRUGAL,
)
WAITS = replace(ASKED, marks=MARKS)
OFFERED: RequestInfo = replace(
    ASKED,
    state="offered",
    peer="alice",
    grant=GRANT,
    marks=replace(MARKS, tied=(), asked=1, why=None, changes=("kept for 7 days, not for 30 days",)),
)
FOUND = TermsInfo(
    REQUEST,
    "offer",
    "out",
    "alice",
    "did:key:z6MkOwner",
    "did:key:z6MkReader",
    ASKED.items,
    TERMS,
    "Providing a service",
    4_000_000_000,
    "offered",
    (ClauseInfo("no resale", "promised", "enforced", "promised (they say enforced)"),),
    always_held(),
    LICENCE["en"],
    ("kept for 7 days, not for 30 days",),
    {"@type": "Request", "entrenous:licence": LICENCE["en"]},
)
RULES = """
ask_again_days: 30
rules:
  - name: advice
    does: grant
    level: domain
    purposes: [dpv:ServiceProvision]
    collections: [energy]
    days: 400
    retention_days: 30
    life_days: 90
    undated: false
    beyond: narrow
    shown: true
  - name: never
    does: refuse
    collections: [health]
    reason: my health is mine
"""

CHOICE = Choice(
    collection="energy/electricity/load-curve",
    choice="whole",
    view=None,
    path="energy/electricity/load-curve",
    made=True,
    schema="meter-reading/1",
    fields=("time", "value"),
    first=46_021,
    last=46_051,
    days=31,
    records=31,
    size=900,
    example=None,
)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    node = FakeNode(
        {
            "inbox": [WAITS],
            "collections": [INFO],
            "terms": FOUND,
            "frugality": FRUGAL,
            "decide": {"grant": GRANT},
            "accept_offer": {"grant": GRANT},
            "decline_offer": None,
            "standing_terms": {"ask_again_days": None, "rules": []},
            "check_standing_terms": JudgementInfo(
                "grant", "advice", "within the rule advice", ASKED.items, 4_000_000_000, ()
            ),
            "ask_standing_terms": StandingTold("alice", 1, ()),
        }
    )
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


def test_a_request_is_shown_with_what_is_worth_knowing_of_it(run: CommandLine) -> None:
    listed = run("inbox").out
    shown = run("inbox", "--json").out
    for text in (listed, run("inbox", run_id()).out):
        assert "Providing a service (dpv:ServiceProvision)" in text
        assert "your contract ends" in text
        assert "asked 3 times, refused twice" in text
        assert "beyond the rule advice" in text
    assert "asks for 5 fields, its purpose needs 4 of them (80 %)" in run("inbox", run_id()).out
    marks = json.loads(shown)["marks"]
    assert (marks["asked"], marks["refused"], marks["rule"]) == (3, 2, "advice")
    assert marks["frugality"]["percent"] == 80


def test_what_each_answer_gives_away_stands_in_the_json_of_what_waits(run: CommandLine) -> None:
    run.node.answers["inbox"] = [WAITS, replace(WAITS, id=GRANT, state="refused")]
    run.node.answers["choices"] = [CHOICE]
    waits, refused = map(json.loads, run("inbox", "--all", "--json").out.splitlines())
    assert refused["choices"] is None
    (choice,) = waits["choices"]
    assert (choice["choice"], choice["records"]) == ("whole", 31)
    run.node.calls.clear()
    assert "whole" not in run("inbox").out
    assert "choices" not in [op for op, _ in run.node.calls], "a list that is read asks for none"


def run_id() -> str:
    from entrenous.protocol.cid import cid_text

    return cid_text(REQUEST)


def test_an_unknown_purpose_and_a_claimed_clause_are_shown_as_what_they_are(
    run: CommandLine,
) -> None:
    terms = replace(TERMS, purpose="dpv:Mine", clauses=(Clause("trust us", Force.ENFORCED),))
    run.node.answers["inbox"] = [replace(WAITS, purpose="dpv:Mine", terms=terms)]
    text = run("inbox", run_id()).out
    assert "dpv:Mine (not a purpose that is known here)" in text
    assert "trust us (promised: their word; they call it enforced)" in text


def test_terms_are_shown_whole_and_as_odrl(run: CommandLine) -> None:
    for words in (("terms", run_id()), ("terms", "show", run_id())):
        text = run(*words).out
        assert LICENCE["en"] in " ".join(text.split())
        assert "narrowed" in text
        assert all(sentence in text for sentence in always_held())
    assert json.loads(run("terms", run_id(), "--odrl").out) == FOUND.odrl
    run("terms", run_id(), "--lang", "fr")
    assert run.node.asked("terms")["language"] == "fr"
    assert run("terms", run_id(), "--lang", "de").code == 2


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (("terms", "x"), "terms show"),
        (("terms", "purposes"), "terms purposes"),
        (("terms", "standing"), "terms standing"),
        (("terms", "standing", "show"), "terms standing"),
        (("terms", "standing", "check", "x"), "terms standing check"),
        (("terms", "standing", "of", "alice"), "terms standing of"),
        (("terms", "frugality", "volt"), "terms frugality"),
        (("decide", "REQUEST", "accept"), "terms accept"),
        (("decide", "REQUEST", "decline"), "terms decline"),
    ],
)
def test_what_is_printed_for_programs_has_the_keys_of_the_docs(
    run: CommandLine, words: tuple[str, ...], shape: str
) -> None:
    run.node.answers["asked"] = [OFFERED]
    named = [run_id() if word == "REQUEST" else word for word in words]
    done = run(*named, "--json")
    assert done.code == 0, done.err
    line = done.out.splitlines()[0]
    assert json.loads(line).keys() == SHAPES[shape].keys.keys()


def test_purposes_are_listed_as_a_tree_in_a_language(run: CommandLine) -> None:
    text = run("terms", "purposes", "--lang", "fr").out
    assert "      Publicité ciblée (dpv:TargetedAdvertising)" in text
    assert "Faire du marketing (dpv:Marketing)" in text


def test_a_decision_narrows_terms_and_says_that_they_must_be_agreed_to(run: CommandLine) -> None:
    done = run("decide", run_id(), "grant", "--retention", "7", "--clause", "no profiling", "--yes")
    assert done.code == 0, done.err
    assert "kept for 7 days, not for 30 days" in done.out
    assert "volt can read once it has agreed" in done.out
    args = run.node.asked("decide")
    assert (args["retention_days"], args["clauses"]) == (7, ["no profiling"])
    assert args["recipients"] is None
    run("decide", run_id(), "grant", "--no-recipients", "--yes")
    assert run.node.asked("decide")["recipients"] == []
    assert run("decide", run_id(), "grant", "--retention", "31").code == 2
    assert run("decide", run_id(), "refuse", "--retention", "3").code == 2
    both = run("decide", run_id(), "grant", "--no-recipients", "--recipient", "x", "--yes")
    assert both.code == 2


def test_an_offer_is_listed_shown_and_decided(run: CommandLine) -> None:
    run.node.answers |= {"inbox": [], "asked": [OFFERED]}
    text = run("inbox").out
    assert "alice would lend it to you on other terms" in text
    assert "kept for 7 days" in text
    assert "accept` or `decline" in run("inbox", run_id()).out
    assert json.loads(run("inbox", "--json").out)["state"] == "offered"
    done = run("decide", run_id(), "accept", "--yes")
    assert done.code == 0
    assert "Agreed" in done.out
    done = run("decide", run_id(), "decline", "--reason", "too short", "--yes")
    assert run.node.asked("decline_offer")["reason"] == "too short"
    assert run("decide", run_id(), "accept", "--reason", "x").code == 2
    run.node.answers["asked"] = [replace(OFFERED, state="granted")]
    assert run("decide", run_id(), "accept").code == 2


def test_standing_terms_are_written_in_a_file_and_shown(run: CommandLine, tmp_path: Path) -> None:
    assert "every request waits for you" in run("terms", "standing").out
    file = tmp_path / "standing.yaml"
    file.write_text(RULES)
    written: Value = standing_value(
        standing_from_mapping(
            {
                "ask_again_days": 30,
                "rules": [
                    {
                        "name": "advice",
                        "does": "grant",
                        "level": "domain",
                        "purposes": ["dpv:ServiceProvision"],
                        "collections": ["energy"],
                        "days": 400,
                        "retention_days": 30,
                        "life_days": 90,
                        "beyond": "narrow",
                        "shown": True,
                    },
                    {
                        "name": "never",
                        "does": "refuse",
                        "collections": ["health"],
                        "reason": "my health is mine",
                    },
                ],
            }
        )
    )
    run.node.answers["set_standing_terms"] = written
    done = run("terms", "standing", "set", str(file))
    assert done.code == 0, done.err
    assert run.node.asked("set_standing_terms")["terms"] == written
    assert "advice: grant" in done.out
    assert "within 30 days of a refusal" in done.out
    assert "my health is mine" in done.out
    file.write_text(RULES.replace("does: grant", "does: sell"))
    calls = len(run.node.calls)
    done = run("terms", "standing", "set", str(file))
    assert done.code == 2
    assert "does is one of grant, queue, refuse" in done.err
    assert len(run.node.calls) == calls, "nothing was asked of the node"


def test_frugality_is_shown_with_its_inputs(run: CommandLine) -> None:
    text = " ".join(run("terms", "frugality", "volt").out.split())
    assert "asks for 5 fields, its purpose needs 4 of them (80 %)" in text
    assert "one collection could not be reckoned" in text
    assert "asks for time, value needs time" in text
    assert "nothing of this is in your vault" in text
