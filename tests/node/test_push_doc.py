"""docs/push.md: what it shows is run, our program and one that shares no code with us."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from entrenous.node.push.token import new_token_file
from entrenous.protocol.limits import PUSH_BYTES_MAX
from entrenous.protocol.push import PushCode
from entrenous.tests.node.push_node import served

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "docs" / "push.md").read_text()
SCRIPTS = dict(re.findall(r"<!-- script: (\w+) -->\n```python\n(.*?)```", TEXT, re.DOTALL))


@pytest.mark.parametrize("name", ["client", "bare"])
async def test_a_script_pushes_what_it_says(tmp_path: Path, name: str) -> None:
    script = SCRIPTS[name]
    if name == "bare":
        assert "entrenous" not in script.replace("entrenous allow", "")
    async with served(tmp_path) as node:
        with new_token_file(tmp_path / "t") as file:
            file.write((await node.allow()).text().encode())
        done = await trio.run_process(
            [sys.executable, "-c", script, str(tmp_path / "t"), "1"],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / ".import")},
            capture_stdout=True,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout.decode()
        assert await node.records() == 1


def test_the_page_tells_the_limits_and_codes_that_hold() -> None:
    assert f"{PUSH_BYTES_MAX:,}" in TEXT
    for code in PushCode:
        assert f"`{code.value}`" in TEXT, code
