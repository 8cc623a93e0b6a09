"""A few seconds of each differential run; `tests/interop/differential.py` runs them for longer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from entrenous.tests.interop import cbor_differential, ucan_differential
from entrenous.tests.interop.cases import Case, Generator

SEED = 20_261_122


def test_cbor_differs_from_dag_cbor_in_what_is_listed() -> None:
    report = cbor_differential.run(SEED, cases=2_000)
    assert report.unexplained == []
    assert report.accepted > 300
    assert set(report.disagreements) == set(cbor_differential.DEPARTURES)


@pytest.mark.parametrize("data", ["f97e00", "a2616201616101", "9f01ff", "1801", "d82a4100"])
def test_a_value_that_only_we_would_accept_is_found(
    monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    honest, lax = cbor_differential.Report(), cbor_differential.Report()
    cbor_differential.compare(honest, bytes.fromhex(data), "here")
    assert honest.unexplained == []
    monkeypatch.setattr(cbor_differential, "ours", _always(1))
    cbor_differential.compare(lax, bytes.fromhex(data), "here")
    assert len(lax.unexplained) == 2


@pytest.mark.parametrize("data", ["01", "a1616101", "8101"])
def test_a_value_that_we_read_otherwise_is_found(
    monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    report = cbor_differential.Report()
    monkeypatch.setattr(cbor_differential, "ours", _always(True))
    cbor_differential.compare(report, bytes.fromhex(data), "here")
    assert any("two values" in line for line in report.unexplained)


def test_a_token_that_only_we_would_accept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the other says: the model without departures speaks for us."""
    monkeypatch.setattr(ucan_differential, "ours", _always(None))
    report = ucan_differential.run(_Lax(), SEED, cases=ucan_differential.BATCH)
    assert sum(": we: accepted" in line for line in report.unexplained) > 50


def _always(value: object) -> Callable[[object], object]:
    return lambda _: value


class _Lax:
    """Another implementation that accepts everything."""

    def judge(self, cases: list[Case]) -> list[str | None]:
        return [None for _ in cases]


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
