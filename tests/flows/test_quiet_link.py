"""A link on which nothing was said for a while still carries the next call at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from entrenous.protocol.limits import CALL_MS, PING_IDLE_MS
from entrenous.protocol.window import Window
from entrenous.tests.flows.lent_history import DAY_S, PATHS, TODAY, history


@pytest.mark.parametrize("quiet_s", [CALL_MS / 1000 + 5, PING_IDLE_MS / 1000 - 5, 3 * 3600])
async def test_a_read_after_a_quiet_time(
    quiet_s: float, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with history(tmp_path, seed=1) as lived:
        window = Window(PATHS[0], TODAY - 3, TODAY)
        await lived.write(PATHS[0], [TODAY - 3, TODAY])
        end_s = lived.clock.now_ms() // 1000 + 3 * DAY_S
        grant = await lived.grant("bank", (window,), end_s)
        await lived.settle()
        await lived.fetch(grant, window)
        await trio.sleep(quiet_s)
        begin_s = trio.current_time()
        await lived.fetch(grant, window)
        assert trio.current_time() - begin_s < 1
