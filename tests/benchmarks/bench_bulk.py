"""A granted bulk read beside the bare stream under it.

A reader fetches all the days it was granted, from another process: windows of 1 MiB, each
verified, stored, countersigned and opened before the next but one.  Counted are the bytes of the
encrypted pages, not what travels beside them (entries and proofs: about a fifth at 1 KiB a page).
The references, in the same run: a py-libp2p stream between two processes with nothing on it, and
our own adapter's.

Run alone: `python -m entrenous.tests.benchmarks.bench_bulk`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from entrenous.node.reads.lent_windows import Lent
from entrenous.protocol.window import Window
from entrenous.tests.benchmarks.bench_stream import bare_stream_bytes_per_s, stream_bytes_per_s
from entrenous.tests.benchmarks.figure import Figure
from entrenous.tests.benchmarks.two_homes import (
    BANK,
    FIRST_DAY,
    METER,
    Fill,
    lender,
    reader,
)

GOAL_OF_BARE = 0.7
# One page a day: 8 MiB each.
DAYS = {METER: 4_000, BANK: 8_000}
KIB_A_PAGE = {METER: 2, BANK: 1}


@dataclass(frozen=True, slots=True)
class Bulk:
    """One whole read."""

    lent: Lent
    seconds: float

    @property
    def bytes_per_s(self) -> float:
        return self.lent.size / self.seconds

    @property
    def records_per_s(self) -> float:
        return (0 if self.lent.batch is None else len(self.lent.batch)) / self.seconds


async def _measure(invite: str, windows: Sequence[Window]) -> dict[str, Bulk]:
    found: dict[str, Bulk] = {}
    async with reader(invite, windows) as (node, pair):
        for window in windows:
            await node.fetcher.fetch(pair, Window(window.collection, window.first, window.first))
        for window in windows:
            start = time.perf_counter()
            lent = await node.fetcher.fetch(pair, window)
            found[window.collection] = Bulk(lent, time.perf_counter() - start)
            if lent.damaged or lent.pages != window.last - window.first + 1:
                raise AssertionError("a bulk read did not bring every page")
    return found


def run(smoke: bool) -> list[Figure]:
    days = {path: 200 if smoke else days for path, days in DAYS.items()}
    windows = [Window(path, FIRST_DAY, FIRST_DAY + days[path] - 1) for path in days]
    with lender(Fill(meter_days=days[METER], bank_days=days[BANK])) as invite:
        found = trio.run(_measure, invite, windows)
    bare, ours = bare_stream_bytes_per_s(), stream_bytes_per_s("ours")
    bare_name, ours_name = "bare py-libp2p stream", "our stream"
    figures = [
        Figure(bare_name, bare / 1e6, "MB/s", note="the reference"),
        Figure(ours_name, ours / 1e6, "MB/s", ratio=ours / bare, against=bare_name),
    ]
    for path, bulk in found.items():
        kib = KIB_A_PAGE[path]
        note = (
            f"{bulk.lent.pages:,} pages in {bulk.lent.windows} windows, "
            f"{bulk.records_per_s:,.0f} records/s; {bulk.bytes_per_s / ours:.2f} of {ours_name}"
        )
        figures.append(
            Figure(
                f"granted bulk read, pages of {kib} KiB",
                bulk.bytes_per_s / 1e6,
                "MB/s",
                goal=GOAL_OF_BARE * bare / 1e6,
                ratio=bulk.bytes_per_s / bare,
                against=bare_name,
                note=note,
            )
        )
    return figures


def _show(figures: Sequence[Figure]) -> None:
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} of {figure.against}"
        print(f"{figure.name:<36} {figure.value:>8.1f} {figure.unit}  goal {figure.goal}  {ratio}")
        print(f"    {figure.note}")


if __name__ == "__main__":
    _show(run(smoke=False))
