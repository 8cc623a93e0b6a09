"""The demo on files it has never seen: the whole story, and what it says when it cannot be told."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from entrenous.simulations.demo.report import Step, Story
from entrenous.simulations.demo.sources import sources_of
from entrenous.simulations.household import generate

STEPS = (
    "pairing",
    "deliveries",
    "request",
    "grant",
    "read",
    "refusals",
    "receipts",
    "revocation",
)


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "entrenous.node.cli", "demo", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_story_on_real_files(shared: Path) -> None:
    bank = shared / "samples/finance/bank_medium.ofx"
    energy = shared / "samples/energy/TestGBDataHourlyNineDaysBinnedDaily.xml"
    done = _demo("--bank", str(bank), "--energy", str(energy))
    told = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, told["ok"]) == (0, True), done.stderr
    assert tuple(told) == (*STEPS, "ok")
    assert all(told[step]["ok"] for step in STEPS)
    # grep -c '<STMTTRN>' bank_medium.ofx; grep -c '<IntervalReading>' TestGB….xml
    assert (told["deliveries"]["bank"]["records"], told["deliveries"]["energy"]["records"]) == (
        3,
        216,
    )
    # The data lies in nine days and the first hours of a tenth: the window ends inside it.
    assert told["grant"]["last"] < told["deliveries"]["energy"]["last"]
    assert told["read"]["records"] == told["read"]["days"] * 24
    refused = told["refusals"]
    assert refused["one_day_more"]["code"] == "days"
    assert refused["another_collection"]["code"] == "collection"
    assert refused["another_command"]["code"] == "command"
    assert refused["replay"]["code"] == "replay"
    assert refused["wider_sub_delegation"]["code"] == "days"
    assert told["receipts"]["person"]["bytes"] == told["receipts"]["energy"]["bytes"] > 0
    assert told["revocation"]["refused"] == "revoked"
    assert told["revocation"]["opened"] == told["revocation"]["granted"] == told["read"]["days"]
    assert told["revocation"]["written_after"] > 0 == told["revocation"]["opened_of_those"]


def test_the_story_on_a_generated_household(tmp_path: Path) -> None:
    """What arrives at the person's node is what the household lived through."""
    out = tmp_path / "household"
    generate(5, out, sources=("banks", "meters"))
    files = json.loads((out / "answers.json").read_text())["files"]
    done = _demo("--seed", "5")
    told = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, told["ok"]) == (0, True), done.stderr
    used, spent = files["green-button/2025-12.xml"], files["bank-a/2025-12.ofx"]
    assert told["deliveries"]["energy_known"] == {
        "records": used["records"],
        "total": f"{used['energy_wh']} Wh",
    }
    assert told["deliveries"]["bank"]["records"] == spent["records"]
    assert told["grant"]["days"] == told["read"]["days"] == 30


@pytest.mark.parametrize("seed", [0, 1, 2026, 2**40])
def test_what_a_household_hands_to_the_demo(tmp_path: Path, seed: int) -> None:
    """One series each, with days before and after the window, and a sum that its answers know."""
    bank, energy = sources_of(tmp_path, None, None, seed)
    for source, column in ((bank, "amount"), (energy, "value")):
        assert source.known is not None
        cells = source.batch.columns[column]
        total = sum(Decimal(m).scaleb(-s) for m, s in cells)  # type: ignore[misc]  # decimals
        assert (len(source.batch), total) == (source.known.records, source.known.total)
    assert energy.last - energy.first > 32


def test_a_seed_that_is_none_is_refused_in_one_sentence() -> None:
    done = _demo("--seed", "-1")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "--seed is a whole number from 0 to " + str(2**63 - 1)
    ]


@pytest.mark.parametrize("content", [b"", b"not a bank file", b"OFXHEADER:100\n\n<OFX>"])
def test_a_file_that_cannot_be_read_ends_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "statement.ofx"
    file.write_bytes(content)
    done = _demo("--bank", str(file))
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1]) == {"ok": False}
    assert len(done.stderr.strip().splitlines()) == 1
    assert "statement.ofx" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_story_is_good_only_when_it_is_whole() -> None:
    story = Story()
    for key in STEPS[:-1]:
        story.step(key, key)
    assert not story.ok
    last = story.step(STEPS[-1], "last")
    assert story.ok
    last.expect(False, "a page opened")
    assert not story.ok
    assert story.value()["ok"] is False


def test_what_is_not_as_it_should_be_is_named() -> None:
    step = Step("read", "the supplier reads")
    step.expect(True, "nothing")
    assert step.ok
    step.expect(False, "other records came")
    assert step.value()["wrong"] == ["other records came"]
