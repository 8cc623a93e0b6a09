"""What it costs two devices of one person to find that neither lacks anything.

The reference, in the same run: the same digest reckoned over everything, as where nothing is kept
of what has not changed.

Run alone: `python -m entrenous.tests.benchmarks devices`.
"""

from __future__ import annotations

import time

import trio
from trio.testing import MockClock

from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.command import HaveArgs
from entrenous.protocol.did import Did
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.wire import encode
from entrenous.tests.benchmarks.figure import Figure
from entrenous.tests.node.two_nodes import CURVE, DAY, a_town, readings

GOAL_OF_WHOLE = 0.01
_TIMES = 100


async def _measure(pages: int) -> tuple[float, float, int]:
    """CPU seconds of a whole digest and of a kept one; bytes of the question."""
    async with a_town(b"devices") as town:
        home = await town.party("home")
        batch = readings(DAY - pages, pages, duration_s=43_200)
        await home.node.vault.write(CURVE, METER_READING, pieces_of(batch), origin=b"bench")
        row = await home.write(lambda tx: home.node.own_devices.begin(tx, [], home.now_ms))
        root, stamps = home.node.handing_over.root, home.node.store.stamps
        stamps.watched = False
        start = time.process_time()
        await home.read(root)
        whole = time.process_time() - start
        stamps.watched = True
        same = await home.read(root)
        start = time.process_time()
        for _ in range(_TIMES):
            await home.read(root)
        kept = (time.process_time() - start) / _TIMES
        return whole, kept, len(encode(HaveArgs(Did(row.persona), "", same).value()))


def run(smoke: bool) -> list[Figure]:
    pages = 400 if smoke else 10_000
    clock = MockClock(autojump_threshold=0)
    whole, kept, size = trio.run(_measure, pages, clock=clock)
    reference = f"digest over {pages:,} pages, whole"
    return [
        Figure(reference, whole * 1e3, "ms", note="the reference", less_is_better=True),
        Figure(
            "digest while nothing changed",
            kept * 1e3,
            "ms",
            goal=whole * GOAL_OF_WHOLE * 1e3,
            ratio=kept / whole,
            against=reference,
            less_is_better=True,
        ),
        Figure("question between idle devices", float(size), "bytes", less_is_better=True),
    ]
