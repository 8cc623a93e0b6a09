"""The demo on files it has never seen: the whole story, and what it says when it cannot be told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from entrenous.simulations.demo.report import Step, Story

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
