"""`tests/vectors/open`: what the code makes, judged by a verifier written from docs/spec.md alone.

The verifier is in JavaScript and shares nothing with the program: other libraries, another author's
reading of the page.  It must give every output, open exactly the pages that are granted, and refuse
each fault under its class; and it must notice a single changed digit.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from entrenous.crypto.errors import EntrenousError
from entrenous.tests.vectors.open_judge import JUDGES, changed, judge
from entrenous.tests.vectors.open_vectors import CLASSES, FOLDER, INDEX, rendered, subjects

INTEROP = Path(__file__).resolve().parents[1] / "interop"
VERIFIER = INTEROP / "verifier"
UCAN = FOLDER.parent / "ucan" / "negative.json"
# Each file is flipped at so many places, another few at every change of the seed.
SAMPLES, SEED = 8, 1
TIMEOUT_S = 300
REFUSED_LEAST = 200


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None or not (INTEROP / "node_modules" / "@ipld" / "dag-cbor").is_dir():
        if os.environ.get("CI"):
            pytest.fail("CI holds the vectors against another implementation: `make interop-deps`")
        pytest.skip("needs node and `make interop-deps`")
    return subprocess.run(
        [node, str(VERIFIER / script), *args],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def verdict(folder: Path) -> tuple[int, Mapping[str, object]]:
    done = run("main.mjs", str(folder), "--json")
    assert done.stdout, done.stderr
    return done.returncode, cast("Mapping[str, object]", json.loads(done.stdout))


def test_the_published_files_are_what_the_code_makes() -> None:
    made = rendered()
    assert {path.name for path in FOLDER.glob("*.json")} == set(made)
    for name, text in made.items():
        assert (FOLDER / name).read_text("utf-8") == text, f"{name} has moved: `make docs`"


def test_there_are_enough_faults_and_every_class_is_explained() -> None:
    index = cast("dict[str, dict[str, int]]", json.loads((FOLDER / INDEX).read_text("utf-8")))
    assert set(index["classes"]) == set(CLASSES)
    assert sum(index["classes"].values()) >= REFUSED_LEAST


def takes(kind: str, given: Mapping[str, object]) -> bool:
    try:
        judge(kind, given)
    except EntrenousError:
        return False
    return True


def test_the_program_takes_what_is_sound_and_refuses_the_same_faults() -> None:
    cases = {case.name: case for subject in subjects() for case in subject.cases}
    for case in cases.values():
        if case.kind in JUDGES:
            judge(case.kind, changed(case.input, {}))
    taken: list[str] = []
    judged = 0
    for fault in (fault for subject in subjects() for fault in subject.refused):
        case = cases[fault.of]
        # How far ahead an invocation may end is asked at the door (test_trust.py).
        if case.kind not in JUDGES or fault.why == "lifetime":
            continue
        if takes(case.kind, changed(case.input, fault.put)):
            taken.append(fault.name)
        judged += 1
    assert taken == []
    assert judged >= REFUSED_LEAST


def test_another_implementation_opens_verifies_and_refuses_as_the_vectors_say() -> None:
    code, report = verdict(FOLDER)
    index = cast("dict[str, object]", json.loads((FOLDER / INDEX).read_text("utf-8")))
    assert report["failures"] == []
    assert report["classes"] == index["classes"]
    assert code == 0


def test_it_notices_one_changed_digit() -> None:
    done = run("flips.mjs", str(FOLDER), str(SEED), str(SAMPLES))
    report = cast("dict[str, object]", json.loads(done.stdout))
    assert report["unnoticed"] == []
    assert report["tried"] == SAMPLES * (len(rendered()) - 1)


def test_it_notices_vectors_that_say_something_else(tmp_path: Path) -> None:
    changes = {
        "statements.json": ('"class":"subject"', '"class":"proof"'),
        "log.json": ('"grown":64', '"grown":65'),
        "vault.json": ('"tried":77', '"tried":76'),
        "receipts.json": ('"of":"receipt: of both"', '"of":"receipt: of nobody"'),
        INDEX: ('"signature"', '"signatures"'),
    }
    folder = tmp_path / "open"
    shutil.copytree(FOLDER, folder)
    for name, (was, becomes) in changes.items():
        text = (folder / name).read_text("utf-8")
        assert was in text
        (folder / name).write_text(text.replace(was, becomes, 1), "utf-8")
    code, report = verdict(folder)
    failures = cast("list[str]", report["failures"])
    assert code == 1
    assert {failure.split(",")[0].split(":")[0] for failure in failures} == set(changes)


def test_it_reads_tokens_as_strictly_as_the_vectors_of_ucan_ask() -> None:
    file = cast("Mapping[str, list[Mapping[str, str]]]", json.loads(UCAN.read_text("utf-8")))
    report = cast("dict[str, list[object]]", json.loads(run("ucan.mjs", str(UCAN)).stdout))
    refused = {name for name, _ in cast("list[tuple[str, str]]", report["refused"])}
    for_a_verifier = [
        case for case in file["refused"] if case["kind"] in ("delegation", "invocation")
    ]
    assert refused == {case["name"] for case in for_a_verifier}
    assert report["accepted"]


def test_without_vectors_it_says_so(tmp_path: Path) -> None:
    done = run("main.mjs", str(tmp_path))
    assert done.returncode == 2
    assert "No vectors" in done.stderr
