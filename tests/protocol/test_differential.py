"""A few seconds of each differential run; `python -m entrenous.tests.interop.differential` is long."""

from __future__ import annotations

import os
import shutil

import pytest

from entrenous.protocol.wire import encode
from entrenous.tests.interop import cbor_differential, ucan_differential
from entrenous.tests.interop.cases import Generator

SEED = 20_261_122


def test_cbor_differs_from_dag_cbor_in_what_is_listed() -> None:
    report = cbor_differential.run(SEED, cases=2_000)
    assert report.unexplained == []
    assert report.accepted > 300
    assert set(report.disagreements) == set(cbor_differential.DEPARTURES)


@pytest.mark.parametrize("data", ["f97e00", "a2616201616101", "9f01ff", "1800", "d82a4100"])
def test_a_disagreement_that_is_not_listed_would_be_found(data: str) -> None:
    """Were ours to accept one of these, the comparison says so."""
    report = cbor_differential.Report()
    raw = bytes.fromhex(data)
    cbor_differential.compare(report, raw, "here")
    assert report.unexplained == []
    assert not cbor_differential.alike(1, True)
    assert not cbor_differential.alike({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert encode({"a": 1}) == bytes.fromhex("a1616101")


def test_tokens_differ_from_iso_ucan_in_what_is_listed() -> None:
    node = shutil.which("node")
    if node is None or not ucan_differential.installed():
        reason = "iso-ucan is not installed: run `make interop-deps` (needs Node.js)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with ucan_differential.iso_ucan(node) as theirs:
        report = ucan_differential.run(theirs, SEED, cases=200)
    assert report.unexplained == []
    assert report.accepted > 30
    assert len(report.disagreements) > 5


def test_one_seed_is_one_sequence_of_cases() -> None:
    first, second, other = Generator(SEED), Generator(SEED), Generator(SEED + 1)
    cases = [first.case() for _ in range(30)]
    assert cases == [second.case() for _ in range(30)]
    assert cases != [other.case() for _ in range(30)]
