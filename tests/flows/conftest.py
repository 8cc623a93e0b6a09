"""What every test of nodes that are killed starts from."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from entrenous.tests.flows.deaths import ForkServer, fork_server


@pytest.fixture(scope="module")
def server() -> Generator[ForkServer]:
    """Starts nodes that are killed, at a fraction of what starting Python each time takes."""
    with fork_server() as found:
        yield found
