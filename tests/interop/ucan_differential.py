"""Our UCAN against npm's `iso-ucan`, on random tokens: every disagreement has a listed reason.

Three judges look at each case: this program, iso-ucan in one long-lived Node.js, and the model of
`model.py`.  The model without departures must agree with us, the model with all of them (those of
`divergences.json`) with iso-ucan.  Where the two programs disagree, the departures that make the
difference are counted; no disagreement can be left without one.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from entrenous.protocol.capability import parse_delegation, parse_invocation, verify_chain
from entrenous.protocol.cid import cid_from_text
from entrenous.protocol.errors import CapabilityError
from entrenous.tests.interop import cases as made
from entrenous.tests.interop import model
from entrenous.tests.interop.cases import NOW_S, Case

FOLDER = Path(__file__).resolve().parent
LISTED = FOLDER / "divergences.json"
BATCH = 200


def departures() -> frozenset[str]:
    """The names of `divergences.json`."""
    listed = json.loads(LISTED.read_text("utf-8"))
    return frozenset(cast("str", entry["name"]) for entry in listed["divergences"])


@dataclass(slots=True)
class Report:
    """What a run found.  `unexplained` is empty unless something is wrong."""

    cases: int = 0
    accepted: int = 0
    disagreements: Counter[str] = field(default_factory=Counter[str])
    unexplained: list[str] = field(default_factory=list[str])


class Judge(Protocol):
    """Whoever has a verdict on cases."""

    def judge(self, cases: list[Case]) -> list[str | None]:
        """None for each case that it accepts; else why not."""
        ...


class Theirs:
    """iso-ucan, asked a case at a time or many at once."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def judge(self, cases: list[Case]) -> list[str | None]:
        """None for each case that it accepts; else why not."""
        ask, hear = self._process.stdin, self._process.stdout
        assert ask is not None
        assert hear is not None
        said: list[str | None] = []
        for case in cases:
            ask.write(json.dumps(_question(case)) + "\n")
            ask.flush()
            said.append(cast("str | None", json.loads(hear.readline())))
        return said


def _question(case: Case) -> dict[str, object]:
    return {
        "now": NOW_S,
        "kind": case.kind,
        "token": base64.b64encode(case.token).decode(),
        "proofs": {cid: base64.b64encode(raw).decode() for cid, raw in case.proofs.items()},
    }


def installed() -> bool:
    """Whether `make interop-deps` has been here."""
    return (FOLDER / "node_modules" / "iso-ucan").is_dir()


@contextmanager
def iso_ucan(node: str) -> Generator[Theirs]:
    """iso-ucan in a process of its own, by the path of Node.js."""
    with subprocess.Popen(
        [node, "judge_lines.mjs"],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield Theirs(process)
        assert process.stdin is not None
        process.stdin.close()


def ours(case: Case) -> str | None:
    """None if we accept it; else why not."""
    try:
        if case.kind == "delegation":
            read = parse_delegation(case.token)
            if not (read.nbf or 0) <= NOW_S <= (NOW_S if read.exp is None else read.exp):
                return "not now"
        else:
            proofs = {cid_from_text(cid): raw for cid, raw in case.proofs.items()}
            verify_chain(parse_invocation(case.token), proofs, now_ms=NOW_S * 1000)
    except CapabilityError as refused:
        return str(refused)
    return None


def run(theirs: Judge, seed: int, *, cases: int | None = None, seconds: float = 0.0) -> Report:
    """Judge `cases` of them, or as many as `seconds` allow."""
    generator, report, all_departures = made.Generator(seed), Report(), departures()
    until = time.monotonic() + seconds
    while report.cases < cases if cases is not None else time.monotonic() < until:
        batch = [generator.case() for _ in range(BATCH)]
        for case, they in zip(batch, theirs.judge(batch), strict=True):
            number = report.cases
            report.cases += 1
            with suppress(model.Unjudged):
                _compare(report, case, they, all_departures, f"seed {seed}, case {number}")
    return report


def _compare(
    report: Report, case: Case, they: str | None, every: frozenset[str], where: str
) -> None:
    we = ours(case)
    report.accepted += we is None
    for who, said, under in (("we", we, frozenset[str]()), ("iso-ucan", they, every)):
        expected = model.judge(under, case.kind, case.token, case.proofs, NOW_S)
        if (said is None) != (expected is None):
            report.unexplained.append(
                f"{where}: {who}: {said or 'accepted'}; the model: {expected or 'accepted'}"
            )
    if (we is None) != (they is None):
        report.disagreements[_reason(case, every, we is None)] += 1


def _reason(case: Case, every: frozenset[str], accepted: bool) -> str:
    """Which departure makes the difference: alone, or by its absence from all of them."""
    for name in sorted(every):
        for departures, verdict in (({name}, not accepted), (every - {name}, accepted)):
            said = model.judge(departures, case.kind, case.token, case.proofs, NOW_S)
            if (said is None) is verdict:
                return name
    return "several together"
