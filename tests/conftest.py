"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"

if not IN_CI:
    # Hypothesis has a profile of its own for CI.  A time limit for each example would only measure
    # how busy the machine is.
    settings.register_profile("desk", deadline=None)
    settings.load_profile("desk")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published vectors and real samples, `ENTRENOUS_SHARED` or `../shared`.

    It is not part of the repository.  Without it a test is skipped on a desk and fails in CI:
    there, a missing vector would be a check that silently stopped being made.
    """
    folder = Path(os.environ.get("ENTRENOUS_SHARED", REPOSITORY.parent / "shared"))
    if folder.is_dir():
        return folder
    reason = "the folder of shared vectors and samples is not here (ENTRENOUS_SHARED)"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
