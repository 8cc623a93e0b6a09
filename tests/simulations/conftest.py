"""One generated household for all tests of it: two years, lived once a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entrenous.simulations.household import generate
from entrenous.tests.simulations.household_files import (
    TWO_YEARS,
    Statement,
    answers_of,
    statement,
)


@pytest.fixture(scope="session")
def household(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("household") / "lived"
    generate(11, out, years=TWO_YEARS)
    return out


@pytest.fixture(scope="session")
def answers(household: Path) -> dict[str, Any]:
    return answers_of(household)


@pytest.fixture(scope="session")
def truth(household: Path) -> list[dict[str, Any]]:
    lines = (household / "answers-payments.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def statements(household: Path, answers: dict[str, Any]) -> dict[str, Statement]:
    return {path: statement(household / path) for path in answers["files"] if "bank-" in path}
