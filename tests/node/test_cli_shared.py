"""`entrenous shared` in words and as JSON; `shared check` needs no node."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.shapes import SHAPES
from entrenous.node.results.records import CollectionInfo
from entrenous.node.results.shared import CopyInfo, SharedInfo, SharedProofMade, SharedStep
from entrenous.protocol.shared_proof import make_proof
from entrenous.tests.node.cli_node import (
    GRANT,
    REQUEST,
    CommandLine,
    FakeNode,
    Items,
    columns_of,
    install,
)
from entrenous.tests.protocol import test_shared_lines
from entrenous.tests.protocol.spec_shared import (
    CONTACTS,
    accepted,
    contacts,
    copies,
    corrected,
    disputed,
    proposed,
    told,
)

Run = Callable[..., tuple[int, str, str]]
T_MS = 1_767_225_600_000
MINE = CopyInfo(
    "proposed", True, dict(corrected()), proposed().cid, 0, "proposed", "I have moved", T_MS
)
THEIRS = CopyInfo(
    "held", True, dict(told().record), disputed().cid, 0, "disputed", "a bill, please", T_MS
)
INFO = SharedInfo(
    REQUEST, "bank", CONTACTS, CONTACTS, "contact/1", "c1", None, "disputed", False,
    ("addresses",), MINE, THEIRS, told().statement.cid, "", 2,
)  # fmt: skip  # one thing
ASKS = replace(INFO, state="asks", mine=THEIRS, theirs=MINE)
STEPS = [
    SharedStep(
        proposed().cid, "you", 0, "proposed", None, dict(corrected()), ("addresses",),
        "I have moved", T_MS, "heard", "",
    ),
    SharedStep(
        disputed().cid, "them", 0, "disputed", proposed().cid, dict(told().record), (),
        "a bill, please", T_MS, "heard", "",
    ),
    SharedStep(
        accepted().cid, "you", 1, "proposed", None, None, ("addresses",), "", T_MS, "refused",
        "no more are taken",
    ),
]  # fmt: skip  # one line a thing
ID = "5hr7q2ka"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    node = FakeNode(
        {
            "shared": [INFO],
            "shared_show": ASKS,
            "shared_history": STEPS,
            "shared_propose": INFO,
            "shared_answer": replace(ASKS, state="agreed", agree=True),
            "shared_withdraw": INFO,
            "shared_prove": SharedProofMade(GRANT, b"proof", True, 3),
            "collections": list[CollectionInfo](),
        }
    )
    install(monkeypatch, node)
    return node


@pytest.fixture
def run(node: FakeNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    line = CommandLine(node, tmp_path, capsys)

    def told(*words: str) -> tuple[int, str, str]:
        done = line(*words)
        return done.code, done.out, done.err

    return told


@pytest.mark.parametrize(
    ("words", "shape", "op"),
    [(("shared",), "shared", "shared"),
     (("shared", "bank"), "shared", "shared"),
     (("shared", CONTACTS), "shared", "shared"),
     (("shared", "show", ID), "shared show", "shared_show"),
     (("shared", "history", ID), "shared history", "shared_history"),
     (("shared", "propose", "bank", CONTACTS, "c1", "--set", "addresses=2 New Street"),
      "shared propose", "shared_propose"),
     (("shared", "accept", ID), "shared accept", "shared_answer"),
     (("shared", "dispute", ID, "--reason", "no"), "shared dispute", "shared_answer"),
     (("shared", "withdraw", ID), "shared withdraw", "shared_withdraw")],
)  # fmt: skip  # a table
def test_json_has_the_keys_that_it_says(
    node: FakeNode, run: Run, words: tuple[str, ...], shape: str, op: str
) -> None:
    code, out, err = run(*words, "--json")
    assert code == 0, err
    assert json.loads(out.splitlines()[0]).keys() == SHAPES[shape].keys.keys()
    assert op in [name for name, _ in node.calls]
    code, out, _ = run(*words)
    assert code == 0
    assert out.strip()


def test_both_copies_stand_side_by_side_with_what_differs_first(run: Run) -> None:
    code, out, _ = run("shared", "show", ID)
    assert code == 0
    lines = out.splitlines()
    assert "bank has proposed a change, and waits for your answer" in lines[1]
    assert lines[2].split() == ["field", "yours", "bank's"]
    assert lines[3].startswith("*  addresses")
    for said in ("1 Old Lane", "2 New Street", "I have moved", "a bill, please", "accept"):
        assert said in out, said


def test_the_list_says_what_waits_first(node: FakeNode, run: Run) -> None:
    node.answers["shared"] = [replace(INFO, state="agreed", agree=True), INFO, ASKS]
    _, out, _ = run("shared")
    words = [out.index(one) for one in ("waits for your answer", "you and bank differ", "hold the")]
    assert words == sorted(words)
    node.answers["shared"] = []
    assert "Nothing is shared" in run("shared")[1]


def test_the_history_tells_each_step_and_what_was_not_taken(run: Run) -> None:
    _, out, _ = run("shared", "history", ID)
    for said in (
        "delivered by bank",
        "you proposed",
        "addresses: 2 New Street",
        "“I have moved”",
        "bank disputed",
        "there should be no such record",
        "NOT TAKEN by bank: no more are taken",
    ):
        assert said in out, said


def test_what_was_withdrawn_and_who_had_delivered_is_told(node: FakeNode, run: Run) -> None:
    """Who withdraws a first proposal has said nothing, and not that there should be no record."""
    withdrew = replace(STEPS[2], word="withdrawn", state="heard", refusal="")
    node.answers["shared_history"] = [withdrew, replace(withdrew, by="them")]
    node.answers["shared_show"] = replace(INFO, told_by_us=True)
    _, out, _ = run("shared", "history", ID)
    for said in ("delivered by you", "you withdrew", "bank withdrew", "nothing is said"):
        assert said in out, said
    assert "there should be no such record" not in out
    nothing = replace(MINE, record=None)
    for sides, said in (({"mine": nothing}, "you hold"), ({"theirs": nothing}, "bank holds")):
        node.answers["shared"] = [replace(INFO, state="apart", **sides)]
        _, out, _ = run("shared")
        assert f"{said} none" in out
        assert "differing in" not in out


def test_what_is_asked_for_is_handed_over_as_it_was_typed(node: FakeNode, run: Run) -> None:
    words = ("shared", "propose", "bank", CONTACTS, "c1", "--set")
    assert run(*words, "note=a=b", "--set", "x=")[0] == 0
    assert node.asked("shared_propose")["changes"] == [["note", "a=b"], ["x", ""]]
    assert run(*words, "note")[0] == 2
    assert run("shared", "dispute", ID)[0] == 2
    assert run("shared", "prove", ID)[1] == "proof"
    # What is accepted is what was shown.
    assert run("shared", "accept", ID)[0] == 0
    assert node.asked("shared_answer")["version"] == proposed().cid


def test_times_name_records_that_have_no_id(node: FakeNode, run: Run) -> None:
    none = replace(MINE, record=None)
    load = replace(INFO, schema="meter-reading/1", path="energy/load", mine=none, theirs=none)
    node.answers["shared"] = [replace(load, record=None, time_ms=T_MS)]
    words = ("shared", "propose", "bank", "energy/load", "2026-01-01", "--utc", "--gone")
    assert run(*words)[0] == 0
    assert node.asked("shared_propose")["t_ms"] == T_MS
    assert run(*words[:4], "someday", "--gone")[0] == 2


@pytest.mark.parametrize("whole", [True, False])
def test_a_proof_is_checked_without_a_node(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    file = tmp_path / "proof"
    file.write_bytes(make_proof(copies(), whole=whole).raw)
    install(monkeypatch, FakeNode({}), running=False)
    code, out, err = run("shared", "check", str(file))
    assert code == 0, err
    for said in ("both signed the same record", "B accepted just what A had signed", "2 New Street",
                 "It does not prove"):  # fmt: skip  # a list
        assert said in out, said
    assert ("3 versions of both" in out) is whole
    found = json.loads(run("shared", "check", str(file), "--json")[1])
    assert found.keys() == SHAPES["shared check"].keys.keys()
    assert (found["agree"], found["whole"]) == (True, whole)


def test_a_proof_that_spans_a_succession_says_who_followed_whom(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "proof"
    file.write_bytes(
        make_proof(test_shared_lines.COPIES, whole=True, lines=test_shared_lines.LINES).raw
    )
    _, out, _ = run("shared", "check", str(file))
    assert "A goes by another key than at first, followed 2 times, each promised by the last" in out
    assert "that a key which was left behind was still its owner's when it signed" in out
    found = json.loads(run("shared", "check", str(file), "--json")[1])
    assert [len(side["personas"]) for side in found["sides"]] == [3, 2]


def test_a_proof_of_copies_that_differ_and_files_that_are_none(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "proof"
    begun = replace(copies(), versions=(proposed(),))
    file.write_bytes(make_proof(begun, whole=False).raw)
    _, out, _ = run("shared", "check", str(file))
    assert "the two copies are not the same" in out
    assert "B delivered the record as it stands in its column" in out
    forged = replace(begun, told=None)
    file.write_bytes(make_proof(forged, whole=False).raw)
    assert "it has signed nothing" in run("shared", "check", str(file))[1]
    file.write_bytes(b"\x80")
    code, _, err = run("shared", "check", str(file))
    assert (code, "proves nothing" in err) == (1, True)
    assert run("shared", "check", str(tmp_path / "none"))[0] == 3


def test_a_read_says_what_the_shared_copy_says_otherwise(node: FakeNode, run: Run) -> None:
    node.answers["read"] = Items(
        [columns_of(contacts())],
        {"schema": "contact/1", "pages": 1, "conflicts": 0, "damaged": []},
    )
    code, out, err = run("read", CONTACTS)
    assert code == 0, err
    assert "1 Old Lane" in out  # what was delivered is what is read
    assert "c1 of identity/contacts: yours says otherwise of addresses" in err
    assert "c2" not in err
    same = replace(MINE, record=dict(told().record))
    node.answers["shared"] = [replace(INFO, mine=same)]
    assert "otherwise" not in run("read", CONTACTS)[2]
    node.answers["shared"] = [replace(INFO, kept="identity/other", path="identity/other")]
    assert "otherwise" not in run("read", CONTACTS)[2]


def test_the_inbox_says_what_is_proposed(node: FakeNode, run: Run) -> None:
    node.answers["inbox"] = []
    node.answers["shared"] = [ASKS, INFO]
    assert "1 change of shared records proposed by bank" in run("inbox")[2]
    node.answers["shared"] = [INFO]
    assert "proposed by" not in run("inbox")[2]
